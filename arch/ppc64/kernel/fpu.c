/* SPDX-License-Identifier: MIT */
/*
 * fpu.c: the floating point, vector and VSX registers of user threads.
 *
 * A thread starts with the units off; its first such instruction traps, and from then on the
 * registers are live: saved when the thread is switched out, loaded when it is switched in. MSR.FP
 * in its pt_regs says so. The three units go on and off together. The kernel itself does not use
 * them.
 * I1: while a thread's registers are live its fpu_state is stale; whoever wants the contents saves
 *     first, whoever changes the state makes the registers forgotten first.
 * I2: the state of a thread that is not live is what it will find.
 * Source: Power ISA 3.0B Book III section 3.2.1 (MSR.FP, VEC, VSX, FE0, FE1). Read next: thread.c,
 * signal.c.
 */
#include "internal.h"
#include <arch/task.h>
#include <asm/errno.h>
#include <kernel/preempt.h>
#include <kernel/printk.h>
#include <kernel/string.h>
#include <kernel/syscall.h>
#include <kernel/task_regs.h>
#include <mm/slab.h>

#define MSR_UNITS (MSR_FP | MSR_VEC | MSR_VSX)
/* With the FPU on, its exceptions are precise; which ones there are is FPSCR's affair. */
#define MSR_LIVE  (MSR_UNITS | MSR_FE0 | MSR_FE1)
#define VSCR_NON_JAVA 0x00010000u

void fpu_regs_save(struct fpu_state *s);
void fpu_regs_load(const struct fpu_state *s);

static struct kmem_cache *cache __ro_after_init;

void fpu_init(void)
{
    cache = kmem_cache_create("fpu", sizeof(struct fpu_state), 16, NULL);
    if (!cache)
        panic("no memory for the cache of FPU states");
}

static void set_initial(struct fpu_state *s)
{
    memset(s, 0, sizeof(*s));
    s->vscr[3] = VSCR_NON_JAVA;
}

int fpu_alloc(struct fpu_state **state)
{
    *state = kmem_cache_alloc(cache, GFP_KERNEL);
    if (!*state)
        return -ENOMEM;
    set_initial(*state);
    return 0;
}

void fpu_free(struct fpu_state *state)
{
    if (state)
        kmem_cache_free(cache, state);
}

void fpu_reset(struct fpu_state *state)
{
    set_initial(state);
}

static bool is_live(const struct pt_regs *regs)
{
    return (regs->msr & MSR_FP) != 0;
}

/* The kernel's own MSR has the units off; preemption is off. */
static void save(struct fpu_state *s)
{
    unsigned long msr = mfmsr();

    mtmsr(msr | MSR_UNITS);
    fpu_regs_save(s);
    mtmsr(msr);
}

static void load(const struct fpu_state *s)
{
    unsigned long msr = mfmsr();

    mtmsr(msr | MSR_UNITS);
    fpu_regs_load(s);
    mtmsr(msr);
}

void fpu_enable(struct pt_regs *regs)
{
    preempt_disable();
    load(current->arch.fpu);
    regs->msr |= MSR_LIVE;
    current->arch.fpu_used = true;
    preempt_enable();
}

void fpu_save_current(void)
{
    preempt_disable();
    if (is_live(current_regs()))
        save(current->arch.fpu);
    preempt_enable();
}

void fpu_forget(struct pt_regs *regs)
{
    regs->msr &= ~MSR_LIVE;
    barrier();
}

void fpu_switch(struct task *prev, struct task *next)
{
    if (prev->arch.fpu && is_live(task_regs(prev)))
        save(prev->arch.fpu);
    if (next->arch.fpu && is_live(task_regs(next)))
        load(next->arch.fpu);
}
