#include "textflag.h"

// func Line(b *byte)
TEXT ·Line(SB), NOSPLIT, $0-8
	MOVQ b+0(FP), AX
	PREFETCHT0 (AX)
	RET

// func Range(b *byte, at, n int)
TEXT ·Range(SB), NOSPLIT, $0-24
	MOVQ b+0(FP), AX
	MOVQ n+16(FP), DX
	ADDQ at+8(FP), AX
	LEAQ -1(AX)(DX*1), DX
	ANDQ $~63, AX
next:
	PREFETCHT0 (AX)
	ADDQ $64, AX
	CMPQ AX, DX
	JLS  next
	RET
