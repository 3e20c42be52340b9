//go:build !invariants

#include "go_asm.h"
#include "textflag.h"

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
	VPMULUDQ ·slots(SB), Y7, Y5
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

// halves makes LOW the lower halves of eight numbers at SI, less what is in Y6 and, for
// each four, Y7 more, and HIGH the upper ones.
#define halves(A, B, LOW, HIGH) \
	VMOVDQU A(SI), Y0           \
	VPSUBQ  Y6, Y0, Y0          \
	VPADDQ  Y7, Y6, Y6          \
	VMOVDQU B(SI), Y1           \
	VPSUBQ  Y6, Y1, Y1          \
	VPADDQ  Y7, Y6, Y6          \
	VSHUFPS $0x88, Y1, Y0, LOW  \
	VSHUFPS $0xDD, Y1, Y0, HIGH

// less makes A and B the lesser and the greater ones of them and of C and D.
#define less(C, D, A, B) \
	VPMINSD C, A, A  \
	VPMAXSD D, B, B

// func extent(values *[ColumnLen]uint64, slope uint64) (low, high int64, odd, ok bool)
TEXT ·extent(SB), NOSPLIT, $0-34
	MOVQ values+0(FP), SI
	VPBROADCASTQ slope+8(FP), Y7
	VPMULUDQ ·slots(SB), Y7, Y6
	VPSLLQ $2, Y7, Y7
	halves(0, 32, Y2, Y3)
	halves(64, 96, Y4, Y5)

	// All fit if the upper halves are what the sign of the lower ones says.
	VPSRAD $31, Y2, Y0
	VPSRAD $31, Y4, Y1
	VPCMPEQD Y3, Y0, Y0
	VPCMPEQD Y5, Y1, Y1
	VPAND Y1, Y0, Y0
	VMOVMSKPS Y0, AX
	CMPL AX, $255
	SETEQ ok+33(FP)

	// The lowest bits that any has, and all.
	VPOR  Y4, Y2, Y0
	VPAND Y4, Y2, Y1
	VPSLLD $31, Y0, Y0
	VPSLLD $31, Y1, Y1
	VMOVMSKPS Y0, AX
	VMOVMSKPS Y1, BX
	NEGL AX
	SBBL AX, AX // all ones if any has it
	CMPL BX, $255
	SETNE BX
	ANDB AX, BX
	MOVB BX, odd+32(FP)

	VPMAXSD Y4, Y2, Y1
	VPMINSD Y4, Y2, Y0
	VEXTRACTI128 $1, Y0, X2
	VEXTRACTI128 $1, Y1, X3
	less(X2, X3, X0, X1)
	VPSHUFD $0x4E, X0, X2
	VPSHUFD $0x4E, X1, X3
	less(X2, X3, X0, X1)
	VPSHUFD $0xB1, X0, X2
	VPSHUFD $0xB1, X1, X3
	less(X2, X3, X0, X1)
	VMOVD X0, AX
	VMOVD X1, BX
	MOVLQSX AX, AX
	MOVLQSX BX, BX
	MOVQ AX, low+16(FP)
	MOVQ BX, high+24(FP)
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

packed:
	ADDQ CX, DI
	DECQ DX
	JNE  entries
	VZEROUPPER
	RET

entriesNarrow:
	storeNarrow
	JMP packed
