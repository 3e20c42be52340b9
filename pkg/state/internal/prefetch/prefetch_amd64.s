#include "textflag.h"

// ask asks for the lines of the bytes from AX to DX. How many there are is what a
// processor cannot guess, so up to four are asked for without a branch, some of them
// more than once. It overwrites AX, BX, CX and DX.
#define ask(next, done) \
	ANDQ $~63, AX; \
	ANDQ $~63, DX; \
	LEAQ 64(AX), BX; \
	LEAQ 128(AX), CX; \
	CMPQ BX, DX; \
	CMOVQHI DX, BX; \
	CMPQ CX, DX; \
	CMOVQHI DX, CX; \
	PREFETCHT0 (AX); \
	PREFETCHT0 (BX); \
	PREFETCHT0 (CX); \
	PREFETCHT0 (DX); \
	ADDQ $192, AX; \
next: \
	CMPQ AX, DX; \
	JCC  done; \
	PREFETCHT0 (AX); \
	ADDQ $64, AX; \
	JMP  next; \
done:

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
	ask(next, done)
	RET

// func Lines(list []*[64]byte)
TEXT ·Lines(SB), NOSPLIT, $0-24
	MOVQ list_base+0(FP), SI
	MOVQ list_len+8(FP), DI
	LEAQ (SI)(DI*8), DI
	JMP  test
line:
	MOVQ (SI), AX
	PREFETCHT0 (AX)
	ADDQ $8, SI
test:
	CMPQ SI, DI
	JCS  line
	RET

// func Spans(list []Span)
TEXT ·Spans(SB), NOSPLIT, $0-24
	MOVQ list_base+0(FP), SI
	MOVQ list_len+8(FP), DI
	SHLQ $4, DI
	ADDQ SI, DI
	JMP  test
span:
	MOVQ (SI), AX
	MOVQ 8(SI), DX
	ask(next, done)
	ADDQ $16, SI
test:
	CMPQ SI, DI
	JCS  span
	RET
