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

// func unpackRuns(dst *uint32, runs *run, n int, sources *Source)
TEXT ·unpackRuns(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ runs+8(FP), SI
	MOVQ n+16(FP), R8
	MOVQ sources+24(FP), R9

next:
	MOVLQSX run_source(SI), R10
	SHLQ $5, R10 // the length of a Source
	ADDQ R9, R10
	MOVQ run_pos(SI), R11
	MOVLQSX run_n(SI), R12
	LEAQ (DI)(R12*4), R12 // where the run ends
	CMPQ DI, R12
	JCC  done
	MOVQ Source_step(R10), R13
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
	ADDQ $run__size, SI
	DECQ R8
	JNE  next
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
