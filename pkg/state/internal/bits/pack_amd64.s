//go:build !invariants

#include "go_asm.h"
#include "textflag.h"

DATA ·slots<>+0(SB)/8, $0
DATA ·slots<>+8(SB)/8, $1
DATA ·slots<>+16(SB)/8, $2
DATA ·slots<>+24(SB)/8, $3
GLOBL ·slots<>(SB), RODATA|NOPTR, $32

// storeNarrow packs the numbers in Y0 and Y1, which are eight bytes at most, to DI.
#define storeNarrow \
	VPSLLVQ places_left(BX), Y0, Y0    \
	VPSLLVQ places_left+32(BX), Y1, Y1 \
	VPOR    Y1, Y0, Y0                 \
	VEXTRACTI128 $1, Y0, X1            \
	VPOR    X1, X0, X0                 \
	VPSRLDQ $8, X0, X1                 \
	VPOR    X1, X0, X0                 \
	VMOVQ   X0, (DI)

// storeWide packs the numbers in Y0 and Y1 to DI: each with what the one before has in
// its first byte, in eight bytes, of which the next one overwrites those that are its own.
#define storeWide \
	VPERMQ  $0x90, Y0, Y2               \
	VPERM2I128 $0x21, Y1, Y0, Y3        \
	VPALIGNR $8, Y3, Y1, Y3             \
	VPSRLVQ places_right(BX), Y2, Y2    \
	VPSRLVQ places_right+32(BX), Y3, Y3 \
	VPSLLVQ places_left(BX), Y0, Y0     \
	VPSLLVQ places_left+32(BX), Y1, Y1  \
	VPOR    Y2, Y0, Y0                  \
	VPOR    Y3, Y1, Y1                  \
	VMOVQ   X0, (DI)                    \
	MOVQ    places_bytes+8(BX), AX      \
	VMOVHPD X0, (DI)(AX*1)              \
	VEXTRACTI128 $1, Y0, X0             \
	MOVQ    places_bytes+16(BX), AX     \
	VMOVQ   X0, (DI)(AX*1)              \
	MOVQ    places_bytes+24(BX), AX     \
	VMOVHPD X0, (DI)(AX*1)              \
	MOVQ    places_bytes+32(BX), AX     \
	VMOVQ   X1, (DI)(AX*1)              \
	MOVQ    places_bytes+40(BX), AX     \
	VMOVHPD X1, (DI)(AX*1)              \
	VEXTRACTI128 $1, Y1, X1             \
	MOVQ    places_bytes+48(BX), AX     \
	VMOVQ   X1, (DI)(AX*1)              \
	MOVQ    places_bytes+56(BX), AX     \
	VMOVHPD X1, (DI)(AX*1)

// placesTo makes BX the places of numbers of CX bits.
#define placesTo \
	IMUL3Q $places__size, CX, BX \
	LEAQ  ·placesOf(SB), AX     \
	ADDQ  AX, BX

// load8 makes eight numbers of a column in Y0 and Y1: of those at SI less what is in Y6
// and, for each slot, Y7 more.
#define load8 \
	VMOVDQU (SI), Y0   \
	VPSUBQ  Y6, Y0, Y0 \
	VPADDQ  Y7, Y6, Y6 \
	VMOVDQU 32(SI), Y1 \
	VPSUBQ  Y6, Y1, Y1 \
	VPADDQ  Y7, Y6, Y6

// func pack(dst *byte, w int, values *[ColumnLen]uint64, base, slope uint64)
TEXT ·pack(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ w+8(FP), CX
	MOVQ values+16(FP), SI
	VPBROADCASTQ base+24(FP), Y6
	VPBROADCASTQ slope+32(FP), Y7
	VPMULUDQ ·slots<>(SB), Y7, Y5
	VPADDQ Y5, Y6, Y6
	VPSLLQ $2, Y7, Y7
	placesTo
	CMPQ CX, $const_narrow
	JLE  packNarrow
	load8
	storeWide
	ADDQ $64, SI
	ADDQ CX, DI
	load8
	storeWide
	VZEROUPPER
	RET

packNarrow:
	load8
	storeNarrow
	ADDQ $64, SI
	ADDQ CX, DI
	load8
	storeNarrow
	VZEROUPPER
	RET

// order makes the lesser ones of A and B LOW, and the greater ones HIGH, which may be A and
// B.
#define order(A, B, LOW, HIGH) \
	VPCMPGTQ  B, A, Y7         \
	VBLENDVPD Y7, B, A, Y8     \
	VBLENDVPD Y7, A, B, HIGH   \
	VMOVDQA   Y8, LOW

// func extent(values *[ColumnLen]uint64, slope, flip uint64) (low, high, odd uint64)
TEXT ·extent(SB), NOSPLIT, $0-48
	MOVQ values+0(FP), SI
	VPBROADCASTQ slope+8(FP), Y5
	VPBROADCASTQ flip+16(FP), Y4
	VPMULUDQ ·slots<>(SB), Y5, Y6
	VPSLLQ $2, Y5, Y5
	VMOVDQU (SI), Y0
	VMOVDQU 32(SI), Y1
	VMOVDQU 64(SI), Y2
	VMOVDQU 96(SI), Y3
	VPSUBQ Y6, Y0, Y0
	VPADDQ Y5, Y6, Y6
	VPSUBQ Y6, Y1, Y1
	VPADDQ Y5, Y6, Y6
	VPSUBQ Y6, Y2, Y2
	VPADDQ Y5, Y6, Y6
	VPSUBQ Y6, Y3, Y3

	// What all have, and what any has: the lowest bits differ where an odd number is between.
	VPOR  Y1, Y0, Y5
	VPAND Y1, Y0, Y6
	VPOR  Y2, Y5, Y5
	VPAND Y2, Y6, Y6
	VPOR  Y3, Y5, Y5
	VPAND Y3, Y6, Y6
	VPSLLQ $63, Y5, Y5
	VPSLLQ $63, Y6, Y6
	VMOVMSKPD Y5, AX
	VMOVMSKPD Y6, BX
	XORL CX, CX
	TESTL AX, AX
	SETNE CX
	CMPL BX, $15
	SETNE BX
	ANDL BX, CX
	MOVQ CX, odd+40(FP)

	VPXOR Y4, Y0, Y0
	VPXOR Y4, Y1, Y1
	VPXOR Y4, Y2, Y2
	VPXOR Y4, Y3, Y3
	order(Y0, Y1, Y0, Y1)
	order(Y2, Y3, Y2, Y3)
	order(Y0, Y2, Y0, Y4)
	order(Y1, Y3, Y4, Y1)
	VEXTRACTI128 $1, Y0, X2
	VEXTRACTI128 $1, Y1, X3
	order(Y0, Y2, Y0, Y4)
	order(Y1, Y3, Y4, Y1)
	VPSHUFD $0x4E, X0, X2
	VPSHUFD $0x4E, X1, X3
	order(Y0, Y2, Y0, Y4)
	order(Y1, Y3, Y4, Y1)
	VMOVQ X0, low+24(FP)
	VMOVQ X1, high+32(FP)
	VZEROUPPER
	RET

// part makes eight numbers in A and B of those at R, less the one in S.
#define part(R, S, A, B) \
	VPMOVZXDQ (R), A   \
	VPMOVZXDQ 16(R), B \
	VPSUBQ S, A, A     \
	VPSUBQ S, B, B     \
	ADDQ $32, R

// func packEntries(dst *byte, w, eights int, lists *[entryParts]*uint32, e *Entry)
TEXT ·packEntries(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ w+8(FP), CX
	MOVQ eights+16(FP), DX
	MOVQ lists+24(FP), AX
	MOVQ 0(AX), SI
	MOVQ 8(AX), R8
	MOVQ 16(AX), R9
	MOVQ e+32(FP), AX
	VPBROADCASTQ Entry_Base(AX), Y8
	VPBROADCASTQ Entry_Base+8(AX), Y9
	VPBROADCASTQ Entry_Base+16(AX), Y10
	MOVQ Entry_Width(AX), R10
	VMOVQ R10, X11 // where the second part is
	ADDQ Entry_Width+8(AX), R10
	VMOVQ R10, X12 // where the third is
	placesTo

entries:
	part(SI, Y8, Y0, Y1)
	TESTQ R8, R8
	JEQ  noSecond
	part(R8, Y9, Y2, Y3)
	VPSLLQ X11, Y2, Y2
	VPSLLQ X11, Y3, Y3
	VPOR Y2, Y0, Y0
	VPOR Y3, Y1, Y1

noSecond:
	TESTQ R9, R9
	JEQ  noThird
	part(R9, Y10, Y2, Y3)
	VPSLLQ X12, Y2, Y2
	VPSLLQ X12, Y3, Y3
	VPOR Y2, Y0, Y0
	VPOR Y3, Y1, Y1

noThird:
	CMPQ CX, $const_narrow
	JLE  entriesNarrow
	storeWide
	ADDQ CX, DI
	DECQ DX
	JNE  entries
	VZEROUPPER
	RET

entriesNarrow:
	storeNarrow
	ADDQ CX, DI
	DECQ DX
	JNE  entries
	VZEROUPPER
	RET
