/* SPDX-License-Identifier: MIT */
/*
 * setup.c: the machine's part of the boot order. Boot CPU only. The order of the calls is
 * kernel/main.c's.
 *
 * Until mmu_boot_map() all of it runs in real mode.
 * Read next: kernel/main.c, entry.S, xics.c, smp.c.
 */
#include "internal.h"
#include <arch/setup.h>
#include <boot/bootinfo.h>
#include <boot/ppc64/boot.h>
#include <kernel/printk.h>

/* LoPAR 14.5.4.9.4, H_SET_MODE: resource 3 is the interrupt location, 3 with offset 0xC..4000. */
#define MODE_AIL          3
#define RESOURCE_AIL      3

/* The reset vector was the way in; from now on it is a non-maskable interrupt. */
static void take_reset_vector(void)
{
    u32 branch = 0x48000000; /* b */
    long distance = (char *)nmi_entry - (char *)reset_vector;

    WRITE_ONCE(*reset_vector, branch | ((u32)distance & 0x03fffffc));
    __asm__ volatile("dcbst 0, %0; sync; icbi 0, %0; sync; isync" : : "r"(reset_vector) : "memory");
}

void arch_setup_early(const struct bootinfo *bi)
{
    smp_init_save_area(0);
    hvc_init();
    take_reset_vector();
    time_init();
    if (hcall(H_SET_MODE, MODE_AIL, RESOURCE_AIL, 0, 0) != H_SUCCESS)
        panic("the hypervisor cannot deliver interrupts with translation on");
}

void arch_setup_firmware(const struct bootinfo *bi)
{
    if (ppc_platform.nr_dropped_cpus != 0)
        pr_warn("smp: %u CPUs more than the %d that this kernel can use\n",
                ppc_platform.nr_dropped_cpus, NR_CPUS);
    if (ppc_platform.rtas.power_off == 0)
        pr_warn("rtas: no power-off in the device tree\n");
}

void arch_setup_devices(void)
{
    fpu_init();
    cpus[0].hw_id = ppc_platform.cpu_ids[0];
    cpus[0].online = true;
    xics_init_cpu();
}

void arch_setup_console_input(void)
{
    int err = hvc_start_input();

    if (err)
        pr_warn("hvc: no interrupt (error %d), typed bytes will not arrive\n", err);
}

paddr_t arch_first_usable(void)
{
    return 0;
}

/* Real mode sees all of it. */
paddr_t arch_early_limit(void)
{
    return ~0ULL;
}

const char *arch_name(void)
{
    return "ppc64";
}
