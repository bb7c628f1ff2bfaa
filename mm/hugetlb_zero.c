/* SPDX-License-Identifier: MIT */
/*
 * hugetlb_zero.c: the huge page of zeroes that reads of /dev/page-huge map: one for each size, made
 * when it is first asked for, kept while there are users.
 *
 * Locks: zero_lock, or being a user. Invariants: I1 without users there is none, but for pins.
 * Checked by tests/user/page_huge_test.c. Read next: pt_hugetlb_char.c.
 */
#include <arch/mmu.h>
#include <kernel/param.h>
#include <kernel/string.h>
#include "hugetlb_internal.h"

static spinlock_t zero_lock = SPINLOCK_INIT(LOCK_HUGETLB);
static struct page *zero_pages[PT_MAX_LEVELS]; /* zero_lock, or a user's */
static unsigned int nr_zero_users;
static bool zero_page_off;

static void set_zero_page(const char *value)
{
    zero_page_off = strcmp(value, "off") == 0;
}
KPARAM("hugetlb_zero_page", set_zero_page, "off: reads of /dev/page-huge get a page of their own");

void huge_zero_get(void)
{
    spin_lock(&zero_lock);
    nr_zero_users++;
    spin_unlock(&zero_lock);
}

void huge_zero_put(void)
{
    struct page *gone[PT_MAX_LEVELS] = {NULL};

    spin_lock(&zero_lock);
    if (--nr_zero_users == 0) {
        memcpy(gone, zero_pages, sizeof(gone));
        memset(zero_pages, 0, sizeof(zero_pages));
    }
    spin_unlock(&zero_lock);
    for (unsigned int level = 0; level < PT_MAX_LEVELS; level++)
        if (gone[level])
            page_put(gone[level]); /* pins may keep it for a moment */
}

struct page *huge_zero_page(unsigned int level)
{
    struct page *p = READ_ONCE(zero_pages[level]), *old;
    unsigned int order = pt_shift(level) - PAGE_SHIFT;

    if (p || zero_page_off)
        return p;
    p = alloc_pages(order, GFP_POOL | GFP_ZERO);
    if (!p)
        return NULL;
    huge_block_prepare(p, order, PAGE_ZERO);
    page_set(p, PG_UPTODATE);
    __atomic_store_n(&p->word, PAGE_REF, __ATOMIC_RELEASE);
    spin_lock(&zero_lock);
    old = zero_pages[level];
    if (!old)
        zero_pages[level] = p;
    spin_unlock(&zero_lock);
    if (!old)
        return p;
    page_put(p);
    return old;
}
