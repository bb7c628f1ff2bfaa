/* SPDX-License-Identifier: MIT */
/*
 * vmalloc.c: ranges of kernel virtual addresses, and the frames behind them.
 *
 * Addresses are handed out next-fit, which makes neighbours of what is allocated together. A freed
 * area stays mapped and on the dead list; when enough has gathered, neighbouring dead areas are
 * unmapped together, with one TLB flush per run of neighbours. Frames and addresses are reused only
 * after that, and then from the bottom: page tables of the kernel's half are never freed, so the
 * addresses in use must not wander.
 *
 * Does not merge mappings into large leaves and does not allocate in interrupts.
 * Locks: vmalloc_lock (VMALLOC, sleeps) for choosing addresses and purging; tree_lock
 * (VMALLOC_TREE) for the tree, the dead list and the counts.
 * Invariants: I1 areas are disjoint and lie in VMALLOC_START..VMALLOC_END; I2 an area's bytes
 * outside map..map_end are never mapped (guards); I3 a dead area is in the tree until no TLB can
 * hold a translation of it.
 * Checked by vmalloc_check. Read next: kstack.c; arch/ARCH/mm/ for kernel_map.
 */
#include <arch/mmu.h>
#include <kernel/mutex.h>
#include <kernel/printk.h>
#include <kernel/rbtree.h>
#include <kernel/string.h>
#include <mm/slab.h>
#include <mm/vmalloc.h>
#include "internal.h"

struct area {
    struct rb_node node;       /* tree_lock */
    vaddr_t start, end;        /* with guards */
    vaddr_t map, map_end;      /* the part that is mapped */
    struct list_head frames;   /* page->link; empty for device memory */
    struct list_head dead_link;/* tree_lock */
    bool dead;                 /* tree_lock */
};

#define DEAD_PAGES_MAX 512 /* gathered before a purge: 2 MiB with 4 KiB pages */
static struct mutex vmalloc_lock;
static spinlock_t tree_lock = SPINLOCK_INIT(LOCK_VMALLOC_TREE);
static struct rb_root tree;
static LIST_HEAD(dead_areas);
static unsigned long nr_dead_pages;
static atomic_long_t nr_pages;
static vaddr_t next_fit; /* vmalloc_lock */
static struct kmem_cache *area_cache;

static unsigned long area_pages(const struct area *a)
{
    return (a->map_end - a->map) >> PAGE_SHIFT;
}

/* ---- the tree; tree_lock held ---- */

/* The first area with end > va, or NULL. */
static struct area *area_at_or_above(vaddr_t va)
{
    struct rb_node *n = tree.node;
    struct area *found = NULL;

    lock_assert_held(&tree_lock);
    while (n != NULL) {
        struct area *a = rb_entry(n, struct area, node);

        if (a->end > va) {
            found = a;
            n = n->left;
        } else {
            n = n->right;
        }
    }
    return found;
}

static void area_insert(struct area *new)
{
    struct rb_node *parent = NULL, **link = &tree.node;

    lock_assert_held(&tree_lock);
    ASSERT(new->start < new->map_end && new->map_end < new->end); /* a guard behind */
    ASSERT(IS_ALIGNED(new->start | new->map | new->map_end | new->end, PAGE_SIZE));
    while (*link != NULL) {
        parent = *link;
        link = new->start < rb_entry(parent, struct area, node)->start ? &parent->left
                                                                       : &parent->right;
    }
    rb_insert_at(&new->node, parent, link);
    rb_insert_color(&new->node, &tree);
}

static struct area *area_next(struct area *a)
{
    struct rb_node *n = rb_next(&a->node);

    return n != NULL ? rb_entry(n, struct area, node) : NULL;
}

/* A hole of @len bytes at or above @from, or 0. */
static vaddr_t find_hole(vaddr_t from, size_t len)
{
    ASSERT(from >= VMALLOC_START && from <= VMALLOC_END); /* I1 */
    for (struct area *a = area_at_or_above(from); a != NULL && a->start < from + len;
         a = area_next(a))
        from = a->end;
    return len <= VMALLOC_END - from ? from : 0;
}

/* ---- purging ---- */

static void area_free_frames(struct area *a)
{
    struct page *p, *next;

    ASSERT(a->dead && atomic_long_read(&nr_pages) >= (long)area_pages(a));
    list_for_each_entry_safe(p, next, &a->frames, link)
        free_pages(p, 0);
    atomic_long_add(&nr_pages, -(long)area_pages(a));
}

/* vmalloc_lock held. Moves the dead areas from the dead list to @doomed, in order of address. */
static void collect_dead(struct list_head *doomed)
{
    lock_assert_held(&vmalloc_lock);
    spin_lock(&tree_lock);
    for (struct area *a = area_at_or_above(VMALLOC_START); a != NULL; a = area_next(a))
        if (a->dead)
            list_move_tail(&a->dead_link, doomed);
    ASSERT(list_empty(&dead_areas)); /* each of them was in the tree: I3 */
    nr_dead_pages = 0;
    spin_unlock(&tree_lock);
}

/* vmalloc_lock held. Unmaps runs of neighbours with one flush each. */
static void unmap_runs(struct list_head *doomed)
{
    struct area *a;
    vaddr_t start = 0, end = 0;

    lock_assert_held(&vmalloc_lock); /* their addresses are nobody else's meanwhile */
    list_for_each_entry(a, doomed, dead_link) {
        if (a->start != end) {
            if (end != 0)
                kernel_unmap(start, end - start);
            start = a->start;
        }
        end = a->end;
    }
    if (end != 0)
        kernel_unmap(start, end - start);
}

/* vmalloc_lock held. */
static void purge(void)
{
    LIST_HEAD(doomed);
    struct area *a, *next;

    lock_assert_held(&vmalloc_lock);
    collect_dead(&doomed);
    unmap_runs(&doomed);
    list_for_each_entry_safe(a, next, &doomed, dead_link) {
        area_free_frames(a);
        spin_lock(&tree_lock);
        rb_erase(&a->node, &tree);
        spin_unlock(&tree_lock);
        kmem_cache_free(area_cache, a);
    }
    next_fit = VMALLOC_START;
}

/* ---- areas ---- */

/* Reserves addresses for @len bytes (whole pages), @lead bytes of guard before, one page behind.
 * NULL = none left. */
static struct area *area_reserve(size_t len, size_t lead)
{
    struct area *a = kmem_cache_alloc(area_cache, GFP_KERNEL);
    size_t size = lead + len + PAGE_SIZE;
    vaddr_t at;

    ASSERT(len != 0 && IS_ALIGNED(len | lead, PAGE_SIZE));
    if (a == NULL)
        return NULL;
    mutex_lock(&vmalloc_lock);
    spin_lock(&tree_lock);
    at = find_hole(next_fit, size);
    if (at == 0) {
        spin_unlock(&tree_lock);
        purge();
        spin_lock(&tree_lock);
        at = find_hole(next_fit, size);
    }
    if (at != 0) {
        ASSERT(at >= VMALLOC_START && at + size <= VMALLOC_END);
        *a = (struct area){
            .start = at, .end = at + size, .map = at + lead, .map_end = at + lead + len};
        list_init(&a->frames);
        list_init(&a->dead_link);
        area_insert(a);
        next_fit = a->end;
    }
    spin_unlock(&tree_lock);
    mutex_unlock(&vmalloc_lock);
    if (at == 0) {
        kmem_cache_free(area_cache, a);
        return NULL;
    }
    atomic_long_add(&nr_pages, (long)area_pages(a));
    return a;
}

/* The area stays mapped until the next purge. */
static void area_release(struct area *a)
{
    bool enough;

    spin_lock(&tree_lock);
    BUG_ON(a->dead);
    a->dead = true;
    list_add_tail(&a->dead_link, &dead_areas);
    nr_dead_pages += area_pages(a);
    enough = nr_dead_pages >= DEAD_PAGES_MAX;
    spin_unlock(&tree_lock);
    if (enough) {
        mutex_lock(&vmalloc_lock);
        purge();
        mutex_unlock(&vmalloc_lock);
    }
}

static bool area_add_frames(struct area *a, gfp_t gfp)
{
    ASSERT(list_empty(&a->frames) && !a->dead);
    for (unsigned long i = 0; i < area_pages(a); i++) {
        struct page *p = alloc_pages(0, gfp);

        if (p == NULL)
            return false;
        list_add_tail(&p->link, &a->frames);
    }
    return true;
}

/* Frames that happen to be neighbours are mapped by one call. 0 or -ENOMEM. */
static int area_map_frames(struct area *a)
{
    struct page *first = NULL, *p;
    vaddr_t va = a->map;
    size_t len = 0;
    int err = 0;

    list_for_each_entry(p, &a->frames, link) {
        if (first != NULL && p == first + (len >> PAGE_SHIFT)) {
            len += PAGE_SIZE;
            continue;
        }
        if (first != NULL)
            err = kernel_map(va, page_to_phys(first), len, PT_R | PT_W | PT_G);
        if (err != 0)
            return err;
        va += len;
        first = p;
        len = PAGE_SIZE;
    }
    ASSERT(first != NULL && va + len == a->map_end); /* I2: all of it, and no guard */
    return kernel_map(va, page_to_phys(first), len, PT_R | PT_W | PT_G);
}

static struct area *area_create(size_t len, size_t lead, gfp_t gfp)
{
    struct area *a = area_reserve(len, lead);

    if (a == NULL)
        return NULL;
    if (!area_add_frames(a, gfp) || area_map_frames(a) != 0) {
        area_release(a);
        return NULL;
    }
    return a;
}

/* The live area whose mapped part starts at @va. */
static struct area *area_of(vaddr_t va)
{
    struct area *a;

    spin_lock(&tree_lock);
    a = area_at_or_above(va);
    spin_unlock(&tree_lock);
    if (a == NULL || a->map != ALIGN_DOWN(va, PAGE_SIZE) || a->dead)
        panic("0x%lx is not the start of an area of kernel memory", va);
    return a;
}

void *vmalloc(size_t len)
{
    struct area *a;

    if (len == 0 || len > VMALLOC_END - VMALLOC_START ||
        PAGE_ALIGN(len) >> PAGE_SHIFT > buddy_nr_total())
        return NULL;
    a = area_create(PAGE_ALIGN(len), 0, GFP_KERNEL | GFP_ZERO);
    return a != NULL ? (void *)a->map : NULL;
}

void *vmalloc_guarded(size_t len)
{
    struct area *a = area_create(len, PAGE_SIZE, GFP_KERNEL);

    return a != NULL ? (void *)a->map : NULL;
}

void vfree(void *p)
{
    might_sleep();
    if (p != NULL)
        area_release(area_of((vaddr_t)p));
}

void *ioremap(paddr_t pa, size_t len)
{
    size_t offset = pa & (PAGE_SIZE - 1);
    struct area *a;

    if (len == 0 || len > VMALLOC_END - VMALLOC_START)
        return NULL;
    len = PAGE_ALIGN(len + offset);
    a = area_reserve(len, 0);
    if (a == NULL)
        return NULL;
    if (kernel_map(a->map, pa - offset, len, PT_R | PT_W | PT_NC | PT_G) != 0) {
        area_release(a);
        return NULL;
    }
    return (void *)(a->map + offset);
}

/* Try-locks, because the page allocator calls this under whatever lock its caller holds. */
void vmalloc_shrink(void)
{
    kstack_empty_caches();
    if (!mutex_trylock(&vmalloc_lock))
        return;
    for (void *stack = kstack_pool_take(); stack != NULL; stack = kstack_pool_take()) {
        struct area *a = area_of((vaddr_t)stack);

        spin_lock(&tree_lock);
        ASSERT(!a->dead);
        a->dead = true;
        list_add_tail(&a->dead_link, &dead_areas);
        spin_unlock(&tree_lock);
    }
    purge();
    mutex_unlock(&vmalloc_lock);
}

/* ---- start, questions, checks ---- */

void vmalloc_init(void)
{
    mutex_init(&vmalloc_lock, LOCK_VMALLOC);
    area_cache = kmem_cache_create("vm_area", sizeof(struct area), 8, NULL);
    if (area_cache == NULL)
        panic("no memory for kernel virtual areas");
    next_fit = VMALLOC_START;
}

bool vmalloc_is_guard(vaddr_t va)
{
    const struct area *a;
    bool guard;

    if (va < VMALLOC_START || va >= VMALLOC_END || !spin_trylock(&tree_lock))
        return false;
    a = area_at_or_above(va);
    guard = a != NULL && va >= a->start && (va < a->map || va >= a->map_end);
    spin_unlock(&tree_lock);
    return guard;
}

u64 vmalloc_nr_pages(void)
{
    return (u64)atomic_long_read(&nr_pages);
}

int vmalloc_check(void)
{
    vaddr_t last = VMALLOC_START;
    int bad;

    spin_lock(&tree_lock);
    bad = rb_check(&tree);
    for (struct area *a = area_at_or_above(VMALLOC_START); a != NULL; a = area_next(a)) {
        if (a->start < last || a->map < a->start || a->map_end <= a->map ||
            a->end < a->map_end + PAGE_SIZE || a->end > VMALLOC_END) {
            pr_err("vmalloc: area 0x%lx-0x%lx overlaps another or is out of bounds\n", a->start,
                   a->end);
            bad++;
        }
        last = a->end;
    }
    spin_unlock(&tree_lock);
    return bad;
}
