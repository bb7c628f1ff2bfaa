/* SPDX-License-Identifier: MIT */
/*
 * entry.S: every way into the kernel and back: exceptions, interrupts, the syscall instruction; the
 * context switch.
 *
 * Each entry leaves a struct pt_regs on the kernel stack. In the kernel GS.base is this CPU's
 * struct cpu, in user mode the user's own; swapgs exchanges the two.
 * I1: interrupts are off from an entry until the C handler turns them on, and from the last look at
 *     the work flags to the return.
 * I2: orig_rax is the number of the call on a system call whose user registers nobody changed, and
 *     negative otherwise (exceptions, interrupts, after sigreturn and execve). sysret needs RCX =
 *     RIP and R11 = RFLAGS, which hold then.
 * Source: SDM volume 2 SYSCALL, SYSRET, SWAPGS, IRET; volume 3 section 6.14 (64-bit interrupt
 * stack).
 * Read next: traps.c, irq.c, syscall.c.
 */
#include <asm/quire_asm.h>
#include <asm_offsets.h>

#define USER_DS 0x2b
#define USER_CS 0x33
#define MSR_GS_BASE 0xc0000101
#define X86_EFLAGS_TF_BIT 8

    .text

/* rdi is on the stack already. */
.macro PUSH_REGS
    push %rsi
    push %rdx
    push %rcx
    push %rax
    push %r8
    push %r9
    push %r10
    push %r11
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
.endm

/* Leaves the stack at orig_rax's successor: the frame for iretq. */
.macro POP_REGS
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rax
    pop %rcx
    pop %rdx
    pop %rsi
    pop %rdi
    add $8, %rsp
.endm

/*
 * The call number is in RAX, arguments in RDI RSI RDX R10 R8 R9; RCX and R11 hold the user's RIP
 * and RFLAGS. The table's functions take the arguments in the registers of the C ABI, which are
 * these but for R10.
 */
FUNCTION syscall_entry
    swapgs
    mov %rsp, %gs:CPU_SCRATCH
    mov %gs:CPU_KSTACK_TOP, %rsp
    push $USER_DS
    push %gs:CPU_SCRATCH
    push %r11
    push $USER_CS
    push %rcx
    movslq %eax, %rax
    push %rax
    push %rdi
    PUSH_REGS
    sti
    xor %ebp, %ebp
    mov %r10, %rcx
    cmp $512, %rax
    jae 2f
    call *syscall_table(, %rax, 8)
1:  mov %rax, PT_RAX(%rsp)
#ifdef CONFIG_DEBUG
    call lockcheck_user_return
    mov %rsp, %rdi
    call fail_syscall_return
#endif
    cli
    cmpl $0, %gs:CPU_NEED_RESCHED
    jne return_work
    mov %gs:CPU_CURRENT, %rcx
    cmpb $0, TASK_SIGPENDING(%rcx)
    jne return_work
    cmpq $0, PT_ORIG_RAX(%rsp)
    js return_registers
    mov PT_RFLAGS(%rsp), %r11
    bt $X86_EFLAGS_TF_BIT, %r11 /* sysret would trap before the user's next instruction has run */
    jc return_registers
    mov PT_RIP(%rsp), %rcx
    /* The C functions kept RBX, RBP's place holder aside, and R12-R15. */
    mov PT_RAX(%rsp), %rax
    mov PT_R10(%rsp), %r10
    mov PT_R9(%rsp), %r9
    mov PT_R8(%rsp), %r8
    mov PT_RDX(%rsp), %rdx
    mov PT_RSI(%rsp), %rsi
    mov PT_RDI(%rsp), %rdi
    mov PT_RBP(%rsp), %rbp
    mov PT_RSP(%rsp), %rsp
    swapgs
    sysretq
2:  mov $-38, %rax /* ENOSYS */
    jmp 1b
END_FUNCTION syscall_entry

/*
 * First code of a new thread: switch_stack returns here with the previous task in RAX;
 * arch_copy_thread made the frame.
 */
FUNCTION ret_from_fork
    mov %rax, %rdi
    call sched_finish_switch
    test %rbx, %rbx
    jz return_to_user
    mov %r12, %rdi
    call *%rbx
    jmp return_to_user
END_FUNCTION ret_from_fork

/* Interrupts may be on here. */
FUNCTION return_to_user
    cli
#ifdef CONFIG_DEBUG
    call lockcheck_user_return
    call fail_user_return
#endif
    cmpl $0, %gs:CPU_NEED_RESCHED
    jne return_work
    mov %gs:CPU_CURRENT, %rcx
    cmpb $0, TASK_SIGPENDING(%rcx)
    jne return_work
return_registers:
    POP_REGS
    swapgs
    iretq
return_work:
    sti
    mov %rsp, %rdi
    call exit_to_user_work
    jmp return_to_user
END_FUNCTION return_to_user

FUNCTION return_to_kernel
    POP_REGS
    iretq
END_FUNCTION return_to_kernel

/* The most frequent exception, without a look at the vector. The CPU pushed the error code. */
FUNCTION page_fault_entry
    CLAC
    cld
    push %rdi
    PUSH_REGS
    mov %rsp, %rdi
    mov PT_ORIG_RAX(%rsp), %rsi
    movq $-1, PT_ORIG_RAX(%rsp)
    mov %cr2, %rdx
    testb $3, PT_CS(%rsp)
    jz 1f
    swapgs
    xor %ebp, %ebp
    call handle_page_fault
    jmp return_to_user
1:  call handle_page_fault
    jmp return_to_kernel
END_FUNCTION page_fault_entry

/* Stack: vector, error code or -1, frame. @handler takes (regs, vector, error). */
.macro COMMON_ENTRY name, handler
FUNCTION \name
    CLAC
    cld
    xchg %rdi, (%rsp)
    PUSH_REGS
    mov %rdi, %rsi
    mov %rsp, %rdi
    mov PT_ORIG_RAX(%rsp), %rdx
    movq $-1, PT_ORIG_RAX(%rsp)
    testb $3, PT_CS(%rsp)
    jz 1f
    swapgs
    xor %ebp, %ebp
    call \handler
    jmp return_to_user
1:  call \handler
    jmp return_to_kernel
END_FUNCTION \name
.endm

COMMON_ENTRY exception_common, handle_exception
COMMON_ENTRY interrupt_common, handle_interrupt

/*
 * NMI, double fault, machine check: they hit anywhere, also where GS.base is still the user's
 * (which may be any number), and run on stacks of their own. gdt.c put the address of struct cpu
 * above each such stack.
 */
FUNCTION paranoid_common
    CLAC
    cld
    xchg %rdi, (%rsp)
    PUSH_REGS
    mov %rdi, %r14
    mov $MSR_GS_BASE, %ecx
    rdmsr
    mov %eax, %r12d
    mov %edx, %r13d
    mov PT_SIZE(%rsp), %rax
    mov %rax, %rdx
    shr $32, %rdx
    wrmsr
    mov %rsp, %rdi
    mov %r14, %rsi
    mov PT_ORIG_RAX(%rsp), %rdx
    movq $-1, PT_ORIG_RAX(%rsp)
    call handle_paranoid
    mov $MSR_GS_BASE, %ecx
    mov %r12d, %eax
    mov %r13d, %edx
    wrmsr
    jmp return_to_kernel
END_FUNCTION paranoid_common

/* 32 exception entries of 16 bytes: those without an error code push -1 in its place. */
    .balign 16
    .globl exception_entries
exception_entries:
    .set vector, 0
    .rept 32
    .balign 16
    /* SDM volume 3, table 6-1: bit n of the mask is set when vector n has an error code. */
    .if ((0x60227d00 >> vector) & 1) == 0
    push $-1
    .endif
    push $vector
    .if vector == 2 || vector == 8 || vector == 18
    jmp paranoid_common
    .else
    jmp exception_common
    .endif
    .set vector, vector + 1
    .endr

    .balign 16
    .globl interrupt_entries
interrupt_entries:
    .set vector, 32
    .rept 224
    .balign 16
    push $-1
    push $vector
    jmp interrupt_common
    .set vector, vector + 1
    .endr

/* struct task *switch_stack(unsigned long *save_sp, unsigned long load_sp, struct task *prev) */
FUNCTION switch_stack
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, (%rdi)
    mov %rsi, %rsp
    mov %rdx, %rax
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret
END_FUNCTION switch_stack

/* void arch_continue_on_stack(unsigned long top, void (*fn)(void)) */
FUNCTION arch_continue_on_stack
    mov %rdi, %rsp
    xor %ebp, %ebp
    call *%rsi
    ud2
END_FUNCTION arch_continue_on_stack
