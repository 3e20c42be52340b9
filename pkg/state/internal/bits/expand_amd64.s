//go:build !invariants

#include "go_asm.h"
#include "textflag.h"

// four makes four numbers of the 16 bytes in X. Y2 is where they start, Y3 four
// steps.
#define four(k, X, Y) \
	VPSHUFB   16*k(BX), X, X    \
	VPSRLVD   64+16*k(BX), X, X \
	VPAND     X0, X, X          \
	VPMOVZXDQ X, Y              \
	VPMULUDQ  Y1, Y, Y          \
	VPADDQ    Y2, Y, Y          \
	VPADDQ    Y3, Y2, Y2

// sixteen makes the numbers of a column, in Y6 to Y9: CX bits each, from SI on. BX
// has their lanes. Of narrow ones four are in eight bytes, and no more may be read.
#define sixteen \
	MOVQ CX, AX               \
	SHRQ $1, AX               \
	LEAQ (CX)(CX*2), DX       \
	SHRQ $1, DX               \
	CMPQ CX, $15              \
	JLT  narrow               \
	VMOVDQU (SI), X6          \
	VMOVDQU (SI)(AX*1), X7    \
	VMOVDQU (SI)(CX*1), X8    \
	VMOVDQU (SI)(DX*1), X9    \
	JMP  loaded               \
narrow:                           \
	VMOVQ (SI), X6            \
	VMOVQ (SI)(AX*1), X7      \
	VMOVQ (SI)(CX*1), X8      \
	VMOVQ (SI)(DX*1), X9      \
loaded:                           \
	four(0, X6, Y6)           \
	four(1, X7, Y7)           \
	four(2, X8, Y8)           \
	four(3, X9, Y9)

// absent has a bit in R for each of four numbers that is null.
#define absent(Y, R) \
	VPCMPEQQ  Y4, Y, Y5 \
	VMOVMSKPD Y5, R

// sign makes signed numbers of their zigzag forms, plus one. Y10 has -1, Y11 1,
// Y12 0.
#define sign(Y) \
	VPADDQ Y10, Y, Y   \
	VPSRLQ $1, Y, Y13  \
	VPAND  Y11, Y, Y   \
	VPSUBQ Y, Y12, Y   \
	VPXOR  Y13, Y, Y

// store stores the numbers that four made.
#define store \
	VMOVDQU Y6, 0(DI)  \
	VMOVDQU Y7, 32(DI) \
	VMOVDQU Y8, 64(DI) \
	VMOVDQU Y9, 96(DI)

// func expand(dst *[ColumnLen]uint64, src *byte, lanes *lanes, w int, e *Expansion)
TEXT ·expand(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ lanes+16(FP), BX
	MOVQ w+24(FP), CX
	MOVQ e+32(FP), DX
	VPBROADCASTD 0(DX), X0   // mask
	VPBROADCASTQ 8(DX), Y1   // unit
	VPBROADCASTQ 16(DX), Y2  // base
	VPBROADCASTQ 24(DX), Y3  // slope
	VPMULUDQ ·slots(SB), Y3, Y5
	VPADDQ Y5, Y2, Y2
	VPSLLQ $2, Y3, Y3
	sixteen
	store
	VZEROUPPER
	RET

// func expandColumns(dst *uint64, nulls *uint16, pages *Page, columns **Column, n int, null uint64, signed bool)
TEXT ·expandColumns(SB), NOSPLIT, $0-49
	MOVQ dst+0(FP), DI
	MOVQ nulls+8(FP), R8
	MOVQ pages+16(FP), R9
	MOVQ columns+24(FP), R10
	MOVQ n+32(FP), R11
	VPBROADCASTQ null+40(FP), Y4
	MOVBQZX signed+48(FP), R12
	LEAQ ·lanesOf(SB), R13
	VPCMPEQQ Y10, Y10, Y10
	VPSRLQ $63, Y10, Y11
	VPXOR Y12, Y12, Y12

page:
	MOVQ (R9), SI
	MOVQ (R10), DX

	// The base in Y2, the slope in Y3.
	MOVQ Column_Head(DX), AX
	MOVQ (SI)(AX*1), AX
	MOVQ Column_BaseMask(DX), BX
	ANDQ AX, BX
	ADDQ Column_Add(DX), BX
	MOVBQZX Column_BaseBits(DX), CX
	ANDQ $63, CX
	SHRQ CX, AX
	ANDQ Column_SlopeMask(DX), AX
	VMOVQ BX, X2
	VPBROADCASTQ X2, Y2
	VMOVQ AX, X3
	VPBROADCASTQ X3, Y3
	VPMULUDQ ·slots(SB), Y3, Y5
	VPADDQ Y5, Y2, Y2
	VPSLLQ $2, Y3, Y3
	VPBROADCASTD Column_Mask(DX), X0
	VPBROADCASTQ Column_Div(DX), Y1

	MOVQ Column_Bit(DX), AX
	SHRQ $3, AX
	ADDQ AX, SI
	MOVBQZX Column_Width(DX), CX
	MOVQ CX, BX
	SHLQ $7, BX // the length of a lanes
	ADDQ R13, BX
	sixteen
	absent(Y6, AX)
	absent(Y7, CX)
	absent(Y8, DX)
	absent(Y9, SI)
	TESTQ R12, R12
	JEQ  unsigned
	sign(Y6)
	sign(Y7)
	sign(Y8)
	sign(Y9)

unsigned:
	store
	SHLQ $4, CX
	SHLQ $8, DX
	SHLQ $12, SI
	ORQ  CX, AX
	ORQ  SI, DX
	ORQ  DX, AX
	MOVW AX, (R8)
	ADDQ $2, R8
	ADDQ $8, R9
	ADDQ $8, R10
	ADDQ $128, DI
	DECQ R11
	JNE  page
	VZEROUPPER
	RET

// func prefetchColumns(pages *Page, columns **Column, n int)
TEXT ·prefetchColumns(SB), NOSPLIT, $0-24
	MOVQ pages+0(FP), R9
	MOVQ columns+8(FP), R10
	MOVQ n+16(FP), R11

page:
	MOVQ (R9), SI
	MOVQ (R10), DX
	MOVQ Column_Head(DX), AX
	ADDQ SI, AX
	ANDQ $~63, AX
	MOVQ Column_Bit(DX), BX
	SHRQ $3, BX
	ADDQ SI, BX
	MOVBQZX Column_Width(DX), CX
	LEAQ (BX)(CX*2), BX // behind the last number

line:
	PREFETCHT0 (AX)
	ADDQ $64, AX
	CMPQ AX, BX
	JLS  line
	ADDQ $8, R9
	ADDQ $8, R10
	DECQ R11
	JNE  page
	RET
