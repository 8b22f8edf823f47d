/* Registers across a signal: signals.c. */
	.text

	.equ WORDS, 31 + 64
	.equ VECTORS, 31 * 8
	.equ BLOCK, WORDS * 8 + 8           /* the stack pointer is a multiple of 16 */
	.equ SAVED, 11 * 16

/* Q0 to Q31, from X1 on. */
	.macro each_vector operation
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	\operation q\n, [x1], #16
	.endr
	.irp n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	\operation q\n, [x1], #16
	.endr
	.endm

/* X1 to X30. */
	.macro each_integer operation, base
	.irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	\operation x\n, [\base, #8 * \n]
	.endr
	.irp n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
	\operation x\n, [\base, #8 * \n]
	.endr
	.endm

/* void registers_across_trap(const uint64_t before[REGISTERS], uint64_t after[REGISTERS]) */
	.globl registers_across_trap
	.type registers_across_trap, %function
registers_across_trap:
	.cfi_startproc
	stp x29, x30, [sp, #-SAVED]!
	.cfi_def_cfa_offset SAVED
	.cfi_offset x29, -SAVED
	.cfi_offset x30, -SAVED + 8
	stp x19, x20, [sp, #16]
	stp x21, x22, [sp, #32]
	stp x23, x24, [sp, #48]
	stp x25, x26, [sp, #64]
	stp x27, x28, [sp, #80]
	stp d8, d9, [sp, #96]
	stp d10, d11, [sp, #112]
	stp d12, d13, [sp, #128]
	stp d14, d15, [sp, #144]
	str x1, [sp, #160]
	sub sp, sp, #BLOCK
	.cfi_adjust_cfa_offset BLOCK

	add x1, x0, #VECTORS
	each_vector ldr
	each_integer ldr, x0
	ldr x0, [x0]
	brk #0
	str x0, [sp]
	each_integer str, sp
	add x1, sp, #VECTORS
	each_vector str

	ldr x1, [sp, #BLOCK + 160]
	mov x0, sp
	mov x2, #WORDS
1:	ldr x3, [x0], #8
	str x3, [x1], #8
	subs x2, x2, #1
	b.ne 1b
	add sp, sp, #BLOCK
	.cfi_adjust_cfa_offset -BLOCK
	ldp d14, d15, [sp, #144]
	ldp d12, d13, [sp, #128]
	ldp d10, d11, [sp, #112]
	ldp d8, d9, [sp, #96]
	ldp x27, x28, [sp, #80]
	ldp x25, x26, [sp, #64]
	ldp x23, x24, [sp, #48]
	ldp x21, x22, [sp, #32]
	ldp x19, x20, [sp, #16]
	ldp x29, x30, [sp], #SAVED
	.cfi_def_cfa_offset 0
	.cfi_restore x29
	.cfi_restore x30
	ret
	.cfi_endproc
	.size registers_across_trap, . - registers_across_trap

/* void spoil_registers(void): whatever a function may change. */
	.globl spoil_registers
	.type spoil_registers, %function
spoil_registers:
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17
	mov x\n, #-2
	.endr
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	movi v\n\().16b, #0xaa
	.endr
	/* The lower half of these is the caller's. */
	.irp n, 8, 9, 10, 11, 12, 13, 14, 15
	ins v\n\().d[1], x0
	.endr
	ret
	.size spoil_registers, . - spoil_registers

	.section .note.GNU-stack, "", %progbits
