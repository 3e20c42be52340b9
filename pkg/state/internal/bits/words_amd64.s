//go:build !invariants

#include "textflag.h"

// func deal(dst *uint64, each int, src *byte, pos, step uint64, n int, mask, add uint64)
TEXT ·deal(SB), NOSPLIT, $0-64
	MOVQ dst+0(FP), DI
	MOVQ each+8(FP), R10
	MOVQ src+16(FP), SI
	MOVQ pos+24(FP), BX
	MOVQ step+32(FP), DX
	MOVQ n+40(FP), R8
	MOVQ mask+48(FP), R9
	MOVQ add+56(FP), R11

row:
	MOVQ  BX, AX
	MOVQ  BX, CX
	SHRQ  $3, AX
	ANDQ  $7, CX
	MOVQ  (SI)(AX*1), AX
	ADDQ  DX, BX
	SHRXQ CX, AX, AX
	ADDQ  R11, AX
	ANDQ  R9, AX
	MOVQ  AX, (DI)
	ADDQ  R10, DI
	DECQ  R8
	JNE   row
	RET

// The bytes of two words, the other way round.
DATA ·turned<>+0(SB)/8, $0x0001020304050607
DATA ·turned<>+8(SB)/8, $0x08090a0b0c0d0e0f
GLOBL ·turned<>(SB), RODATA|NOPTR, $16

// func turnVectors(dst, src *byte, n int)
TEXT ·turnVectors(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	VBROADCASTI128 ·turned<>(SB), Y0
	LEAQ (SI)(CX*1), DX // what is behind
	MOVQ DX, BX

four:
	VMOVDQU (SI), Y1
	PREFETCHT0 (BX)
	VPSHUFB Y0, Y1, Y1
	VMOVDQU Y1, (DI)
	ADDQ $32, SI
	ADDQ $32, BX
	ADDQ $32, DI
	CMPQ SI, DX
	JCS  four
	VZEROUPPER
	RET
