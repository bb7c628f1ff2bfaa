/* SPDX-License-Identifier: MIT */
/*
 * radix_tree.c: a sparse array of pointers, six bits of the index per level. Source: see
 * include/kernel/radix_tree.h.
 *
 * The tree is as high as its largest index asks for. A lone item at index 0 hangs at the root
 * without a node, because most files are small. An insert that meets the first missing node knows
 * how many it lacks; with fewer spares it gives up before anything has changed. Growing puts a node
 * above the root, shrinking takes it away; a reader that still holds the old root finds every item
 * that stays, since the old node keeps its first slot until RCU frees it.
 *
 * Does not lock and does not look at the items. Locks: the caller's for writers; readers RCU.
 * Invariants: I1 nr_used is the number of non-NULL slots and is not 0; I2 a child's shift is its
 * parent's less 6, its parent and offset point back; I3 the root node has something beyond slot 0.
 * Checked by radix_check and tests/host/lib/radix_test.c.
 * Read next: mm/page_cache.c.
 */
#include <kernel/printk.h>
#include <kernel/radix_tree.h>
#include <mm/slab.h>
#include <linux/errno.h>

#define TOP_SHIFT 60 /* the largest: 4 of its 6 bits exist */

static struct kmem_cache *node_cache;

static inline void *from_node(const struct radix_node *n)
{
    return (void *)((unsigned long)n | RADIX_NODE_TAG);
}

static inline unsigned int slot_of(u64 index, unsigned int shift)
{
    return (unsigned int)(index >> shift) & (RADIX_SLOTS - 1);
}

/* The largest index that a root node with this shift holds. */
static u64 last_index(unsigned int shift)
{
    return shift >= TOP_SHIFT ? ~0ULL : (1ULL << (shift + RADIX_SHIFT)) - 1;
}

static unsigned int shift_for(u64 index)
{
    unsigned int shift = 0;

    while (index > last_index(shift))
        shift += RADIX_SHIFT;
    return shift;
}

void radix_init(void)
{
    node_cache = kmem_cache_create("radix_node", sizeof(struct radix_node), 8, NULL);
    if (node_cache == NULL)
        panic("no memory for radix trees");
}

/* ---- spares ---- */

/* Nodes that an insert at @index must add. Lock or RCU. */
static unsigned int nodes_missing(const struct radix_tree *t, u64 index)
{
    const void *entry = rcu_dereference(t->root);
    unsigned int shift = shift_for(index), path = shift / RADIX_SHIFT;
    const struct radix_node *n;

    if (!radix_is_node(entry)) {
        if (index == 0)
            return 0;
        /* the item's own chain down to index 0, too */
        return entry == NULL ? path + 1 : path + 1 + path;
    }
    n = radix_to_node(entry);
    if (index > n->last)
        return (shift - n->shift) / RADIX_SHIFT + path;
    while (n->shift != 0) {
        entry = rcu_dereference(n->slots[slot_of(index, n->shift)]);
        if (entry == NULL)
            return n->shift / RADIX_SHIFT;
        n = radix_to_node(entry);
    }
    return 0;
}

int radix_prepare(const struct radix_tree *t, u64 index, struct radix_spare *s, unsigned int gfp)
{
    unsigned int need;

    rcu_read_lock();
    need = nodes_missing(t, index);
    rcu_read_unlock();
    while (s->nr < need) {
        struct radix_node *n = kmem_cache_alloc(node_cache, gfp | GFP_ZERO);

        if (n == NULL)
            return -ENOMEM;
        n->next_spare = s->nodes;
        s->nodes = n;
        s->nr++;
    }
    return 0;
}

static struct radix_node *spare_take(struct radix_spare *s, unsigned int shift)
{
    struct radix_node *n = s->nodes;

    s->nodes = n->next_spare;
    s->nr--;
    n->next_spare = NULL;
    n->shift = (u8)shift;
    n->last = last_index(shift);
    return n;
}

void radix_spare_free(struct radix_spare *s)
{
    while (s->nodes != NULL) {
        struct radix_node *n = s->nodes;

        s->nodes = n->next_spare;
        kmem_cache_free(node_cache, n);
    }
    s->nr = 0;
}

static void node_free_rcu(struct rcu_head *head)
{
    kmem_cache_free(node_cache, container_of(head, struct radix_node, rcu));
}

static void node_free(struct radix_node *n)
{
    call_rcu(&n->rcu, node_free_rcu);
}

/* ---- writers ---- */

static void attach(struct radix_node *parent, unsigned int slot, void *entry)
{
    if (radix_is_node(entry)) {
        radix_to_node(entry)->parent = parent;
        radix_to_node(entry)->offset = (u8)slot;
    }
    parent->nr_used++;
    rcu_assign_pointer(parent->slots[slot], entry);
}

/* Puts nodes above the root until it covers @index. */
static void grow(struct radix_tree *t, u64 index, struct radix_spare *s)
{
    if (t->root == NULL) {
        rcu_assign_pointer(t->root, from_node(spare_take(s, shift_for(index))));
        return;
    }
    while (!radix_is_node(t->root) || index > radix_to_node(t->root)->last) {
        unsigned int shift =
            radix_is_node(t->root) ? radix_to_node(t->root)->shift + RADIX_SHIFT : 0;
        struct radix_node *top = spare_take(s, shift);

        attach(top, 0, t->root);
        rcu_assign_pointer(t->root, from_node(top));
    }
}

/* The first insert into the tree, and those that make it higher. */
static int insert_above(struct radix_tree *t, u64 index, void *item, struct radix_spare *s)
{
    if (index == 0 && !radix_is_node(t->root)) {
        if (t->root != NULL)
            return -EEXIST;
        rcu_assign_pointer(t->root, item);
        return 0;
    }
    if (nodes_missing(t, index) > s->nr)
        return -EAGAIN;
    grow(t, index, s);
    return radix_insert(t, index, item, s);
}

int radix_insert(struct radix_tree *t, u64 index, void *item, struct radix_spare *s)
{
    struct radix_node *n = radix_to_node(t->root);

    ASSERT(item != NULL && !radix_is_node(item));
    if (!radix_is_node(t->root) || index > n->last)
        return insert_above(t, index, item, s);
    while (n->shift != 0) {
        unsigned int slot = slot_of(index, n->shift);

        if (n->slots[slot] == NULL) {
            if (s->nr < n->shift / RADIX_SHIFT) /* all that lack below here */
                return -EAGAIN;
            attach(n, slot, from_node(spare_take(s, n->shift - RADIX_SHIFT)));
        }
        n = radix_to_node(n->slots[slot]);
    }
    if (n->slots[slot_of(index, 0)] != NULL)
        return -EEXIST;
    attach(n, slot_of(index, 0), item);
    return 0;
}

/* The node that holds @index's slot, or NULL; for writers. */
static struct radix_node *leaf_of(const struct radix_tree *t, u64 index)
{
    struct radix_node *n = radix_to_node(t->root);

    if (index > n->last)
        return NULL;
    while (n != NULL && n->shift != 0)
        n = radix_to_node(n->slots[slot_of(index, n->shift)]);
    return n;
}

/* Takes away nodes above the only part that is in use: I3. */
static void lower(struct radix_tree *t)
{
    while (radix_is_node(t->root)) {
        struct radix_node *top = radix_to_node(t->root);

        if (top->nr_used != 1 || top->slots[0] == NULL)
            return;
        if (radix_is_node(top->slots[0]))
            radix_to_node(top->slots[0])->parent = NULL;
        rcu_assign_pointer(t->root, top->slots[0]);
        node_free(top);
    }
}

static void drop_slot(struct radix_tree *t, struct radix_node *n, unsigned int slot)
{
    for (;;) {
        struct radix_node *parent = n->parent;

        rcu_assign_pointer(n->slots[slot], NULL);
        if (--n->nr_used != 0)
            break;
        slot = n->offset;
        if (parent == NULL)
            rcu_assign_pointer(t->root, NULL);
        node_free(n);
        if (parent == NULL)
            return;
        n = parent;
    }
    lower(t);
}

void *radix_remove(struct radix_tree *t, u64 index)
{
    struct radix_node *n;
    void *item;

    if (!radix_is_node(t->root)) {
        item = index == 0 ? t->root : NULL;
        if (item != NULL)
            rcu_assign_pointer(t->root, NULL);
        return item;
    }
    n = leaf_of(t, index);
    item = n != NULL ? n->slots[slot_of(index, 0)] : NULL;
    if (item != NULL)
        drop_slot(t, n, slot_of(index, 0));
    return item;
}

void *radix_replace(struct radix_tree *t, u64 index, void *item)
{
    struct radix_node *n = radix_is_node(t->root) ? leaf_of(t, index) : NULL;
    void **slot = n != NULL ? &n->slots[slot_of(index, 0)] : &t->root;
    void *old = *slot;

    ASSERT(old != NULL && (n != NULL || index == 0) && item != NULL && !radix_is_node(item));
    rcu_assign_pointer(*slot, item);
    return old;
}

/* ---- readers ---- */

/* The leaf node for *index or for the next index that has one; *index moves there. NULL: none up to
 * the end of indexes. */
static const struct radix_node *next_leaf(const struct radix_node *top, u64 *index)
{
    const struct radix_node *n = top;

    while (n->shift != 0) {
        const void *entry;
        u64 next;

        if (*index > top->last)
            return NULL;
        entry = rcu_dereference(n->slots[slot_of(*index, n->shift)]);
        if (entry != NULL) {
            n = radix_to_node(entry);
            continue;
        }
        next = ((*index >> n->shift) + 1) << n->shift;
        if (next == 0)
            return NULL;
        *index = next;
        n = top;
    }
    return *index <= top->last ? n : NULL;
}

unsigned int radix_lookup_batch(const struct radix_tree *t, u64 *index, u64 end, void **items,
                                u64 *idx, unsigned int n)
{
    void *root = rcu_dereference(t->root);
    unsigned int found = 0;
    u64 from = *index;

    if (!radix_is_node(root)) {
        if (root != NULL && *index == 0 && end > 0 && n > 0) {
            items[0] = root;
            idx[0] = 0;
            *index = 1;
            return 1;
        }
        *index = max(from, end);
        return 0;
    }
    while (found < n && *index < end) {
        const struct radix_node *leaf = next_leaf(radix_to_node(root), index);
        u64 leaf_end;

        if (leaf == NULL)
            break;
        /* inclusive: the last leaf ends at ~0 */
        leaf_end = min(*index | (RADIX_SLOTS - 1), end - 1);
        for (; found < n && *index <= leaf_end; ++*index) {
            void *item = rcu_dereference(leaf->slots[slot_of(*index, 0)]);

            if (item != NULL) {
                items[found] = item;
                idx[found++] = *index;
            }
        }
    }
    if (found < n)
        *index = max(from, end);
    return found;
}

/* ---- checks ---- */

static int check_node(const struct radix_node *n, u64 *nr_items)
{
    unsigned int used = 0;
    int bad = n->last != last_index(n->shift);

    for (unsigned int i = 0; i < RADIX_SLOTS; i++) {
        const void *entry = n->slots[i];
        const struct radix_node *child = radix_to_node(entry);

        if (entry == NULL)
            continue;
        used++;
        if (radix_is_node(entry) != (n->shift != 0)) {
            bad++;
        } else if (!radix_is_node(entry)) {
            ++*nr_items;
        } else {
            bad +=
                child->parent != n || child->offset != i || child->shift + RADIX_SHIFT != n->shift;
            bad += check_node(child, nr_items);
        }
    }
    if (bad != 0 || used != n->nr_used || used == 0) {
        pr_err("radix tree: node %p, shift %u: %u slots used, counted %u\n", (const void *)n,
               n->shift, used, n->nr_used);
        bad++;
    }
    return bad;
}

int radix_check(const struct radix_tree *t, u64 *nr_items)
{
    const struct radix_node *top = radix_to_node(t->root);
    int bad = 0;

    *nr_items = 0;
    if (!radix_is_node(t->root)) {
        *nr_items = t->root != NULL;
        return 0;
    }
    if (top->parent != NULL || (top->nr_used == 1 && top->slots[0] != NULL)) {
        pr_err("radix tree: root %p has a parent or is higher than needed\n", (const void *)top);
        bad++;
    }
    return bad + check_node(top, nr_items);
}
