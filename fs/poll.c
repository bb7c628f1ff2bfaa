/* SPDX-License-Identifier: MIT */
/*
 * poll.c: waiting for several files at once: poll, ppoll, select, pselect6.
 *
 * Each file's poll operation says what is ready and names the wait queues that will be woken when
 * that changes. The first round puts an entry on each queue; a wake-up there sets "triggered" and
 * wakes the caller, who asks all files again. The entries hold a reference on their file, so that
 * its queues live as long as they do.
 *
 * Locks: each queue's own; triggered is ordered against the sleep by the state change and the
 * wake-up (both full barriers). Checked by tests/user/pipe_test.c. Source: poll(2),
 * select(2). Read next: epoll.c.
 */
#include "internal.h"
#include <asm/poll.h>
#include <kernel/fail.h>
#include <kernel/syscall.h>

#define READY_DEFAULT  (POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM)
#define INLINE_ENTRIES 8

struct poll_entry {
    struct wait_entry we;
    struct wait_queue *wq;
    struct file *file;
    struct poll_sleep *owner;
    unsigned int events;
};

struct poll_chunk {
    struct poll_chunk *next;
    unsigned int nr;
    struct poll_entry e[32];
};

struct poll_sleep {
    struct poll_table pt;
    struct task *task;
    bool triggered;
    int error;
    unsigned int nr;
    struct poll_entry e[INLINE_ENTRIES];
    struct poll_chunk *chunks;
};

void poll_wait(struct file *f, struct wait_queue *wq, struct poll_table *pt)
{
    if (pt && pt->queue)
        pt->queue(pt, f, wq);
}

unsigned int file_poll(struct file *f, struct poll_table *pt)
{
    return f->op->poll ? f->op->poll(f, pt) : READY_DEFAULT;
}

/* Under the queue's lock. @key: what happened, 0 = unknown. */
static bool poll_woken(struct wait_entry *we, unsigned long key)
{
    struct poll_entry *e = container_of(we, struct poll_entry, we);

    if (key && !(key & e->events))
        return false;
    WRITE_ONCE(e->owner->triggered, true);
    return wake_up_task(e->owner->task);
}

static struct poll_entry *new_entry(struct poll_sleep *s)
{
    struct poll_chunk *c = s->chunks;

    if (s->nr < INLINE_ENTRIES)
        return &s->e[s->nr++];
    if (!c || c->nr == ARRAY_SIZE(c->e)) {
        c = kmalloc(sizeof(*c));
        if (!c)
            return NULL;
        c->next = s->chunks;
        c->nr = 0;
        s->chunks = c;
    }
    return &c->e[c->nr++];
}

static void poll_queue(struct poll_table *pt, struct file *f, struct wait_queue *wq)
{
    struct poll_sleep *s = container_of(pt, struct poll_sleep, pt);
    struct poll_entry *e = new_entry(s);

    if (!e) {
        s->error = -ENOMEM;
        return;
    }
    *e = (struct poll_entry){
        .wq = wq, .file = file_get(f), .owner = s, .events = pt->events | POLLERR | POLLHUP};
    list_init(&e->we.link);
    e->we.func = poll_woken;
    wait_add(wq, &e->we);
}

static void poll_begin(struct poll_sleep *s)
{
    s->pt = (struct poll_table){.queue = poll_queue};
    s->task = current;
    s->triggered = false;
    s->error = 0;
    s->nr = 0;
    s->chunks = NULL;
}

static void entry_end(struct poll_entry *e)
{
    wait_remove(e->wq, &e->we);
    file_put(e->file);
}

static void poll_end(struct poll_sleep *s)
{
    for (unsigned int n = 0; n < s->nr; n++)
        entry_end(&s->e[n]);
    while (s->chunks) {
        struct poll_chunk *c = s->chunks;

        for (unsigned int n = 0; n < c->nr; n++)
            entry_end(&c->e[n]);
        s->chunks = c->next;
        kfree(c);
    }
}

/*
 * Asks until something is ready: @ask returns how many are. 0 = the deadline passed, -EINTR,
 * -ENOMEM. @deadline: 0 = none, 1 = do not wait.
 */
static int poll_loop(struct poll_sleep *s, int (*ask)(struct poll_sleep *, void *), void *arg,
                     u64 deadline)
{
    int ret = 0;

    if (deadline == 1)
        s->pt.queue = NULL;
    for (;;) {
        int ready = ask(s, arg);

        s->pt.queue = NULL; /* entries are on the queues from the first round on */
        if (ready || ret == -ETIME)
            return ready;
        if (s->error)
            return s->error;
        if (deadline == 1)
            return 0;
        if (ret)
            return ret;
        task_set_state(TASK_INTERRUPTIBLE);
        if (!READ_ONCE(s->triggered))
            ret = wait_step(TASK_INTERRUPTIBLE, deadline);
        task_set_state(TASK_RUNNING);
        WRITE_ONCE(s->triggered, false);
        smp_mb(); /* before the files are asked again: a later event sets it anew */
    }
}

/* ---- poll ---- */

struct poll_fds {
    struct pollfd *fds;
    unsigned int nr;
};

static short ask_one(struct poll_sleep *s, const struct pollfd *p)
{
    unsigned int want = ((unsigned int)(u16)p->events) | POLLERR | POLLHUP, got;
    struct fdref r;

    if (p->fd < 0)
        return 0;
    r = fdref_get(p->fd);
    if (!r.file)
        return POLLNVAL;
    s->pt.events = want;
    got = file_poll(r.file, &s->pt) & want;
    fdref_put(r);
    return (short)got;
}

static int ask_all(struct poll_sleep *s, void *arg)
{
    struct poll_fds *p = arg;
    int ready = 0;

    for (unsigned int n = 0; n < p->nr; n++) {
        p->fds[n].revents = ask_one(s, &p->fds[n]);
        if (p->fds[n].revents) {
            ready++;
            s->pt.queue = NULL; /* will not sleep */
        }
    }
    return ready;
}

static long do_poll(struct pollfd __user *ufds, unsigned int nr, u64 deadline)
{
    struct poll_sleep s;
    struct pollfd fast[INLINE_ENTRIES];
    struct poll_fds p = {fast, nr};
    long ret;

    if (nr > task_rlimit(RLIMIT_NOFILE))
        return -EINVAL;
    if (nr > INLINE_ENTRIES) {
        p.fds = kmalloc(nr * sizeof(struct pollfd));
        if (!p.fds)
            return -ENOMEM;
    }
    if (copy_from_user(p.fds, ufds, nr * sizeof(struct pollfd))) {
        ret = -EFAULT;
    } else {
        poll_begin(&s);
        ret = poll_loop(&s, ask_all, &p, deadline);
        poll_end(&s);
        for (unsigned int n = 0; n < nr && ret >= 0; n++)
            if (put_user_u16((u16)p.fds[n].revents, user_field(ufds + n, revents)))
                ret = -EFAULT;
    }
    if (p.fds != fast)
        kfree(p.fds);
    return ret;
}

/* A timeout to a deadline: 0 ns = do not wait (1). */
static u64 deadline_after(u64 ns)
{
    u64 now;

    if (ns == 0)
        return 1;
    now = clock_monotonic_ns();
    return now + ns < now ? ~0ULL : now + ns;
}

static long poll_restart(struct task *t)
{
    struct restart_block *r = &t->restart;
    long ret = do_poll((struct pollfd __user *)r->arg[0], (unsigned int)r->arg[1], r->deadline_ns);

    return ret == -EINTR ? -ERESTART_RESTARTBLOCK : ret;
}

SYSCALL3(poll, struct pollfd __user *, fds, unsigned int, nr, int, timeout_ms)
{
    u64 deadline = timeout_ms < 0 ? 0 : deadline_after((u64)timeout_ms * NSEC_PER_MSEC);
    long ret = do_poll(fds, nr, deadline);

    if (ret != -EINTR)
        return ret;
    current->restart.fn = poll_restart;
    current->restart.deadline_ns = deadline;
    current->restart.arg[0] = (unsigned long)fds;
    current->restart.arg[1] = nr;
    return -ERESTART_RESTARTBLOCK;
}

/* ---- times and masks of ppoll and pselect ---- */

/* NULL: no deadline. @scale: nanoseconds per unit of the second word. 0, -EFAULT, -EINVAL. */
static int time_from_user(const void __user *ut, u64 scale, u64 *deadline)
{
    s64 t[2];

    *deadline = 0;
    if (!ut)
        return 0;
    if (copy_from_user(t, ut, sizeof(t)))
        return -EFAULT;
    if (t[0] < 0 || t[1] < 0)
        return -EINVAL;
    if (scale != 1) { /* struct timeval may carry more than a second in its microseconds */
        t[0] += t[1] / (s64)(NSEC_PER_SEC / scale);
        t[1] %= (s64)(NSEC_PER_SEC / scale);
    }
    if ((u64)t[1] * scale >= NSEC_PER_SEC)
        return -EINVAL;
    if ((u64)t[0] > ~0ULL / NSEC_PER_SEC - 1)
        return 0;
    *deadline = deadline_after((u64)t[0] * NSEC_PER_SEC + (u64)t[1] * scale);
    return 0;
}

/* What is left, back to the user; an unwritable place is not an error. */
static void time_to_user(void __user *ut, u64 scale, u64 deadline)
{
    u64 now = clock_monotonic_ns(), left = deadline > now && deadline != 1 ? deadline - now : 0;
    s64 t[2] = {(s64)(left / NSEC_PER_SEC), (s64)(left % NSEC_PER_SEC / scale)};

    if (ut && deadline && copy_to_user(ut, t, sizeof(t)))
        fail_tolerated();
}

static int mask_begin(const sigset_t __user *umask, size_t size, bool *used)
{
    sigset_t mask;

    *used = umask != NULL;
    if (!umask)
        return 0;
    if (size != sizeof(mask))
        return -EINVAL;
    if (copy_from_user(&mask, umask, sizeof(mask)))
        return -EFAULT;
    signal_use_mask(&mask);
    return 0;
}

static long mask_end(long ret, bool used)
{
    if (used)
        signal_end_mask(ret == -EINTR);
    return ret == -EINTR ? -ERESTARTNOHAND : ret;
}

SYSCALL5(ppoll, struct pollfd __user *, fds, unsigned int, nr, void __user *, timeout,
         const sigset_t __user *, mask, size_t, size)
{
    u64 deadline;
    bool used;
    long ret = time_from_user(timeout, 1, &deadline);

    if (ret == 0)
        ret = mask_begin(mask, size, &used);
    if (ret)
        return ret;
    ret = mask_end(do_poll(fds, nr, deadline), used);
    time_to_user(timeout, 1, deadline);
    return ret;
}

/* ---- select ---- */

#define SELECT_IN  (POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR)
#define SELECT_OUT (POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR)
#define SELECT_EX  POLLPRI
#define WORD_BITS  (8 * sizeof(long))

/* Six sets of n bits: in, out, except as asked, then as answered. */
struct select_sets {
    int n;
    size_t words;
    unsigned long *set[6];
};

static bool set_has(const unsigned long *set, int fd)
{
    return (set[(size_t)fd / WORD_BITS] >> ((size_t)fd % WORD_BITS)) & 1;
}

static int answer(struct select_sets *s, int which, int fd, unsigned int got, unsigned int mask)
{
    if (!set_has(s->set[which], fd) || !(got & mask))
        return 0;
    s->set[which + 3][(size_t)fd / WORD_BITS] |= 1UL << ((size_t)fd % WORD_BITS);
    return 1;
}

static int select_one(struct poll_sleep *s, struct select_sets *sets, int fd)
{
    unsigned int want = (set_has(sets->set[0], fd) ? SELECT_IN : 0) |
                        (set_has(sets->set[1], fd) ? SELECT_OUT : 0) |
                        (set_has(sets->set[2], fd) ? SELECT_EX : 0);
    unsigned int got;
    struct fdref r;

    if (!want)
        return 0;
    r = fdref_get(fd);
    if (!r.file) {
        s->error = -EBADF;
        return 0;
    }
    s->pt.events = want;
    got = file_poll(r.file, &s->pt);
    fdref_put(r);
    return answer(sets, 0, fd, got, SELECT_IN) + answer(sets, 1, fd, got, SELECT_OUT) +
           answer(sets, 2, fd, got, SELECT_EX);
}

static int select_ask(struct poll_sleep *s, void *arg)
{
    struct select_sets *sets = arg;
    int ready = 0;

    for (int which = 3; which < 6; which++)
        memset(sets->set[which], 0, sets->words * sizeof(long));
    for (int fd = 0; fd < sets->n; fd++) {
        ready += select_one(s, sets, fd);
        if (s->error)
            return 0;
        if (ready)
            s->pt.queue = NULL;
    }
    return ready;
}

static long select_sets(struct select_sets *s, void __user *const u[3], u64 deadline)
{
    struct poll_sleep sleep;
    long ret;

    for (int n = 0; n < 3; n++)
        if (u[n] && copy_from_user(s->set[n], u[n], s->words * sizeof(long)))
            return -EFAULT;
    poll_begin(&sleep);
    ret = poll_loop(&sleep, select_ask, s, deadline);
    poll_end(&sleep);
    for (int n = 0; n < 3 && ret >= 0; n++)
        if (u[n] && copy_to_user(u[n], s->set[n + 3], s->words * sizeof(long)))
            return -EFAULT;
    return ret;
}

static long do_select(int n, void __user *in, void __user *out, void __user *ex, u64 deadline)
{
    void __user *const u[3] = {in, out, ex};
    struct select_sets s = {0};
    unsigned long *mem;
    long ret;

    if (n < 0)
        return -EINVAL;
    s.n = min(n, (int)files_capacity(current->files));
    s.words = DIV_ROUND_UP((size_t)s.n, WORD_BITS);
    mem = kzalloc(max(s.words, (size_t)1) * 6 * sizeof(long));
    if (!mem)
        return -ENOMEM;
    for (int i = 0; i < 6; i++)
        s.set[i] = mem + (size_t)i * s.words;
    ret = select_sets(&s, u, deadline);
    kfree(mem);
    return ret;
}

SYSCALL5(select, int, n, void __user *, in, void __user *, out, void __user *, ex, void __user *,
         timeout)
{
    u64 deadline;
    long ret = time_from_user(timeout, NSEC_PER_USEC, &deadline);

    if (ret)
        return ret;
    ret = do_select(n, in, out, ex, deadline);
    time_to_user(timeout, NSEC_PER_USEC, deadline);
    return ret == -EINTR ? -ERESTARTNOHAND : ret;
}

#ifdef __NR__newselect /* where select's own number was that of an older interface */
SYSCALL_ALIAS(_newselect, select, 5);
#endif

SYSCALL6(pselect6, int, n, void __user *, in, void __user *, out, void __user *, ex, void __user *,
         timeout, const u64 __user *, umask)
{
    u64 deadline, mask[2] = {0, 0}; /* address and size of the set */
    bool used;
    long ret = time_from_user(timeout, 1, &deadline);

    if (ret == 0 && umask && copy_from_user(mask, umask, sizeof(mask)))
        ret = -EFAULT;
    if (ret == 0)
        ret = mask_begin((const sigset_t __user *)mask[0], (size_t)mask[1], &used);
    if (ret)
        return ret;
    ret = mask_end(do_select(n, in, out, ex, deadline), used);
    time_to_user(timeout, 1, deadline);
    return ret;
}
