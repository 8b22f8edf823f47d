/* Registers across a signal: signals.c. X3 and X4 are left alone: the C library finds its data by them. */
	.option norvc
	.text

	.equ SAVED, 26 * 8
	.equ BLOCK, 60 * 8

	.macro each_integer operation, base, offset
	\operation x1, \offset(\base)
	.irp n, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	\operation x\n, \offset + 8 * (\n - 4)(\base)
	.endr
	.endm

	.macro each_float operation, base, offset
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	\operation f\n, \offset + 8 * (28 + \n)(\base)
	.endr
	.endm

	.macro each_saved integer, float
	\integer ra, 0(sp)
	\integer s0, 8(sp)
	\integer s1, 16(sp)
	\float fs0, 24(sp)
	\float fs1, 32(sp)
	.irp n, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
	\integer s\n, 24 + 8 * \n(sp)
	\float fs\n, 104 + 8 * \n(sp)
	.endr
	.endm

/* void registers_across_trap(const uint64_t before[REGISTERS], uint64_t after[REGISTERS]) */
	.globl registers_across_trap
	.type registers_across_trap, @function
registers_across_trap:
	.cfi_startproc
	addi sp, sp, -(SAVED + BLOCK)
	.cfi_def_cfa_offset SAVED + BLOCK
	each_saved sd, fsd
	.cfi_offset ra, -(SAVED + BLOCK)
	.cfi_offset s0, 8 - (SAVED + BLOCK)
	.cfi_offset s1, 16 - (SAVED + BLOCK)
	sd a1, 200(sp)
	each_float fld, a0, 0
	each_integer ld, a0, 0
	ld a0, 8 * (10 - 4)(a0)
	ebreak
	each_integer sd, sp, SAVED
	sd a0, SAVED + 8 * (10 - 4)(sp)
	each_float fsd, sp, SAVED
	ld a1, 200(sp)
	addi a0, sp, SAVED
	li a2, BLOCK
	add a2, a2, a0
1:	ld a3, 0(a0)
	sd a3, 0(a1)
	addi a0, a0, 8
	addi a1, a1, 8
	bne a0, a2, 1b
	each_saved ld, fld
	addi sp, sp, SAVED + BLOCK
	.cfi_def_cfa_offset 0
	ret
	.cfi_endproc
	.size registers_across_trap, . - registers_across_trap

/* void spoil_registers(void): whatever a function may change. */
	.globl spoil_registers
	.type spoil_registers, @function
spoil_registers:
	.irp r, t0, t1, t2, t3, t4, t5, t6, a0, a1, a2, a3, a4, a5, a6, a7
	li \r, -2
	.endr
	.irp f, ft0, ft1, ft2, ft3, ft4, ft5, ft6, ft7, ft8, ft9, ft10, ft11, fa0, fa1, fa2, fa3, fa4, fa5, fa6, fa7
	fmv.d.x \f, t0
	.endr
	ret
	.size spoil_registers, . - spoil_registers

	.section .note.GNU-stack, "", @progbits
