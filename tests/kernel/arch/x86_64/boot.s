# From where the loader leaves the processors to the kernel's Rust code.
#
# The first CPU arrives by the PVH boot protocol (Xen, docs/misc/pvh): 32-bit protected mode, paging off, flat segments,
# EBX the physical address of hvm_start_info. The others arrive at `trampoline` in real mode (Intel SDM volume 3, 9.4.4,
# "MP Initialization Example").

.set KERNEL_BASE, 0xffffffff80000000
.set TRAMPOLINE, 0x8000

.section .note.pvh, "a", @note
    .balign 4
    .long 4, 4, 18                      # XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .long pvh_start

.section .boot, "ax", @progbits
.code32
.global pvh_start
pvh_start:
    cld
    mov edi, ebx                        # first argument of boot_cpu_main
    mov ebp, 0
    jmp enter_long_mode

# The other CPU, in protected mode with the flat segments of boot_gdt.
application_cpu_start:
    mov ax, 0x10
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov ebp, 1

# EBP: 0 for the first CPU, 1 for the other.
enter_long_mode:
    mov eax, cr4
    or eax, 0x20                        # PAE
    mov cr4, eax
    mov eax, offset boot_pml4 - KERNEL_BASE
    mov cr3, eax
    mov ecx, 0xc0000080                 # EFER
    rdmsr
    or eax, 0x900                       # LME, NXE
    wrmsr
    mov eax, cr0
    and eax, 0x9ffffff3                 # caches on after INIT (CD, NW); no FPU emulation or trap (EM, TS)
    or eax, 0x80010023                  # PG, WP, NE, MP, PE
    mov cr0, eax
    lgdt [boot_gdt_pointer]
    # A far return, as the assembler knows no far jump to an address of another section in this syntax.
    mov esp, offset boot_return
    retf

.balign 8
boot_return:
    .long long_mode, 0x18
boot_gdt:
    .quad 0
    .quad 0x00cf9b000000ffff            # 0x08: code, 32 bits, flat
    .quad 0x00cf93000000ffff            # 0x10: data, flat
    .quad 0x00af9b000000ffff            # 0x18: code, 64 bits
boot_gdt_pointer:
    .word . - boot_gdt - 1
    .long boot_gdt, 0

.code64
long_mode:
    mov ax, 0x10
    mov ds, ax
    mov es, ax
    mov ss, ax
    xor eax, eax
    mov fs, ax
    mov gs, ax
    movabs rax, offset higher_half
    jmp rax

# The real-mode part of another CPU's start; the first CPU copies it to TRAMPOLINE.
.section .rodata.trampoline, "a", @progbits
.code16
.global trampoline_start, trampoline_end
trampoline_start:
    jmp 1f
.balign 4
trampoline_gdt_pointer:                 # at TRAMPOLINE + 4
    .word 31
    .long boot_gdt
1:  cli
    cld
    xor ax, ax
    mov ds, ax
    data32 lgdt [TRAMPOLINE + 4]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    # A far jump with a 32-bit offset: jmp 0x08:application_cpu_start.
    .byte 0x66, 0xea
    .long application_cpu_start
    .word 0x08
trampoline_end:

.section .text.boot, "ax", @progbits
.code64
higher_half:
    test ebp, ebp
    jnz 1f
    lea rsp, [rip + boot_cpu_stack_top]
    xor ebp, ebp
    mov edi, edi                        # the upper half is undefined after the change of mode
    call boot_cpu_main
    ud2
1:  lea rsp, [rip + other_cpu_stack_top]
    xor ebp, ebp
    call other_cpu_main
    ud2

# The first tables: the first GiB at 0, at the direct map, and at KERNEL_BASE, all of it writable and executable. The kernel
# makes better ones as soon as it can allocate; the other CPU starts by these as well, which is what the low map is for.
.section .data.boot, "aw", @progbits
.balign 4096
boot_pml4:
    .quad boot_pdpt - KERNEL_BASE + 3
    .fill 255, 8, 0
    .quad boot_pdpt - KERNEL_BASE + 3
    .fill 254, 8, 0
    .quad boot_pdpt - KERNEL_BASE + 3
boot_pdpt:
    .quad boot_pd - KERNEL_BASE + 3
    .fill 509, 8, 0
    .quad boot_pd - KERNEL_BASE + 3
    .quad 0
boot_pd:
    .set page, 0x83
    .rept 512
    .quad page
    .set page, page + 0x200000
    .endr

# A page without access below each stack is for kernel tables to leave out.
.section .bss.stacks, "aw", @nobits
.balign 4096
.global boot_cpu_stack_guard, boot_cpu_stack_top, other_cpu_stack_guard, other_cpu_stack_top
boot_cpu_stack_guard:
    .skip 4096
    .skip 65536
boot_cpu_stack_top:
other_cpu_stack_guard:
    .skip 4096
    .skip 65536
other_cpu_stack_top:
