/* SPDX-License-Identifier: MIT */
/*
 * move_pages.c: pages moved on request: move_pages(2), migrate_pages(2), and
 * /sys/kernel/debug/migrate_pages.
 *
 * On a machine of one node no page has anywhere to go: the two calls check their arguments and tell
 * where pages are, as Linux does there. What really moves pages is the debug file: each page of the
 * range to a new frame, for tests.
 *
 * Locks: mmap_lock for reading while one page is looked for; none while it moves.
 * Source: move_pages(2), migrate_pages(2). Checked by tests/user/migrate_test.c. Read next:
 * compact.c.
 */
#include <kernel/syscall.h>
#include <kernel/task.h>
#include <kernel/uaccess.h>
#include <kernel/vfs.h>
#include <linux/mempolicy.h>
#include <mm/migrate.h>
#include "debug_range.h"
#include "pt_internal.h"
#include "thp_internal.h"
#include "vma_internal.h"

/* ---- migrate_range ---- */

/* A page with the reference that migrate.h asks for. */
struct found {
    struct page *p; /* NULL: none */
    unsigned int level;
    vaddr_t va;
};

/* The page at @va; *next: behind its leaf. */
static struct found find_page(struct mm *mm, vaddr_t va, vaddr_t *next)
{
    struct found f = {.p = NULL, .va = va};
    struct page *table;
    pte_t *slot, e;

    *next = va + PAGE_SIZE;
    mmap_read_lock(mm);
    slot = vma_lookup(mm, va) ? pt_look_locked(mm, va, &table, &f.level) : NULL;
    if (slot != NULL) {
        e = pte_load(slot);
        *next = ALIGN_DOWN(va, pt_size(f.level)) + pt_size(f.level);
        if (pte_is_leaf(e, f.level) && pfn_valid(pte_paddr(e, f.level) >> PAGE_SHIFT))
            f.p = pte_page(e, f.level);
        if (f.p != NULL && f.p->kind == PAGE_ANON && f.level != 0)
            f.p = huge_try_get(f.p) ? f.p : NULL; /* or a split has not come to this leaf yet */
        else if (f.p != NULL && (f.p->kind == PAGE_ANON || f.p->kind == PAGE_FILE ||
                                 f.p->kind == PAGE_HUGETLB))
            page_get(f.p);
        else
            f.p = NULL;
        pt_unlock(table);
    }
    mmap_read_unlock(mm);
    return f;
}

static int move_huge(struct page *from)
{
    struct page *to = huge_alloc(PAGE_ANON, GFP_USER | GFP_NOOOM);
    int err;

    if (to == NULL)
        return -ENOMEM;
    err = migrate_huge(from, to);
    huge_put(to);
    return err;
}

static int move_whole(struct mm *mm, const struct found *f)
{
    int err;

    if (f->p->kind == PAGE_HUGETLB) {
        err = huge_is_private(f->p) ? migrate_private(mm, f->va, f->p) : migrate_pool(f->p);
        page_put(f->p);
    } else {
        err = move_huge(f->p);
        huge_put(f->p);
    }
    return err;
}

/* Small pages that wait for enough of them to come together. */
struct small {
    struct migration m[MIGRATE_BATCH];
    unsigned int n;
};

/* How many moved. */
static unsigned int move_small(struct small *s)
{
    unsigned int done = s->n != 0 ? migrate_batch(s->m, s->n) : 0;

    while (s->n != 0) {
        s->n--;
        page_put(s->m[s->n].to);
        page_put(s->m[s->n].from);
    }
    return done;
}

/* Takes over the reference. A page that is mapped twice moves once. */
static void add_small(struct small *s, struct page *from)
{
    struct page *to = NULL;
    bool there = false;

    for (unsigned int i = 0; i < s->n; i++)
        there |= s->m[i].from == from;
    if (!there)
        to = page_alloc((enum page_kind)from->kind, GFP_USER | GFP_NOOOM);
    if (to == NULL) {
        page_put(from);
        return;
    }
    to->mapping = NULL;
    s->m[s->n++] = (struct migration){.from = from, .to = to};
}

unsigned long migrate_range(struct mm *mm, vaddr_t start, vaddr_t end)
{
    struct small small = {.n = 0};
    unsigned long nr = 0;

    for (vaddr_t va = start, next; va < end && !fatal_signal_pending(); va = next) {
        struct found f = find_page(mm, va, &next);

        if (f.p == NULL)
            continue;
        if (f.level == 0)
            add_small(&small, f.p);
        else if (move_whole(mm, &f) == 0)
            nr += pt_leaf_pages(f.level);
        if (small.n == MIGRATE_BATCH)
            nr += move_small(&small);
    }
    return nr + move_small(&small);
}

static ssize_t store_migrate(const char *buf, size_t n, void *arg)
{
    struct debug_range r;
    int err = debug_range_parse(buf, &r);

    if (err)
        return err;
    if (r.all || r.order != 0)
        err = -EINVAL;
    else
        (void)migrate_range(r.mm, r.start, r.end);
    debug_range_put(&r);
    return err ? err : (ssize_t)n;
}

void migrate_init(void)
{
    sysfs_create("kernel/debug/migrate_pages", 0200, NULL, store_migrate, NULL);
}

/* ---- the calls ---- */

/* The address space of @pid, 0: the caller's. ERR_PTR: -ESRCH, -EPERM, -EINVAL (none). */
static struct mm *mm_of(int pid)
{
    struct process *p;
    struct mm *mm;
    bool allowed;

    if (pid == 0) {
        mm_get(current->mm);
        return current->mm;
    }
    p = process_find_get(pid);
    if (p == NULL)
        return ERR_PTR(-ESRCH);
    allowed = process_may_access(p);
    mm = allowed ? process_mm_get(p) : NULL;
    process_put(p);
    return mm != NULL ? mm : ERR_PTR(allowed ? -EINVAL : -EPERM);
}

/* Node of the page at @va: 0, -EFAULT (no area, or zeroes that are everybody's), -ENOENT. */
static int node_of(struct mm *mm, vaddr_t va)
{
    struct page *table;
    unsigned int level;
    int node = -EFAULT;
    pte_t *slot, e;

    mmap_read_lock(mm);
    if (vma_lookup(mm, va) != NULL) {
        node = -ENOENT;
        slot = pt_look_locked(mm, va, &table, &level);
        if (slot != NULL) {
            e = pte_load(slot);
            if (pte_is_leaf(e, level))
                node = pfn_valid(pte_paddr(e, level) >> PAGE_SHIFT) &&
                               pte_page(e, level)->kind != PAGE_ZERO ? 0 : -EFAULT;
            pt_unlock(table);
        }
    }
    mmap_read_unlock(mm);
    return node;
}

struct move_args {
    unsigned long nr;
    const unsigned long __user *pages;
    const int __user *nodes;
    int __user *status;
};

static long do_move_pages(struct mm *mm, const struct move_args *a)
{
    for (unsigned long i = 0; i < a->nr; i++) {
        unsigned long va;
        u32 node = 0;

        if (get_user_u64(&va, a->pages + i) || (a->nodes && get_user_u32(&node, a->nodes + i)))
            return -EFAULT;
        if (node != 0)
            return -ENODEV;
        if (put_user_u32((u32)node_of(mm, va & PAGE_MASK), a->status + i))
            return -EFAULT;
        if (fatal_signal_pending())
            return -EINTR;
    }
    return 0;
}

SYSCALL6(move_pages, int, pid, unsigned long, nr, const unsigned long __user *, pages,
         const int __user *, nodes, int __user *, status, int, flags)
{
    struct move_args a = {nr, pages, nodes, status};
    struct mm *mm;
    long ret;

    if (flags & ~(MPOL_MF_MOVE | MPOL_MF_MOVE_ALL))
        return -EINVAL;
    if (flags & MPOL_MF_MOVE_ALL && !has_capability())
        return -EPERM;
    mm = mm_of(pid);
    if (IS_ERR(mm))
        return PTR_ERR(mm);
    ret = do_move_pages(mm, &a);
    mm_put(mm);
    return ret;
}

SYSCALL4(migrate_pages, int, pid, unsigned long, maxnode, const unsigned long __user *, from,
         const unsigned long __user *, to)
{
    bool from0, to0, others;
    struct mm *mm;
    int err = mempolicy_read_nodes(from, maxnode, &from0, &others);

    if (!err)
        err = mempolicy_read_nodes(to, maxnode, &to0, &others);
    if (err)
        return err;
    mm = mm_of(pid);
    if (IS_ERR(mm))
        return PTR_ERR(mm);
    mm_put(mm);
    if (others && !has_capability())
        return -EPERM;
    return to0 ? 0 : -EINVAL; /* moved from node 0 to node 0 */
}
