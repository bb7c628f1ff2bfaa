/* SPDX-License-Identifier: MIT */
/*
 * queue.c: pending signals: a bit per signal, and a record (struct sigqueue) with its siginfo for
 * each that was sent. Does not decide who gets a signal (send.c) or what it does (deliver.c).
 *
 * A standard signal is pending at most once. Real-time signals queue; when no record can be had
 * they fail with EAGAIN, while a standard one is then pending without a siginfo of its own
 * (POSIX.1-2017, 2.4.1).
 *
 * Locks: SIGHAND for every struct sigpending.
 * Invariants: I1 a record of a signal is on the list only while its bit is set; I2 each record
 * counts in its user's nr_sigpending and holds a reference to that user. Checked by
 * tests/kernel/signal/send_ktest.c.
 * Read next: send.c.
 */
#include "internal.h"
#include <kernel/fail.h>
#include <kernel/string.h>
#include <mm/slab.h>
#include <asm/errno.h>

static struct kmem_cache *sigqueue_cache __ro_after_init;
static struct kmem_cache *sighand_cache __ro_after_init;

void signal_init(void)
{
    sigqueue_cache = kmem_cache_create("sigqueue", sizeof(struct sigqueue), 0, NULL);
    sighand_cache = kmem_cache_create("sighand", sizeof(struct sighand), 0, NULL);
}

/* ---- handlers -------------------------------------------------------------------------------- */

struct sighand *sighand_alloc(void)
{
    struct sighand *s = kmem_cache_alloc(sighand_cache, GFP_KERNEL);

    if (s == NULL)
        return NULL;
    memset(s->action, 0, sizeof(s->action));
    atomic_set(&s->refs, 1);
    spin_init(&s->lock, LOCK_SIGHAND);
    return s;
}

struct sighand *sighand_copy(struct process *from)
{
    struct sighand *s = kmem_cache_alloc(sighand_cache, GFP_KERNEL);
    unsigned long flags;

    if (s == NULL)
        return NULL;
    flags = sighand_lock(from);
    memcpy(s->action, from->sighand->action, sizeof(s->action));
    sighand_unlock(from, flags);
    atomic_set(&s->refs, 1);
    spin_init(&s->lock, LOCK_SIGHAND);
    return s;
}

/* Exec, which gives a process another sighand, waits for a grace period before it, see
 * sighand_lock. */
void sighand_put(struct sighand *s)
{
    if (atomic_dec_and_test(&s->refs))
        kmem_cache_free(sighand_cache, s);
}

/*
 * Exec may replace p->sighand between the load and the lock; the old one then lives on for a grace
 * period, which cannot pass while interrupts are off here.
 */
static __noinline void lock_the_other(struct process *p, struct sighand *s)
{
    do {
        spin_unlock(&s->lock);
        s = rcu_dereference(p->sighand);
        spin_lock(&s->lock);
    } while (s != READ_ONCE(p->sighand));
}

unsigned long sighand_lock(struct process *p)
{
    unsigned long flags = irq_save();
    struct sighand *s = rcu_dereference(p->sighand);

    spin_lock(&s->lock);
    if (unlikely(s != READ_ONCE(p->sighand)))
        lock_the_other(p, s);
    return flags;
}

void sighand_unlock(struct process *p, unsigned long flags)
{
    spin_unlock_irqrestore(&p->sighand->lock, flags);
}

void signal_reset_handlers(struct sighand *s)
{
    for (int i = 0; i < NSIGNALS; i++) {
        struct ksigaction *a = &s->action[i];

        if (a->handler != SIG_IGN)
            a->handler = SIG_DFL;
        a->flags = 0;
        a->restorer = NULL;
        a->mask.bits = 0;
    }
}

/* ---- records --------------------------------------------------------------------------------- */

void sigpending_init(struct sigpending *p)
{
    list_init(&p->list);
    p->set.bits = 0;
}

static struct sigqueue *sigqueue_alloc(struct process *target, bool may_exceed)
{
    struct user *u = target->user;
    u64 limit = READ_ONCE(target->rlim[RLIMIT_SIGPENDING].rlim_cur);
    struct sigqueue *q;

    if ((u64)atomic_inc_return(&u->nr_sigpending) > limit && !may_exceed)
        goto fail;
    q = kmem_cache_alloc(sigqueue_cache, GFP_ATOMIC);
    if (q == NULL)
        goto fail;
    user_get(u);
    q->user = u;
    return q;
fail:
    atomic_dec(&u->nr_sigpending);
    return NULL;
}

static void sigqueue_free(struct sigqueue *q)
{
    atomic_dec(&q->user->nr_sigpending);
    user_put(q->user);
    kmem_cache_free(sigqueue_cache, q);
}

int sigqueue_add(struct sigpending *p, int sig, const siginfo_t *info, struct process *target)
{
    /* The kernel's own standard signals may exceed the limit: a fault must be reported with its
     * address. */
    bool may_exceed = sig < SIGRTMIN && (info == NULL || info->si_code >= 0);
    struct sigqueue *q = sigqueue_alloc(target, may_exceed);

    if (q == NULL) {
        if (sig >= SIGRTMIN && info != NULL && info->si_code != SI_USER)
            return -EAGAIN;
        fail_tolerated(); /* the signal comes without its record */
    } else {
        if (info != NULL)
            q->info = *info;
        else
            siginfo_init(&q->info, sig, SI_KERNEL);
        list_add_tail(&q->link, &p->list);
    }
    p->set.bits |= sigmask(sig);
    return 0;
}

/* Removes one record of @sig; the bit stays when there is another. */
static void sigqueue_collect(struct sigpending *p, int sig, siginfo_t *info)
{
    struct sigqueue *q, *found = NULL;

    list_for_each_entry (q, &p->list, link) {
        if (q->info.si_signo != sig)
            continue;
        if (found != NULL)
            goto more;
        found = q;
    }
    p->set.bits &= ~sigmask(sig);
more:
    if (found == NULL) {
        siginfo_init(info, sig, SI_USER);
        return;
    }
    list_del(&found->link);
    *info = found->info;
    sigqueue_free(found);
}

/* Takes the next signal of @p outside @blocked: its number, or 0. */
static int sigqueue_take(struct sigpending *p, u64 blocked, siginfo_t *info)
{
    u64 ready = p->set.bits & ~blocked;
    int sig;

    if (ready == 0)
        return 0;
    if ((ready & SYNC_MASK) != 0)
        ready &= SYNC_MASK;
    sig = __builtin_ctzll(ready) + 1;
    sigqueue_collect(p, sig, info);
    return sig;
}

int signal_take(struct task *t, u64 blocked, siginfo_t *info)
{
    int sig = sigqueue_take(&t->pending, blocked, info);

    return sig != 0 ? sig : sigqueue_take(&t->proc->pending, blocked, info);
}

void sigqueue_discard(struct sigpending *p, u64 mask)
{
    struct sigqueue *q, *tmp;

    if ((p->set.bits & mask) == 0)
        return;
    p->set.bits &= ~mask;
    list_for_each_entry_safe (q, tmp, &p->list, link) {
        if (!sig_in(mask, q->info.si_signo))
            continue;
        list_del(&q->link);
        sigqueue_free(q);
    }
}

void sigpending_flush(struct sigpending *p)
{
    sigqueue_discard(p, ~0ULL);
}

/* ---- siginfo --------------------------------------------------------------------------------- */

void siginfo_init(siginfo_t *info, int sig, int code)
{
    memset(info, 0, sizeof(*info));
    info->si_signo = sig;
    info->si_code = code;
}

void siginfo_from_user(siginfo_t *info, int sig, int code)
{
    siginfo_init(info, sig, code);
    info->si_pid = current->proc->tgid;
    info->si_uid = current->proc->uid;
}
