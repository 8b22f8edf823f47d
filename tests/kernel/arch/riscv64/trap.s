# The way into the kernel and out of it.
#
# SSCRATCH is 0 while the kernel runs; while a program does, it is where the kernel's stack begins. There lies the CPU's number,
# which the kernel has in TP. Interrupts are off in the kernel: what comes from there is an exception, and the end.

.equ FRAME, 36 * 8
.equ PC, 31 * 8
.equ STATUS, 32 * 8
.equ CAUSE, 33 * 8
.equ VALUE, 34 * 8

# From a guard page to the next: see boot.s.
.equ STACK_STRIDE, 4096 + 65536

# sstatus.FS
.equ FLOAT, 3 << 13

.macro each_register operation
    \operation x1, 0(sp)
    .irp n, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    \operation x\n, 8 * (\n - 1)(sp)
    .endr
.endm

# Where this CPU's kernel stack begins.
.macro stack_begin register, scratch
    addi \register, tp, 1
    li \scratch, STACK_STRIDE
    mul \register, \register, \scratch
    lla \scratch, stacks
    add \register, \register, \scratch
    addi \register, \register, -16
.endm

.section .text.trap, "ax", @progbits
.option arch, +m, +a

.balign 4
.global trap_vector
trap_vector:
    csrrw sp, sscratch, sp
    bnez sp, 1f
    # From the kernel: on a stack of its own, as the kernel's may be what faults.
    lla sp, fatal_stack
    sd tp, 0(sp)
1:  addi sp, sp, -FRAME
    each_register sd
    csrrw t0, sscratch, zero
    sd t0, 8(sp)
    ld tp, FRAME(sp)
    csrr t0, sepc
    csrr t1, sstatus
    csrr t2, scause
    csrr t3, stval
    sd t0, PC(sp)
    sd t1, STATUS(sp)
    sd t2, CAUSE(sp)
    sd t3, VALUE(sp)
    # The floating-point registers are the program's: the kernel's use of them would be an illegal instruction.
    li t0, FLOAT
    csrc sstatus, t0
    mv a0, sp
    call trap_entry
    mv a0, sp

# enter_user(frame: *const Frame) -> !
.global enter_user
enter_user:
    stack_begin t0, t1
    csrw sscratch, t0
    mv sp, a0
    ld t0, PC(sp)
    ld t1, STATUS(sp)
    # An LR of what ran before on this hart is not to let an SC of this program succeed: a store conditional, here of what the
    # word holds already, ends the reservation ("Zalrsc").
    addi t2, sp, PC
    sc.d zero, t0, (t2)
    csrw sepc, t0
    csrw sstatus, t1
    each_register ld
    ld sp, 8(sp)
    sret

# on_fresh_stack(function: extern "C" fn() -> !) -> !
.global on_fresh_stack
on_fresh_stack:
    stack_begin sp, t0
    li s0, 0
    jalr a0
    unimp
