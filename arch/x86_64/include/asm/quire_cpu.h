/* SPDX-License-Identifier: MIT */
/*
 * quire_cpu.h: x86-64's side of <arch/cpu.h>, and the few instructions that have no C form.
 * Source: Intel SDM volume 2 (the instructions), volume 3 section 6.8.1 (interrupt masking).
 */
#pragma once
#include <kernel/types.h>

#define X86_EFLAGS_TF   0x00000100UL
#define X86_EFLAGS_IF   0x00000200UL
#define X86_EFLAGS_DF   0x00000400UL
#define X86_EFLAGS_IOPL 0x00003000UL
#define X86_EFLAGS_NT   0x00004000UL
#define X86_EFLAGS_RF   0x00010000UL
#define X86_EFLAGS_AC   0x00040000UL
#define X86_EFLAGS_ID   0x00200000UL

static inline unsigned long irq_flags(void)
{
    unsigned long flags;

    __asm__ volatile("pushfq; popq %0" : "=rm"(flags) : : "memory");
    return flags;
}

static inline void irq_disable(void)
{
    __asm__ volatile("cli" : : : "memory");
}

static inline void irq_enable(void)
{
    __asm__ volatile("sti" : : : "memory");
}

#define IRQ_FLAG_ON X86_EFLAGS_IF
#include <kernel/irqflags.h>

static inline void cpu_relax(void)
{
    __asm__ volatile("pause" : : : "memory");
}

/* sti takes effect after the next instruction, so no interrupt fits between it and hlt. */
static inline void cpu_idle_wait(void)
{
    __asm__ volatile("sti; hlt" : : : "memory");
}

static inline u64 cycle_counter(void)
{
    u32 low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (u64)high << 32 | low;
}

/* Ports: outb(port, v), inb(port), and so on. */
#define DEFINE_PORT_IO(suffix, type)                                                               \
    static inline void out##suffix(u16 port, type v)                                               \
    {                                                                                              \
        __asm__ volatile("out" #suffix " %0, %1" : : "a"(v), "Nd"(port) : "memory");               \
    }                                                                                              \
    static inline type in##suffix(u16 port)                                                        \
    {                                                                                              \
        type v;                                                                                    \
                                                                                                   \
        __asm__ volatile("in" #suffix " %1, %0" : "=a"(v) : "Nd"(port) : "memory");                \
        return v;                                                                                  \
    }

DEFINE_PORT_IO(b, u8)
DEFINE_PORT_IO(w, u16)
DEFINE_PORT_IO(l, u32)

#define MSR_APIC_BASE      0x0000001b
#define MSR_EFER           0xc0000080
#define MSR_STAR           0xc0000081
#define MSR_LSTAR          0xc0000082
#define MSR_SYSCALL_MASK   0xc0000084
#define MSR_FS_BASE        0xc0000100
#define MSR_GS_BASE        0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102

#define EFER_SCE 0x001
#define EFER_LME 0x100
#define EFER_NXE 0x800

static inline u64 rdmsr(u32 msr)
{
    u32 low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
    return (u64)high << 32 | low;
}

static inline void wrmsr(u32 msr, u64 v)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}

struct cpuid_regs {
    u32 eax, ebx, ecx, edx;
};

static inline struct cpuid_regs cpuid(u32 leaf, u32 subleaf)
{
    struct cpuid_regs r;

    __asm__ volatile("cpuid"
                     : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
                     : "a"(leaf), "c"(subleaf));
    return r;
}

#define CR0_MP 0x00000002UL
#define CR0_EM 0x00000004UL
#define CR0_TS 0x00000008UL
#define CR0_NE 0x00000020UL
#define CR0_WP 0x00010000UL

#define CR4_PGE        0x00000080UL
#define CR4_OSFXSR     0x00000200UL
#define CR4_OSXMMEXCPT 0x00000400UL
#define CR4_UMIP       0x00000800UL
#define CR4_LA57       0x00001000UL
#define CR4_FSGSBASE   0x00010000UL
#define CR4_OSXSAVE    0x00040000UL
#define CR4_SMEP       0x00100000UL
#define CR4_SMAP       0x00200000UL

/* A control register by its number. */
#define read_cr(n)                                                                                 \
    ({                                                                                             \
        unsigned long v_;                                                                          \
        __asm__ volatile("mov %%cr" #n ", %0" : "=r"(v_) : : "memory");                            \
        v_;                                                                                        \
    })
#define write_cr(n, v) __asm__ volatile("mov %0, %%cr" #n : : "r"((unsigned long)(v)) : "memory")

/* What the boot CPU found; filled by cpu_features_detect() before the first user of a query. */
struct cpu_features {
    bool nx, pge, gbpages, la57, smep, smap, umip, fsgsbase, xsave, xsaveopt, erms, rdrand;
    bool tsc_invariant;
    u32 tsc_khz; /* from CPUID 0x15/0x16, 0 when not told */
    char vendor[13];
    char model_name[49];
    u32 family, model, stepping;
};
extern struct cpu_features cpu_features;

/* Every CPU: sets the control registers to what cpu_features says. */
void cpu_setup_control_registers(void);
void cpu_features_detect(void);
