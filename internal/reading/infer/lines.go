package infer

type lines struct{}

func mostlyText(s []item) bool   { return false }
func learnLines(s []item) *lines { return nil }
func (w *walk) lines(l *lines)   {}
