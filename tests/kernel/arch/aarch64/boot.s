// From where the loader leaves the processors to the kernel's Rust code.
//
// The first CPU arrives by Linux's boot protocol for arm64 (Documentation/arch/arm64/booting.rst): MMU and data cache
// off, interrupts masked, x0 the physical address of the device tree. The others arrive by PSCI's CPU_ON (Arm DEN
// 0022), in the same state. Registers and descriptors are in the Arm Architecture Reference Manual, DDI 0487, under
// their names.

.set KERNEL_BASE_L1, 510                // KERNEL_BASE as an index into the second level
.set TABLE, 0b11                        // a descriptor that leads to a table
.set BLOCK, 0x701                       // one of a block: normal memory, inner shareable, accessed; the kernel's
.set BLOCK_SIZE, 0x200000

// Attributes 0 and 1 of MAIR_EL1: normal memory, write-back, and Device-nGnRE.
.set MAIR, 0x04ff

// TCR_EL1: both halves 48 bits wide, 4 KiB granule, walks through write-back, inner shareable memory.
.set TCR, (16 << 0) | (1 << 8) | (1 << 10) | (3 << 12) | (16 << 16) | (1 << 24) | (1 << 26) | (3 << 28) | (2 << 30)
.set TCR_IPS, 32

// SCTLR_EL1: MMU, caches, stack alignment checks, what programs may do with caches and WFI as under Linux (DZE,
// UCT, UCI, nTWI, nTWE), and the bits that are RES1 in Armv8.0 (EOS, TSCXT, EIS, SPAN, nTLSMD, LSMAOE).
.set SCTLR_ON, (1 << 0) | (1 << 2) | (1 << 3) | (1 << 4) | (1 << 12)
.set SCTLR_USER, (1 << 14) | (1 << 15) | (1 << 16) | (1 << 18) | (1 << 26)
.set SCTLR_RES1, (1 << 11) | (1 << 20) | (1 << 22) | (1 << 23) | (1 << 28) | (1 << 29)
.set SCTLR, SCTLR_ON | SCTLR_USER | SCTLR_RES1

.section .head, "ax", %progbits
.global image_header, other_cpu_start
image_header:
    b first_cpu_start
    .long 0
    .quad 0                             // offset of the image from a multiple of 2 MiB
    .quad image_size
    .quad 0b1010                        // little-endian, 4 KiB pages, anywhere in memory
    .quad 0, 0, 0
    .ascii "ARM\x64"
    .long 0

first_cpu_start:
    mov x20, x0                         // first argument of boot_cpu_main
    mov x21, #0
    adrp x22, image_header              // second: the kernel's physical address
    bl make_boot_tables
    b enable_paging

other_cpu_start:
    mov x21, #1

// x21: 0 for the first CPU, 1 for the other.
enable_paging:
    mrs x9, CurrentEL
    cmp x9, #(1 << 2)
    b.ne wrong_level
    adrp x9, boot_root
    msr ttbr0_el1, x9
    msr ttbr1_el1, x9
    mov x9, #MAIR
    msr mair_el1, x9
    ldr x9, =TCR
    mrs x10, id_aa64mmfr0_el1           // PARange, at most 48 bits: more asks for another format of descriptors
    and x10, x10, #0xf
    mov x11, #5
    cmp x10, x11
    csel x10, x10, x11, lo
    orr x9, x9, x10, lsl #TCR_IPS
    msr tcr_el1, x9
    tlbi vmalle1
    ic iallu
    dsb nsh
    isb
    ldr x9, =SCTLR
    msr sctlr_el1, x9
    isb
    ldr x9, =higher_half
    br x9

// EL1 is where QEMU starts its "virt" machine. Leaving EL2 for EL1 is nothing that this kernel is to show.
wrong_level:
    mov w0, #0x04                       // semihosting: SYS_WRITE0, SYS_EXIT_EXTENDED
    adr x1, wrong_level_text
    hlt #0xf000
    mov w0, #0x20
    adr x1, wrong_level_status
    hlt #0xf000
1:  wfe
    b 1b
.balign 8
wrong_level_status:
    .quad 0x20026, 35                   // ADP_Stopped_ApplicationExit; the status of exit.rs for a failure
wrong_level_text:
    .asciz "the kernel starts at EL1: leave out QEMU's virtualization=on\n"
.balign 4
.ltorg

// The first tables: the GiB that holds the kernel at its physical address and, by the same table, at the direct map;
// the kernel at KERNEL_BASE. All of it is writable and executable. The kernel makes better ones as soon as it can
// allocate; the other CPU starts by these as well.
make_boot_tables:
    adrp x10, boot_root
    adrp x11, boot_l1_direct
    adrp x12, boot_l1_kernel
    adrp x13, boot_l2_kernel
    orr x14, x11, #TABLE
    str x14, [x10]
    orr x14, x12, #TABLE
    str x14, [x10, #511 * 8]
    orr x14, x13, #TABLE
    str x14, [x12, #KERNEL_BASE_L1 * 8]
    mov x9, #BLOCK
    lsr x15, x22, #30
    orr x14, x9, x15, lsl #30
    str x14, [x11, x15, lsl #3]
    orr x14, x9, x22
    adrp x15, data_end
1:  str x14, [x13], #8
    add x14, x14, #BLOCK_SIZE
    cmp x14, x15
    b.lo 1b
    // They were written past the cache, which may hold what the loader has put there before.
    mrs x14, ctr_el0
    ubfx x14, x14, #16, #4              // DminLine: words of a cache line, as a power of 2
    mov x15, #4
    lsl x15, x15, x14
    adrp x16, boot_tables_end
    dsb sy
2:  dc ivac, x10
    add x10, x10, x15
    cmp x10, x16
    b.lo 2b
    dsb sy
    ret

.section .text.boot, "ax", %progbits
higher_half:
    mov x29, #0
    mov x30, #0
    cbnz x21, 2f
    adrp x9, bss_start                  // which the loader does not clear
    add x9, x9, :lo12:bss_start
    adrp x10, data_end
1:  stp xzr, xzr, [x9], #16
    cmp x9, x10
    b.lo 1b
    adrp x9, boot_cpu_stack_top
    mov sp, x9
    mov x0, x20
    mov x1, x22
    b boot_cpu_main
2:  adrp x9, other_cpu_stack_top
    mov sp, x9
    b other_cpu_main

// replace_boot_tables(root: u64): goes on by another table of the kernel's half. It is called at its physical address,
// as the two may not be in the TLB side by side: they map the same addresses by blocks and by pages ("Using
// break-before-make when updating translation table entries").
.global replace_boot_tables
replace_boot_tables:
    adrp x1, empty_table
    msr ttbr1_el1, x1
    isb
    tlbi vmalle1
    dsb nsh
    isb
    msr ttbr1_el1, x0
    isb
    ret

.section .data.boot, "aw", %progbits
.balign 4096
boot_root:
    .skip 4096
boot_l1_direct:
    .skip 4096
boot_l1_kernel:
    .skip 4096
boot_l2_kernel:
    .skip 4096
boot_tables_end:
// Maps nothing: the programs' half of the address space while no program has it.
.global empty_table
empty_table:
    .skip 4096

// A page without access below each stack is for kernel tables to leave out. An exception in the kernel, which ends it,
// has a stack of its own: it may be the other's overflow.
.section .bss.stacks, "aw", %nobits
.balign 4096
.global boot_cpu_stack_guard, boot_cpu_stack_top, boot_cpu_emergency_top
.global other_cpu_stack_guard, other_cpu_stack_top, other_cpu_emergency_top
boot_cpu_stack_guard:
    .skip 4096
    .skip 65536
boot_cpu_stack_top:
other_cpu_stack_guard:
    .skip 4096
    .skip 65536
other_cpu_stack_top:
    .skip 8192
boot_cpu_emergency_top:
    .skip 8192
other_cpu_emergency_top:
