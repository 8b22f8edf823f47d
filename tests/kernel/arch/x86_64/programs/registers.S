/* Registers across a signal: signals.c. */
	.intel_syntax noprefix
	.text

	.set SAVED, 64
	.set BLOCK, 47 * 8

/* void registers_across_trap(const uint64_t before[REGISTERS], uint64_t after[REGISTERS]) */
	.globl registers_across_trap
	.type registers_across_trap, @function
registers_across_trap:
	.cfi_startproc
	push rbx
	push rbp
	push r12
	push r13
	push r14
	push r15
	sub rsp, SAVED + BLOCK
	.cfi_adjust_cfa_offset 48 + SAVED + BLOCK
	.cfi_offset rbx, -16
	.cfi_offset rbp, -24
	.cfi_offset r12, -32
	.cfi_offset r13, -40
	.cfi_offset r14, -48
	.cfi_offset r15, -56
	mov [rsp], rsi
	.set n, 0
	.irp r, rax, rbx, rcx, rdx, rsi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
	mov \r, [rdi + 8 * n]
	.set n, n + 1
	.endr
	.irp x, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movups xmm\x, [rdi + 8 * 15 + 16 * \x]
	.endr
	mov rdi, [rdi + 8 * 14]
	int3
	.set n, 0
	.irp r, rax, rbx, rcx, rdx, rsi, rbp, r8, r9, r10, r11, r12, r13, r14, r15, rdi
	mov [rsp + SAVED + 8 * n], \r
	.set n, n + 1
	.endr
	.irp x, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movups [rsp + SAVED + 8 * 15 + 16 * \x], xmm\x
	.endr
	mov rdi, [rsp]
	lea rsi, [rsp + SAVED]
	mov ecx, BLOCK / 8
	rep movsq
	add rsp, SAVED + BLOCK
	.cfi_adjust_cfa_offset -(SAVED + BLOCK)
	pop r15
	pop r14
	pop r13
	pop r12
	pop rbp
	pop rbx
	.cfi_adjust_cfa_offset -48
	ret
	.cfi_endproc
	.size registers_across_trap, . - registers_across_trap

/* void spoil_registers(void): whatever a function may change. */
	.globl spoil_registers
	.type spoil_registers, @function
spoil_registers:
	.irp r, rax, rcx, rdx, rsi, rdi, r8, r9, r10, r11
	mov \r, -2
	.endr
	.irp x, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	pcmpeqd xmm\x, xmm\x
	.endr
	ret
	.size spoil_registers, . - spoil_registers

	.section .note.GNU-stack, "", @progbits
