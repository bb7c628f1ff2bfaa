/* SPDX-License-Identifier: MIT */
/* pipe.h: between pipe.c, pipe_open.c, pipe_slots.c, splice.c, vmsplice.c and socketpair.c. */
#pragma once
#include "internal.h"
#include <mm/gup.h>

struct pipe_slot {
    struct page *page;
    u32 off, len;
    bool shared; /* spliced in: somebody else's page, only to be read */
    bool pinned; /* vmspliced: the reference comes with a pin */
};
/* One more holder of the slot's page, and one less. */
static inline void pipe_slot_get(const struct pipe_slot *s)
{
    if (s->pinned)
        pin_user_page_again(s->page);
    else
        page_get(s->page);
}
static inline void pipe_slot_put(const struct pipe_slot *s)
{
    if (s->pinned)
        unpin_user_page(s->page);
    else
        page_put(s->page);
}

struct pipe {
    struct mutex lock; /* PIPE: everything below */
    struct pipe_slot *slots;
    u32 nr_slots;                   /* power of two */
    u32 head, tail;                 /* counters, taken modulo nr_slots */
    struct page *spare;             /* a page of our own for the next write */
    u32 readers, writers;           /* open ends */
    u32 reader_opens, writer_opens; /* how many there ever were */
    u32 users;                      /* open files; dentry_lock */
    bool packets; /* set once: each write is a slot of its own, each read takes one and its rest */
    struct wait_queue rd_wait, wr_wait, open_wait;
};

static inline bool pipe_empty(const struct pipe *p)
{
    return READ_ONCE(p->head) == READ_ONCE(p->tail);
}
static inline bool pipe_full(const struct pipe *p)
{
    return READ_ONCE(p->head) - READ_ONCE(p->tail) >= READ_ONCE(p->nr_slots);
}
static inline struct pipe_slot *pipe_slot(const struct pipe *p, u32 n)
{
    return &p->slots[n & (p->nr_slots - 1)];
}
static inline struct pipe *file_pipe(const struct file *f)
{
    return f->op == &pipe_fops ? f->private : NULL;
}
/* A fifo's reader that came before any writer is not told of a hang-up: what writer_opens was at
 * its open. */
static inline void pipe_note_opens(struct file *f, u32 opens)
{
    f->pos = opens;
}
static inline u32 pipe_opens_seen(const struct file *f)
{
    return (u32)f->pos;
}

#define SPLICE_F_MOVE     1u
#define SPLICE_F_NONBLOCK 2u
#define SPLICE_F_MORE     4u
#define SPLICE_F_GIFT     8u
#define SPLICE_F_ALL      15u

#define PIPE_NONBLOCK 1u
#define PIPE_NOSIGNAL 2u /* no SIGPIPE with EPIPE */

struct pipe *pipe_alloc(void);
void pipe_free(struct pipe *p);
ssize_t pipe_read_iter(struct pipe *p, struct iov_iter *to, bool nonblock);
ssize_t pipe_write_iter(struct pipe *p, struct iov_iter *from, unsigned int how);
u32 pipe_bytes(struct pipe *p);
void pipe_wake_readers(struct pipe *p);
/* pipe_open.c */
int pipe_open(struct inode *i, struct file *f);
void pipe_release(struct file *f);
/* pipe_slots.c */
int pipe_take(struct pipe *p, size_t max, bool nonblock, struct pipe_slot *out);
int pipe_push(struct pipe *p, const struct pipe_slot *s, bool nonblock);
void pipe_unget(struct pipe *p, const struct pipe_slot *s);
bool pipe_peek(struct pipe *p, u32 n, size_t max, struct pipe_slot *out);
/* pipe->lock held. 1: there is something; 0: empty and no writer; -EAGAIN, -ERESTARTSYS. Unlocks
 * while it sleeps. */
int pipe_wait_readable(struct pipe *p, bool nonblock);
int pipe_wait_writable(struct pipe *p); /* 0: look again; -ERESTARTSYS */
