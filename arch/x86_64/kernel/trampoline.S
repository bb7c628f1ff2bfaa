/* SPDX-License-Identifier: MIT */
/*
 * trampoline.S: the first instructions of a CPU that another one started: from real mode to 64-bit
 * mode.
 *
 * smp.c copies [trampoline_start, trampoline_end) to a page below 1 MiB and fills the words at the
 * end; the CPU starts at offset 0 with CS = page >> 4. It goes through boot.S's early tables, which
 * map low memory one to one.
 * Source: SDM volume 3, sections 8.4 (MP initialisation), 9.9.1 (switching to protected mode),
 * 9.8.5 (IA-32e mode).
 */
#define AT(label) ((label) - trampoline_start)
#define CR4_PAE  0x20
#define MSR_EFER 0xc0000080
#define MSR_GS_BASE 0xc0000101

    .section .rodata
    .balign 16
    .globl trampoline_start, trampoline_end
    .code16
trampoline_start:
    cli
    cld
    mov %cs, %ax
    mov %ax, %ds
    xor %ebx, %ebx
    mov %ax, %bx
    shl $4, %ebx                /* linear address of this page */
    /*
     * The two far pointers and the descriptor table's address hold offsets; make them linear, but
     * keep the code re-usable.
     */
    lea AT(gdt)(%ebx), %eax
    mov %eax, AT(gdtr) + 2
    lea AT(protected)(%ebx), %eax
    mov %eax, AT(far32)
    lea AT(long_mode)(%ebx), %eax
    mov %eax, AT(far64)
    lgdtl AT(gdtr)
    mov $1, %eax
    mov %eax, %cr0
    ljmpl *AT(far32)
    .code32
protected:
    mov $16, %eax
    mov %eax, %ds
    mov %eax, %ss
    mov %cr4, %eax
    or $CR4_PAE, %eax
    or AT(trampoline_cr4)(%ebx), %eax
    mov %eax, %cr4
    mov AT(trampoline_cr3)(%ebx), %eax
    mov %eax, %cr3
    mov $MSR_EFER, %ecx
    rdmsr
    or AT(trampoline_efer)(%ebx), %eax
    wrmsr
    mov $0x80010021, %eax
    mov %eax, %cr0
    ljmp *AT(far64)(%ebx)
    .code64
long_mode:
    movabs $secondary_high, %rax
    jmp *%rax

    .balign 8
gdt:
    .quad 0
    .quad 0x00af9b000000ffff    /* code, 64 bit */
    .quad 0x00cf93000000ffff    /* data */
    .quad 0x00cf9b000000ffff    /* code, 32 bit */
gdtr:
    .short 4 * 8 - 1
    .long 0
far32:
    .long 0
    .short 0x18
far64:
    .long 0
    .short 0x08
    .balign 8
    .globl trampoline_cr3, trampoline_cr4, trampoline_efer
    .globl trampoline_root, trampoline_stack, trampoline_cpu, trampoline_entry
trampoline_cr3:   .long 0
trampoline_cr4:   .long 0
trampoline_efer:  .long 0
    .balign 8
trampoline_root:  .quad 0
trampoline_stack: .quad 0
trampoline_cpu:   .quad 0
trampoline_entry: .quad 0
trampoline_end:

/*
 * The kernel's text lies at this address in the early and in the final tables; the stack only in
 * the final ones.
 */
    .text
secondary_high:
    mov AT(trampoline_root)(%rbx), %rcx
    mov AT(trampoline_stack)(%rbx), %rsp
    mov AT(trampoline_cpu)(%rbx), %rdi
    mov AT(trampoline_entry)(%rbx), %rsi
    mov %rcx, %cr3
    mov %rdi, %rax
    mov %rdi, %rdx
    shr $32, %rdx
    mov $MSR_GS_BASE, %ecx
    wrmsr
    xor %ebp, %ebp
    push $0
    jmp *%rsi
