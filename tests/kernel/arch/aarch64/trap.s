// Ways into the kernel and out of it. All of them build the same `Frame` on the kernel's stack (see trap.rs).

.set FRAME_SIZE, 304
.set FRAME_SP, 248
.set FRAME_PC, 256
.set FRAME_SYNDROME, 272
.set FRAME_VECTOR, 288

.set PER_CPU_KERNEL_STACK, 0
.set PER_CPU_EMERGENCY_STACK, 8

.section .text.trap, "ax", %progbits

// Sixteen vectors of 32 instructions (Arm ARM, "Exception vectors"): synchronous exception, IRQ, FIQ, SError; from EL1
// by the program's stack pointer, from EL1 by its own, from EL0, and from EL0 in AArch32.
.balign 2048
.global vectors
vectors:
.set vector, 0
.rept 16
    .balign 128
    // From EL1, and no interrupt: the stack may be the cause, so another one is taken. What is overwritten for that is
    // a program's, and no program runs any more.
    .if (vector == 4) | (vector == 7)
    msr tpidr_el0, x0
    mov x0, sp
    msr sp_el0, x0                      // goes into the frame as its stack pointer
    mrs x0, tpidr_el1
    ldr x0, [x0, #PER_CPU_EMERGENCY_STACK]
    mov sp, x0
    mrs x0, tpidr_el0
    .endif
    sub sp, sp, #FRAME_SIZE
    stp x0, x1, [sp]
    mov x0, #vector
    b trap_common
    .set vector, vector + 1
.endr

.balign 128
trap_common:
    stp x2, x3, [sp, #16]
    stp x4, x5, [sp, #32]
    stp x6, x7, [sp, #48]
    stp x8, x9, [sp, #64]
    stp x10, x11, [sp, #80]
    stp x12, x13, [sp, #96]
    stp x14, x15, [sp, #112]
    stp x16, x17, [sp, #128]
    stp x18, x19, [sp, #144]
    stp x20, x21, [sp, #160]
    stp x22, x23, [sp, #176]
    stp x24, x25, [sp, #192]
    stp x26, x27, [sp, #208]
    stp x28, x29, [sp, #224]
    str x30, [sp, #240]
    mrs x1, sp_el0
    str x1, [sp, #FRAME_SP]
    mrs x1, elr_el1
    mrs x2, spsr_el1
    stp x1, x2, [sp, #FRAME_PC]
    mrs x1, esr_el1
    mrs x2, far_el1
    stp x1, x2, [sp, #FRAME_SYNDROME]
    str x0, [sp, #FRAME_VECTOR]
    mov x29, #0
    mov x0, sp
    bl trap_entry
    // The frame is below the stack pointer from here on: interrupts are masked, nobody else writes there.
    mov x0, sp
    add sp, sp, #FRAME_SIZE
// x0: a Frame, interrupts masked, SP as the kernel is to find it at the next exception.
leave_trap:
    ldp x1, x2, [x0, #FRAME_PC]
    msr elr_el1, x1
    msr spsr_el1, x2
    ldr x1, [x0, #FRAME_SP]
    msr sp_el0, x1
    ldr x30, [x0, #240]
    ldp x28, x29, [x0, #224]
    ldp x26, x27, [x0, #208]
    ldp x24, x25, [x0, #192]
    ldp x22, x23, [x0, #176]
    ldp x20, x21, [x0, #160]
    ldp x18, x19, [x0, #144]
    ldp x16, x17, [x0, #128]
    ldp x14, x15, [x0, #112]
    ldp x12, x13, [x0, #96]
    ldp x10, x11, [x0, #80]
    ldp x8, x9, [x0, #64]
    ldp x6, x7, [x0, #48]
    ldp x4, x5, [x0, #32]
    ldp x2, x3, [x0, #16]
    ldp x0, x1, [x0]
    eret

// enter_user(frame: *const Frame) -> !
.global enter_user
enter_user:
    mrs x1, tpidr_el1
    ldr x1, [x1, #PER_CPU_KERNEL_STACK]
    mov sp, x1
    b leave_trap

// on_fresh_stack(function: extern "C" fn() -> !) -> !
.global on_fresh_stack
on_fresh_stack:
    mrs x1, tpidr_el1
    ldr x1, [x1, #PER_CPU_KERNEL_STACK]
    mov sp, x1
    mov x29, #0
    mov x30, #0
    br x0
