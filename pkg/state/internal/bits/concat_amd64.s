//go:build !invariants

#include "go_asm.h"
#include "textflag.h"

// func concat(dst *byte, values *[ColumnLen][]byte)
TEXT ·concat(SB), NOSPLIT, $0-16
	MOVQ dst+0(FP), DI
	MOVQ values+8(FP), R8
	MOVL $const_ColumnLen, R9

value:
	MOVQ 0(R8), SI
	MOVQ 8(R8), CX
	ADDQ $24, R8 // the length of a slice
	CMPQ CX, $16
	JCS  short
	CMPQ CX, $32
	JHI  long

	// The first 16 bytes and the last, which may be some of the same; so below.
	VMOVDQU (SI), X0
	VMOVDQU -16(SI)(CX*1), X1
	VMOVDQU X0, (DI)
	VMOVDQU X1, -16(DI)(CX*1)

next:
	ADDQ CX, DI
	DECQ R9
	JNE  value
	VZEROUPPER
	RET

long:
	VMOVDQU -32(SI)(CX*1), Y1
	LEAQ -32(CX), DX // how much is before the last 32
	XORL AX, AX

more:
	VMOVDQU (SI)(AX*1), Y0
	VMOVDQU Y0, (DI)(AX*1)
	ADDQ $32, AX
	CMPQ AX, DX
	JCS  more
	VMOVDQU Y1, -32(DI)(CX*1)
	JMP  next

short:
	CMPQ CX, $8
	JCS  shorter
	MOVQ (SI), AX
	MOVQ -8(SI)(CX*1), BX
	MOVQ AX, (DI)
	MOVQ BX, -8(DI)(CX*1)
	JMP  next

shorter:
	CMPQ CX, $4
	JCS  shortest
	MOVL (SI), AX
	MOVL -4(SI)(CX*1), BX
	MOVL AX, (DI)
	MOVL BX, -4(DI)(CX*1)
	JMP  next

shortest:
	TESTQ CX, CX
	JEQ  next
	MOVBLZX (SI), AX
	MOVBLZX -1(SI)(CX*1), BX
	MOVQ CX, DX
	SHRQ $1, DX
	MOVBLZX (SI)(DX*1), R10 // of three the one between
	MOVB AX, (DI)
	MOVB R10, (DI)(DX*1)
	MOVB BX, -1(DI)(CX*1)
	JMP  next
