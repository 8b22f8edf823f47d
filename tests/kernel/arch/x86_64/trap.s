# Ways into the kernel and out of it. All of them build the same `Frame` on the kernel's stack (see trap.rs).

.set PER_CPU_KERNEL_STACK, 0
.set PER_CPU_USER_STACK, 8

.macro push_registers
    push rax
    push rbx
    push rcx
    push rdx
    push rsi
    push rdi
    push rbp
    push r8
    push r9
    push r10
    push r11
    push r12
    push r13
    push r14
    push r15
.endm

.macro pop_registers
    pop r15
    pop r14
    pop r13
    pop r12
    pop r11
    pop r10
    pop r9
    pop r8
    pop rbp
    pop rdi
    pop rsi
    pop rdx
    pop rcx
    pop rbx
    pop rax
.endm

.section .text.trap, "ax", @progbits

# One stub of 16 bytes a vector. Exceptions 8, 10 to 14, 17, 21, 29 and 30 bring an error code (Intel SDM volume 3, table
# 6-1; AMD APM volume 2, table 8-1); the others get a 0 in its place.
.balign 16
.global trap_stubs
trap_stubs:
.set vector, 0
.rept 256
    .balign 16
    .if (vector == 8) | ((vector >= 10) & (vector <= 14)) | (vector == 17) | (vector == 21) | (vector == 29) | (vector == 30)
    .else
    push 0
    .endif
    push vector
    jmp trap_common
    .set vector, vector + 1
.endr

.balign 16
trap_common:
    test byte ptr [rsp + 24], 3         # the ring that was interrupted
    jz 1f
    swapgs
1:  push_registers
    cld
    mov rdi, rsp
    # The processor has aligned the stack to 16 before it pushed; the frame is 176 bytes.
    call trap_entry
# RSP: a Frame, interrupts off.
leave_trap:
    pop_registers
    add rsp, 16                         # vector and error code
    test byte ptr [rsp + 8], 3
    jz 1f
    swapgs
1:  iretq

# SYSCALL: RCX is the return address, R11 the flags; the stack is the program's. Interrupts are off (SFMASK).
.balign 16
.global syscall_entry
syscall_entry:
    swapgs
    mov gs:[PER_CPU_USER_STACK], rsp
    mov rsp, gs:[PER_CPU_KERNEL_STACK]
    push 0x23                           # user data segment
    push qword ptr gs:[PER_CPU_USER_STACK]
    push r11
    push 0x2b                           # user code segment
    push rcx
    push 0
    push 256                            # no vector
    push_registers
    mov rdi, rsp
    call system_call_entry
    pop_registers
    add rsp, 16
    # The address is below the last page of the lower half, where nothing is ever mapped: SYSRET with an address that is
    # not canonical, which faults in ring 0 on some processors, cannot happen.
    pop rcx
    add rsp, 8
    pop r11
    pop rsp
    swapgs
    sysretq

# enter_user(frame: *const Frame) -> !
.global enter_user
enter_user:
    mov rsp, rdi
    jmp leave_trap

# on_fresh_stack(function: extern "C" fn() -> !) -> !
.global on_fresh_stack
on_fresh_stack:
    mov rsp, gs:[PER_CPU_KERNEL_STACK]
    xor ebp, ebp
    call rdi
    ud2
