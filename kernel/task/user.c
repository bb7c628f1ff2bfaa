/* SPDX-License-Identifier: MIT */
/*
 * user.c: what each real user id has in use (struct user), for RLIMIT_NPROC and RLIMIT_SIGPENDING.
 * Names of users are /etc/passwd's business.
 *
 * Locks: users_lock (LEAF) for the list. Invariants: I1 one struct user per uid; I2 it is on the
 * list while refs > 0.
 * Read next: cred.c.
 */
#include <kernel/cred.h>
#include <kernel/spinlock.h>
#include <mm/slab.h>

static spinlock_t users_lock = SPINLOCK_INIT(LOCK_LEAF);

struct user root_user = { .link = LIST_HEAD_INIT(root_user.link), .refs = ATOMIC_INIT(1) };

/* The list hangs on root's entry. users_lock held. */
static struct user *find(uid_t uid)
{
    struct user *u;

    if (uid == 0)
        return &root_user;
    list_for_each_entry(u, &root_user.link, link)
        if (u->uid == uid)
            return u;
    return NULL;
}

struct user *user_find_get(uid_t uid)
{
    struct user *new = NULL, *u;
    unsigned long flags;

    if (uid != 0) {
        new = kzalloc(sizeof(*new));
        if (new == NULL)
            return NULL;
        new->uid = uid;
        atomic_set(&new->refs, 1);
    }
    flags = spin_lock_irqsave(&users_lock);
    u = find(uid);
    if (u != NULL) {
        atomic_inc(&u->refs);
    } else {
        list_add_tail(&new->link, &root_user.link);
        u = new;
        new = NULL;
    }
    spin_unlock_irqrestore(&users_lock, flags);
    kfree(new);
    return u;
}

/* The last put races with user_find_get: the list's lock decides. */
void user_put(struct user *u)
{
    unsigned long flags;
    bool last;

    if (u == &root_user) {
        atomic_dec(&u->refs);
        return;
    }
    flags = spin_lock_irqsave(&users_lock);
    last = atomic_dec_and_test(&u->refs);
    if (last)
        list_del(&u->link);
    spin_unlock_irqrestore(&users_lock, flags);
    if (last)
        kfree(u);
}
