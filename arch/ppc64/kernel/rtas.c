/* SPDX-License-Identifier: MIT */
/*
 * rtas.c: calls of the run-time abstraction services.
 *
 * QEMU has no code to call: a hypervisor call with the physical address of a request does it. The
 * request lies in the image, below 4 GiB, one per CPU, so that no lock is needed; interrupts are
 * off meanwhile. Source: LoPAR 7.2.2 (argument call buffer); QEMU docs/specs/ppc-spapr-hcalls.
 */
#include "internal.h"
#include <arch/mmu_const.h>
#include <kernel/panic.h>
#include <kernel/printk.h>

#define MAX_ARGS 6
#define MAX_RETS 8

static struct request {
    u32 token, nargs, nrets;
    u32 word[MAX_ARGS + MAX_RETS]; /* arguments, behind them results */
} __aligned(64) requests[NR_CPUS];

s32 rtas_call(u32 token, unsigned int nargs, const u32 *args, unsigned int nrets, u32 *rets)
{
    unsigned long flags = irq_save();
    struct request *r = &requests[smp_processor_id()];
    s32 status = -1;

    if (token != 0 && nargs <= MAX_ARGS && nrets >= 1 && nrets <= MAX_RETS) {
        r->token = token;
        r->nargs = nargs;
        r->nrets = nrets;
        for (unsigned int i = 0; i < nargs; i++)
            r->word[i] = args[i];
        if (hcall(H_RTAS, virt_to_phys(r), 0, 0, 0) == H_SUCCESS)
            status = (s32)r->word[nargs];
        for (unsigned int i = 1; i < nrets && rets; i++)
            rets[i - 1] = r->word[nargs + i];
    }
    irq_restore(flags);
    return status;
}
