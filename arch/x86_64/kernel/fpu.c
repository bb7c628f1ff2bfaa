/* SPDX-License-Identifier: MIT */
/*
 * fpu.c: the floating point and vector registers of user threads.
 *
 * They are saved when a user thread is switched out and loaded when it is switched in, always
 * ("eager"): no trap, no owner to track. The kernel itself does not use them. XSAVE where the CPU
 * has it, FXSAVE otherwise; of XSAVE's components those that Linux also hands out without being
 * asked: x87, SSE, AVX, AVX-512.
 * I1: the area of a running thread is stale; whoever wants the registers saves first. A switch may
 *     save at any moment when preemption is on, so nobody writes a running thread's area except
 *     with preemption off.
 * Source: SDM volume 1, chapter 13 (XSAVE), section 10.5 (FXSAVE). Read next: thread.c, signal.c.
 */
#include "internal.h"
#include <asm/errno.h>
#include <asm/quire_asm.h>
#include <asm/sigcontext.h>
#include <kernel/preempt.h>
#include <kernel/printk.h>
#include <kernel/string.h>
#include <kernel/task.h>
#include <mm/slab.h>

#define XCR0_X87_SSE 0x03UL
#define XCR0_AVX     0x04UL
#define XCR0_AVX512  0xe0UL

#define FXSAVE_BYTES   512
#define MXCSR_DEFAULT  0x1f80
#define FCW_DEFAULT    0x037f

u64 fpu_xcr0 __ro_after_init;
size_t fpu_area_bytes __ro_after_init;
static u32 mxcsr_mask __ro_after_init;
static struct kmem_cache *cache __ro_after_init;

void fpu_init_cpu(void)
{
    if (cpu_features.xsave)
        __asm__ volatile("xsetbv"
                         :
                         : "c"(0), "a"((u32)fpu_xcr0), "d"((u32)(fpu_xcr0 >> 32))
                         : "memory");
    __asm__ volatile("fninit" : : : "memory");
}

/* MXCSR bits that may be set; the FXSAVE image tells, 0 means the default. SDM volume 1, 11.6.6. */
static u32 read_mxcsr_mask(void)
{
    static u8 image[FXSAVE_BYTES] __aligned(64);

    __asm__ volatile("fxsave %0" : "=m"(image) : : "memory");
    u32 mask = ((const struct _fpstate *)image)->mxcsr_mask;

    return mask != 0 ? mask : 0xffbf;
}

void fpu_init(void)
{
    fpu_area_bytes = FXSAVE_BYTES;
    if (cpu_features.xsave) {
        struct cpuid_regs r = cpuid(13, 0);
        u64 have = (u64)r.edx << 32 | r.eax;

        fpu_xcr0 = XCR0_X87_SSE | (have & XCR0_AVX);
        if ((have & XCR0_AVX512) == XCR0_AVX512 && (have & XCR0_AVX))
            fpu_xcr0 |= XCR0_AVX512;
    }
    fpu_init_cpu();
    if (fpu_xcr0 != 0)
        fpu_area_bytes = cpuid(13, 0).ebx; /* for what xsetbv has switched on */
    mxcsr_mask = read_mxcsr_mask();
    cache = kmem_cache_create("fpu", fpu_area_bytes + FP_XSTATE_MAGIC2_SIZE, 64, NULL);
    if (!cache)
        panic("no memory for the cache of FPU areas");
}

static void set_initial(void *area)
{
    struct _fpstate *s = area;

    memset(area, 0, fpu_area_bytes);
    s->cwd = FCW_DEFAULT;
    s->mxcsr = MXCSR_DEFAULT;
    s->mxcsr_mask = mxcsr_mask;
}

int fpu_alloc_raw(void **area)
{
    *area = kmem_cache_alloc(cache, GFP_KERNEL);
    return *area ? 0 : -ENOMEM;
}

int fpu_alloc(void **area)
{
    int err = fpu_alloc_raw(area);

    if (!err)
        set_initial(*area);
    return err;
}

void fpu_free(void *area)
{
    if (area)
        kmem_cache_free(cache, area);
}

void fpu_save(void *area)
{
    if (cpu_features.xsaveopt)
        __asm__ volatile("xsaveopt64 (%0)" : : "r"(area), "a"(-1), "d"(-1) : "memory");
    else if (fpu_xcr0 != 0)
        __asm__ volatile("xsave64 (%0)" : : "r"(area), "a"(-1), "d"(-1) : "memory");
    else
        __asm__ volatile("fxsave64 (%0)" : : "r"(area) : "memory");
}

void fpu_save_full(void *area)
{
    if (fpu_xcr0 != 0)
        __asm__ volatile("xsave64 (%0)" : : "r"(area), "a"(-1), "d"(-1) : "memory");
    else
        fpu_save(area);
}

void fpu_restore(const void *area)
{
    /*
     * fpu_sanitize() accepted it; if the CPU does not, the registers get the initial state rather
     * than the kernel a fault.
     */
    bool bad;

    if (fpu_xcr0 != 0)
        __asm__ volatile("1: xrstor64 (%1)\n"
                         "   xorl %%eax, %%eax\n"
                         "   jmp 3f\n"
                         "2: movl $1, %%eax\n"
                         "3:\n" EXCEPTION_ENTRY("1b", "2b")
                         : "=a"(bad)
                         : "r"(area), "a"(-1), "d"(-1)
                         : "memory");
    else
        __asm__ volatile("1: fxrstor64 (%1)\n"
                         "   xorl %%eax, %%eax\n"
                         "   jmp 3f\n"
                         "2: movl $1, %%eax\n"
                         "3:\n" EXCEPTION_ENTRY("1b", "2b")
                         : "=a"(bad)
                         : "r"(area)
                         : "memory");
    if (unlikely(bad))
        __asm__ volatile("fninit" : : : "memory");
}

void fpu_reset(void *area)
{
    preempt_disable();
    set_initial(area);
    if (area == current->arch.fpu)
        fpu_restore(area);
    preempt_enable();
}

bool fpu_sanitize(void *area, size_t len)
{
    struct _fpstate *s = area;
    u64 *header = (u64 *)((u8 *)area + FXSAVE_BYTES);

    if (s->mxcsr & ~mxcsr_mask)
        return false;
    if (fpu_xcr0 == 0)
        return true;
    if (len < fpu_area_bytes) { /* a frame without extended state */
        memset(header, 0, fpu_area_bytes - FXSAVE_BYTES);
        header[0] = XCR0_X87_SSE;
        return true;
    }
    /*
     * SDM volume 1, 13.8: XRSTOR faults for unknown components, the compacted form (word 1) and a
     * reserved word 2. It ignores the rest, and so does Linux.
     */
    if ((header[0] & ~fpu_xcr0) != 0 || header[1] != 0 || header[2] != 0)
        return false;
    return true;
}
