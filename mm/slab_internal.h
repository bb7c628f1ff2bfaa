/* SPDX-License-Identifier: MIT */
/* slab_internal.h: struct kmem_cache, the list of them for slab_check.c, and the hot paths that
 * slab.c and kmalloc.c share. slab.c explains them. */
#pragma once
#include <kernel/fail.h>
#include <kernel/list.h>
#include <kernel/mutex.h>
#include <kernel/printk.h>
#include <kernel/spinlock.h>
#include <kernel/string.h>
#include <mm/slab.h>

#define SLAB_CPU_SLOTS 62

/* A CPU's stack of free objects of one cache. Its own CPU only, interrupts off. */
struct slab_cpu {
    u32 nr, cap;
    void *objs[SLAB_CPU_SLOTS]; /* the last one is taken first */
};

struct kmem_cache {
    struct slab_cpu *cpu[NR_CPUS]; /* never NULL: slab_no_cpu until the CPU first uses the cache */
    u32 object_size;  /* bytes that the user may touch */
    u32 stride;       /* bytes from one object to the next */
    u32 lead;         /* bytes in front of an object: the left red zone of debug kernels */
    u32 link_offset;  /* from the object: the free list's link */
    u32 cpu_cap;      /* slots in use of a CPU's stack; 0 = this cache has none */
    u16 per_slab;     /* objects */
    u8 order;         /* a slab is 2^order frames */
    spinlock_t lock;  /* LOCK_SLAB: everything below */
    struct list_head partial, full, empty; /* slabs' head frames through page->link */
    u32 nr_empty;
    u64 nr_slabs;
    u64 nr_out;       /* objects outside the slabs: in use, or on a CPU's stack */
    const char *name;
    void (*ctor)(void *);
    struct list_head link; /* SLAB_CREATE: all caches */
};

extern struct slab_cpu slab_no_cpu;
extern struct kmem_cache slab_cpu_cache; /* of struct slab_cpu */
extern struct mutex slab_caches_lock;
extern struct list_head slab_caches; /* slab_caches_lock */

static inline void **slab_link_of(const struct kmem_cache *c, void *obj)
{
    return (void **)((char *)obj + c->link_offset);
}

/* kmalloc.c */
void kmalloc_init(void);

/* slab.c */
void *slab_alloc_slow(struct kmem_cache *c, size_t size, gfp_t gfp, const void *caller);
void slab_free_slow(struct kmem_cache *c, void *obj);
static inline struct page *slab_of(const void *obj)
{
    struct page *p = virt_to_page(obj);

    return p - p->private;
}

/* slab_debug.c: what debug kernels add to each object. */
#ifdef CONFIG_DEBUG
/* Bytes to add in front of an object that is aligned to @align, and behind one of @size. */
size_t slab_debug_lead(size_t align);
size_t slab_debug_tail(size_t size);
void slab_debug_init_object(struct kmem_cache *c, void *obj);
/* An object leaves the allocator for @caller, who asked for @size bytes; panics when it was touched
 * while free. */
void slab_debug_alloc(struct kmem_cache *c, void *obj, size_t size, const void *caller);
/* An object comes back; panics on a wrong cache or pointer, a double free, a damaged red zone. */
void slab_debug_free(struct kmem_cache *c, void *obj, const void *caller);
size_t slab_debug_size(struct kmem_cache *c, const void *obj); /* as asked for */
/* NULL when @obj, free or not, is intact; else what is wrong with it. */
const char *slab_debug_damage(struct kmem_cache *c, const void *obj);
/* Prints the objects of @slab that are in use, with the addresses that allocated them. */
void slab_debug_print_live(struct kmem_cache *c, struct page *slab);
#else
static inline size_t slab_debug_lead(size_t align)
{
    (void)align;
    return 0;
}
static inline size_t slab_debug_tail(size_t size)
{
    (void)size;
    return 0;
}
static inline void slab_debug_init_object(struct kmem_cache *c, void *obj)
{
    (void)c, (void)obj;
}
static inline void slab_debug_alloc(struct kmem_cache *c, void *obj, size_t size,
                                    const void *caller)
{
    (void)c, (void)obj, (void)size, (void)caller;
}
static inline void slab_debug_free(struct kmem_cache *c, void *obj, const void *caller)
{
    (void)c, (void)obj, (void)caller;
}
static inline size_t slab_debug_size(struct kmem_cache *c, const void *obj)
{
    (void)obj;
    return c->object_size;
}
static inline void slab_debug_print_live(struct kmem_cache *c, struct page *slab)
{
    (void)c, (void)slab;
}
#endif

/* An object on its way to the user. */
static __always_inline void *slab_hand_out(struct kmem_cache *c, void *obj, size_t size, gfp_t gfp,
                                           const void *caller)
{
    slab_debug_alloc(c, obj, size, caller);
    if (gfp & GFP_ZERO)
        return memset(obj, 0, size);
    return obj;
}

/* The ordinary case is a straight line: interrupts off, one object off the CPU's stack, interrupts
 * back. */
static __always_inline void *slab_alloc(struct kmem_cache *c, size_t size, gfp_t gfp,
                                        const void *caller)
{
    unsigned long flags;
    struct slab_cpu *cpu;
    void *obj;

    if (!(gfp & GFP_ATOMIC))
        might_sleep();
    if (!(gfp & GFP_NOFAIL_INJECT) && should_fail(FAIL_SLAB))
        return NULL;
    flags = irq_save();
    cpu = this_cpu_var(c->cpu);
    if (unlikely(cpu->nr == 0)) {
        irq_restore(flags);
        return slab_alloc_slow(c, size, gfp, caller);
    }
    obj = cpu->objs[--cpu->nr];
    irq_restore(flags);
    return slab_hand_out(c, obj, size, gfp, caller);
}

static __always_inline void slab_free(struct kmem_cache *c, void *obj, const void *caller)
{
    unsigned long flags;
    struct slab_cpu *cpu;

    slab_debug_free(c, obj, caller);
    flags = irq_save();
    cpu = this_cpu_var(c->cpu);
    if (unlikely(cpu->nr == cpu->cap)) {
        irq_restore(flags);
        slab_free_slow(c, obj);
        return;
    }
    cpu->objs[cpu->nr++] = obj;
    irq_restore(flags);
}
