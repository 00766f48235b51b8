package dissect

import "testing"

const (
	pgsqlStart = "\x00\x00\x00\x1e\x00\x03\x00\x00user\x00ann\x00database\x00db\x00\x00"
	pgsqlQuery = "Q\x00\x00\x00\x0dselect 1\x00"
	pgsqlBind  = "B\x00\x00\x00\x19\x00st\x00\x00\x01\x00\x01\x00\x02\x00\x00\x00\x01x\xff\xff\xff\xff\x00\x00"
	pgsqlFail  = "E\x00\x00\x00\x10SERROR\x00Mno\x00\x00"
)

var pgsqlExamples = []example{
	{"startup", pgsqlStart, fromClient, "PostgreSQL", map[string]string{"pgsql.version_major": "3", "pgsql.parameter_value": "ann"}, []string{"startup"}, nil},
	{"demand for TLS", "\x00\x00\x00\x08\x04\xd2\x16\x2f", fromClient, "PostgreSQL", map[string]string{"pgsql.type": "SSL request"}, []string{"ssl request"}, nil},
	{"cancel", "\x00\x00\x00\x10\x04\xd2\x16\x2e\x00\x00\x01\x00\x00\x00\x00\x07", fromClient, "PostgreSQL", map[string]string{"pgsql.pid": "256"}, []string{"cancel request"}, nil},
	{"query", pgsqlQuery + "S\x00\x00\x00\x04", fromClient, "PostgreSQL", map[string]string{"pgsql.query": "select 1"}, []string{"query", "sync"}, nil},
	{"query of which nothing else is known", pgsqlQuery, Hint{}, "PostgreSQL", map[string]string{"pgsql.query": "select 1"}, []string{"query"}, nil},
	{"bind", pgsqlBind, fromClient, "PostgreSQL", map[string]string{"pgsql.statement": "st", "pgsql.val.data": "x", "pgsql.field.count": "2"}, []string{"bind"}, nil},
	{"error", pgsqlFail + "Z\x00\x00\x00\x05I", fromServer, "PostgreSQL", map[string]string{"pgsql.message": "no", "pgsql.status": "Idle"},
		[]string{"error", "ready"}, []string{"query"}},
	{"function call", "F\x00\x00\x00\x13\x00\x00\x00\x2a\x00\x00\x00\x01\x00\x00\x00\x01x\x00\x00", fromClient, "PostgreSQL", map[string]string{"pgsql.oid": "42"},
		[]string{"function call"}, nil},
	{"older version offered", "v\x00\x00\x00\x12\x00\x00\x00\x00\x00\x00\x00\x01_pq_.\x00", fromServer, "PostgreSQL",
		map[string]string{"pgsql.nonsupported_option": "_pq_."}, []string{"negotiate"}, []string{"startup"}},
	{"query that lies", pgsqlQuery + "Q\x7f\xff\xff\xffselect 2\x00", fromClient, "PostgreSQL",
		map[string]string{"malformed": "Simple query claims 2147483643 bytes, 9 are there"}, nil, nil},
	{"value that lies", pgsqlQuery + "B\x00\x00\x00\x0d\x00\x00\x00\x00\x00\x01\x7f\xff\xff", fromClient, "PostgreSQL",
		map[string]string{"malformed": "expected 4 more bytes, found 3"}, []string{"bind"}, nil},
	{"negative length of a value", pgsqlQuery + "B\x00\x00\x00\x10\x00\x00\x00\x00\x00\x01\xff\xff\xff\xf0\x00\x00", fromClient, "PostgreSQL",
		map[string]string{"malformed": "a value has length -16"}, []string{"bind"}, nil},
	{"query without its end", "Q\x00\x00\x00\x0cselect 1", onPort(fromClient, 5432), "PostgreSQL",
		map[string]string{"malformed": "expected a string that ends in NUL, found none in 8 bytes"}, []string{"query"}, nil},
	{"length below its own", pgsqlQuery + "Q\x00\x00\x00\x03", fromClient, "PostgreSQL",
		map[string]string{"malformed": "expected a message's type and length, found 5100000003"}, nil, nil},
	{"startup without an end", pgsqlStart[:3] + "\x1d" + pgsqlStart[4:len(pgsqlStart)-1], fromClient, "PostgreSQL",
		map[string]string{"malformed": "expected a NUL behind the last parameter"}, nil, nil},
}

func TestAStartupInMemoryIsFramed(t *testing.T) {
	for data, want := range map[string]int{
		pgsqlStart + "\x00": len(pgsqlStart), pgsqlStart[:20]: 0, "\x00\x00\x00\x08\x04\xd2\x16\x2f": 0,
	} {
		if n := Framed([]byte(data)); n != want {
			t.Errorf("%q: framed %d bytes, want %d", data, n, want)
		}
	}
}
