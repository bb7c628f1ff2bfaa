/* SPDX-License-Identifier: MIT */
/*
 * quire_cpu.h: ppc64's side of <arch/cpu.h>, and the special registers.
 * Source: Power ISA 3.0B, Book III section 3.2.1 (MSR), 4.4 (SPR numbers), Book II chapter 4
 * (barriers), section 6.2 (time base).
 */
#pragma once

#define MSR_SF  0x8000000000000000
#define MSR_VEC 0x0000000002000000
#define MSR_VSX 0x0000000000800000
#define MSR_EE  0x8000
#define MSR_PR  0x4000
#define MSR_FP  0x2000
#define MSR_ME  0x1000
#define MSR_FE0 0x0800
#define MSR_SE  0x0400
#define MSR_BE  0x0200
#define MSR_FE1 0x0100
#define MSR_IR  0x0020
#define MSR_DR  0x0010
#define MSR_RI  0x0002

/* Written out, since assembly macros want one word. SF, ME, RI; IR and DR; EE and PR. */
#define MSR_REAL         0x8000000000001002 /* the kernel without translation */
#define MSR_KERNEL       0x8000000000001032
#define MSR_USER         0x800000000000d032
#define MSR_REAL_NO_RI   0x8000000000001000
#define MSR_KERNEL_NO_RI 0x8000000000001030

#define SPR_XER    1
#define SPR_DSISR  18
#define SPR_DAR    19
#define SPR_DEC    22
#define SPR_SRR0   26
#define SPR_SRR1   27
#define SPR_PID    48
#define SPR_FSCR   153
#define SPR_VRSAVE 256
#define SPR_SPRG0  272
#define SPR_SPRG1  273
#define SPR_SPRG2  274
#define SPR_SPRG3  275
#define SPR_PVR    287

#ifndef __ASSEMBLY__
#include <asm/quire_hcall.h>
#include <kernel/types.h>

#define mfspr(n)                                                                                  \
    ({                                                                                            \
        unsigned long v_;                                                                         \
        __asm__ volatile("mfspr %0, %1" : "=r"(v_) : "i"(n) : "memory");                          \
        v_;                                                                                       \
    })
#define mtspr(n, v) __asm__ volatile("mtspr %0, %1" : : "i"(n), "r"((unsigned long)(v)) : "memory")

static inline unsigned long mfmsr(void)
{
    unsigned long v;

    __asm__ volatile("mfmsr %0" : "=r"(v) : : "memory");
    return v;
}

/* All bits but HV, SF, ME and LE; the new ones hold for the next instruction. */
static inline void mtmsr(unsigned long v)
{
    __asm__ volatile("mtmsrd %0; isync" : : "r"(v) : "memory");
}

/* EE and RI only: needs no isync. */
static inline void irq_disable(void)
{
    __asm__ volatile("mtmsrd %0, 1" : : "r"((unsigned long)MSR_RI) : "memory");
}

static inline void irq_enable(void)
{
    __asm__ volatile("mtmsrd %0, 1" : : "r"((unsigned long)(MSR_EE | MSR_RI)) : "memory");
}

static inline unsigned long irq_flags(void)
{
    return mfmsr();
}

#define IRQ_FLAG_ON MSR_EE
#include <kernel/irqflags.h>

/*
 * "yield": the other threads of the core may have its resources. The emulator takes it for a chance
 * to run another CPU; where all CPUs share one host thread a spinning one would otherwise keep the
 * one that it waits for from running until its time slice ends.
 */
static inline void cpu_relax(void)
{
    __asm__ volatile("or 27, 27, 27" : : : "memory");
}

/* The hypervisor sets MSR.EE and looks for pending interrupts in one step. */
static inline void cpu_idle_wait(void)
{
    (void)hcall(H_CEDE, 0, 0, 0, 0);
}

static inline u64 cycle_counter(void)
{
    return mfspr(268);
}

/* PVR's upper half: which POWER this is (asm/quire_platform.h). */
static inline unsigned int pvr_version(void)
{
    return (unsigned int)(mfspr(SPR_PVR) >> 16);
}
#endif
