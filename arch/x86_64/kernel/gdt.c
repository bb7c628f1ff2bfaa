/* SPDX-License-Identifier: MIT */
/*
 * gdt.c: segments and the task state segment of each CPU.
 *
 * 64-bit mode leaves segments few tasks: privilege levels, the kernel stack on entry from user mode
 * (TSS.RSP0) and the stacks for NMI, double fault and machine check (IST), which must work whatever
 * the stack pointer is.
 * No locks: each CPU writes its own. I1: the word above each IST stack is the address of the CPU's
 * struct cpu (entry.S, paranoid_common).
 * Source: SDM volume 3, section 3.4.5 (descriptors), 7.7 (64-bit TSS). Read next: idt.c.
 */
#include "internal.h"
#include <kernel/printk.h>
#include <kernel/string.h>
#include <mm/vmalloc.h>

struct tss {
    u32 reserved0;
    u64 rsp[3];
    u64 reserved1;
    u64 ist[7];
    u64 reserved2;
    u16 reserved3, io_map_base;
} __packed;

#define NR_DESCRIPTORS 9 /* null, 2 kernel, 1 unused, 3 user, TSS takes two */
#define GDT_TSS 0x38
#define DESC_KERNEL_CODE 0x00af9b000000ffffULL
#define DESC_KERNEL_DATA 0x00cf93000000ffffULL
#define DESC_USER_DATA   0x00cff3000000ffffULL
#define DESC_USER_CODE   0x00affb000000ffffULL

static u64 gdt[NR_CPUS][NR_DESCRIPTORS] __aligned(16);
static struct tss tss[NR_CPUS] __aligned(64);

/* The boot CPU faults before there is an allocator. The others get a stack with a guard page. */
#define IST_BYTES KIB(16)
static u8 boot_ist[IST_BYTES] __aligned(4096);

/*
 * @block is IST_BYTES long: 4 KiB for NMI, 8 KiB for the double fault that prints a panic, 4 KiB
 * for machine check.
 */
static void set_ist(unsigned int cpu, u8 *block)
{
    static const unsigned int end[3] = { KIB(4), KIB(12), KIB(16) };

    for (unsigned int i = 0; i < 3; i++) {
        u64 *top = (u64 *)(block + end[i] - 16);

        *top = (u64)&cpus[cpu];
        tss[cpu].ist[i] = (u64)top;
    }
}

void tss_set_kernel_stack(unsigned int cpu, unsigned long top)
{
    tss[cpu].rsp[0] = top;
}

static void fill_gdt(unsigned int cpu)
{
    u64 *g = gdt[cpu], base = (u64)&tss[cpu];

    g[KERNEL_CS / 8] = DESC_KERNEL_CODE;
    g[KERNEL_DS / 8] = DESC_KERNEL_DATA;
    g[USER_DS / 8] = DESC_USER_DATA;
    g[USER_CS / 8] = DESC_USER_CODE;
    /* Available 64-bit TSS, present. */
    g[GDT_TSS / 8] = (sizeof(struct tss) - 1) | (base & 0xffffff) << 16 | 0x89ULL << 40 |
                     ((base >> 24) & 0xff) << 56;
    g[GDT_TSS / 8 + 1] = base >> 32;
}

void gdt_init_cpu(unsigned int cpu)
{
    struct {
        u16 limit;
        u64 base;
    } __packed gdtr = { sizeof(gdt[cpu]) - 1, (u64)gdt[cpu] };
    u8 *block = cpu == 0 ? boot_ist : kstack_alloc();

    if (!block)
        panic("no memory for the interrupt stacks of CPU %u", cpu);
    fill_gdt(cpu);
    set_ist(cpu, block);
    tss[cpu].io_map_base = sizeof(struct tss); /* no I/O bitmap */
    __asm__ volatile("lgdt %0\n\t"
                     "pushq %1\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "lretq\n"
                     "1:\tmovl %2, %%eax\n\t"
                     "movl %%eax, %%ss\n\t"
                     "xorl %%eax, %%eax\n\t"
                     "movl %%eax, %%ds\n\t"
                     "movl %%eax, %%es\n\t"
                     "movl %3, %%eax\n\t"
                     "ltr %%ax"
                     :
                     : "m"(gdtr), "i"(KERNEL_CS), "i"(KERNEL_DS), "i"(GDT_TSS)
                     : "rax", "memory");
}
