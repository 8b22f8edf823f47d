# From where the firmware leaves the harts to the kernel's Rust code: supervisor mode, paging and interrupts off, A0 the hart's
# number (RISC-V SBI specification, "Hart State Management Extension"; for the first hart OpenSBI does it alike, with the
# address of the device tree in A1).

.equ KERNEL_OFFSET, 0xffffffff00000000
.equ SV39, 8 << 60

.section .text.boot, "ax", @progbits
.option norvc

.global start
start:
    li tp, 0
    lla sp, boot_cpu_stack
    lla t0, boot_cpu_main
    j turn_paging_on

.global other_start
other_start:
    li tp, 1
    lla sp, other_cpu_stack
    lla t0, other_cpu_main

# SP and T0 are physical addresses, as the program counter is; the tables have this code there as well.
turn_paging_on:
    lla t1, boot_table
    srli t1, t1, 12
    li t2, SV39
    or t1, t1, t2
    sfence.vma
    csrw satp, t1
    sfence.vma
    li t1, KERNEL_OFFSET
    add sp, sp, t1
    add t0, t0, t1
    # Where the entry from user mode finds the CPU's number: see trap.s.
    sd tp, 0(sp)
    jr t0

# The first table: pages of 1 GiB, all of it readable, writable and executable. The kernel makes better ones as soon as it can
# allocate; the other hart starts by this one as well.
.section .data.boot, "aw", @progbits
.equ LEAF, 0xcf                         # D, A, X, W, R, V
.balign 4096
boot_table:
    .fill 2, 8, 0
    .quad 2 << 28 | LEAF                # the memory in which this code is, at its physical address
    .fill 253, 8, 0
    .quad 0 << 28 | LEAF                # the direct map
    .quad 1 << 28 | LEAF
    .quad 2 << 28 | LEAF
    .quad 3 << 28 | LEAF
    .fill 250, 8, 0
    .quad 2 << 28 | LEAF                # the kernel
    .quad 0

# A page without access below each stack is for kernel tables to leave out. The last 16 bytes of each hold the CPU's number.
# trap.s and trap.rs know that the CPUs' stacks are alike and lie one behind the other.
.section .bss.stacks, "aw", @nobits
.balign 4096
.global stacks, boot_cpu_stack_guard, other_cpu_stack_guard, fatal_stack
stacks:
boot_cpu_stack_guard:
    .skip 4096
    .skip 65536 - 16
boot_cpu_stack:
    .skip 16
other_cpu_stack_guard:
    .skip 4096
    .skip 65536 - 16
other_cpu_stack:
    .skip 16
    .skip 16384 - 16
fatal_stack:
    .skip 16
