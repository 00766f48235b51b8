// mechanism: panic
// message: all goroutines are asleep

package main

func main() {
	never := make(chan int)
	<-never
}
