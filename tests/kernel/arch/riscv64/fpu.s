# The floating-point registers, to and from a State (fpu.rs) at A0. They can be reached only while sstatus.FS is not 0.

.equ FLOAT, 3 << 13

.macro each_float operation
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    \operation f\n, 8 * \n(a0)
    .endr
.endm

.section .text.fpu, "ax", @progbits
.option arch, +d

.global save_fpu
save_fpu:
    li t0, FLOAT
    csrs sstatus, t0
    each_float fsd
    frcsr t1
    sd t1, 8 * 32(a0)
    csrc sstatus, t0
    ret

.global restore_fpu
restore_fpu:
    li t0, FLOAT
    csrs sstatus, t0
    each_float fld
    ld t1, 8 * 32(a0)
    fscsr t1
    csrc sstatus, t0
    ret
