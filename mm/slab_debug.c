/* SPDX-License-Identifier: MIT */
/*
 * slab_debug.c: catches misuse of slab objects in debug kernels, at the latest when the object
 * changes hands.
 *
 *   | left red zone | object ........ | rest of object | right red zone | track | link |
 *   ^ slot          ^ user's pointer   <- unasked ->
 *
 * Red zones, and what kmalloc's class is larger than what was asked for, hold 0xbb. A free object
 * holds 0x6b (unless a constructor's work must survive), a new one 0x5a. The track says free or in
 * use, who did it, and the size asked for.
 *
 * Does not catch reads, nor writes that put the same value. Everything it finds ends in a panic
 * that names the cache, the object and both callers.
 *
 * Locks: none; the state changes hands by an atomic exchange, so that two frees at once are seen.
 * Invariants: see slab_debug_damage. Checked on each allocation and free. Read next: slab.c.
 */
#ifdef CONFIG_DEBUG
#include "slab_internal.h"

#define RED    0xbb
#define POISON 0x6b
#define FRESH  0x5a
#define RIGHT_ZONE 16
#define STATE_FREE 0x667265656f626a31ULL
#define STATE_USED 0x757365646f626a31ULL

struct track {
    u64 state;
    const void *caller; /* who allocated or freed it last */
    u64 size;           /* asked for */
};

size_t slab_debug_lead(size_t align)
{
    return max(align, (size_t)16);
}

size_t slab_debug_tail(size_t size)
{
    (void)size;
    return RIGHT_ZONE + sizeof(struct track);
}

static struct track *track_of(const struct kmem_cache *c, const void *obj)
{
    return (struct track *)((char *)(unsigned long)obj +
                            ALIGN_UP((size_t)c->object_size, sizeof(void *)) + RIGHT_ZONE);
}

static bool all_bytes(const void *from, const void *to, u8 value)
{
    return memchr_inv(from, value, (size_t)((const char *)to - (const char *)from)) == NULL;
}

static void poison(struct kmem_cache *c, void *obj)
{
    struct track *t = track_of(c, obj);

    if (c->ctor == NULL)
        memset(obj, POISON, c->object_size);
    memset((char *)obj + c->object_size, RED, (size_t)((char *)t - (char *)obj) - c->object_size);
}

void slab_debug_init_object(struct kmem_cache *c, void *obj)
{
    struct track *t = track_of(c, obj);

    memset((char *)obj - c->lead, RED, c->lead);
    poison(c, obj);
    *t = (struct track){ .state = STATE_FREE };
}

const char *slab_debug_damage(struct kmem_cache *c, const void *obj)
{
    const struct track *t = track_of(c, obj);
    const char *o = obj;

    if (t->state != STATE_FREE && t->state != STATE_USED)
        return "its track is overwritten";
    if (!all_bytes(o - c->lead, o, RED))
        return "bytes in front of it are overwritten";
    if (t->state == STATE_USED)
        return all_bytes(o + t->size, t, RED) ? NULL : "bytes behind it are overwritten";
    if (!all_bytes(o + c->object_size, t, RED))
        return "bytes behind it are overwritten";
    if (c->ctor == NULL && !all_bytes(o, o + c->object_size, POISON))
        return "it was written to after it was freed";
    return NULL;
}

static __noreturn void die(struct kmem_cache *c, const void *obj, const char *what,
                           const void *caller)
{
    const struct track *t = track_of(c, obj);

    panic("slab cache %s, object %p: %s. Now called by %pS; last allocated or freed by %pS",
          c->name, obj, what, caller, t->caller);
}

void slab_debug_alloc(struct kmem_cache *c, void *obj, size_t size, const void *caller)
{
    struct track *t = track_of(c, obj);
    const char *damage = slab_debug_damage(c, obj);

    ASSERT(size <= c->object_size);
    if (damage != NULL)
        die(c, obj, damage, caller);
    if (xchg(&t->state, STATE_USED) != STATE_FREE)
        die(c, obj, "is handed out twice", caller);
    t->caller = caller;
    t->size = size;
    if (c->ctor == NULL)
        memset(obj, FRESH, size);
    memset((char *)obj + size, RED, c->object_size - size);
}

/* The object's slab must be @c's, and @obj the start of a slot in it; nothing of the slab is
 * believed before. */
static void check_pointer(struct kmem_cache *c, const void *obj, const void *caller)
{
    struct page *p = virt_to_page(obj);
    size_t at;

    if (!pfn_valid(page_to_pfn(p)) || p->kind != PAGE_SLAB)
        panic("slab cache %s: free of %p, which is no slab object, by %pS", c->name, obj, caller);
    if (p->slab_cache != c)
        panic("slab cache %s: free of %p, which is of cache %s, by %pS", c->name, obj,
              p->slab_cache->name, caller);
    at = (size_t)((const char *)obj - (const char *)page_to_virt(slab_of(obj)));
    if (at < c->lead || (at - c->lead) % c->stride != 0)
        panic("slab cache %s: free of %p, which points into an object, by %pS", c->name, obj,
              caller);
}

void slab_debug_free(struct kmem_cache *c, void *obj, const void *caller)
{
    struct track *t = track_of(c, obj);
    const char *damage;

    check_pointer(c, obj, caller);
    damage = slab_debug_damage(c, obj);
    if (t->state == STATE_FREE)
        die(c, obj, "is freed twice", caller);
    if (damage != NULL)
        die(c, obj, damage, caller);
    poison(c, obj);
    t->caller = caller;
    if (xchg(&t->state, STATE_FREE) != STATE_USED)
        die(c, obj, "is freed twice at once", caller);
}

size_t slab_debug_size(struct kmem_cache *c, const void *obj)
{
    ASSERT(track_of(c, obj)->state == STATE_USED);
    return track_of(c, obj)->size;
}

void slab_debug_print_live(struct kmem_cache *c, struct page *slab)
{
    char *obj = (char *)page_to_virt(slab) + c->lead;

    ASSERT(slab->kind == PAGE_SLAB && slab->slab_cache == c && slab->private == 0);
    for (unsigned int i = 0; i < c->per_slab; i++, obj += c->stride)
        if (track_of(c, obj)->state == STATE_USED)
            pr_err("  object %p, allocated by %pS\n", (void *)obj, track_of(c, obj)->caller);
}
#endif
