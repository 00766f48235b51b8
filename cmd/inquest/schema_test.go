package main

import (
	"bytes"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/inquest-project/inquest/internal/evidence"
)

// keepsSchema holds a document against a published schema. A schema allows no field that it doesn't name, so it fails on
// every field that people would find undocumented.
func keepsSchema(t *testing.T, schema string, text []byte) {
	t.Helper()
	compiled, err := jsonschema.NewCompiler().Compile("../../internal/ground/finding/" + schema)
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := compiled.Validate(document); err != nil {
		t.Error(err)
	}
}

func TestFindingsKeepTheirPublishedSchema(t *testing.T) {
	for name, req := range map[string]evidence.Request{
		"whole":           unpackDemo(t),
		"without core":    unpackDemo(t, "evidence/core.zst"),
		"without capture": unpackDemo(t, "evidence/capture.pcap"),
		"core alone":      unpackDemo(t, "evidence/capture.pcap", "evidence/audit.log"),
		"capture alone":   unpackDemo(t, "evidence/core.zst", "evidence/audit.log"),
		"the story":       {Paths: []string{"testdata/story"}},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := runAnalyze(&out, analyzeOptions{evidence: req, json: true}); err != nil && err != errNoDeath {
				t.Fatal(err)
			}
			keepsSchema(t, "schema.json", out.Bytes())
		})
	}
}

func TestWireKeepsItsPublishedSchema(t *testing.T) {
	for _, follow := range []int{0, 1, 3} {
		var out bytes.Buffer
		if err := runWire(t.Context(), &out, wireOptions{evidence: unpackDemo(t), follow: follow, json: true}); err != nil {
			t.Fatal(err)
		}
		keepsSchema(t, "wire.json", out.Bytes())
	}
}
