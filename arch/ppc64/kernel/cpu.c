/* SPDX-License-Identifier: MIT */
/*
 * cpu.c: which CPU this is, what it tells programs, its random numbers.
 *
 * No locks: constant. Source: Power ISA 3.0B Book I section 3.3.9 (darn), Book III 4.3.1 (PVR);
 * asm/cputable.h of the UAPI (AT_HWCAP bits). Read next: setup.c.
 */
#include "internal.h"
#include <arch/info.h>
#include <arch/task.h>
#include <asm/cputable.h>
#include <kernel/printk.h>

#define DARN_ERROR (~0UL)

static const char *cpu_name(void)
{
    switch (pvr_version()) {
    case PVR_POWER8:
    case PVR_POWER8E:
    case PVR_POWER8NVL:
        return "POWER8";
    case PVR_POWER9:
        return "POWER9";
    default:
        return "unknown";
    }
}

int arch_cpuinfo(unsigned int cpu, char *buf, size_t n)
{
    u64 hz = ppc_platform.timebase_hz;
    unsigned long pvr = mfspr(SPR_PVR);

    return scnprintf(buf, n,
                     "processor\t: %u\ncpu\t\t: %s (architected), altivec supported\n"
                     "server number\t: %u\nrevision\t: %lu.%lu (pvr %04lx %04lx)\n"
                     "timebase\t: %llu\nplatform\t: pSeries\nmodel\t\t: %s\n\n",
                     cpu, cpu_name(), cpus[cpu].hw_id, pvr >> 8 & 15, pvr & 255, pvr >> 16,
                     pvr & 0xffff, (unsigned long long)hz, ppc_platform.model);
}

unsigned long arch_hwcap(void)
{
    return PPC_FEATURE_64 | PPC_FEATURE_32 | PPC_FEATURE_HAS_FPU | PPC_FEATURE_HAS_MMU |
           PPC_FEATURE_HAS_ALTIVEC | PPC_FEATURE_HAS_VSX | PPC_FEATURE_SMT |
           PPC_FEATURE_ICACHE_SNOOP | PPC_FEATURE_ARCH_2_06;
}

unsigned long arch_hwcap2(void)
{
    unsigned long v = PPC_FEATURE2_ARCH_2_07 | PPC_FEATURE2_ISEL | PPC_FEATURE2_VEC_CRYPTO;

    if (pvr_version() >= PVR_POWER9)
        v |= PPC_FEATURE2_ARCH_3_00 | PPC_FEATURE2_HAS_IEEE128 | PPC_FEATURE2_DARN;
    return v;
}

const char *arch_platform(void)
{
    return pvr_version() >= PVR_POWER9 ? "power9" : "power8";
}

bool arch_random_u64(u64 *v)
{
    unsigned long a[8] = { 0 };

    if (pvr_version() >= PVR_POWER9) {
        for (int i = 0; i < 10; i++) {
            __asm__ volatile(".machine push; .machine power9; darn %0, 1; .machine pop"
                             : "=r"(*v));
            if (*v != DARN_ERROR)
                return true;
        }
        return false;
    }
    if (hcall_args(H_RANDOM, a) != H_SUCCESS)
        return false;
    *v = a[0];
    return true;
}
