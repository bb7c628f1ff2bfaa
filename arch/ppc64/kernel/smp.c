/* SPDX-License-Identifier: MIT */
/*
 * smp.c: starts the other CPUs: the way of each from the firmware to its idle task.
 *
 * No locks: CPUs start one after another. Source: LoPAR 7.3.9.1 (start-cpu), 14.5.4.8
 * (H_SIGNAL_SYS_RESET). Read next: boot/ppc64/boot.S (secondary_entry), xics.c, kernel/smp.c.
 */
#include "internal.h"
#include <arch/irq.h>
#include <arch/mmu.h>
#include <arch/setup.h>
#include <boot/ppc64/boot.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/sched.h>
#include <kernel/smp.h>
#include <kernel/string.h>
#include <kernel/time.h>
#include <mm/vmalloc.h>

#define ALL_OTHERS (~1UL) /* H_SIGNAL_SYS_RESET: -2 */

struct save_area save_areas[NR_CPUS];
u8 emergency_stacks[NR_CPUS][EMERGENCY_STACK_SIZE] __aligned(4096);
static u8 small_stacks[NR_CPUS][2][SMALL_STACK_SIZE] __aligned(4096); /* segment fault, reset */

void smp_init_save_area(unsigned int cpu)
{
    struct save_area *s = &save_areas[cpu];

    s->cpu = &cpus[cpu];
    s->slb_stack = (unsigned long)small_stacks[cpu][0] + SMALL_STACK_SIZE;
    s->nmi_stack = (unsigned long)small_stacks[cpu][1] + SMALL_STACK_SIZE;
    s->emergency_stack = (unsigned long)emergency_stacks[cpu] + EMERGENCY_STACK_SIZE;
}

static __noreturn void secondary_on_stack(void)
{
    struct cpu *c = this_cpu();

    xics_init_cpu();
    time_stop_decrementer();
    sched_init_cpu(c->id);
    __atomic_store_n(&c->online, true, __ATOMIC_RELEASE);
    sched_idle_loop();
}

/* First C code of a started CPU, in real mode, on a stack in the image. */
__noreturn void start_secondary(void)
{
    struct cpu *c = this_cpu();

    mmu_init_cpu();
    arch_continue_on_stack(c->arch[CPU_ARCH_IDLE_TOP], secondary_on_stack);
}

/* False when the CPU does not answer; its stack is lost then. */
static bool start_one(unsigned int id, u32 hw_id)
{
    struct cpu *c = &cpus[id];
    u32 args[3] = { hw_id, (u32)(virt_to_phys(secondary_entry)), id };
    void *stack = kstack_alloc();

    if (!stack)
        return false;
    c->self = c;
    c->id = id;
    c->hw_id = hw_id;
    c->arch[CPU_ARCH_IDLE_TOP] = (unsigned long)stack + KIB(16);
    smp_init_save_area(id);
    c->kstack_top = save_areas[id].emergency_stack;
    smp_mb();
    if (rtas_call(ppc_platform.rtas.start_cpu, 3, args, 1, NULL) != 0)
        return false;
    return smp_wait_online(c);
}

void smp_start_cpus(void)
{
    for (unsigned int i = 1; i < ppc_platform.nr_cpus && nr_cpus_online < smp_max_cpus; i++) {
        if (!start_one(nr_cpus_online, ppc_platform.cpu_ids[i])) {
            pr_warn("smp: CPU %u does not start\n", ppc_platform.cpu_ids[i]);
            break;
        }
        WRITE_ONCE(nr_cpus_online, nr_cpus_online + 1);
    }
    pr_info("smp: %u CPU%s\n", nr_cpus_online, nr_cpus_online == 1 ? "" : "s");
}

bool arch_send_stop(void)
{
    return hcall(H_SIGNAL_SYS_RESET, ALL_OTHERS, 0, 0, 0) == H_SUCCESS;
}
