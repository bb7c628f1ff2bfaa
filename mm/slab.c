/* SPDX-License-Identifier: MIT */
/*
 * slab.c: caches of equal objects, cut from slabs of 1 to 8 frames. Source: Bonwick, "The Slab
 * Allocator", USENIX 1994; Bonwick and Adams, "Magazines and Vmem", USENIX 2001 for the per-CPU
 * stacks in front.
 *
 *   user <-> CPU's stack (no lock) <-> slab's free list (cache lock, half a stack at a time) <->
 * buddy allocator
 *
 * A slab needs no header: its free list is threaded through the free objects, the rest lies in its
 * frames' struct page. It is on the list partial, full or empty by its slab_inuse; up to KEEP_EMPTY
 * empty ones are kept per cache. Interrupt handlers may allocate (GFP_ATOMIC) and free, so the
 * stacks are touched with interrupts off.
 *
 * Does not return memory by itself beyond that: slab_shrink does, when the page allocator is short.
 * Locks: SLAB_CREATE (mutex) for the list of caches, cache->lock (SLAB) for slabs. Neither is held
 * while frames are allocated or freed.
 * Invariants: I1 slab_inuse + length of the free list == slab_total; I2 list by slab_inuse: 0
 * empty, total full; I3 nr_out == sum of slab_inuse == objects in use + objects on CPU stacks; I4
 * every frame of a slab has kind PAGE_SLAB, the cache, and in private its distance from the head.
 * Checked by slab_check.
 * Read next: slab_debug.c, kmalloc.c.
 */
#include <kernel/mutex.h>
#include <kernel/smp.h>
#include "internal.h"
#include "slab_internal.h"

#define MAX_SLAB_ORDER 3
#define KEEP_EMPTY 2
#define MIN_ALIGN 8

struct slab_cpu slab_no_cpu; /* empty and full at once: both hot paths take the slow way */

static struct kmem_cache cache_cache, cpu_cache; /* of struct kmem_cache, of struct slab_cpu */
static struct mutex caches_lock;
static LIST_HEAD(caches); /* caches_lock */

static inline void **link_of(const struct kmem_cache *c, void *obj)
{
    return (void **)((char *)obj + c->link_offset);
}

/* ---- layout ---- */

/* The smallest slab that wastes at most an eighth and holds a few objects. */
static void choose_order(struct kmem_cache *c)
{
    for (c->order = 0;; c->order++) {
        size_t bytes = PAGE_SIZE << c->order;

        c->per_slab = (u16)(bytes / c->stride);
        if (c->order == MAX_SLAB_ORDER || (c->per_slab >= 4 && (bytes % c->stride) * 8 <= bytes))
            break;
    }
    if (c->per_slab == 0)
        panic("slab cache %s: objects of %u bytes are too large", c->name, c->object_size);
}

static void cache_setup(struct kmem_cache *c, const char *name, size_t size, size_t align,
                        void (*ctor)(void *))
{
    bool link_inside;

    BUG_ON(size == 0 || (align & (align - 1)) != 0);
    align = max(align, (size_t)MIN_ALIGN);
    memset(c, 0, sizeof(*c));
    for (unsigned int i = 0; i < NR_CPUS; i++)
        c->cpu[i] = &slab_no_cpu;
    c->name = name;
    c->ctor = ctor;
    c->object_size = (u32)size;
    c->lead = (u32)slab_debug_lead(align);
    /* A free object's first word is the link, unless something must survive in it: what ctor made,
     * or poison. */
    link_inside = c->ctor == NULL && c->lead == 0;
    c->link_offset =
        link_inside ? 0 : (u32)(ALIGN_UP(size, sizeof(void *)) + slab_debug_tail(size));
    size = link_inside ? max(size, sizeof(void *)) : c->link_offset + sizeof(void *);
    c->stride = (u32)ALIGN_UP(c->lead + size, align);
    c->cpu_cap = c->object_size <= 256    ? SLAB_CPU_SLOTS
                 : c->object_size <= 1024 ? SLAB_CPU_SLOTS / 2
                                          : SLAB_CPU_SLOTS / 4;
    choose_order(c);
    ASSERT(IS_ALIGNED(c->stride, align) && c->link_offset + sizeof(void *) <= c->stride - c->lead);
    ASSERT(c->cpu_cap <= SLAB_CPU_SLOTS);
    spin_init(&c->lock, LOCK_SLAB);
    list_init(&c->partial);
    list_init(&c->full);
    list_init(&c->empty);
}

/* ---- slabs ---- */

/* Threads the free list of a new slab, whose first object is @obj, in order of address. */
static void link_objects(const struct kmem_cache *c, char *obj)
{
    size_t stride = c->stride;
    void **link = link_of(c, obj);

    for (unsigned int left = c->per_slab - 1u; left > 0; left--) {
        obj += stride;
        *link = obj;
        link = (void **)((char *)link + stride);
    }
    *link = NULL;
}

/* Is a link all that a free object needs? */
static bool has_more_to_build(const struct kmem_cache *c)
{
    return c->lead != 0 || c->ctor != NULL;
}

static void slab_build(struct kmem_cache *c, struct page *slab)
{
    char *obj = (char *)page_to_virt(slab) + c->lead;

    ASSERT((size_t)c->per_slab * c->stride <= PAGE_SIZE << c->order);
    for (u32 i = 0; i < (1u << c->order); i++) {
        page_set_kind(&slab[i], PAGE_SLAB);
        slab[i].slab_cache = c;
        slab[i].private = i;
    }
    slab->slab_inuse = 0;
    slab->slab_total = c->per_slab;
    slab->slab_free = obj;
    link_objects(c, obj);
    for (unsigned int i = 0; has_more_to_build(c) && i < c->per_slab; i++, obj += c->stride) {
        slab_debug_init_object(c, obj);
        if (c->ctor != NULL)
            c->ctor(obj);
    }
}

static bool cache_grow(struct kmem_cache *c, gfp_t gfp)
{
    struct page *slab = alloc_pages(c->order, gfp & ~(GFP_ZERO | GFP_USER));
    unsigned long flags;

    if (slab == NULL)
        return false;
    slab_build(c, slab);
    flags = spin_lock_irqsave(&c->lock);
    list_add(&slab->link, &c->empty);
    c->nr_empty++;
    c->nr_slabs++;
    spin_unlock_irqrestore(&c->lock, flags);
    return true;
}

/* Frees the slabs on @list, which are on no list of the cache any more. No lock held. */
static void slabs_release(struct kmem_cache *c, struct list_head *list)
{
    struct page *slab, *next;

    list_for_each_entry_safe(slab, next, list, link) {
        ASSERT(slab->slab_inuse == 0 && slab->slab_cache == c);
        for (u32 i = 0; i < (1u << c->order); i++)
            slab[i].private = 0;
        free_pages(slab, c->order);
    }
}

/* Cache lock held. Up to @n objects into @objs; how many there were. */
static unsigned int take_objects(struct kmem_cache *c, void **objs, unsigned int n)
{
    unsigned int got = 0;

    lock_assert_held(&c->lock);
    while (got < n) {
        bool was_empty = list_empty(&c->partial);
        struct list_head *from = was_empty ? &c->empty : &c->partial;
        unsigned int before;
        struct page *slab;
        void *obj;

        if (list_empty(from))
            break;
        slab = list_first_entry(from, struct page, link);
        ASSERT(slab->slab_cache == c && slab->slab_free != NULL);
        ASSERT((slab->slab_inuse == 0) == was_empty && (!was_empty || c->nr_empty != 0)); /* I2 */
        c->nr_empty -= was_empty;
        before = got;
        for (obj = slab->slab_free; got < n && obj != NULL; obj = *link_of(c, obj))
            objs[got++] = obj;
        slab->slab_free = obj;
        slab->slab_inuse += got - before;
        ASSERT(slab->slab_inuse <= slab->slab_total);
        ASSERT((obj == NULL) == (slab->slab_inuse == slab->slab_total));
        list_del(&slab->link);
        list_add(&slab->link, obj == NULL ? &c->full : &c->partial);
    }
    c->nr_out += got;
    return got;
}

/* Cache lock held. Objects back to their slabs; slabs that are too many go to @dead. */
static void give_objects(struct kmem_cache *c, void **objs, unsigned int n, struct list_head *dead)
{
    lock_assert_held(&c->lock);
    ASSERT(c->nr_out >= n);
    for (unsigned int i = 0; i < n; i++) {
        struct page *slab = slab_of(objs[i]);
        bool was_full = slab->slab_free == NULL;

        ASSERT(slab->kind == PAGE_SLAB && slab->slab_cache == c && slab->slab_inuse != 0);
        *link_of(c, objs[i]) = slab->slab_free;
        slab->slab_free = objs[i];
        if (--slab->slab_inuse == 0) {
            bool keep = c->nr_empty < KEEP_EMPTY;

            ASSERT(c->nr_slabs > c->nr_empty); /* this one is in use still */
            list_del(&slab->link);
            list_add(&slab->link, keep ? &c->empty : dead);
            c->nr_empty += keep;
            c->nr_slabs -= !keep;
        } else if (was_full) {
            list_del(&slab->link);
            list_add(&slab->link, &c->partial);
        }
    }
    c->nr_out -= n;
}

static void give_objects_locked(struct kmem_cache *c, void **objs, unsigned int n)
{
    LIST_HEAD(dead);
    unsigned long flags = spin_lock_irqsave(&c->lock);

    give_objects(c, objs, n, &dead);
    spin_unlock_irqrestore(&c->lock, flags);
    slabs_release(c, &dead);
}

/* ---- the CPUs' stacks ---- */

/* Gives this CPU a stack for @c if it has none. Without memory it goes on without one. */
static void ensure_cpu_stack(struct kmem_cache *c)
{
    struct slab_cpu *new;
    unsigned long flags;

    if (c->cpu_cap == 0 || READ_ONCE(this_cpu_var(c->cpu)) != &slab_no_cpu)
        return;
    new = kmem_cache_alloc(&cpu_cache, GFP_ATOMIC | GFP_NOFAIL_INJECT);
    if (new == NULL)
        return;
    new->nr = 0;
    new->cap = c->cpu_cap;
    flags = irq_save();
    if (this_cpu_var(c->cpu) == &slab_no_cpu) {
        WRITE_ONCE(this_cpu_var(c->cpu), new);
        new = NULL;
    }
    irq_restore(flags);
    if (new != NULL)
        kmem_cache_free(&cpu_cache, new);
}

/* One object for the caller, and half a stack for the next ones. NULL when all slabs are full. */
static void *refill(struct kmem_cache *c)
{
    unsigned long flags = spin_lock_irqsave(&c->lock);
    struct slab_cpu *cpu = this_cpu_var(c->cpu);
    void *obj = NULL;

    ASSERT(cpu->nr <= cpu->cap && cpu->cap <= SLAB_CPU_SLOTS);
    if (cpu->nr != 0)
        obj = cpu->objs[--cpu->nr];
    else if (take_objects(c, &obj, 1) == 1 && cpu->cap != 0)
        cpu->nr = take_objects(c, cpu->objs, cpu->cap / 2);
    spin_unlock_irqrestore(&c->lock, flags);
    return obj;
}

void *slab_alloc_slow(struct kmem_cache *c, size_t size, gfp_t gfp, const void *caller)
{
    void *obj;

    ensure_cpu_stack(c);
    while ((obj = refill(c)) == NULL)
        if (!cache_grow(c, gfp))
            return NULL;
    return slab_hand_out(c, obj, size, gfp, caller);
}

void slab_free_slow(struct kmem_cache *c, void *obj)
{
    struct slab_cpu *cpu;
    unsigned long flags;
    LIST_HEAD(dead);

    ensure_cpu_stack(c);
    flags = spin_lock_irqsave(&c->lock);
    cpu = this_cpu_var(c->cpu);
    ASSERT(cpu->nr <= cpu->cap);
    if (cpu->cap == 0) {
        give_objects(c, &obj, 1, &dead);
    } else {
        if (cpu->nr == cpu->cap) {
            unsigned int n = cpu->cap / 2;

            give_objects(c, cpu->objs, n, &dead);
            cpu->nr -= n;
            memmove(cpu->objs, cpu->objs + n, cpu->nr * sizeof(void *));
        }
        cpu->objs[cpu->nr++] = obj;
    }
    spin_unlock_irqrestore(&c->lock, flags);
    slabs_release(c, &dead);
}

/* On the CPU whose stack it is. */
static void flush_this_cpu(void *cache)
{
    struct kmem_cache *c = cache;
    unsigned long flags = irq_save();
    struct slab_cpu *cpu = this_cpu_var(c->cpu);

    ASSERT(cpu->nr <= cpu->cap);
    if (cpu->nr != 0) {
        give_objects_locked(c, cpu->objs, cpu->nr);
        cpu->nr = 0;
    }
    irq_restore(flags);
}

static void flush_this_cpu_all(void *unused)
{
    struct kmem_cache *c;

    list_for_each_entry(c, &caches, link)
        flush_this_cpu(c);
}

static void free_empty_slabs(struct kmem_cache *c)
{
    LIST_HEAD(dead);
    unsigned long flags = spin_lock_irqsave(&c->lock);

    list_splice_tail_init(&c->empty, &dead);
    ASSERT(c->nr_slabs >= c->nr_empty);
    c->nr_slabs -= c->nr_empty;
    c->nr_empty = 0;
    spin_unlock_irqrestore(&c->lock, flags);
    slabs_release(c, &dead);
}

/* A try-lock, because the page allocator calls this under whatever lock its caller holds. */
void slab_shrink(void)
{
    struct kmem_cache *c;

    if (!mutex_trylock(&caches_lock))
        return;
    smp_call_on(online_cpus(), flush_this_cpu_all, NULL);
    list_for_each_entry(c, &caches, link)
        free_empty_slabs(c);
    mutex_unlock(&caches_lock);
}

/* ---- caches ---- */

void *kmem_cache_alloc(struct kmem_cache *c, gfp_t gfp)
{
    ASSERT(!(gfp & GFP_ZERO) || c->ctor == NULL); /* zeroes would undo what ctor made */
    return slab_alloc(c, c->object_size, gfp, __builtin_return_address(0));
}

void kmem_cache_free(struct kmem_cache *c, void *obj)
{
    ASSERT(obj != NULL);
    slab_free(c, obj, __builtin_return_address(0));
}

struct kmem_cache *kmem_cache_create(const char *name, size_t size, size_t align,
                                     void (*ctor)(void *))
{
    struct kmem_cache *c = kmem_cache_alloc(&cache_cache, GFP_KERNEL);

    if (c == NULL)
        return NULL;
    cache_setup(c, name, size, align, ctor);
    mutex_lock(&caches_lock);
    list_add_tail(&c->link, &caches);
    mutex_unlock(&caches_lock);
    return c;
}

/* Objects that their users forgot: named in debug kernels, then the cache stays for ever. */
static void report_leak(struct kmem_cache *c)
{
    struct page *slab;

    pr_err("slab cache %s is destroyed with %llu objects in use\n", c->name,
           (unsigned long long)c->nr_out);
    list_for_each_entry(slab, &c->full, link)
        slab_debug_print_live(c, slab);
    list_for_each_entry(slab, &c->partial, link)
        slab_debug_print_live(c, slab);
    ASSERT(c->nr_out == 0);
}

void kmem_cache_destroy(struct kmem_cache *c)
{
    mutex_lock(&caches_lock);
    list_del(&c->link);
    smp_call_on(online_cpus(), flush_this_cpu, c);
    mutex_unlock(&caches_lock);
    ASSERT(c != &cache_cache && c != &cpu_cache);
    if (c->nr_out != 0) {
        report_leak(c);
        return;
    }
    free_empty_slabs(c);
    for (unsigned int i = 0; i < NR_CPUS; i++)
        if (c->cpu[i] != &slab_no_cpu)
            kmem_cache_free(&cpu_cache, c->cpu[i]);
    kmem_cache_free(&cache_cache, c);
}

static void add_static_cache(struct kmem_cache *c, const char *name, size_t size)
{
    cache_setup(c, name, size, MIN_ALIGN, NULL);
    list_add_tail(&c->link, &caches);
}

void slab_init(void)
{
    mutex_init(&caches_lock, LOCK_SLAB_CREATE);
    add_static_cache(&cpu_cache, "slab_cpu", sizeof(struct slab_cpu));
    cpu_cache.cpu_cap = 0; /* it would need itself */
    add_static_cache(&cache_cache, "kmem_cache", sizeof(struct kmem_cache));
    kmalloc_init();
}

/* ---- statistics and checks ---- */

static u64 cache_nr_objects(const struct kmem_cache *c)
{
    s64 n = (s64)READ_ONCE(c->nr_out);

    for (unsigned int i = 0; i < NR_CPUS; i++)
        n -= READ_ONCE(READ_ONCE(c->cpu[i])->nr);
    return n < 0 ? 0 : (u64)n; /* read while others allocate */
}

unsigned int slab_stats(struct slab_stat *out, unsigned int n)
{
    struct kmem_cache *c;
    unsigned int i = 0;

    mutex_lock(&caches_lock);
    list_for_each_entry(c, &caches, link) {
        if (i < n)
            out[i] = (struct slab_stat){ .name = c->name,
                                         .object_size = c->object_size,
                                         .nr_objects = cache_nr_objects(c),
                                         .nr_pages = READ_ONCE(c->nr_slabs) << c->order };
        i++;
    }
    mutex_unlock(&caches_lock);
    return i;
}

u64 slab_nr_objects(void)
{
    struct kmem_cache *c;
    u64 n = 0;

    mutex_lock(&caches_lock);
    list_for_each_entry(c, &caches, link)
        if (c != &cpu_cache) /* how many CPUs have touched a cache is nobody's leak */
            n += cache_nr_objects(c);
    mutex_unlock(&caches_lock);
    return n;
}

u64 slab_nr_used_pages(void)
{
    struct kmem_cache *c;
    u64 n = 0;

    mutex_lock(&caches_lock);
    list_for_each_entry(c, &caches, link) {
        unsigned long flags = spin_lock_irqsave(&c->lock);

        n += (c->nr_slabs - c->nr_empty) << c->order;
        spin_unlock_irqrestore(&c->lock, flags);
    }
    mutex_unlock(&caches_lock);
    return n;
}

u64 slab_nr_pages(void)
{
    return page_nr_kind(PAGE_SLAB);
}

/* Cache lock held. I1, I4 and that the free list stays inside the slab. */
static int check_slab(struct kmem_cache *c, struct page *slab)
{
    char *base = page_to_virt(slab);
    unsigned int nr_free = 0;
    int bad = 0;

    for (void *obj = slab->slab_free; obj != NULL && nr_free <= slab->slab_total;
         obj = *link_of(c, obj)) {
        size_t at = (size_t)((char *)obj - base);

        if (at >= PAGE_SIZE << c->order || (at - c->lead) % c->stride != 0) {
            pr_err("slab: %s: free list of slab %p leads to %p\n", c->name, (void *)base, obj);
            return bad + 1;
        }
        nr_free++;
    }
    for (u32 i = 0; i < (1u << c->order); i++)
        bad += slab[i].kind != PAGE_SLAB || slab[i].slab_cache != c || slab[i].private != i ||
               slab[i].word != 0;
    bad += slab->slab_inuse + nr_free != slab->slab_total || slab->slab_total != c->per_slab;
    if (bad != 0)
        pr_err("slab: %s: slab %p: %u in use, %u free, %u in all\n", c->name, (void *)base,
               slab->slab_inuse, nr_free, slab->slab_total);
    return bad;
}

/* Cache lock held. I2 for one list: slab_inuse of its slabs is in [low, high]. */
static int check_list(struct kmem_cache *c, struct list_head *list, unsigned int low,
                      unsigned int high, u64 sums[2])
{
    struct page *slab;
    int bad = 0;

    list_for_each_entry(slab, list, link) {
        bad += check_slab(c, slab);
        if (slab->slab_inuse < low || slab->slab_inuse > high) {
            pr_err("slab: %s: a slab with %u objects in use is on the wrong list\n", c->name,
                   slab->slab_inuse);
            bad++;
        }
        sums[0]++;
        sums[1] += slab->slab_inuse;
    }
    return bad;
}

static int check_cache(struct kmem_cache *c)
{
    u64 sums[2] = { 0, 0 }; /* slabs, objects out */
    unsigned long flags = spin_lock_irqsave(&c->lock);
    int bad = check_list(c, &c->empty, 0, 0, sums);

    if (sums[0] != c->nr_empty)
        bad++;
    bad += check_list(c, &c->partial, 1, c->per_slab - 1, sums);
    bad += check_list(c, &c->full, c->per_slab, c->per_slab, sums);
    if (sums[0] != c->nr_slabs || sums[1] != c->nr_out) {
        pr_err("slab: %s: %llu slabs with %llu objects out, counted %llu and %llu\n", c->name,
               (unsigned long long)sums[0], (unsigned long long)sums[1],
               (unsigned long long)c->nr_slabs, (unsigned long long)c->nr_out);
        bad++;
    }
    spin_unlock_irqrestore(&c->lock, flags);
    return bad;
}

int slab_check(void)
{
    struct kmem_cache *c;
    int bad = 0;

    mutex_lock(&caches_lock);
    list_for_each_entry(c, &caches, link)
        bad += check_cache(c);
    mutex_unlock(&caches_lock);
    return bad;
}
