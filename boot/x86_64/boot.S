/* SPDX-License-Identifier: MIT */
/*
 * boot.S: from the loader's 32-bit protected mode to 64-bit C code at the kernel's address.
 *
 * One entry serves three loaders: GRUB (multiboot2) on BIOS and on UEFI, and QEMU's -kernel (the
 * PVH note). All come in 32-bit mode with paging off and an info pointer in EBX. The page tables
 * here are plain: 4 GiB of 2 MiB pages, shown at 0, at BOOT_DIRECT_MAP and at KERNEL_LINK_OFFSET;
 * mmu_boot_map() replaces them, CPUs that start later pass through.
 * Source: Multiboot2 specification 2.0 section 3; Xen "x86/HVM direct boot ABI"; Intel SDM volume 3
 * section 9.8.5.
 * Read next: start.c.
 */
#include <boot/x86_64/boot.h>

#define PHYS(x) ((x) - KERNEL_LINK_OFFSET)
#define PTE_P   1
#define PTE_RW  2
#define PTE_PS  0x80
#define BOOT_STACK_SIZE 16384

#define CR4_PAE  0x20
#define CR4_LA57 0x1000
#define MSR_EFER 0xc0000080
#define MSR_GS_BASE 0xc0000101

    .section .boot.header, "a"
    .balign 8
header:
    .long 0xe85250d6, 0, header_end - header
    .long 0x100000000 - (0xe85250d6 + 0 + (header_end - header))
    /* Information request: command line, modules, memory map. */
    .balign 8
    .short 1, 0
    .long 8 + 4 * 3
    .long 1, 3, 6
    /* Optional ones: ACPI root pointer, old and new. */
    .balign 8
    .short 1, 1
    .long 8 + 4 * 2
    .long 14, 15
    /* Entry address; the same for BIOS and UEFI, since no EFI tag is asked for. */
    .balign 8
    .short 3, 0
    .long 12
    .long PHYS(boot_entry)
    /* Modules on page borders. */
    .balign 8
    .short 6, 0
    .long 8
    .balign 8
    .short 0, 0
    .long 8
header_end:

    .section .note.Xen, "a", @note
    .balign 4
    .long 4, 4, 18
    .asciz "Xen"
    .long PHYS(boot_entry)

    .section .boot.text, "ax"
    .code32
    .globl boot_entry
boot_entry:
    cli
    cld
    mov $PHYS(boot_stack_top), %esp
    mov %eax, PHYS(loader_magic)
    mov %ebx, PHYS(loader_info)
    mov $0x80000000, %eax
    cpuid
    cmp $0x80000001, %eax
    jb no_long_mode
    mov $0x80000001, %eax
    cpuid
    bt $29, %edx
    jnc no_long_mode
    /* EFER: long mode enable, and no-execute where the CPU has it. */
    mov $0x100, %edi
    bt $20, %edx
    jnc 1f
    or $0x800, %edi
1:
    mov $PHYS(boot_pdpt_low) + PTE_P + PTE_RW, %eax
    mov %eax, PHYS(boot_pml4)
    mov %eax, PHYS(boot_pml4) + ((BOOT_DIRECT_MAP >> 39) & 511) * 8
    mov $PHYS(boot_pdpt_high) + PTE_P + PTE_RW, %eax
    mov %eax, PHYS(boot_pml4) + 511 * 8
    mov $PHYS(boot_pml4) + PTE_P + PTE_RW, %eax
    mov %eax, PHYS(boot_pml5)
    mov %eax, PHYS(boot_pml5) + 511 * 8
    mov $PHYS(boot_pd) + PTE_P + PTE_RW, %eax
    mov %eax, PHYS(boot_pdpt_high) + 510 * 8
    lea 0x1000(%eax), %edx
    mov %edx, PHYS(boot_pdpt_high) + 511 * 8
    xor %ecx, %ecx
2:  mov %eax, PHYS(boot_pdpt_low)(, %ecx, 8)
    add $0x1000, %eax
    inc %ecx
    cmp $4, %ecx
    jne 2b
    mov $PTE_P + PTE_RW + PTE_PS, %eax
    xor %ecx, %ecx
3:  mov %eax, PHYS(boot_pd)(, %ecx, 8)
    add $0x200000, %eax
    inc %ecx
    cmp $2048, %ecx
    jne 3b

    mov $PHYS(boot_pml4), %eax
    mov %eax, %cr3
    mov %cr4, %eax
    or $CR4_PAE, %eax
    mov %eax, %cr4
    mov $MSR_EFER, %ecx
    rdmsr
    or %edi, %eax
    wrmsr
    /* Paging, write protection in supervisor mode, native FPU errors, protection. */
    mov $0x80010021, %eax
    mov %eax, %cr0
    lgdt PHYS(boot_gdtr)
    ljmp $8, $PHYS(enter_64)

no_long_mode:
    mov $PHYS(no_long_mode_text), %esi
    mov $0x3f8, %dx
4:  lodsb
    test %al, %al
    jz 5f
    out %al, %dx
    jmp 4b
5:  hlt
    jmp 5b

    .code64
enter_64:
    movabs $enter_high, %rax
    jmp *%rax

/*
 * void boot_enable_la57(void): SDM volume 3 section 4.1.2: CR4.LA57 changes only with paging off.
 */
    .globl boot_enable_la57
boot_enable_la57:
    /*
     * Outside 64-bit mode the upper halves of registers do not survive: everything the caller keeps
     * goes to memory.
     */
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, la57_saved_rsp(%rip)
    ljmp *la57_far32(%rip)
    .code32
la57_32:
    lgdt PHYS(boot_gdtr)
    mov $16, %eax
    mov %eax, %ss
    mov %eax, %ds
    mov %cr0, %eax
    and $0x7fffffff, %eax
    mov %eax, %cr0
    mov %cr4, %eax
    or $CR4_LA57, %eax
    mov %eax, %cr4
    mov $PHYS(boot_pml5), %eax
    mov %eax, %cr3
    mov %cr0, %eax
    or $0x80000000, %eax
    mov %eax, %cr0
    ljmp $8, $PHYS(la57_64)
    .code64
la57_64:
    movabs $la57_high, %rax
    jmp *%rax

    .section .rodata
    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff /* 0x08: kernel code, 64 bit */
    .quad 0x00cf93000000ffff /* 0x10: data */
    .quad 0x00cf9b000000ffff /* 0x18: code, 32 bit */
boot_gdt_end:
boot_gdtr:
    .short boot_gdt_end - boot_gdt - 1
    .long PHYS(boot_gdt)
    .balign 8
boot_gdtr64:
    .short boot_gdt_end - boot_gdt - 1
    .quad boot_gdt
    .balign 8
la57_far32:
    .long PHYS(la57_32)
    .short 0x18
no_long_mode_text:
    .asciz "Quire needs a 64-bit x86 CPU. With QEMU, use qemu-system-x86_64 -cpu max.\r\n"

    .text
enter_high:
    lgdt boot_gdtr64(%rip)
    mov $16, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    mov $boot_stack_top, %rsp
    xor %ebp, %ebp
    /* this_cpu() works from the first C function on. */
    lea cpus(%rip), %rax
    mov %rax, (%rax)
    mov %rax, %rdx
    shr $32, %rdx
    mov $MSR_GS_BASE, %ecx
    wrmsr
    mov loader_magic(%rip), %edi
    mov loader_info(%rip), %esi
    push $0
    jmp boot_start

la57_high:
    lgdt boot_gdtr64(%rip)
    mov la57_saved_rsp(%rip), %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

    .section .data
    .balign 4
loader_magic:
    .long 0
loader_info:
    .long 0
    .balign 8
la57_saved_rsp:
    .quad 0

    .section .bss.page_aligned, "aw", @nobits
    .balign 4096
    .globl boot_pml4, boot_pml5
boot_pml5:      .skip 4096
boot_pml4:      .skip 4096
boot_pdpt_low:  .skip 4096
boot_pdpt_high: .skip 4096
boot_pd:        .skip 4 * 4096
    .globl boot_stack, boot_stack_top
boot_stack:     .skip BOOT_STACK_SIZE
boot_stack_top:
