#include "textflag.h"

// func Prefetch(b *byte)
TEXT ·Prefetch(SB), NOSPLIT, $0-8
	MOVQ b+0(FP), AX
	PREFETCHT0 (AX)
	RET
