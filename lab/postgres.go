package lab

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// postgres is Debian's PostgreSQL with an extension that keeps days in bitmaps. It refuses days behind a
// calendar's end, and so the day "infinity"; "-infinity", which is a date, too, is two hundred megabytes before
// its beginning. A process of its own serves each client; when one has died, the postmaster ends the others.
var postgres = Case{
	Name:    "postgres",
	Program: postgresBin + "postgres",
	Listen:  netip.MustParseAddrPort("127.0.0.1:5432"),
	Prepare: preparePostgres,
	Command: func(s *Stage) []string {
		return append(asPostgres, postgresBin+"postgres", "-D", s.Home+"/data")
	},
	Script:    scriptPostgres,
	Culprit:   Culprit{Module: "calendar.so", Function: "calendar_add", Role: "decided"},
	Mechanism: "fault_write",
}

const postgresBin = "/usr/lib/postgresql/15/bin/"

// asPostgres begins a command line: it doesn't run as root.
var asPostgres = []string{"/usr/bin/setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"}

const postgresConf = `listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 150
shared_buffers = 2MB
fsync = off
logging_collector = on
log_directory = '%[1]s/data'
log_min_messages = fatal
`

const postgresSchema = `CREATE FUNCTION calendar_new(int) RETURNS bytea AS '%[1]s/lib/calendar' LANGUAGE C STRICT
CREATE FUNCTION calendar_add(bytea, date) RETURNS bytea AS '%[1]s/lib/calendar' LANGUAGE C STRICT
CREATE FUNCTION calendar_has(bytea, date) RETURNS bool AS '%[1]s/lib/calendar' LANGUAGE C STRICT
CREATE FUNCTION calendar_days(bytea) RETURNS int AS '%[1]s/lib/calendar' LANGUAGE C STRICT
CREATE TABLE staff AS SELECT i AS id, 'name ' || i AS name, calendar_new(40) AS absent FROM generate_series(1, 80) i
CREATE TABLE task AS SELECT i AS id, i %% 80 + 1 AS staff, 'task ' || i AS note, date '2025-01-01' + i AS due FROM generate_series(1, 400) i
CREATE TABLE held (id int)
`

func preparePostgres(s *Stage) error {
	data := s.Home + "/data"
	for _, args := range [][]string{
		{"/usr/bin/install", "-d", "-o", "postgres", "-g", "postgres", "-m", "0700", data},
		append(asPostgres, postgresBin+"initdb", "-D", data, "-U", "app", "-E", "UTF8", "--no-locale", "--no-sync", "--wal-segsize=1"),
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w: %s", args, err, out)
		}
	}
	if err := os.WriteFile(filepath.Join(data, "postgresql.conf"), fmt.Appendf(nil, postgresConf, s.Home), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(data, "pg_hba.conf"), []byte("host all all 127.0.0.0/8 trust\n"), 0o644); err != nil {
		return err
	}
	args := append(asPostgres, postgresBin+"postgres", "--single", "-D", data, "-c", "logging_collector=off", "postgres")
	single := exec.Command(args[0], args[1:]...)
	single.Stdin = strings.NewReader(fmt.Sprintf(postgresSchema, s.Home))
	if out, err := single.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w: %s", args, err, out)
	}
	return nil
}

func scriptPostgres(s *Stage) []Conversation {
	r := s.Rand
	death := between(r, 2300*time.Millisecond, 2800*time.Millisecond)
	who := uint32(1 + r.IntN(80))
	add := func(day uint32) []byte {
		return pgPrepared("UPDATE staff SET absent = calendar_add(absent, $1) WHERE id = $2", []uint32{1082, 23}, pgInt(day), pgInt(who))
	}
	script := []Conversation{
		{Killer, loopback(2000 + r.IntN(50)), death - 80*time.Millisecond, pgBooking(subrand(r), add(0x80000000))},
		{Twin, loopback(2100 + r.IntN(50)), between(r, death/4, death*3/4), pgBooking(subrand(r), add(0x7fffffff))},
	}
	for range 330 {
		script = append(script, Conversation{Ordinary, loopback(256 + r.IntN(60)), between(r, 0, death+150*time.Millisecond), pgVisit(subrand(r))})
	}
	for i, message := range pgOddities(subrand(r)) {
		script = append(script, Conversation{Odd, loopback(1000 + i), between(r, death/10, death-100*time.Millisecond), func(t *Talk) {
			pgOpen(t, 0)
			t.Message(message)
			t.pgReady()
		}})
	}
	script = append(script, Conversation{Ordinary, loopback(1200), 50 * time.Millisecond, func(t *Talk) {
		pgOpen(t, 0)
		t.pgDo(pgQuery("BEGIN; LOCK TABLE held IN ACCESS EXCLUSIVE MODE"))
		t.Outlast()
	}})
	for i, message := range pgWaiting(subrand(r)) {
		script = append(script, Conversation{Waiting, loopback(1100 + i), between(r, death/4, death-200*time.Millisecond), func(t *Talk) {
			pgOpen(t, 1)
			t.Message(message)
			t.Outlast()
		}})
	}
	return script
}

// pg is a message with its kind and length.
func pg(kind byte, parts ...string) []byte {
	body := strings.Join(parts, "")
	return append(binary.BigEndian.AppendUint32([]byte{kind}, uint32(4+len(body))), body...)
}

func pgQuery(text string) []byte { return pg('Q', text, "\x00") }

func pgInt(n uint32) string { return string(binary.BigEndian.AppendUint32(nil, n)) }

func pgShort(n int) string { return string(binary.BigEndian.AppendUint16(nil, uint16(n))) }

// pgPrepared runs a statement with parameters of such types, all in binary.
func pgPrepared(text string, types []uint32, values ...string) []byte {
	declared, bound := pgShort(len(types)), "\x00\x00"+pgShort(1)+pgShort(1)+pgShort(len(values))
	for _, kind := range types {
		declared += pgInt(kind)
	}
	for _, v := range values {
		bound += pgInt(uint32(len(v))) + v
	}
	return join(pg('P', "\x00", text, "\x00", declared), pg('B', bound, pgShort(0)), pg('D', "P\x00"), pg('E', "\x00", pgInt(0)), pg('S'))
}

// pgOpen begins a session; some clients ask for TLS first, which there isn't.
func pgOpen(t *Talk, kind int) {
	if kind%3 == 2 {
		t.Send([]byte{0, 0, 0, 8, 4, 210, 22, 47})
		t.Read(func(b []byte) bool { return len(b) > 0 })
	}
	names := []string{"psql", "booking 2.4", "PostgreSQL JDBC Driver", "reports"}
	start := pg(0, "\x00\x03\x00\x00user\x00app\x00database\x00postgres\x00application_name\x00", names[kind%len(names)], "\x00client_encoding\x00UTF8\x00\x00")
	t.Send(start[1:])
	t.pgReady()
}

// pgReady reads until the server is ready for more.
func (t *Talk) pgReady() {
	t.Read(func(b []byte) bool {
		for len(b) >= 5 {
			size := 1 + int(binary.BigEndian.Uint32(b[1:]))
			if len(b) < size {
				return false
			}
			if b[0] == 'Z' && len(b) == size {
				return true
			}
			b = b[size:]
		}
		return false
	})
}

func (t *Talk) pgDo(message []byte) {
	t.Send(message)
	t.pgReady()
}

// pgDay is a date that is one: a number of days after the first of 2000.
func pgDay(r *rand.Rand) int { return 8000 + r.IntN(3000) }

func pgDate(day int) string {
	return time.Date(2000, 1, 1+day, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
}

// pgBooking looks somebody up before it notes when she is away.
func pgBooking(r *rand.Rand, message []byte) func(*Talk) {
	return func(t *Talk) {
		pgOpen(t, 1)
		t.pgDo(pgPrepared("SELECT id, name, calendar_days(absent) FROM staff WHERE id = $1", []uint32{23}, pgInt(uint32(1+r.IntN(80)))))
		t.Pause(time.Duration(5+r.IntN(20)) * time.Millisecond)
		t.Message(message)
		t.pgReady()
	}
}

// pgVisit asks and books.
func pgVisit(r *rand.Rand) func(*Talk) {
	return func(t *Talk) {
		pgOpen(t, r.IntN(12))
		for range 1 + r.IntN(4) {
			message := pgOrdinary(r)
			if r.IntN(12) == 0 {
				t.Slowly(message, 20+r.IntN(40), time.Duration(2+r.IntN(10))*time.Millisecond)
				t.pgReady()
			} else {
				t.pgDo(message)
			}
			t.Pause(time.Duration(r.IntN(40)) * time.Millisecond)
		}
		t.message.Bytes = nil
		if r.IntN(5) > 0 {
			t.Send(pg('X'))
		}
	}
}

func pgOrdinary(r *rand.Rand) []byte {
	who, day := 1+r.IntN(80), pgDay(r)
	number, date := pgInt(uint32(who)), pgInt(uint32(day))
	switch r.IntN(10) {
	case 0:
		return pgQuery(fmt.Sprintf("SELECT id, name FROM staff WHERE NOT calendar_has(absent, '%s') ORDER BY id LIMIT %d", pgDate(day), 1+r.IntN(20)))
	case 1:
		return pgQuery(fmt.Sprintf("SELECT count(*), min(due) FROM task WHERE staff = %d", who))
	case 2:
		return pgQuery(fmt.Sprintf("UPDATE task SET note = '%s', due = '%s' WHERE id = %d", prose(r, 1+r.IntN(12)), pgDate(day), r.IntN(400)))
	case 3:
		return pgQuery("SELECT now(), pg_backend_pid()")
	case 4:
		return pgPrepared("SELECT note, due FROM task WHERE due > $1 AND staff = $2", []uint32{1082, 23}, date, number)
	case 5:
		return pgPrepared("SELECT calendar_has(absent, $1) FROM staff WHERE id = $2", []uint32{1082, 23}, date, number)
	case 6:
		return pgPrepared("INSERT INTO task VALUES ($1, $2, $3, $4)", []uint32{23, 23, 25, 1082}, pgInt(uint32(1000+r.IntN(9000))), number, prose(r, 3), date)
	case 7:
		return pgQuery(fmt.Sprintf("UPDATE staff SET absent = calendar_add(absent, '%s') WHERE id = %d", pgDate(day), who))
	default:
		return pgPrepared("UPDATE staff SET absent = calendar_add(absent, $1) WHERE id = $2", []uint32{1082, 23}, date, number)
	}
}

// pgOddities are longer, rarer or stranger than the killer.
func pgOddities(r *rand.Rand) [][]byte {
	var rows []string
	for i := range 300 {
		rows = append(rows, fmt.Sprintf("(%d, %d, 'it''s %s', '%s')", 20000+i, 1+r.IntN(80), prose(r, 2), pgDate(pgDay(r))))
	}
	return [][]byte{
		pgQuery("INSERT INTO task VALUES " + strings.Join(rows, ", ")),
		pgQuery("SELECT calendar_has(absent, '-infinity'), calendar_has(absent, 'infinity') FROM staff"),
		pgQuery("SELECT calendar_add(calendar_new(1), '2199-12-31')"),
		pgQuery("SELECT calendar_new(-1), calendar_new(0)"),
		pgQuery("SELECT calendar_add(NULL, '-infinity')"),
		pgQuery("SELECT calendar_days(calendar_add(''::bytea, '2000-01-01'))"),
		pgPrepared("UPDATE task SET due = $1 WHERE id = $2", []uint32{1082, 23}, pgInt(0x80000000), pgInt(7)),                      // a column takes it
		pgPrepared("SELECT calendar_add(absent, $1) FROM staff WHERE id = $2", []uint32{1082, 23}, pgInt(0x80000000), pgInt(4711)), // nobody's
		pgPrepared("SELECT calendar_add(absent, $1) FROM staff", []uint32{1082}, "\x80\x00\x00"),                                   // not a date's length
		pgQuery("SELECT repeat('x', 100000), md5(repeat('y', 1000000))"),
		pgQuery(";;;"),
		pgQuery(""),
		pgQuery("SELECT 1/0; SELECT 2"),
		pgQuery("SELEKT * FORM staff WHERE name = E'\\xc3\\x28'"),
		pgQuery("SELECT " + strings.Repeat("(", 300) + "1" + strings.Repeat(")", 300)),
		pgQuery("DO $$ BEGIN RAISE EXCEPTION 'so %', repeat('?', 2000); END $$"),
		pgQuery("WITH RECURSIVE t(n) AS (VALUES (1) UNION ALL SELECT n+1 FROM t WHERE n < 3000) SELECT sum(n) FROM t"),
		join(pg('P', "s1\x00SELECT $1::text\x00", pgShort(0)), pg('D', "Ss1\x00"), pg('C', "Ss1\x00"), pg('H'), pg('S')),
		join(pg('B', "\x00nothing\x00", pgShort(0), pgShort(0), pgShort(0)), pg('S')),
		join(pg('F', pgInt(1598), pgShort(0), pgShort(0), pgShort(1))), // a call by the function's number
	}
}

// pgWaiting gets no answer: who sleeps or waits for a lock, and half a message.
func pgWaiting(r *rand.Rand) [][]byte {
	var all [][]byte
	for i := range 4 {
		half := pgOrdinary(r)
		all = append(all,
			pgQuery(fmt.Sprintf("SELECT pg_sleep(%d)", 20+i)),
			pgQuery(fmt.Sprintf("INSERT INTO held VALUES (%d)", i)),
			half[:len(half)-1-r.IntN(20)],
			pg('P', "\x00SELECT 1\x00", pgShort(0))) // without a flush or sync
	}
	return all
}
