#include "textflag.h"

// func Line(b *byte)
TEXT ·Line(SB), NOSPLIT, $0-8
	MOVD b+0(FP), R0
	PRFM (R0), PLDL1KEEP
	RET

// func Range(b *byte, at, n int)
TEXT ·Range(SB), NOSPLIT, $0-24
	MOVD b+0(FP), R0
	MOVD at+8(FP), R1
	MOVD n+16(FP), R2
	ADD  R1, R0
	ADD  R0, R2
	SUB  $1, R2
	AND  $~63, R0
next:
	PRFM (R0), PLDL1KEEP
	ADD  $64, R0
	CMP  R2, R0
	BLS  next
	RET
