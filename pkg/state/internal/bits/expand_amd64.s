//go:build !invariants

#include "textflag.h"

DATA ·ramp<>+0(SB)/8, $0
DATA ·ramp<>+8(SB)/8, $1
DATA ·ramp<>+16(SB)/8, $2
DATA ·ramp<>+24(SB)/8, $3
GLOBL ·ramp<>(SB), RODATA|NOPTR, $32

// four makes four numbers of the 16 bytes in X, stores them, and has a bit for
// each that is null in R. Y2 is where they start, Y3 four steps.
#define four(k, X, Y, R) \
	VPSHUFB   16*k(BX), X, X   \
	VPSRLVD   64+16*k(BX), X, X \
	VPAND     X0, X, X         \
	VPMOVZXDQ X, Y             \
	VPMULUDQ  Y1, Y, Y         \
	VPADDQ    Y2, Y, Y         \
	VPADDQ    Y3, Y2, Y2       \
	VMOVDQU   Y, 32*k(DI)      \
	VPCMPEQQ  Y4, Y, Y         \
	VMOVMSKPD Y, R

// func expand(dst *[ColumnLen]uint64, src *byte, lanes *lanes, w int, e *Expansion) (nulls uint16)
TEXT ·expand(SB), NOSPLIT, $0-42
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ lanes+16(FP), BX
	MOVQ w+24(FP), CX
	MOVQ e+32(FP), DX
	VPBROADCASTD 0(DX), X0   // mask
	VPBROADCASTQ 8(DX), Y1   // unit
	VPBROADCASTQ 16(DX), Y2  // base
	VPBROADCASTQ 24(DX), Y3  // slope
	VPBROADCASTQ 32(DX), Y4  // null
	VPMULUDQ ·ramp<>(SB), Y3, Y5
	VPADDQ Y5, Y2, Y2
	VPSLLQ $2, Y3, Y3
	MOVQ CX, AX
	SHRQ $1, AX
	LEAQ (CX)(CX*2), R8
	SHRQ $1, R8
	CMPQ CX, $15
	JLT  narrow
	VMOVDQU (SI), X6
	VMOVDQU (SI)(AX*1), X7
	VMOVDQU (SI)(CX*1), X8
	VMOVDQU (SI)(R8*1), X9
	JMP  loaded

narrow: // all of four numbers is in eight bytes, and no more may be read
	VMOVQ (SI), X6
	VMOVQ (SI)(AX*1), X7
	VMOVQ (SI)(CX*1), X8
	VMOVQ (SI)(R8*1), X9

loaded:
	four(0, X6, Y6, R8)
	four(1, X7, Y7, R9)
	four(2, X8, Y8, R10)
	four(3, X9, Y9, R11)
	VZEROUPPER
	SHLQ $4, R9
	SHLQ $8, R10
	SHLQ $12, R11
	ORQ  R9, R8
	ORQ  R11, R10
	ORQ  R10, R8
	MOVW R8, nulls+40(FP)
	RET

// func unZigZag(dst *int64, src *uint64, n int)
TEXT ·unZigZag(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	VPCMPEQQ Y0, Y0, Y0 // -1
	VPSRLQ $63, Y0, Y1  // 1
	VPXOR Y2, Y2, Y2
next:
	VPADDQ (SI), Y0, Y3
	VPSRLQ $1, Y3, Y4
	VPAND  Y1, Y3, Y3
	VPSUBQ Y3, Y2, Y3
	VPXOR  Y4, Y3, Y3
	VMOVDQU Y3, (DI)
	ADDQ $32, SI
	ADDQ $32, DI
	SUBQ $4, CX
	JG   next
	VZEROUPPER
	RET
