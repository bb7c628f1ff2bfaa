/* SPDX-License-Identifier: MIT */
/*
 * list.h: circular doubly linked lists whose links live inside the objects. The caller does the
 * locking.
 */
#pragma once
#include <kernel/types.h>

struct list_head {
    struct list_head *next, *prev;
};

#define LIST_HEAD_INIT(name) { &(name), &(name) }
#define LIST_HEAD(name) struct list_head name = LIST_HEAD_INIT(name)

static inline void list_init(struct list_head *h)
{
    h->next = h->prev = h;
}

static inline bool list_empty(const struct list_head *h)
{
    return READ_ONCE(h->next) == h;
}

static inline void list_insert_between(struct list_head *n, struct list_head *prev,
                                       struct list_head *next)
{
    n->next = next;
    n->prev = prev;
    next->prev = n;
    WRITE_ONCE(prev->next, n);
}

static inline void list_add(struct list_head *n, struct list_head *h)
{
    list_insert_between(n, h, h->next);
}

static inline void list_add_tail(struct list_head *n, struct list_head *h)
{
    list_insert_between(n, h->prev, h);
}

static inline void list_del(struct list_head *n)
{
    n->prev->next = n->next;
    n->next->prev = n->prev;
}

/*
 * Removes and leaves @n a valid empty list, so that list_empty(&obj->link) asks "is it on a list?".
 */
static inline void list_del_init(struct list_head *n)
{
    list_del(n);
    list_init(n);
}

static inline void list_move_tail(struct list_head *n, struct list_head *h)
{
    list_del(n);
    list_add_tail(n, h);
}

/* Appends all of @from to @to and leaves @from empty. */
static inline void list_splice_tail_init(struct list_head *from, struct list_head *to)
{
    if (list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

#define list_entry(p, type, member) container_of(p, type, member)
#define list_first_entry(h, type, member) list_entry((h)->next, type, member)
#define list_last_entry(h, type, member) list_entry((h)->prev, type, member)
#define list_next_entry(p, member) list_entry((p)->member.next, __typeof__(*(p)), member)

#define list_for_each_entry(p, h, member)                                                         \
    for (p = list_first_entry(h, __typeof__(*p), member); &p->member != (h);                      \
         p = list_next_entry(p, member))

#define list_for_each_entry_safe(p, tmp, h, member)                                               \
    for (p = list_first_entry(h, __typeof__(*p), member), tmp = list_next_entry(p, member);       \
         &p->member != (h); p = tmp, tmp = list_next_entry(tmp, member))
