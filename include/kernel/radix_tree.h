/* SPDX-License-Identifier: MIT */
/*
 * radix_tree.h: an array of pointers indexed by u64, sparse, 64 slots per node. Source: Morrison,
 * "PATRICIA", JACM 1968; the variant with fixed fan-out, as page caches use it.
 *
 * Writers are serialised by the caller's lock. Readers need only rcu_read_lock: nodes are freed by
 * RCU, a slot is stored in one piece. A reader may miss an item that is inserted at the same time,
 * and may see one that was just removed. Items are pointers with bit 0 clear, never NULL.
 */
#pragma once
#include <kernel/rcu.h>

#define RADIX_SHIFT 6
#define RADIX_SLOTS (1u << RADIX_SHIFT)

struct radix_node {
    u8 shift;    /* a slot covers 2^shift indexes */
    u8 offset;   /* own slot number in the parent */
    u16 nr_used; /* slots that are not NULL */
    u64 last;    /* largest index that a tree with this node as root holds */
    struct radix_node *parent;
    union {
        struct rcu_head rcu;          /* after it was taken out */
        struct radix_node *next_spare;/* while in a struct radix_spare */
    };
    void *slots[RADIX_SLOTS];
};

struct radix_tree {
    void *root; /* NULL, an item (index 0), or a node with bit 0 set */
};

#define RADIX_TREE_INIT { NULL }

/* Nodes allocated before the caller's spin lock is taken, so that the insert below it cannot
 * fail. */
struct radix_spare {
    struct radix_node *nodes;
    unsigned int nr;
};

void radix_init(void); /* once, after slab_init; page_cache_init calls it */
/* Makes @s hold all nodes that an insert at @index into @t needs now. 0 or -ENOMEM (@s keeps what
 * it holds). Called without the tree's lock; may sleep as @gfp says. The tree may change before the
 * insert, which says so. */
int __must_check radix_prepare(const struct radix_tree *t, u64 index, struct radix_spare *s,
                               unsigned int gfp);
/* 0, -EEXIST, or -EAGAIN when @s holds too few nodes: drop the lock, prepare, try again. Most
 * inserts need no node, so try first with an empty @s. On error nothing changed. */
int __must_check radix_insert(struct radix_tree *t, u64 index, void *item, struct radix_spare *s);
void radix_spare_free(struct radix_spare *s);
/* The item that was there, or NULL. Frees nodes that become empty and lowers the tree. */
void *radix_remove(struct radix_tree *t, u64 index);
/* Replaces the item that is there by @item; returns the old one. */
void *radix_replace(struct radix_tree *t, u64 index, void *item);
/* An entry is an item, or a node with bit 0 set. */
#define RADIX_NODE_TAG 1UL
static inline bool radix_is_node(const void *entry)
{
    return ((unsigned long)entry & RADIX_NODE_TAG) != 0;
}
static inline struct radix_node *radix_to_node(const void *entry)
{
    return (struct radix_node *)((unsigned long)entry & ~RADIX_NODE_TAG);
}

/* The item at @index, or NULL. RCU or lock. */
static inline void *radix_lookup(const struct radix_tree *t, u64 index)
{
    void *entry = rcu_dereference(t->root);
    const struct radix_node *n = radix_to_node(entry);
    unsigned int shift;

    if (!radix_is_node(entry))
        return index == 0 ? entry : NULL;
    if (index > n->last)
        return NULL;
    for (shift = n->shift;; shift -= RADIX_SHIFT) {
        entry = rcu_dereference(n->slots[(index >> shift) & (RADIX_SLOTS - 1)]);
        if (shift == 0 || entry == NULL)
            return entry;
        n = radix_to_node(entry);
    }
}
/* Up to @n items with index in [*index, end), ascending, each with its index in idx[]; sets *index
 * behind the last one found, or to @end when there are no more. RCU or lock. */
unsigned int radix_lookup_batch(const struct radix_tree *t, u64 *index, u64 end, void **items,
                                u64 *idx, unsigned int n);
static inline bool radix_empty(const struct radix_tree *t)
{
    return READ_ONCE(t->root) == NULL;
}
/* Invariant walker: counts, offsets, parents, shifts; number of violations. *nr_items gets the
 * number of items. */
int radix_check(const struct radix_tree *t, u64 *nr_items);
