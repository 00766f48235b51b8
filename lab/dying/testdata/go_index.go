// mechanism: panic
// culprit: port
// role: decided
// message: index out of range [6] with length 3

package main

import "os"

//go:noinline
func port(ports []int, n int) int { return ports[n] + 1 }

func main() { os.Exit(port([]int{80, 443, 8080}, len(os.Args)+5)) }
