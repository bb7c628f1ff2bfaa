/* SPDX-License-Identifier: MIT */
/*
 * main.c: the order in which the kernel comes up, as two tables of named steps.
 *
 * The first table runs on the boot CPU with interrupts off, on the loader's stack until there are
 * stacks with guard pages, and may not sleep. It ends by becoming the boot CPU's idle task. The
 * second table runs in a kernel thread and may sleep; its last step starts /init or the in-kernel
 * tests. A step that cannot do its work panics.
 * No locks. Read next: the init functions named here, in this order.
 */
#include <arch/cpu.h>
#include <arch/debug.h>
#include <arch/mmu.h>
#include <arch/setup.h>
#include <boot/bootinfo.h>
#include <kernel/crash.h>
#include <kernel/devices.h>
#include <kernel/extable.h>
#include <kernel/ktest.h>
#include <kernel/param.h>
#include <kernel/printk.h>
#include <kernel/sched.h>
#include <kernel/signal.h>
#include <kernel/smp.h>
#include <kernel/syscall.h>
#include <kernel/task.h>
#include <kernel/time.h>
#include <kernel/vfs.h>
#include <mm/buddy.h>
#include <mm/huge.h>
#include <mm/hugetlb.h>
#include <mm/memblock.h>
#include <mm/mm.h>
#include <mm/page_cache.h>
#include <mm/pt_ops.h>
#include <mm/slab.h>
#include <mm/compact.h>
#include <mm/migrate.h>
#include <mm/thp.h>
#include <mm/vmalloc.h>

struct boot_step {
    const char *name;
    void (*fn)(void);
};

static struct bootinfo *boot;
static const char *ktest_pattern; /* NULL: boot normally */

static void set_ktest(const char *value)
{
    ktest_pattern = value;
}
KPARAM("ktest", set_ktest, "runs the in-kernel tests whose suite.name contains the value");

static void run_steps(const struct boot_step *step)
{
    for (; step->name; step++) {
        pr_debug("boot: %s\n", step->name);
        step->fn();
    }
}

static void early_console(void)
{
    exception_table_init();
    arch_setup_early(boot);
    pr_info("Quire on %s, started by %s\n", arch_name(), boot->loader);
}

static void command_line(void)
{
    if (boot->cmdline_truncated)
        pr_warn("boot: the command line was cut after %d bytes\n", BOOT_CMDLINE_LEN - 1);
    pr_info("Command line: %s\n", boot->cmdline);
    param_parse(boot->cmdline);
}

static void memory_map(void)
{
    paddr_t first = arch_first_usable();

    if (boot->nr_dropped != 0)
        pr_warn("boot: %u ranges of the memory map did not fit\n", boot->nr_dropped);
    for (unsigned int i = 0; i < boot->nr_ranges; i++) {
        const struct boot_range *r = &boot->map[i];
        paddr_t base = max(r->base, first), end = r->base + r->len;

        if (r->kind == BOOT_RAM && base < end)
            memblock_add(base, end - base);
    }
    memblock_reserve(boot->kernel_start, boot->kernel_end - boot->kernel_start);
    if (boot->initrd_len != 0)
        memblock_reserve(boot->initrd_base, boot->initrd_len);
    memblock_set_limit(arch_early_limit());
    pr_info("Memory: %llu MiB\n", (unsigned long long)(memblock_total() >> 20));
}

static void firmware_tables(void)
{
    arch_setup_firmware(boot);
}

static void page_tables(void)
{
    mmu_boot_map(boot);
    memblock_set_limit(~0ULL);
}

static void scheduler(void)
{
    sched_init();
    sched_init_cpu(0);
}

static int boot_thread(void *unused);

static void threads(void)
{
    struct task *t;

    irq_enable();
    sched_start_services();
    t = kernel_thread(boot_thread, NULL, "boot");
    if (IS_ERR(t))
        panic("cannot make the boot thread (error %ld)", PTR_ERR(t));
}

static const struct boot_step early_steps[] = {
    { "console, exceptions, clock", early_console },
    { "command line", command_line },
    { "memory map", memory_map },
    { "firmware tables", firmware_tables },
    { "page tables", page_tables },
    { "gigantic pages", hugetlb_reserve_boot },
    { "page allocator", buddy_init },
    { "slab allocator", slab_init },
    { "kernel virtual areas", vmalloc_init },
    { NULL, NULL },
};

static const struct boot_step cpu_steps[] = {
    { "address spaces", mm_init },
    { "page-table operations", pt_init },
    { "huge pages", huge_init },
    { "page cache", page_cache_init },
    { "huge pages", hugetlb_init },
    { "signals", signal_init },
    { "tasks", task_init },
    { "interrupts and timer", arch_setup_devices },
    { "scheduler", scheduler },
    { "clocks", clock_init },
    { "system calls", syscall_init },
    { "threads", threads },
    { NULL, NULL },
};

static void unpack_initramfs(void)
{
    int err;

    if (boot->initrd_len == 0) {
        pr_warn("boot: no initramfs was given\n");
        return;
    }
    err = initramfs_unpack(phys_to_virt(boot->initrd_base), boot->initrd_len);
    if (err)
        pr_err("boot: the initramfs is damaged (error %d), going on with what was unpacked\n", err);
    memblock_free_reserved(boot->initrd_base, boot->initrd_len);
}

static void run_tests_or_init(void)
{
    if (!ktest_pattern) {
        khugepaged_start(); /* tests of memory want none that comes unasked */
        kernel_start_init();
        return;
    }
#ifdef CONFIG_DEBUG
    thp_only_on_advice();
    int failed = ktest_main(ktest_pattern);

    arch_machine_exit(failed == 0 ? MACHINE_PASS : MACHINE_FAIL);
#else
    panic("ktest: this kernel was built without tests; use the debug flavour");
#endif
}

static const struct boot_step thread_steps[] = {
    { "files", vfs_init },
    { "knobs of huge pages", thp_init },
    { "moving of pages", migrate_init },
    { "compaction", compact_init },
    { "other CPUs", smp_start_cpus },
    { "directories of CPUs", sysfs_add_cpus },
    { "devices", pci_init },
    { "console input", arch_setup_console_input },
    { "initramfs", unpack_initramfs },
    { "read-only data", mmu_protect_ro_after_init },
    { "crash, when asked for", crash_if_asked },
    { "init", run_tests_or_init },
    { NULL, NULL },
};

static int boot_thread(void *unused)
{
    run_steps(thread_steps);
    return 0;
}

/* On a stack with a guard page. */
static void continue_boot(void)
{
    run_steps(cpu_steps);
    sched_idle_loop();
}

__noreturn void kernel_main(struct bootinfo *bi)
{
    void *stack;

    boot = bi;
    run_steps(early_steps);
    stack = kstack_alloc();
    if (!stack)
        panic("no memory for the boot CPU's stack");
    arch_continue_on_stack((unsigned long)stack + KSTACK_SIZE, continue_boot);
}
