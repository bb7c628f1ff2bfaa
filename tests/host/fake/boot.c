/* SPDX-License-Identifier: MIT */
/* boot.c: starts the modules of physical memory in the kernel's order, and stands in for their
 * neighbours. */
#include <kernel/fail.h>
#include <kernel/workqueue.h>
#include <mm/compact.h>
#include <mm/memblock.h>
#include <mm/mm.h>
#include <mm/page_cache.h>
#include <mm/slab.h>
#include <mm/vmalloc.h>
#include "host.h"

void host_boot(u64 bytes, u64 low)
{
    host_memory_init(bytes);
    memblock_add(0, bytes);
    memblock_reserve(0, low);
    buddy_init();
    slab_init();
    vmalloc_init();
    page_cache_init();
}

static unsigned long fail_countdown, fail_asked; /* countdown 0 = off */
static bool fail_forever;

void host_fail_nth(unsigned long n)
{
    fail_countdown = n;
    fail_asked = 0;
    fail_forever = false;
}

void host_fail_from(unsigned long n)
{
    host_fail_nth(n);
    fail_forever = true;
}

unsigned long host_fail_asked(void)
{
    return fail_asked;
}

unsigned int lockcheck_nr_held(void)
{
    return 0;
}

void fail_check_signal(int sig)
{
    (void)sig;
}

bool should_fail(enum fail_site site)
{
    (void)site;
    fail_asked++;
    if (fail_countdown == 0)
        return false;
    if (fail_countdown == 1 && fail_forever)
        return true;
    return --fail_countdown == 0;
}

/* Weak: a program that links the real ones uses those. */
__attribute__((weak)) bool compact_direct(unsigned int order, gfp_t gfp)
{
    (void)order, (void)gfp;
    return false;
}

__attribute__((weak)) void compact_later(unsigned int order)
{
    (void)order;
}

__attribute__((weak)) bool work_queue(struct work *w)
{
    (void)w;
    return false;
}

__attribute__((weak)) bool oom_out_of_memory(unsigned int order, gfp_t gfp)
{
    (void)order, (void)gfp;
    return false;
}

__attribute__((weak)) void mapping_unmap_range(struct mapping *m, u64 first, u64 last,
                                               bool even_cow)
{
    (void)m, (void)first, (void)last, (void)even_cow;
}
