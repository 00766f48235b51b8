package finding

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inquest-project/inquest/internal/ground/place"
)

// mayBeZero are the fields whose zero is a fact and no gap: what every finding of the kind has, and counts of
// what was counted.
var mayBeZero = map[string]string{
	"Alternative": "what", "Older": "probability",
	"Findings":    "version verdict",
	"Sender":      "pid uid self",
	"Mechanism":   "kind",
	"SystemCall":  "number",
	"Interval":    "earliest latest clock rests_on",
	"Link":        "module frames",
	"Message":     "source length",
	"Suspect":     "source length probability bits",
	"Acquitted":   "source length probability",
	"Field":       "name value offset length",
	"Observation": "kind level bits",
	"None":        "probability prior",
	"Traffic":     "packets conversations own messages closed_fin closed_rst",
	"TLS":         "connections from_log from_core",
	"Sealed":      "version suite keys",
	"Window":      "from to",
	"Changed":     "module offset bytes bits",
	"Logged":      "time source text",
	"Others":      "count first last rests_on",
	"Frame":       "level trust",
	"Instruction": "address text",
	"Module":      "path start end",
	"Missing":     "what",
	"Problem":     "part says",
	"Evidence":    "name kind size",

	"Comparison":     "version verdict a b equal noise unlooked",
	"Side":           "name",
	"Unseen":         "what why",
	"Difference":     "area name touches",
	"Congruence":     "congruent",
	"CongruentPlace": "a b",
	"Shift":          "to bytes",
}

// structs are all kinds of structs in the findings, by name.
func structs(typ reflect.Type, found map[string]reflect.Type) {
	switch typ.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		structs(typ.Elem(), found)
	case reflect.Struct:
		if typ == reflect.TypeFor[time.Time]() || found[typ.Name()] != nil {
			return
		}
		found[typ.Name()] = typ
		for i := range typ.NumField() {
			structs(typ.Field(i).Type, found)
		}
	}
}

func TestUnknownIsAbsentNeverNullAndNeverZero(t *testing.T) {
	found := map[string]reflect.Type{}
	structs(reflect.TypeFor[Findings](), found)
	if len(found) < 20 {
		t.Fatalf("found only %d kinds of findings", len(found))
	}
	for name, typ := range found {
		data, err := json.Marshal(reflect.New(typ).Interface())
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		if err := json.Unmarshal(data, &fields); err != nil {
			t.Fatal(err)
		}
		for field, value := range fields {
			if !slices.Contains(strings.Fields(mayBeZero[name]), field) || value == nil && field != "rests_on" {
				t.Errorf("%s with nothing known has %q: %v", name, field, value)
			}
		}
	}
}

func TestWhatIsKnownToBeZeroIsTold(t *testing.T) {
	uid, frame, address, offset, into, at, ms := 0, 0, place.Address(0), place.Offset(0), place.Offset(0), int64(0), 0.0
	for want, value := range map[string]any{
		`"uid":0`:                        Process{UID: &uid},
		`"frame":0`:                      Culprit{Frame: &frame},
		`"offset":"0x0"`:                 Culprit{Offset: &offset},
		`"address":"0x0000000000000000"`: Mechanism{Address: &address},
		`"pc":"0x0000000000000000"`:      Frame{PC: &address},
		`"into":"0x0"`:                   Frame{Into: &into},
		`"descriptor":0`:                 Message{Descriptor: &uid},
		`"offset":0`:                     Problem{Offset: &at},
		`"offset_ms":0`:                  Interval{OffsetMS: &ms},
	} {
		data, err := json.Marshal(value)
		if err != nil || !strings.Contains(string(data), want) {
			t.Errorf("expected %s in %s (%v)", want, data, err)
		}
	}
}

// What a sentence is made of is not part of the interface.
func TestFactsStayInside(t *testing.T) {
	facts := map[string]string{"secret": "x"}
	for _, value := range []any{Observation{Facts: facts}, Missing{Facts: facts}} {
		if data, err := json.Marshal(value); err != nil || strings.Contains(string(data), "secret") {
			t.Errorf("%s, %v", data, err)
		}
	}
}

func TestOnlyFramePointersAndScansAreGuesses(t *testing.T) {
	guesses := map[Trust]bool{TrustFramePointer: true, TrustScan: true}
	for _, trust := range []Trust{TrustContext, TrustCFI, TrustFramePointer, TrustScan, TrustPrinted, TrustInline} {
		if trust.Guessed() != guesses[trust] {
			t.Error(fmt.Sprint(trust, " is guessed: ", trust.Guessed()))
		}
	}
}
