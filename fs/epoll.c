/* SPDX-License-Identifier: MIT */
/*
 * epoll.c: epoll_create1, epoll_ctl, epoll_wait, epoll_pwait: a set of files that is watched for
 * longer than one call.
 *
 * Each watched file is an item with entries on the file's wait queues. A wake-up marks the item as
 * hot, puts it on the ready list and wakes the waiters; epoll_wait asks the items of the ready list
 * what is true now, keeps level-triggered ones that are ready on the list, and forgets the others
 * until they are hot again. An item does not hold its file: the last file_put takes the item out
 * (epoll_file_closed). An epoll cannot watch another epoll.
 *
 * Locks: watch_mutex (EPOLL) for the tree of items of all sets and for file->epoll_items;
 * ep->wait.lock (WAITQ), taken inside a file's queue lock, for the ready list. Waking therefore
 * nests one queue lock in another, always in this order. Invariants: I1 an item is in its set's
 * list and in its file's list; I2 a hot item is on the ready list. Checked by
 * tests/user/fs_test.c. Source: epoll(7). Read next: poll.c.
 */
#include "internal.h"
#include <asm/poll.h>
#include <kernel/syscall.h>
#include <linux/eventpoll.h>

#define ITEM_QUEUES  2 /* wait queues that a file's poll may name */
#define PRIVATE_BITS (EPOLLET | EPOLLONESHOT | EPOLLWAKEUP | EPOLLEXCLUSIVE)
#define FD_BUCKETS   64

struct item;

struct hook {
    struct wait_entry we;
    struct wait_queue *wq;
    struct item *item;
};

struct item {
    struct list_head set_link;   /* watch_mutex: in ep->items[] */
    struct list_head file_link;  /* watch_mutex: in file->epoll_items */
    struct list_head ready_link; /* ep->wait.lock */
    struct epoll *ep;
    struct file *file; /* not counted */
    int fd;
    struct epoll_event event; /* watch_mutex */
    struct hook hooks[ITEM_QUEUES];
    unsigned int nr_hooks;
    int error;
};

struct epoll {
    struct wait_queue wait; /* its lock also guards ready */
    struct list_head ready;
    struct list_head items[FD_BUCKETS]; /* watch_mutex: by descriptor */
};

static struct mutex watch_mutex;
static const struct file_ops epoll_fops;

/* ---- hooks ---- */

static bool hook_woken(struct wait_entry *we, unsigned long key)
{
    struct item *it = container_of(we, struct hook, we)->item;
    struct epoll *ep = it->ep;
    u32 want = READ_ONCE(it->event.events);
    struct wait_entry *w, *tmp;

    if ((want & ~PRIVATE_BITS) == 0 || (key && !(key & want)))
        return false;
    spin_lock_nested(&ep->wait.lock); /* interrupts are off under the file's queue lock */
    if (list_empty(&it->ready_link))
        list_add_tail(&it->ready_link, &ep->ready);
    list_for_each_entry_safe (w, tmp, &ep->wait.waiters, link) {
        if (w->func)
            (void)w->func(w, POLLIN | POLLRDNORM);
        else
            (void)wake_up_task(w->task);
    }
    spin_unlock(&ep->wait.lock);
    return true;
}

struct hook_table {
    struct poll_table pt;
    struct item *item;
};

static void hook_queue(struct poll_table *pt, struct file *f, struct wait_queue *wq)
{
    struct item *it = container_of(pt, struct hook_table, pt)->item;
    struct hook *h = &it->hooks[it->nr_hooks];

    if (it->nr_hooks == ITEM_QUEUES) {
        it->error = -ENOMEM;
        return;
    }
    it->nr_hooks++;
    *h = (struct hook){.wq = wq, .item = it};
    list_init(&h->we.link);
    h->we.func = hook_woken;
    wait_add(wq, &h->we);
}

/* What is true of the file now, of what was asked for. */
static u32 item_ask(struct item *it, struct poll_table *pt)
{
    u32 want = it->event.events;

    if ((want & ~PRIVATE_BITS) == 0)
        return 0; /* a one-shot item that has fired */
    return file_poll(it->file, pt) & want & ~PRIVATE_BITS;
}

static void make_ready(struct item *it)
{
    struct epoll *ep = it->ep;
    unsigned long flags = spin_lock_irqsave(&ep->wait.lock);

    if (list_empty(&it->ready_link))
        list_add_tail(&it->ready_link, &ep->ready);
    spin_unlock_irqrestore(&ep->wait.lock, flags);
    wake_up_all(&ep->wait);
}

/* ---- items; watch_mutex held ---- */

static struct item *item_find(struct epoll *ep, struct file *f, int fd)
{
    struct item *it;

    list_for_each_entry (it, &ep->items[(unsigned int)fd % FD_BUCKETS], set_link)
        if (it->fd == fd && it->file == f)
            return it;
    return NULL;
}

static void item_remove(struct item *it)
{
    unsigned long flags;

    for (unsigned int n = 0; n < it->nr_hooks; n++)
        wait_remove(it->hooks[n].wq, &it->hooks[n].we);
    flags = spin_lock_irqsave(&it->ep->wait.lock);
    list_del_init(&it->ready_link);
    spin_unlock_irqrestore(&it->ep->wait.lock, flags);
    list_del(&it->set_link);
    list_del(&it->file_link);
    kfree(it);
}

static int item_add(struct epoll *ep, struct file *f, int fd, const struct epoll_event *event)
{
    struct item *it = kzalloc(sizeof(*it));
    struct hook_table table = {.pt = {.queue = hook_queue}};

    if (!it)
        return -ENOMEM;
    it->ep = ep;
    it->file = f;
    it->fd = fd;
    it->event = *event;
    list_init(&it->ready_link);
    list_add(&it->set_link, &ep->items[(unsigned int)fd % FD_BUCKETS]);
    list_add(&it->file_link, &f->epoll_items);
    table.item = it;
    table.pt.events = event->events;
    if (item_ask(it, &table.pt))
        make_ready(it);
    if (it->error) {
        int error = it->error;

        item_remove(it);
        return error;
    }
    return 0;
}

static void item_modify(struct item *it, const struct epoll_event *event)
{
    struct poll_table ask = {0};

    it->event.data = event->data;
    WRITE_ONCE(it->event.events, event->events);
    smp_mb(); /* a wake-up from now on sees what is wanted; what came before is asked for */
    if (item_ask(it, &ask))
        make_ready(it);
}

void epoll_file_closed(struct file *f)
{
    mutex_lock(&watch_mutex);
    while (!list_empty(&f->epoll_items))
        item_remove(list_first_entry(&f->epoll_items, struct item, file_link));
    mutex_unlock(&watch_mutex);
}

/* ---- the file ---- */

static void epoll_release(struct file *f)
{
    struct epoll *ep = f->private;

    mutex_lock(&watch_mutex);
    for (unsigned int n = 0; n < FD_BUCKETS; n++)
        while (!list_empty(&ep->items[n]))
            item_remove(list_first_entry(&ep->items[n], struct item, set_link));
    mutex_unlock(&watch_mutex);
    kfree(ep);
}

static unsigned int epoll_poll(struct file *f, struct poll_table *pt)
{
    struct epoll *ep = f->private;

    poll_wait(f, &ep->wait, pt);
    return list_empty(&ep->ready) ? 0 : POLLIN | POLLRDNORM;
}

static const struct file_ops epoll_fops = {.poll = epoll_poll, .release = epoll_release};

static long do_create(unsigned int flags)
{
    struct epoll *ep = kzalloc(sizeof(*ep));
    struct file *f;
    int fd;

    if (!ep)
        return -ENOMEM;
    wait_queue_init(&ep->wait);
    list_init(&ep->ready);
    for (unsigned int n = 0; n < FD_BUCKETS; n++)
        list_init(&ep->items[n]);
    f = file_alloc_anon("anon_inode:[eventpoll]", &epoll_fops, O_RDWR, ep);
    if (IS_ERR(f)) {
        kfree(ep);
        return PTR_ERR(f);
    }
    f->f_mode |= FMODE_STREAM;
    fd = fd_alloc_install(f, flags);
    if (fd < 0)
        file_put(f);
    return fd;
}

SYSCALL1(epoll_create1, int, flags)
{
    return flags & ~EPOLL_CLOEXEC ? -EINVAL : do_create((unsigned int)flags);
}

SYSCALL1(epoll_create, int, size)
{
    return size <= 0 ? -EINVAL : do_create(0);
}

static int do_ctl(struct epoll *ep, int op, struct file *f, int fd, const struct epoll_event *event)
{
    struct item *it;
    int ret = 0;

    mutex_lock(&watch_mutex);
    it = item_find(ep, f, fd);
    if (op == EPOLL_CTL_ADD)
        ret = it ? -EEXIST : item_add(ep, f, fd, event);
    else if (!it)
        ret = -ENOENT;
    else if (op == EPOLL_CTL_MOD)
        item_modify(it, event);
    else
        item_remove(it);
    mutex_unlock(&watch_mutex);
    return ret;
}

SYSCALL4(epoll_ctl, int, epfd, int, op, int, fd, struct epoll_event __user *, uevent)
{
    struct epoll_event event = {0};
    struct fdref e, r;
    int ret = -EBADF;

    if (op != EPOLL_CTL_DEL && copy_from_user(&event, uevent, sizeof(event)))
        return -EFAULT;
    event.events |= EPOLLERR | EPOLLHUP; /* always told, but not of an item that has fired */
    e = fdref_get(epfd);
    r = fdref_get(fd);
    if (e.file && r.file) {
        if (!r.file->op->poll)
            ret = -EPERM;
        else if (e.file->op != &epoll_fops || r.file->op == &epoll_fops ||
                 (op != EPOLL_CTL_ADD && op != EPOLL_CTL_MOD && op != EPOLL_CTL_DEL) ||
                 (event.events & EPOLLEXCLUSIVE))
            ret = -EINVAL;
        else
            ret = do_ctl(e.file->private, op, r.file, fd, &event);
    }
    if (e.file)
        fdref_put(e);
    if (r.file)
        fdref_put(r);
    return ret;
}

/* ---- waiting ---- */

/* The first item of the ready list, taken off; NULL when it is empty. */
static struct item *ready_pop(struct epoll *ep)
{
    unsigned long flags = spin_lock_irqsave(&ep->wait.lock);
    struct item *it = NULL;

    if (!list_empty(&ep->ready)) {
        it = list_first_entry(&ep->ready, struct item, ready_link);
        list_del_init(&it->ready_link);
    }
    spin_unlock_irqrestore(&ep->wait.lock, flags);
    return it;
}

static void ready_push(struct epoll *ep, struct item *it)
{
    unsigned long flags = spin_lock_irqsave(&ep->wait.lock);

    if (list_empty(&it->ready_link))
        list_add_tail(&it->ready_link, &ep->ready);
    spin_unlock_irqrestore(&ep->wait.lock, flags);
}

static unsigned int ready_count(struct epoll *ep)
{
    unsigned long flags = spin_lock_irqsave(&ep->wait.lock);
    struct list_head *l;
    unsigned int n = 0;

    for (l = ep->ready.next; l != &ep->ready; l = l->next)
        n++;
    spin_unlock_irqrestore(&ep->wait.lock, flags);
    return n;
}

/* Asks each item of the ready list once. Events stored, or -EFAULT when not even one could be. */
static int collect(struct epoll *ep, struct epoll_event __user *uev, int max_events)
{
    struct poll_table ask = {0};
    struct item *it;
    int got = 0;

    mutex_lock(&watch_mutex);
    for (unsigned int left = ready_count(ep);
         left > 0 && got < max_events && (it = ready_pop(ep)) != NULL; left--) {
        struct epoll_event out = {.events = item_ask(it, &ask), .data = it->event.data};

        if (!out.events)
            continue;
        if (copy_to_user(&uev[got], &out, sizeof(out))) {
            ready_push(ep, it);
            got = got ? got : -EFAULT;
            break;
        }
        got++;
        if (it->event.events & EPOLLONESHOT)
            it->event.events &= PRIVATE_BITS;
        else if (!(it->event.events & EPOLLET))
            ready_push(ep, it);
    }
    mutex_unlock(&watch_mutex);
    return got;
}

static long wait_and_collect(struct epoll *ep, struct epoll_event __user *uev, int max_events,
                             u64 deadline)
{
    for (;;) {
        int got = collect(ep, uev, max_events), ret;

        if (got || deadline == 1)
            return got;
        ret = wait_event_timeout(&ep->wait, !list_empty(&ep->ready), deadline);
        if (ret == -ETIME)
            deadline = 1; /* one last look */
        else if (ret)
            return ret;
    }
}

static long do_wait(int epfd, struct epoll_event __user *uev, int max_events, u64 deadline)
{
    struct fdref r;
    long ret;

    if (max_events <= 0 || (size_t)max_events > 0x7fffffff / sizeof(struct epoll_event))
        return -EINVAL;
    r = fdref_get(epfd);
    if (!r.file)
        return -EBADF;
    ret = r.file->op == &epoll_fops ? wait_and_collect(r.file->private, uev, max_events, deadline)
                                    : -EINVAL;
    fdref_put(r);
    return ret;
}

static u64 deadline_ms(int ms)
{
    return ms < 0 ? 0 : ms == 0 ? 1 : clock_monotonic_ns() + (u64)ms * NSEC_PER_MSEC;
}

SYSCALL4(epoll_wait, int, epfd, struct epoll_event __user *, events, int, max_events, int,
         timeout_ms)
{
    return do_wait(epfd, events, max_events, deadline_ms(timeout_ms));
}

SYSCALL6(epoll_pwait, int, epfd, struct epoll_event __user *, events, int, max_events, int,
         timeout_ms, const sigset_t __user *, umask, size_t, size)
{
    sigset_t mask;
    long ret;

    if (!umask)
        return do_wait(epfd, events, max_events, deadline_ms(timeout_ms));
    if (size != sizeof(mask))
        return -EINVAL;
    if (copy_from_user(&mask, umask, sizeof(mask)))
        return -EFAULT;
    signal_use_mask(&mask);
    ret = do_wait(epfd, events, max_events, deadline_ms(timeout_ms));
    signal_end_mask(ret == -EINTR);
    return ret;
}

void epoll_init(void)
{
    mutex_init(&watch_mutex, LOCK_EPOLL);
}
