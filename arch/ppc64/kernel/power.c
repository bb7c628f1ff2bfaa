/* SPDX-License-Identifier: MIT */
/*
 * power.c: the ways the machine ends: power off, a failing end, restart, halt.
 *
 * QEMU leaves with status 0 at power-off, and with `-action panic=exit-failure` with 1 at os-term,
 * whose argument it prints. No locks: the last code that runs.
 * Source: LoPAR 7.3.7.1 (power-off), 7.3.3.2 (system-reboot), 7.3.4.3 (ibm,os-term), 7.3.9.2
 * (stop-self).
 */
#include "internal.h"
#include <arch/debug.h>
#include <arch/mmu_const.h>
#include <arch/task.h>
#include <kernel/printk.h>
#include <kernel/string.h>

__noreturn void arch_halt(void)
{
    irq_disable();
    /* For good, and without CPU time of the emulator; where that does not work, by spinning. */
    (void)rtas_call(ppc_platform.rtas.stop_self, 0, NULL, 1, NULL);
    for (;;)
        cpu_relax();
}

static void power_off(void)
{
    static const u32 any[2] = { ~0u, ~0u }; /* no wake-up event */

    (void)rtas_call(ppc_platform.rtas.power_off, 2, any, 1, NULL);
}

static void terminate(const char *why)
{
    static char text[64]; /* the call wants an address below 4 GiB */
    u32 arg;

    (void)strscpy(text, why, sizeof(text));
    arg = (u32)virt_to_phys(text);
    (void)rtas_call(ppc_platform.rtas.os_term, 1, &arg, 1, NULL);
}

__noreturn void arch_machine_exit(enum machine_exit how)
{
    static const char *const why[] = { [MACHINE_FAIL] = "tests failed", [MACHINE_PANIC] = "panic" };

    irq_disable();
    if (how == MACHINE_PASS)
        power_off();
    else
        terminate(why[how]);
    pr_err("The machine stops here.\n");
    arch_halt();
}

__noreturn void arch_poweroff(int status)
{
    if (status != 0)
        arch_machine_exit(MACHINE_FAIL);
    irq_disable();
    power_off();
    pr_err("Power off is not possible on this machine; it is safe to switch it off now.\n");
    arch_halt();
}

__noreturn void arch_restart(void)
{
    irq_disable();
    (void)rtas_call(ppc_platform.rtas.system_reboot, 0, NULL, 1, NULL);
    pr_err("Restart is not possible on this machine.\n");
    arch_halt();
}
