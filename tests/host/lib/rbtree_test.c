/* SPDX-License-Identifier: MIT */
/*
 * rbtree_test.c: random insertions and removals against a sorted array, with an augmented "maximum
 * in the subtree". Shows I1-I4 of lib/rbtree.c after every change. Prints KTAP; deterministic.
 */
#include <kernel/rbtree.h>
#include <stdio.h>

struct item {
    struct rb_node node;
    unsigned int key, weight, max_weight;
    bool in;
};

#define NR_ITEMS 400

static struct item items[NR_ITEMS];
static struct rb_root root;
static unsigned int failures, nr_in;
static unsigned long seed = 42;

static unsigned int random_below(unsigned int n)
{
    seed = seed * 6364136223846793005UL + 1442695040888963407UL;
    return (unsigned int)(seed >> 33) % n;
}

static unsigned int max_of(const struct rb_node *n, unsigned int floor)
{
    unsigned int m = n ? rb_entry(n, const struct item, node)->max_weight : 0;

    return m > floor ? m : floor;
}

static bool recompute(struct rb_node *n)
{
    struct item *i = rb_entry(n, struct item, node);
    unsigned int m = max_of(n->left, max_of(n->right, i->weight));
    bool changed = m != i->max_weight;

    i->max_weight = m;
    return changed;
}

static void insert(struct item *i, bool augmented)
{
    struct rb_node **link = &root.node, *parent = NULL;

    while (*link) {
        parent = *link;
        link = &parent->child[i->key >= rb_entry(parent, struct item, node)->key];
    }
    i->max_weight = i->weight;
    rb_insert_at(&i->node, parent, link);
    if (augmented)
        rb_insert_color_augmented(&i->node, &root, recompute);
    else
        rb_insert_color(&i->node, &root);
    i->in = true;
    nr_in++;
}

static void check(bool augmented)
{
    unsigned int n = 0, last = 0, back = 0;
    struct rb_node *p;

    failures += rb_check(&root) != 0;
    for (p = rb_first(&root); p; p = rb_next(p), n++) {
        failures += rb_entry(p, struct item, node)->key < last;
        failures += augmented && recompute(p);
        last = rb_entry(p, struct item, node)->key;
    }
    for (p = rb_last(&root); p; p = rb_prev(p))
        back++;
    failures += n != nr_in || back != nr_in;
}

static void run(bool augmented, unsigned int steps)
{
    for (unsigned int s = 0; s < steps; s++) {
        struct item *i = &items[random_below(NR_ITEMS)];

        if (!i->in) {
            i->key = random_below(200); /* equal keys happen */
            i->weight = random_below(10000);
            insert(i, augmented);
        } else if (augmented && random_below(3) == 0) {
            i->weight = random_below(10000);
            rb_propagate(&i->node, recompute);
        } else {
            if (augmented)
                rb_erase_augmented(&i->node, &root, recompute);
            else
                rb_erase(&i->node, &root);
            i->in = false;
            nr_in--;
        }
        check(augmented);
    }
    while (root.node) {
        struct item *i = rb_entry(root.node, struct item, node);

        rb_erase(&i->node, &root);
        i->in = false;
        nr_in--;
        check(false);
    }
}

static void report(unsigned int nr, const char *name)
{
    printf("%sok %u rbtree.%s\n", failures ? "not " : "", nr, name);
}

int main(void)
{
    unsigned int failed = 0;

    printf("KTAP version 1\n1..2\n");
    run(false, 20000);
    report(1, "random_plain");
    failed += failures != 0;
    failures = 0;
    run(true, 20000);
    report(2, "random_augmented");
    failed += failures != 0;
    printf("# totals: pass:%u fail:%u skip:0\n", 2 - failed, failed);
    return failed != 0;
}
