package main

import (
	"fmt"
	"os"
	"testing"
)

func TestDbg(t *testing.T) {
	if os.Getenv("DBG") == "" {
		t.Skip()
	}
	for _, r := range smallPrograms() {
		if r.Name != os.Getenv("DBG") {
			continue
		}
		its, err := r.items("/tmp/inquest-oracle")
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range its {
			if it.Better == nil && os.Getenv("FULL") == "" {
				continue
			}
			res := examine(it)
			for _, d := range res.Differences {
				if d.reason != nil {
					continue
				}
				fmt.Println(d)
				for i, f := range d.ours.Frames {
					if i > 60 {
						break
					}
					b, _ := d.better.at(f.Index)
					g, _ := d.gdb.at(f.Index)
					fmt.Println(f.Index, f)
					fmt.Println("     B", b)
					fmt.Println("     G", g)
				}
				fmt.Println("END", d.ours.End, "|", d.better.End, len(d.better.Frames), d.better.Cut)
			}
		}
	}
}
