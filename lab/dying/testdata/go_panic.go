// mechanism: panic
// culprit: check
// role: decided
// message: no such slot: 7

package main

import (
	"fmt"
	"os"
)

//go:noinline
func check(n int) int {
	if n > 3 {
		panic(fmt.Errorf("no such slot: %d", n))
	}
	return n
}

func main() { os.Exit(check(len(os.Args) + 6)) }
