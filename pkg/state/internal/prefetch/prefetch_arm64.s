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

// func Lines(list []*[64]byte)
TEXT ·Lines(SB), NOSPLIT, $0-24
	MOVD list_base+0(FP), R0
	MOVD list_len+8(FP), R1
	LSL  $3, R1
	ADD  R0, R1
	B    test
line:
	MOVD.P 8(R0), R2
	PRFM (R2), PLDL1KEEP
test:
	CMP  R1, R0
	BLO  line
	RET

// func Spans(list []Span)
TEXT ·Spans(SB), NOSPLIT, $0-24
	MOVD list_base+0(FP), R0
	MOVD list_len+8(FP), R1
	LSL  $4, R1
	ADD  R0, R1
	B    test
span:
	LDP.P 16(R0), (R2, R3)
	AND  $~63, R2
next:
	PRFM (R2), PLDL1KEEP
	ADD  $64, R2
	CMP  R3, R2
	BLS  next
test:
	CMP  R1, R0
	BLO  span
	RET
