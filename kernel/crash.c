/* SPDX-License-Identifier: MIT */
/*
 * crash.c: makes the kernel die on request (`crash=kind`), to see and to test what a panic reports.
 *
 * It runs just before /init would be started, in a kernel thread. The kinds are the rows of the
 * table below; their reports are checked by tests/panic/list. No locks. Read next: panic.c.
 */
#include <kernel/crash.h>
#include <kernel/param.h>
#include <kernel/printk.h>
#include <kernel/sections.h>
#include <kernel/string.h>
#include <kernel/task.h>
#include <arch/mmu_const.h>

static const char *wanted;

static void set_crash(const char *value)
{
    wanted = value;
}
KPARAM("crash", set_crash, "dies before init: null, user, exec, rodata, stack, bug, ubsan");

/* The compiler must not see through the pointer. */
static void *hidden(unsigned long addr)
{
    __asm__ volatile("" : "+r"(addr));
    return (void *)addr;
}

static void crash_null(void)
{
    *(volatile int *)hidden(16) = 1;
}

static void crash_user(void)
{
    (void)*(volatile int *)hidden(user_top() / 2);
}

static int on_data[4];

static void crash_exec(void)
{
    ((void (*)(void))hidden((unsigned long)on_data))();
}

static void crash_rodata(void)
{
    *(volatile char *)hidden((unsigned long)__rodata_start) = 1;
}

static __noinline unsigned long overflow(unsigned long depth)
{
    volatile char frame[256];

    frame[0] = (char)depth;
    return depth == 0 ? 0 : overflow(depth - 1) + (unsigned long)frame[0];
}

static void crash_stack(void)
{
    (void)overflow((unsigned long)hidden(KSTACK_SIZE));
}

static void crash_bug(void)
{
    BUG();
}

static void crash_ubsan(void)
{
    volatile int big = 0x7fffffff;

    big = big + 1;
}

void crash_if_asked(void)
{
    static const struct {
        const char *name;
        void (*fn)(void);
    } kinds[] = {
        { "null", crash_null },   { "user", crash_user }, { "exec", crash_exec },
        { "rodata", crash_rodata }, { "stack", crash_stack }, { "bug", crash_bug },
        { "ubsan", crash_ubsan },
    };

    for (size_t i = 0; wanted && i < ARRAY_SIZE(kinds); i++)
        if (strcmp(kinds[i].name, wanted) == 0)
            kinds[i].fn();
    if (wanted)
        pr_warn("crash=%s: no such kind, or it did not crash\n", wanted);
}
