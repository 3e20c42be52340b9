//go:build !invariants

#include "go_asm.h"
#include "textflag.h"

// fourOf makes four numbers in X, the first of which lies at bit R11 behind R10. DX
// has their lanes, X0 the mask.
#define fourOf(X) \
	MOVQ R11, AX                  \
	SHRQ $3, AX                   \
	MOVQ R11, BX                  \
	ANDQ $7, BX                   \
	SHLQ $5, BX                   \
	VMOVDQU (R10)(AX*1), X        \
	VPSHUFB (DX)(BX*1), X, X      \
	VPSRLVD 16(DX)(BX*1), X, X    \
	VPAND   X0, X, X

// func unpackRuns(dst *uint32, runs *Run, n int, sources *Source)
TEXT ·unpackRuns(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ runs+8(FP), SI
	MOVQ n+16(FP), R8
	MOVQ sources+24(FP), R9

next:
	MOVLQSX Run_Source(SI), R10
	IMUL3Q $Source__size, R10, R10
	ADDQ R9, R10
	MOVQ Source_step(R10), R13
	MOVQ Run_First(SI), R11
	IMULQ R13, R11
	SUBQ Source_before(R10), R11
	MOVLQSX Run_N(SI), R12
	LEAQ (DI)(R12*4), R12 // where the run ends
	CMPQ DI, R12
	JCC  done
	VPBROADCASTD Source_mask(R10), X0
	MOVQ Source_data(R10), R10
	MOVQ R13, DX
	SHLQ $8, DX // the length of a step's lanes
	LEAQ ·runLanes(SB), AX
	ADDQ AX, DX
	SHLQ $2, R13

eight:
	fourOf(X1)
	ADDQ R13, R11
	fourOf(X2)
	ADDQ R13, R11
	VMOVDQU X1, (DI)
	VMOVDQU X2, 16(DI)
	ADDQ $32, DI
	CMPQ DI, R12
	JCS  eight

done:
	MOVQ R12, DI
	ADDQ $Run__size, SI
	DECQ R8
	JNE  next
	RET

// func compactTable(dst *Entries, to int, table *Entries, from, n int, empty uint32) (kept int)
TEXT ·compactTable(SB), NOSPLIT, $0-56
	MOVQ dst+0(FP), BX
	MOVQ to+8(FP), AX
	MOVQ Entries_Elements(BX), DI
	LEAQ (DI)(AX*4), DI
	MOVQ Entries_Values(BX), R8
	LEAQ (R8)(AX*4), R8
	MOVQ Entries_Buckets(BX), R9
	LEAQ (R9)(AX*4), R9
	MOVQ table+16(FP), BX
	MOVQ from+24(FP), AX
	MOVQ Entries_Elements(BX), SI
	LEAQ (SI)(AX*4), SI
	MOVQ Entries_Values(BX), R10
	LEAQ (R10)(AX*4), R10
	MOVQ Entries_Values+8(BX), R13 // 0 if there are none
	MOVQ n+32(FP), CX
	MOVL empty+40(FP), AX
	VMOVD AX, X0
	VPBROADCASTD X0, Y0
	VPXOR Y1, Y1, Y1 // the number of the first bucket
	MOVL $8, AX
	VMOVD AX, X2
	VPBROADCASTD X2, Y2
	LEAQ ·packed(SB), R12
	XORL AX, AX // kept
	XORL DX, DX // passed

buckets:
	VMOVDQU (SI)(DX*4), Y3
	VPCMPEQD Y0, Y3, Y4
	VMOVMSKPS Y4, BX
	XORL $255, BX // what stays
	MOVQ CX, R11
	SUBQ DX, R11
	CMPQ R11, $8
	JGE  whole
	BZHIL R11, BX, BX // what is of this table

whole:
	VPMOVZXBD (R12)(BX*8), Y5
	VPERMD Y3, Y5, Y6
	VMOVDQU Y6, (DI)(AX*4)
	VPADDD Y1, Y5, Y6
	VMOVDQU Y6, (R9)(AX*4)
	TESTQ R13, R13
	JEQ  passed
	VMOVDQU (R10)(DX*4), Y3
	VPERMD Y3, Y5, Y6
	VMOVDQU Y6, (R8)(AX*4)

passed:
	POPCNTL BX, BX
	ADDQ BX, AX
	ADDQ $8, DX
	VPADDD Y2, Y1, Y1
	CMPQ DX, CX
	JLT  buckets
	MOVQ AX, kept+48(FP)
	VZEROUPPER
	RET

// func span(list *uint32, n int) (least, most uint32)
TEXT ·span(SB), NOSPLIT, $0-24
	MOVQ list+0(FP), SI
	MOVQ n+8(FP), CX
	LEAQ -32(SI)(CX*4), DX // the last eight
	VMOVDQU (DX), Y0
	VMOVDQA Y0, Y1

eight:
	VMOVDQU (SI), Y2
	VPMINUD Y2, Y0, Y0
	VPMAXUD Y2, Y1, Y1
	ADDQ $32, SI
	CMPQ SI, DX
	JCS  eight
	VEXTRACTI128 $1, Y0, X2
	VEXTRACTI128 $1, Y1, X3
	VPMINUD X2, X0, X0
	VPMAXUD X3, X1, X1
	VPSHUFD $0x4E, X0, X2
	VPSHUFD $0x4E, X1, X3
	VPMINUD X2, X0, X0
	VPMAXUD X3, X1, X1
	VPSHUFD $0xB1, X0, X2
	VPSHUFD $0xB1, X1, X3
	VPMINUD X2, X0, X0
	VPMAXUD X3, X1, X1
	VMOVD X0, AX
	VMOVD X1, BX
	MOVL AX, least+16(FP)
	MOVL BX, most+20(FP)
	VZEROUPPER
	RET
