/* SPDX-License-Identifier: MIT */
/*
 * gup_test.c: /sys/kernel/debug/gup_test: gets and pins the caller's memory and gives it back, with
 * the calls of Linux's file of that name, for Linux's gup_test and for measuring.
 *
 * Locks: none of its own. Invariants: I1 every page that was got is given back before the call
 * returns. Checked by tests/user/gup_test.c. Source: Linux, mm/gup_test.c and
 * tools/testing/selftests/vm/gup_test.c. Read next: mm/gup.c.
 */
#include <asm/errno.h>
#include <kernel/devices.h>
#include <kernel/printk.h>
#include <kernel/task.h>
#include <kernel/time.h>
#include <kernel/uaccess.h>
#include <kernel/vfs.h>
#include <mm/gup.h>
#include <mm/vmalloc.h>
#include <uapi/gup_test.h>

#define MAX_BYTES (1ULL << 40) /* their pointers alone would not fit */

struct run {
    bool pin, fast;
    unsigned int flags; /* GUP_* */
    struct page **pages;
    unsigned long nr; /* got */
};

static long get_some(const struct run *r, vaddr_t at, unsigned long nr)
{
    struct page **to = r->pages + r->nr;

    if (r->fast)
        return r->pin ? pin_user_pages_fast(at, nr, r->flags, to)
                      : get_user_pages_fast(at, nr, r->flags, to);
    return r->pin ? pin_user_pages(current->mm, at, nr, r->flags, to)
                  : get_user_pages(current->mm, at, nr, r->flags, to);
}

/* As Linux does: until the end, or until a call brings less than it was asked for. The address
 * behind the last call. */
static vaddr_t get_all(struct run *r, const struct gup_test *g)
{
    vaddr_t at = g->addr, end = g->addr + g->size;
    unsigned long nr = g->nr_pages_per_call;
    long got = (long)nr;

    while (at < end && got == (long)g->nr_pages_per_call) {
        nr = min(nr, (end - at) >> PAGE_SHIFT);
        got = nr ? get_some(r, at, nr) : 0;
        at += nr << PAGE_SHIFT;
        if (got <= 0)
            break;
        r->nr += (unsigned long)got;
    }
    return at;
}

static void give_back(struct run *r)
{
    if (r->pin) {
        unpin_user_pages(r->pages, r->nr, (r->flags & GUP_WRITE) != 0);
        return;
    }
    for (unsigned long n = 0; n < r->nr; n++)
        put_user_page(r->pages[n]);
}

/* A huge page that was pinned as a whole counts in its head. */
static bool page_is_pinned(const struct page *p)
{
    return page_pins(p) != 0 || page_pins(page_head(p)) != 0;
}

static bool all_are_pinned(const struct run *r)
{
    for (unsigned long n = 0; n < r->nr; n++)
        if (!page_is_pinned(r->pages[n])) {
            pr_err("gup_test: page %lu of %lu is not pinned\n", n, r->nr);
            return false;
        }
    return true;
}

static void dump_pages(const struct run *r, const struct gup_test *g)
{
    for (unsigned int n = 0; n < GUP_TEST_MAX_DUMP; n++) {
        u32 which = g->which_pages[n];
        const struct page *p;

        if (which == 0 || which > r->nr)
            continue;
        p = r->pages[which - 1];
        pr_info("gup_test: page %u: pfn %#lx refs %u pins %u flags %#x\n", which - 1,
                (unsigned long)page_to_pfn(p), page_refs(p), page_pins(p), p->flags);
    }
}

/* The call's name as what is to be done. -EINVAL: no such call, or a flag that is not known. */
static int understand(unsigned int cmd, const struct gup_test *g, struct run *r)
{
    *r = (struct run){0};
    switch (cmd) {
    case GUP_TEST_GET_FAST: r->fast = true; break;
    case GUP_TEST_PIN_FAST: r->fast = r->pin = true; break;
    case GUP_TEST_PIN_LONGTERM: r->flags = GUP_LONGTERM; r->pin = true; break;
    case GUP_TEST_GET: break;
    case GUP_TEST_PIN: r->pin = true; break;
    case GUP_TEST_DUMP: r->pin = (g->test_flags & GUP_TEST_DUMP_PINNED) != 0; break;
    default: return -EINVAL;
    }
    if (g->gup_flags & ~(GUP_TEST_WRITE | GUP_TEST_TOUCH))
        return -EINVAL;
    if (g->gup_flags & GUP_TEST_WRITE)
        r->flags |= GUP_WRITE;
    return 0;
}

static int run_test(unsigned int cmd, struct gup_test *g)
{
    struct run r;
    u64 begin, got;
    int ret = understand(cmd, g, &r);

    if (ret)
        return ret;
    if (g->size > MAX_BYTES || g->addr + g->size < g->addr)
        return -EINVAL;
    r.pages = vmalloc(((g->size >> PAGE_SHIFT) + 1) * sizeof(*r.pages));
    if (!r.pages)
        return -ENOMEM;
    begin = clock_monotonic_ns();
    g->size = get_all(&r, g) - g->addr;
    got = clock_monotonic_ns();
    if (r.pin && !all_are_pinned(&r))
        ret = -EIO;
    if (cmd == GUP_TEST_DUMP)
        dump_pages(&r, g);
    g->get_delta_usec = (got - begin) / NSEC_PER_USEC;
    begin = clock_monotonic_ns();
    give_back(&r);
    g->put_delta_usec = (clock_monotonic_ns() - begin) / NSEC_PER_USEC;
    vfree(r.pages);
    return ret;
}

static long gup_test_ioctl(struct file *f, unsigned int cmd, unsigned long arg)
{
    void __user *u = (void __user *)arg;
    struct gup_test g;
    int ret;

    if (copy_from_user(&g, u, sizeof(g)))
        return -EFAULT;
    ret = run_test(cmd, &g);
    if (ret == 0 && copy_to_user(u, &g, sizeof(g)))
        ret = -EFAULT;
    return ret;
}

void gup_test_init(void)
{
    static const struct file_ops fops = {.ioctl = gup_test_ioctl};

    sysfs_create_ops("kernel/debug/gup_test", 0600, &fops, NULL);
}
