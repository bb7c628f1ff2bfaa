/* SPDX-License-Identifier: MIT */
/*
 * rbtree.h: red-black trees whose nodes live inside the objects. Source: Cormen et al.,
 * "Introduction to Algorithms", ch. 13; Guibas and Sedgewick 1978. The caller compares, descends
 * and locks; the tree keeps its depth at most 2 log2(n + 1).
 *
 * Insert: descend from &root->node to an empty link, then rb_insert_at(node, parent, link) and
 * rb_insert_color(node, root). Augmented trees keep in each node a value computed from the node and
 * its two children; they pass a recompute function to every change, rb_*_augmented, and never use
 * the plain forms on the same tree.
 *
 * A lookup that runs beside a writer (under RCU, nodes freed by RCU) always ends, and sees each
 * child pointer whole, but may miss nodes that are there: the caller checks a sequence count and
 * tries again.
 */
#pragma once
#include <kernel/types.h>

struct rb_node {
    unsigned long parent_color; /* parent's address; bit 0 is 1 for black */
    union {
        struct {
            struct rb_node *left, *right;
        };
        struct rb_node *child[2];
    };
} __aligned(sizeof(long));

struct rb_root {
    struct rb_node *node;
};

#define RB_ROOT ((struct rb_root){ NULL })
#define rb_entry(p, type, member) container_of(p, type, member)

static inline struct rb_node *rb_parent(const struct rb_node *n)
{
    return (struct rb_node *)(n->parent_color & ~1UL);
}

static inline bool rb_empty(const struct rb_root *root)
{
    return READ_ONCE(root->node) == NULL;
}

/*
 * Hangs @node as a red leaf below @parent (NULL for an empty tree) at @link; rb_insert_color must
 * follow.
 */
static inline void rb_insert_at(struct rb_node *node, struct rb_node *parent, struct rb_node **link)
{
    node->parent_color = (unsigned long)parent;
    node->left = node->right = NULL;
    __atomic_store_n(link, node, __ATOMIC_RELEASE);
}

/* Rebalances after rb_insert_at. */
void rb_insert_color(struct rb_node *node, struct rb_root *root);
/* Takes @node out; its links are stale afterwards. */
void rb_erase(struct rb_node *node, struct rb_root *root);

/* Computes a node's value from itself and its children; returns whether it changed. */
typedef bool (*rb_recompute_fn)(struct rb_node *node);
/* @node's own value must be right for a leaf before the call. */
void rb_insert_color_augmented(struct rb_node *node, struct rb_root *root, rb_recompute_fn fn);
void rb_erase_augmented(struct rb_node *node, struct rb_root *root, rb_recompute_fn fn);
/* After the node's own contribution changed: corrects it and its ancestors. */
void rb_propagate(struct rb_node *node, rb_recompute_fn fn);

/* In order; NULL at the end. */
struct rb_node *rb_first(const struct rb_root *root);
struct rb_node *rb_last(const struct rb_root *root);
struct rb_node *rb_next(const struct rb_node *node);
struct rb_node *rb_prev(const struct rb_node *node);

/*
 * Building a whole tree from a sorted list: @node above two finished subtrees. All full levels are
 * black, the nodes below the last full level red; then root->node = the top. The caller computes
 * augmented values on the way up.
 */
static inline void rb_build_node(struct rb_node *node, struct rb_node *left,
                                 struct rb_node *right, bool black)
{
    node->parent_color = black;
    node->left = left;
    node->right = right;
    if (left)
        left->parent_color |= (unsigned long)node;
    if (right)
        right->parent_color |= (unsigned long)node;
}

/*
 * Checks colours, black heights and parent links; returns the number of violations. For walkers and
 * tests.
 */
int rb_check(const struct rb_root *root);
