/* SPDX-License-Identifier: MIT */
/*
 * vma_check.c: the invariant walker of address spaces: says what is wrong and counts it.
 *
 * Computes everything anew from the list of areas: order, overlap, neighbours, tree shape, largest
 * holes, counters, membership in objects' lists, and which areas should have been merged never
 * matters: merging is a saving, not a promise.
 *
 * Locks: mmap_lock for reading; an object's vmas_lock for reading while its list is searched.
 * Checks I1-I3 of vma_tree.c and I1-I3 of vma.c. Read next: tests/host/mm/vma_test.c.
 */
#include <kernel/ktest.h>
#include <mm/page_cache.h>
#include "vma_internal.h"

static int complain(const struct vma *v, const char *what)
{
    pr_err("vma_check: area 0x%lx-0x%lx flags 0x%lx: %s\n", v->start, v->end, v->flags, what);
    return 1;
}

static vaddr_t hole_below(const struct vma *v)
{
    vaddr_t low = v->prev ? v->prev->end : 0, high = vma_guarded_start(v);

    return high > low ? high - low : 0;
}

static int check_gaps(const struct vma *v)
{
    vaddr_t most = v->gap;

    for (unsigned int side = 0; side < 2; side++) {
        const struct rb_node *n = v->node.child[side];

        most = n ? max(most, rb_entry(n, struct vma, node)->gap_max) : most;
    }
    if (hole_below(v) != v->gap)
        return complain(v, "the hole below it is wrong");
    return v->gap_max < most ? complain(v, "the subtree has a larger hole than it says") : 0;
}

static int check_place(const struct mm *mm, const struct vma *v, const struct vma *prev)
{
    int bad = 0;

    if (v->start >= v->end || v->end > user_top() || !IS_ALIGNED(v->start | v->end, PAGE_SIZE))
        bad += complain(v, "bad range");
    if (prev && prev->end > v->start)
        bad += complain(v, "overlaps the one below");
    if (v->prev != prev)
        bad += complain(v, "wrong neighbour below");
    if (v->mm != mm || v->detached)
        bad += complain(v, "not a member");
    return bad;
}

/* On its object's list once, among areas that are all alive. */
static int check_listed(const struct vma *v)
{
    struct mapping *m = v->mapping;
    unsigned int found = 0, dead = 0;
    struct vma *i;

    rwsem_read_lock(&m->vmas_lock);
    list_for_each_entry(i, &m->vmas, mapping_link) {
        found += i == v;
        dead += i->mapping != m || i->detached;
    }
    rwsem_read_unlock(&m->vmas_lock);
    if (found == 1 && dead == 0)
        return 0;
    return complain(v, dead ? "its object's list has an area that is gone"
                            : "not on its object's list");
}

static int check_kind(const struct vma *v)
{
    int bad = 0;

    if (v->flags & VM_SHARED && (!v->mapping || !(v->flags & VM_MAYSHARE)))
        bad += complain(v, "shared, but with nobody");
    if (v->flags & VM_ACCESS_FLAGS & ~(v->flags >> 4))
        bad += complain(v, "allows more than it may");
    if (v->flags & VM_ACCOUNT && v->flags & VM_SHARED)
        bad += complain(v, "charged for what the object is charged for");
    if (v->mapping)
        bad += check_listed(v);
    return bad;
}

#define CHECK_COUNTER(field)                                                                      \
    do {                                                                                          \
        if (mm->field != want.field) {                                                            \
            pr_err("vma_check: " #field " is %lu, areas say %lu\n", mm->field, want.field);       \
            bad++;                                                                                \
        }                                                                                         \
    } while (0)

static int check_counters(const struct mm *mm)
{
    static struct mm want; /* only its counters; walkers run one at a time */
    int bad = 0;

    want.total_vm = want.data_vm = want.exec_vm = want.stack_vm = want.locked_vm = 0;
    for_each_vma(v, mm)
        vma_account(&want, v->flags, (long)vma_pages(v));
    CHECK_COUNTER(total_vm);
    CHECK_COUNTER(data_vm);
    CHECK_COUNTER(exec_vm);
    CHECK_COUNTER(stack_vm);
    CHECK_COUNTER(locked_vm);
    return bad;
}

int vma_check(struct mm *mm)
{
    struct vma *prev = NULL;
    struct rb_node *n = rb_first(&mm->vmas);
    unsigned int nr = 0;
    int bad = rb_check(&mm->vmas);

    if (bad)
        pr_err("vma_check: %d violations of the tree's own rules\n", bad);
    for_each_vma(v, mm) {
        bad += check_place(mm, v, prev);
        bad += check_kind(v) + check_gaps(v);
        if (!n || rb_entry(n, struct vma, node) != v)
            bad += complain(v, "list and tree differ");
        n = n ? rb_next(n) : NULL;
        prev = v;
        nr++;
    }
    if (n || mm->last_vma != prev || mm->nr_vmas != nr || mm->vma_seq & 1) {
        pr_err("vma_check: %u areas listed, %u counted\n", nr, mm->nr_vmas);
        bad++;
    }
    return bad + check_counters(mm);
}

static int vma_check_all(void)
{
    int bad = 0;

    for (struct mm *mm = mm_next(NULL); mm; mm = mm_next(mm)) {
        mmap_read_lock(mm);
        bad += vma_check(mm);
        mmap_read_unlock(mm);
    }
    return bad;
}
KCHECK("areas", vma_check_all);
