/* SPDX-License-Identifier: MIT */
/*
 * rbtree.c: balancing of red-black trees (see kernel/rbtree.h), after Cormen et al., ch. 13,
 * without a sentinel node.
 *
 * Does not compare keys and does not allocate. Locks: the caller's.
 *
 * Invariants, checked by rb_check and by tests/host/lib/rbtree_test.c:
 *   I1  the root is black, and a red node has no red child
 *   I2  every path from a node down to an empty link has the same number of black nodes
 *   I3  a child's parent pointer names its parent
 *   I4  in an augmented tree every node's value equals what its recompute function would give
 *   I5  child pointers change one word at a time and never form a cycle, so a lookup without the
 *       lock ends
 *
 * "side" is 0 for left and 1 for right; each case is written once and mirrored by !side. Read next:
 * kernel/sched/fair.c, kernel/time/timer.c.
 */
#include <kernel/rbtree.h>

#define RB_BLACK 1UL

static inline bool is_red(const struct rb_node *n)
{
    return n != NULL && !(n->parent_color & RB_BLACK);
}

static inline void set_black(struct rb_node *n)
{
    n->parent_color |= RB_BLACK;
}

static inline void set_red(struct rb_node *n)
{
    n->parent_color &= ~RB_BLACK;
}

static inline void copy_color(struct rb_node *to, const struct rb_node *from)
{
    to->parent_color = (to->parent_color & ~RB_BLACK) | (from->parent_color & RB_BLACK);
}

static inline void set_parent(struct rb_node *n, struct rb_node *parent)
{
    n->parent_color = (unsigned long)parent | (n->parent_color & RB_BLACK);
}

static inline unsigned int side_of(const struct rb_node *n, const struct rb_node *parent)
{
    return parent->right == n;
}

static inline void set_child(struct rb_node **link, struct rb_node *n)
{
    __atomic_store_n(link, n, __ATOMIC_RELEASE);
}

/* Makes whatever pointed from @parent (or the root) to @old point to @new. */
static inline void replace_child(struct rb_root *root, struct rb_node *parent,
                                 const struct rb_node *old, struct rb_node *new)
{
    set_child(parent ? &parent->child[side_of(old, parent)] : &root->node, new);
}

/*
 * Turns the subtree at @x towards @side: its child on the other side takes its place and is
 * returned.
 */
static __always_inline struct rb_node *rotate(struct rb_root *root, struct rb_node *x,
                                              unsigned int side, rb_recompute_fn fn)
{
    struct rb_node *y = x->child[!side];
    struct rb_node *inner = y->child[side];
    struct rb_node *parent = rb_parent(x);

    /* Order matters for I5: y leaves x before x hangs below y. */
    set_child(&x->child[!side], inner);
    if (inner)
        set_parent(inner, x);
    set_child(&y->child[side], x);
    set_parent(y, parent);
    replace_child(root, parent, x, y);
    set_parent(x, y);
    if (fn) {
        fn(x);
        fn(y);
    }
    return y;
}

static __always_inline void insert_fixup(struct rb_node *n, struct rb_root *root,
                                         rb_recompute_fn fn)
{
    struct rb_node *parent, *grand, *uncle;

    while (is_red(parent = rb_parent(n))) {
        unsigned int side;

        grand = rb_parent(parent); /* exists: a red node is never the root */
        side = side_of(parent, grand);
        uncle = grand->child[!side];
        if (is_red(uncle)) {
            set_black(parent);
            set_black(uncle);
            set_red(grand);
            n = grand;
            continue;
        }
        if (side_of(n, parent) != side)
            parent = rotate(root, parent, side, fn);
        set_black(parent);
        set_red(grand);
        rotate(root, grand, !side, fn);
        break;
    }
    set_black(root->node);
}

/* The path through @parent's @side lacks one black node; its child there is black or missing. */
static __always_inline void erase_fixup(struct rb_root *root, struct rb_node *parent,
                                        unsigned int side, rb_recompute_fn fn)
{
    while (parent) {
        struct rb_node *sibling = parent->child[!side];
        struct rb_node *up;

        if (is_red(sibling)) {
            set_black(sibling);
            set_red(parent);
            rotate(root, parent, side, fn);
            sibling = parent->child[!side];
        }
        if (is_red(sibling->child[side]) && !is_red(sibling->child[!side])) {
            set_black(sibling->child[side]);
            set_red(sibling);
            sibling = rotate(root, sibling, !side, fn);
        }
        if (is_red(sibling->child[!side])) {
            copy_color(sibling, parent);
            set_black(parent);
            set_black(sibling->child[!side]);
            rotate(root, parent, side, fn);
            return;
        }
        set_red(sibling);
        if (is_red(parent)) {
            set_black(parent);
            return;
        }
        up = rb_parent(parent);
        if (up)
            side = side_of(parent, up);
        parent = up;
    }
}

/* Puts the in-order successor @s of @n in @n's place. @s has no left child. */
static __always_inline void move_successor(struct rb_root *root, struct rb_node *n,
                                           struct rb_node *s)
{
    struct rb_node *s_parent = rb_parent(s);

    if (s_parent != n) {
        set_child(&s_parent->left, s->right);
        if (s->right)
            set_parent(s->right, s_parent);
        set_child(&s->right, n->right);
        set_parent(n->right, s);
    }
    set_child(&s->left, n->left);
    set_parent(n->left, s);
    replace_child(root, rb_parent(n), n, s);
    s->parent_color = n->parent_color;
}

/*
 * Values of @low and its ancestors, as far up as they change. @moved, on that path or NULL, brings
 * a value from elsewhere.
 */
static __always_inline void erase_propagate(struct rb_node *low, struct rb_node *moved,
                                            rb_recompute_fn fn)
{
    while (low && low != moved && fn(low))
        low = rb_parent(low);
    if (!moved)
        return;
    fn(moved);
    for (low = rb_parent(moved); low && fn(low); low = rb_parent(low))
        ;
}

static __always_inline void erase(struct rb_node *n, struct rb_root *root, rb_recompute_fn fn)
{
    struct rb_node *low, *child; /* lowest node whose children changed, and the child in the gap */
    struct rb_node *moved = NULL; /* what has taken @n's place */
    unsigned int side;
    bool lost_black;

    if (n->left && n->right) {
        struct rb_node *s = n->right;

        while (s->left)
            s = s->left;
        lost_black = !is_red(s);
        child = s->right;
        low = rb_parent(s) == n ? s : rb_parent(s);
        side = low == s;
        move_successor(root, n, s);
        moved = s;
    } else {
        lost_black = !is_red(n);
        child = n->left ? n->left : n->right;
        low = rb_parent(n);
        side = low ? side_of(n, low) : 0;
        replace_child(root, low, n, child);
        if (child)
            set_parent(child, low);
    }
    if (fn)
        erase_propagate(low, moved, fn);
    if (!lost_black)
        return;
    if (is_red(child))
        set_black(child);
    else
        erase_fixup(root, low, side, fn);
}

void rb_insert_color(struct rb_node *node, struct rb_root *root)
{
    insert_fixup(node, root, NULL);
}

void rb_erase(struct rb_node *node, struct rb_root *root)
{
    erase(node, root, NULL);
}

void rb_propagate(struct rb_node *node, rb_recompute_fn fn)
{
    fn(node);
    for (node = rb_parent(node); node && fn(node); node = rb_parent(node))
        ;
}

void rb_insert_color_augmented(struct rb_node *node, struct rb_root *root, rb_recompute_fn fn)
{
    rb_propagate(node, fn);
    insert_fixup(node, root, fn);
}

void rb_erase_augmented(struct rb_node *node, struct rb_root *root, rb_recompute_fn fn)
{
    erase(node, root, fn);
}

static struct rb_node *outermost(struct rb_node *n, unsigned int side)
{
    while (n && n->child[side])
        n = n->child[side];
    return n;
}

static struct rb_node *neighbour(const struct rb_node *n, unsigned int side)
{
    struct rb_node *parent;

    if (n->child[side])
        return outermost(n->child[side], !side);
    while ((parent = rb_parent(n)) && side_of(n, parent) == side)
        n = parent;
    return parent;
}

struct rb_node *rb_first(const struct rb_root *root)
{
    return outermost(root->node, 0);
}

struct rb_node *rb_last(const struct rb_root *root)
{
    return outermost(root->node, 1);
}

struct rb_node *rb_next(const struct rb_node *node)
{
    return neighbour(node, 1);
}

struct rb_node *rb_prev(const struct rb_node *node)
{
    return neighbour(node, 0);
}

/* Black nodes from @n up to the root. */
static unsigned int black_depth(const struct rb_node *n)
{
    unsigned int depth = 0;

    for (; n; n = rb_parent(n))
        depth += !is_red(n);
    return depth;
}

int rb_check(const struct rb_root *root)
{
    unsigned int want = 0;
    int bad = is_red(root->node);

    for (struct rb_node *n = rb_first(root); n; n = rb_next(n)) {
        for (unsigned int side = 0; side < 2; side++) {
            struct rb_node *c = n->child[side];

            if (c) {
                bad += rb_parent(c) != n;
                bad += is_red(n) && is_red(c);
                continue;
            }
            if (want == 0)
                want = black_depth(n);
            bad += black_depth(n) != want;
        }
    }
    return bad;
}
