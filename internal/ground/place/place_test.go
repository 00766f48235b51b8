package place

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"
)

func TestPlacesPrintAsGdbAndAddr2linePrintThem(t *testing.T) {
	for _, c := range []struct {
		place fmt.Stringer
		want  string
	}{
		{Address(0), "0x0000000000000000"},
		{Address(0x7ff39319aeec), "0x00007ff39319aeec"},
		{Address(math.MaxUint64), "0xffffffffffffffff"},
		{Offset(0), "0x0"},
		{Offset(0x8aeec), "0x8aeec"},
	} {
		if got := fmt.Sprint(c.place); got != c.want {
			t.Errorf("%T: expected %s, found %s", c.place, c.want, got)
		}
	}
	if id := BuildIDFrom([]byte{0xdb, 0x5b, 0xca, 0x64, 0xda}); id != "db5bca64da" || id.Short() != "db5bca64" || BuildID("ab").Short() != "ab" {
		t.Errorf("build ID %s, short %s", id, id.Short())
	}
}

// A number above 2^53 would be rounded by most readers of JSON.
func TestPlacesGoThroughJSONAsStringsAndComeBackWhole(t *testing.T) {
	type places struct {
		A Address
		O Offset
		M map[Address]int
	}
	in := places{math.MaxUint64 - 1, 1<<53 + 1, map[Address]int{7: 1}}
	data, err := json.Marshal(in)
	if want := `{"A":"0xfffffffffffffffe","O":"0x20000000000001","M":{"0x0000000000000007":1}}`; err != nil || string(data) != want {
		t.Fatalf("expected %s, found %s, %v", want, data, err)
	}
	var out places
	if err := json.Unmarshal(data, &out); err != nil || out.A != in.A || out.O != in.O || out.M[7] != 1 {
		t.Errorf("expected %v, found %v, %v", in, out, err)
	}
	for _, bad := range []string{`"0x"`, `"main+3"`, `"0x10000000000000000"`, `"-1"`, `""`, `7`} {
		var a Address
		var o Offset
		if json.Unmarshal([]byte(bad), &a) == nil || json.Unmarshal([]byte(bad), &o) == nil {
			t.Errorf("%s was taken for a place", bad)
		}
	}
}

func TestAddressesWrapAsTheMachineDoes(t *testing.T) {
	if Address(8).Add(-16) != math.MaxUint64-7 || Address(math.MaxUint64).Add(1) != 0 || Address(8).Add(8) != 16 {
		t.Error("adding to an address doesn't wrap")
	}
}
