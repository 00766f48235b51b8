package main

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// What README shows of the demo, each line of it, is what the demo prints a hundred columns wide.
func TestREADMEShowsWhatTheDemoPrints(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	golden, err := os.ReadFile("testdata/golden/demo-100.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, found := strings.Cut(string(readme), "$ inquest analyze ./evidence\n")
	shown, _, ends := strings.Cut(shown, "\n```\n")
	if !found || !ends {
		t.Fatal("README shows no demo")
	}
	printed := strings.Split(string(golden), "\n")
	for line := range strings.Lines(shown) {
		if line = strings.TrimRight(line, "\n"); line != "..." && !slices.Contains(printed, line) {
			t.Errorf("README shows a line that the demo does not print: %q", line)
		}
	}
}
