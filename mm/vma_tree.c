/* SPDX-License-Identifier: MIT */
/*
 * vma_tree.c: the set of areas of one address space, as a red-black tree by start address and as a
 * list.
 *
 * The tree answers "which area is at or above this address" and, because every node knows a bound
 * of the holes in its subtree, "where is a hole of this size" in O(log n) each; the list answers
 * "who is next to it" at once. Since the neighbours of a new area are always known, inserting
 * descends nowhere. It does not know about files, flags or page tables (vma.c, munmap.c).
 *
 * Locks: mmap_lock for writing to change, for reading to look. vma_lock.c also walks the tree with
 * neither, under RCU: it may miss an area while vma_seq is odd or moves, and trusts what it found
 * only after locking it.
 *
 * Invariants, checked by vma_check (vma_check.c), tests/host/mm/vma_test.c and vma_fuzz.c:
 *   I1  areas do not overlap, are page-aligned, not empty and lie below user_top()
 *   I2  list order is tree order; first_vma and last_vma are its ends; nr_vmas its length
 *   I3  gap is the hole directly below the area, where the hole below a stack area ends
 *       STACK_GUARD_GAP before it; gap_max is not below it, nor below the children's gap_max
 *   I4  vma_seq is odd exactly while a change is under way
 *
 * Read next: vma.c (merge and split), vma_lock.c (looking without mmap_lock).
 */
#include <kernel/string.h>
#include "vma_internal.h"
#include <asm/errno.h>

static inline struct vma *vma_of(const struct rb_node *n)
{
    return rb_entry(n, struct vma, node);
}

static inline vaddr_t prev_end(const struct vma *v)
{
    return v->prev ? v->prev->end : 0;
}

/* The hole directly below @v. */
static inline vaddr_t hole_below(const struct vma *v)
{
    vaddr_t low = prev_end(v), high = vma_guarded_start(v);

    return high > low ? high - low : 0;
}

/* What gap_max must not be below. */
static inline vaddr_t gap_least(const struct rb_node *n)
{
    vaddr_t g = vma_of(n)->gap;

    if (n->left && vma_of(n->left)->gap_max > g)
        g = vma_of(n->left)->gap_max;
    if (n->right && vma_of(n->right)->gap_max > g)
        g = vma_of(n->right)->gap_max;
    return g;
}

/*
 * Most mappings are cut from one large hole, page after page, and its size is the largest of every
 * ancestor. So a bound that is too high by less than an eighth stays: growth goes up the tree at
 * once, a hole that shrinks does so each time it has lost an eighth. A search that believed such a
 * bound and found nothing corrects it, so that each shrinking disappoints only once.
 */
static bool gap_recompute(struct rb_node *n)
{
    vaddr_t g = gap_least(n), *bound = &vma_of(n)->gap_max;

    if (g <= *bound && *bound - g <= g / 8)
        return false;
    *bound = g;
    return true;
}

/* The hole below @v may have changed: brings the values up to date, as far up as they change. */
static inline void gap_changed(struct vma *v)
{
    if (!v)
        return;
    v->gap = hole_below(v);
    for (struct rb_node *n = &v->node; n && gap_recompute(n); n = rb_parent(n))
        ;
}

static inline void change_begin(struct mm *mm)
{
    ASSERT(rwsem_is_write_locked(&mm->mmap_lock));
    ASSERT(!(mm->vma_seq & 1)); /* one change at a time */
    WRITE_ONCE(mm->vma_seq, mm->vma_seq + 1);
    smp_wmb();
}

static inline void change_end(struct mm *mm)
{
    ASSERT(mm->vma_seq & 1);
    smp_store_release(&mm->vma_seq, mm->vma_seq + 1);
}

struct vma *vma_find(struct mm *mm, vaddr_t va)
{
    struct rb_node *n = mm->vmas.node;
    struct vma *best = NULL;

    ASSERT(mm_is_single_user(mm) || lockcheck_is_held(&mm->mmap_lock));
    while (n) {
        struct vma *v = vma_of(n);

        if (va >= v->end) {
            n = n->right;
            continue;
        }
        best = v;
        if (va >= v->start)
            break;
        n = n->left;
    }
    return best;
}

struct vma *vma_lookup(struct mm *mm, vaddr_t va)
{
    struct vma *v = vma_find(mm, va);

    return v && v->start <= va ? v : NULL;
}

struct vma *vma_find_intersection(struct mm *mm, vaddr_t start, vaddr_t end)
{
    struct vma *v = vma_find(mm, start);

    return v && v->start < end ? v : NULL;
}

void vma_tree_insert(struct mm *mm, struct vma *v, struct vma *prev, struct vma *next)
{
    struct rb_node *parent = NULL, **link = &mm->vmas.node;

    ASSERT(v->detached && v->mm == mm && (prev ? prev->next : mm->first_vma) == next);
    ASSERT(!prev || prev->end <= v->start);
    ASSERT(!next || next->start >= v->end);
    /* One of the two neighbours has no child on the side of the new area. */
    if (next && !next->node.left) {
        parent = &next->node;
        link = &next->node.left;
    } else if (prev) {
        parent = &prev->node;
        link = &prev->node.right;
    }
    ASSERT(*link == NULL);
    v->prev = prev;
    v->next = next;
    v->gap = v->gap_max = hole_below(v);
    change_begin(mm);
    *(prev ? &prev->next : &mm->first_vma) = v;
    *(next ? &next->prev : &mm->last_vma) = v;
    rb_insert_at(&v->node, parent, link);
    gap_changed(next); /* before a rotation, which relies on right values */
    rb_insert_color_augmented(&v->node, &mm->vmas, gap_recompute);
    v->detached = false;
    mm->nr_vmas++;
    change_end(mm);
}

void vma_tree_remove(struct mm *mm, struct vma *v)
{
    struct vma *prev = v->prev, *next = v->next;

    ASSERT(v->mm == mm && !v->detached && mm->nr_vmas != 0);
    ASSERT(prev ? prev->next == v : mm->first_vma == v);
    ASSERT(next ? next->prev == v : mm->last_vma == v);
    change_begin(mm);
    *(prev ? &prev->next : &mm->first_vma) = next;
    *(next ? &next->prev : &mm->last_vma) = prev;
    gap_changed(next); /* before a rotation, which relies on right values */
    rb_erase_augmented(&v->node, &mm->vmas, gap_recompute);
    WRITE_ONCE(v->detached, true);
    mm->nr_vmas--;
    change_end(mm);
}

void vma_tree_set_range(struct vma *v, vaddr_t start, vaddr_t end, u64 pgoff)
{
    bool low = start != v->start, high = end != v->end;

    ASSERT(start < end && start >= prev_end(v) && (!v->next || end <= v->next->start));
    change_begin(v->mm);
    WRITE_ONCE(v->start, start);
    WRITE_ONCE(v->end, end);
    v->pgoff = pgoff;
    if (low)
        gap_changed(v);
    if (high)
        gap_changed(v->next);
    change_end(v->mm);
}

/* The border is drawn before the insertion, so that no hole opens and closes again above it. */
void vma_tree_split(struct vma *v, struct vma *upper)
{
    ASSERT(upper->start > v->start && upper->end == v->end && upper->mm == v->mm);
    WRITE_ONCE(v->end, upper->start);
    vma_tree_insert(v->mm, upper, v, v->next);
}

void vma_tree_absorb(struct vma *into, struct vma *v)
{
    if (into == v->prev) {
        ASSERT(into->end == v->start);
        WRITE_ONCE(into->end, v->end);
    } else {
        ASSERT(into == v->next && into->start == v->end);
        into->pgoff = v->pgoff;
        WRITE_ONCE(into->start, v->start);
    }
    vma_tree_remove(v->mm, v);
}

void vma_tree_shift_border(struct vma *low, vaddr_t border)
{
    struct vma *high = low->next;

    ASSERT(low->end == high->start && border > low->start && border < high->end);
    change_begin(low->mm);
    high->pgoff += ((long)border - (long)high->start) >> PAGE_SHIFT;
    WRITE_ONCE(low->end, border);
    WRITE_ONCE(high->start, border);
    change_end(low->mm); /* no hole before, none now */
}

/* The next @n areas from *@list on as a subtree. Its first @black_levels levels are full; what lies
 * deeper is red. */
static struct rb_node *build(struct vma **list, unsigned int n, int black_levels)
{
    struct rb_node *left, *right;
    struct vma *v;

    if (n == 0)
        return NULL;
    left = build(list, n / 2, black_levels - 1);
    v = *list;
    *list = v->next;
    right = build(list, n - n / 2 - 1, black_levels - 1);
    rb_build_node(&v->node, left, right, black_levels > 0);
    v->gap = hole_below(v);
    v->gap_max = 0;
    gap_recompute(&v->node);
    return &v->node;
}

void vma_tree_build(struct mm *mm)
{
    struct vma *list = mm->first_vma;
    int full = 0; /* complete levels: 2^full - 1 <= n */

    while ((2ULL << full) - 1 <= mm->nr_vmas)
        full++;
    ASSERT(mm->vmas.node == NULL);
    mm->vmas.node = build(&list, mm->nr_vmas, full);
    ASSERT(list == NULL); /* nr_vmas is the length of the list */
}

/* Can the hole directly below @v hold the request? */
static bool hole_fits(vaddr_t from, vaddr_t to, const struct gap_query *q, vaddr_t *at)
{
    from = max(from, q->low);
    to = min(to, q->high);
    if (to < from || to - from < q->len)
        return false;
    *at = (q->topdown ? to - q->len : from + q->align_mask) & ~q->align_mask;
    return *at >= from && *at <= to - q->len;
}

/* Could a hole of the subtree on that side of @v do, by its size and by where the subtree lies? */
static inline struct rb_node *promising(const struct vma *v, unsigned int side,
                                        const struct gap_query *q)
{
    struct rb_node *n = v->node.child[side];

    if (!n || vma_of(n)->gap_max < q->len)
        return NULL;
    if (side ? v->end >= q->high : v->start <= q->low)
        return NULL;
    return n;
}

/*
 * Depth first, the preferred side before the node's own hole before the other side. A subtree is
 * entered only when its bound is large enough. It disappoints where the limits cut a hole, which is
 * so for two of them, and where the bound is too high, which ends with that; so the walk is
 * O(log n), taken together with the changes that made bounds too high. One for huge pages may meet
 * holes that are large enough but lie askew.
 */
static struct vma *search_holes(struct mm *mm, const struct gap_query *q, vaddr_t *at)
{
    struct rb_node *n = mm->vmas.node, *child;
    unsigned int first = q->topdown;

    if (!n || vma_of(n)->gap_max < q->len)
        return NULL;
    for (;;) {
        struct vma *v = vma_of(n);
        struct rb_node *up;

        child = promising(v, first, q);
        if (child) {
            n = child;
            continue;
        }
        for (;;) {
            v = vma_of(n);
            if (hole_fits(prev_end(v), vma_guarded_start(v), q, at))
                return v;
            child = promising(v, !first, q);
            if (child)
                break;
            do { /* back up to the first node whose preferred side we leave */
                vma_of(n)->gap_max = gap_least(n);
                up = rb_parent(n);
                if (!up)
                    return NULL;
                child = n;
                n = up;
            } while (n->child[first] != child);
        }
        n = child;
    }
}

long vma_tree_find_gap(struct mm *mm, const struct gap_query *q, struct vma **next)
{
    vaddr_t at, top = mm->last_vma ? mm->last_vma->end : 0;

    ASSERT(mm_is_single_user(mm) || lockcheck_is_held(&mm->mmap_lock));
    ASSERT(q->len != 0 && IS_ALIGNED(q->len, PAGE_SIZE) && q->low <= q->high);
    *next = NULL;
    if (q->topdown && hole_fits(top, q->high, q, &at))
        return (long)at;
    *next = search_holes(mm, q, &at);
    if (*next || (!q->topdown && hole_fits(top, q->high, q, &at)))
        return (long)at;
    return -ENOMEM;
}

long vma_find_gap(struct mm *mm, size_t len, vaddr_t low, vaddr_t high, bool topdown)
{
    struct gap_query q = { .len = len, .low = low, .high = high, .topdown = topdown };
    struct vma *next;

    return vma_tree_find_gap(mm, &q, &next);
}
