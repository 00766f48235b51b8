package infer

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"
)

func TestDump(t *testing.T) {
	name := os.Getenv("DUMP")
	if name == "" {
		t.Skip()
	}
	var a, b []spoken
	switch name {
	case "gauge":
		a = gauge(rand.New(rand.NewPCG(1, 1)))
		b = a
	case "courier":
		a = courier(rand.New(rand.NewPCG(2, 2)))
		b = a
	default:
		a, b = recorded(t, name, map[bool]string{true: "udp", false: "tcp"}[name == "dns" || name == "snmp"])
	}
	start := time.Now()
	fmt.Println(name, len(a), "tshark", judge(a), "dissect", judge(b), time.Since(start))
	if os.Getenv("SHOW") == "" {
		return
	}
	var ms []Message
	for _, m := range a {
		ms = append(ms, m.Message)
	}
	model := Learn(ms)
	n := 12
	skip := 8
	fmt.Sscan(os.Getenv("SHOW"), &skip, &n)
	for i := skip; i < min(len(a), skip+n); i++ {
		fmt.Printf("%v %q\n  T ", a[i].FromClient, a[i].Data[:min(300, len(a[i].Data))])
		for _, x := range bounds(a[i].truth, len(a[i].Data)) {
			fmt.Printf("%d ", x)
		}
		fmt.Printf("\n  F ")
		for _, f := range model.Fields(a[i].Data, a[i].FromClient) {
			fmt.Printf("%d-%d %s=%.30s; ", f.Offset, f.Offset+f.Length, f.Name, f.Value)
		}
		fmt.Println()
	}
}
