/* SPDX-License-Identifier: MIT */
/*
 * xics.c: the interrupt controller, driven by hypervisor calls: device interrupts and interrupts
 * between CPUs.
 *
 * Each CPU has a presentation controller with a priority below which it takes interrupts, and a
 * register through which others request one of it. All device interrupts go to the boot CPU. An
 * interrupt is accepted (XIRR), handled, and ended (EOI), which restores the priority.
 * The numbers of sources are large and sparse; the rest of the kernel sees lines 0 to NR_IRQS-1,
 * given out in the order in which drivers ask.
 * Lock: none; lines are given out on the boot CPU at boot. Source: LoPAR 8.3 and 14.5.4.3.
 * Read next: irq.c.
 */
#include "internal.h"
#include <asm/errno.h>
#include <kernel/irq.h>
#include <kernel/printk.h>
#include <kernel/smp.h>

#define XIRR_SOURCE   0xffffffu
#define SOURCE_NONE   0u
#define SOURCE_IPI    2u
#define PRIORITY_ALL  0xff /* every interrupt is taken; as a request: none */
#define PRIORITY_IPI  4
#define PRIORITY_LINE 5

static u32 sources[NR_IRQS];
static unsigned int nr_lines;

void xics_init_cpu(void)
{
    (void)hcall(H_CPPR, PRIORITY_ALL, 0, 0, 0);
}

/* NR_IRQS when nobody asked for the source. */
static unsigned int line_of(u32 source)
{
    for (unsigned int i = 0; i < nr_lines; i++)
        if (sources[i] == source)
            return i;
    return NR_IRQS;
}

int xics_line(u32 source)
{
    unsigned int line = line_of(source);

    if (source == 0)
        return -ENODEV;
    if (line < NR_IRQS)
        return (int)line;
    if (nr_lines == NR_IRQS)
        return -ENOSPC;
    sources[nr_lines] = source;
    return (int)nr_lines++;
}

int xics_route(unsigned int line)
{
    u32 args[3] = { 0, cpus[0].hw_id, PRIORITY_LINE };

    if (line >= nr_lines)
        return -EINVAL;
    args[0] = sources[line];
    return rtas_call(ppc_platform.rtas.set_xive, 3, args, 1, NULL) == 0 ? 0 : -EIO;
}

void xics_send_ipi(unsigned int cpu)
{
    /* What the target is to see is written before. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    (void)hcall(H_IPI, cpus[cpu].hw_id, PRIORITY_IPI, 0, 0);
}

static void take_ipi(void)
{
    (void)hcall(H_IPI, this_cpu()->hw_id, PRIORITY_ALL, 0, 0);
    /* A request from now on interrupts again; one from before is seen below. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    smp_handle_call();
    cpu_relax(); /* the caller's turn: in the emulator its CPU shares a thread with this one */
}

void xics_interrupt(void)
{
    unsigned long a[8] = { PRIORITY_ALL };
    u32 source;

    if (hcall_args(H_XIRR, a) != H_SUCCESS)
        return;
    source = (u32)a[0] & XIRR_SOURCE;
    if (source == SOURCE_NONE)
        return; /* it has gone meanwhile */
    if (source == SOURCE_IPI)
        take_ipi();
    else
        irq_device(line_of(source));
    (void)hcall(H_EOI, (u32)a[0], 0, 0, 0);
}
