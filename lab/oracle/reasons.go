package main

// reason is why gdb and inquest differ, where both are as they should be or gdb can't know better.
type reason struct {
	Text  string
	Holds func(Difference) bool
}

// reasons is all that is known. A difference goes to the first that holds.
var reasons = []reason{}

func (d *Difference) explain() {
	for i := range reasons {
		if reasons[i].Holds(*d) {
			d.reason = &reasons[i]
			return
		}
	}
}
