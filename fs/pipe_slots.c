/* SPDX-License-Identifier: MIT */
/*
 * pipe_slots.c: whole slots of a pipe in and out, for splice and tee: pages change hands instead of
 * bytes. A slot whose page somebody else may hold is marked shared: no write is appended to it.
 * Locks: pipe->lock (PIPE). Invariants: those of pipe.c. Read next: splice.c.
 */
#include "pipe.h"

/* Up to @max bytes from the front as a slot of the caller's own. 1, 0 (end), or -errno. */
int pipe_take(struct pipe *p, size_t max, bool nonblock, struct pipe_slot *out)
{
    int ret;

    mutex_lock(&p->lock);
    ret = pipe_wait_readable(p, nonblock);
    if (ret > 0) {
        struct pipe_slot *s = pipe_slot(p, p->tail);

        *out = *s;
        out->len = (u32)min((size_t)s->len, max);
        if (out->len == s->len) {
            p->tail++;
        } else {
            pipe_slot_get(s);
            s->off += out->len;
            s->len -= out->len;
            s->shared = true;
            out->shared = true;
        }
    }
    mutex_unlock(&p->lock);
    if (ret > 0)
        wake_up_all(&p->wr_wait);
    return ret;
}

/* Adds @s at the end, taking its page over. 0 or -errno (the page stays the caller's). */
int pipe_push(struct pipe *p, const struct pipe_slot *s, bool nonblock)
{
    int ret = 0;

    mutex_lock(&p->lock);
    while (ret == 0 && (p->readers == 0 || pipe_full(p))) {
        if (p->readers == 0) {
            (void)signal_send_task(current, SIGPIPE, NULL);
            ret = -EPIPE;
        } else {
            ret = nonblock ? -EAGAIN : pipe_wait_writable(p);
        }
    }
    if (ret == 0)
        *pipe_slot(p, p->head++) = *s;
    mutex_unlock(&p->lock);
    pipe_wake_readers(p);
    return ret;
}

/* Puts what pipe_take gave, or the rest of it, back to the front; it is lost when the ring was
 * filled meanwhile. */
void pipe_unget(struct pipe *p, const struct pipe_slot *s)
{
    bool back;

    mutex_lock(&p->lock);
    back = !pipe_full(p);
    if (back)
        *pipe_slot(p, --p->tail) = *s;
    mutex_unlock(&p->lock);
    if (!back)
        pipe_slot_put(s);
    pipe_wake_readers(p);
}

/* A second reference to the @n-th slot from the front, cut to @max bytes. False when there is none.
 */
bool pipe_peek(struct pipe *p, u32 n, size_t max, struct pipe_slot *out)
{
    bool there;

    mutex_lock(&p->lock);
    there = p->head - p->tail > n;
    if (there) {
        struct pipe_slot *s = pipe_slot(p, p->tail + n);

        pipe_slot_get(s);
        s->shared = true;
        *out = *s;
        out->len = (u32)min((size_t)s->len, max);
    }
    mutex_unlock(&p->lock);
    return there;
}
