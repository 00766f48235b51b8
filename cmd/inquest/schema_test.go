package main

import (
	"bytes"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/inquest-project/inquest/internal/evidence"
)

// The schema allows no field that it doesn't name, so it fails on every field that the findings gain
// and people would find undocumented.
func TestFindingsKeepTheirPublishedSchema(t *testing.T) {
	const published = "../../internal/ground/finding/schema.json"
	schema, err := jsonschema.NewCompiler().Compile(published)
	if err != nil {
		t.Fatal(err)
	}
	for name, req := range map[string]evidence.Request{
		"whole":           unpackDemo(t),
		"without core":    unpackDemo(t, "evidence/core.zst"),
		"without capture": unpackDemo(t, "evidence/capture.pcap"),
		"core alone":      unpackDemo(t, "evidence/capture.pcap", "evidence/audit.log"),
		"capture alone":   unpackDemo(t, "evidence/core.zst", "evidence/audit.log"),
		"the story":       {Paths: []string{"testdata/story"}},
	} {
		var out bytes.Buffer
		err := runAnalyze(&out, analyzeOptions{evidence: req, json: true})
		if err != nil && err != errNoDeath {
			t.Fatal(err)
		}
		document, err := jsonschema.UnmarshalJSON(&out)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(document); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
