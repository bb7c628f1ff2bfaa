/* SPDX-License-Identifier: MIT */
/*
 * cred.c: user and group ids, capabilities. Source: credentials(7), setresuid(2), setfsuid(2),
 * capabilities(7).
 *
 * Ids belong to the process. euid 0 has all capabilities, others none; capget tells this, and
 * capset accepts only what is so already. There are no user namespaces.
 *
 * Locks: SIGHAND for the ids of a process.
 * Invariants: I1 p->user->uid == p->uid; I2 nr_procs of a user counts the threads of its processes.
 * Checked by tests/user/.
 * Read next: user.c.
 */
#include "internal.h"
#include <kernel/string.h>
#include <kernel/syscall.h>
#include <kernel/uaccess.h>
#include <asm/errno.h>
#include <linux/capability.h>

#define NO_ID ((uid_t)-1) /* "leave it as it is" */

struct ids {
    uid_t r, e, s;
};

/* ---- user ids -------------------------------------------------------------------------------- */

/* Gives the process over to another real user. SIGHAND held; returns the old one, to be put. */
static struct user *change_user(struct process *p, struct user *new)
{
    struct user *old = p->user;

    atomic_add(&old->nr_procs, -p->nr_threads);
    atomic_add(&new->nr_procs, p->nr_threads);
    p->user = new;
    return old;
}

static int commit_uids(struct process *p, const struct ids *to)
{
    struct user *user = user_find_get(to->r);
    unsigned long flags, tflags;

    if (user == NULL)
        return -EAGAIN;
    tflags = spin_lock_irqsave(&tasklist_lock); /* nr_threads stands still */
    flags = sighand_lock(p);
    if (user != p->user)
        user = change_user(p, user);
    if (p->euid != to->e)
        p->dumpable = false;
    p->uid = to->r;
    p->euid = p->fsuid = to->e;
    p->suid = to->s;
    sighand_unlock(p, flags);
    spin_unlock_irqrestore(&tasklist_lock, tflags);
    user_put(user);
    return 0;
}

static bool is_own_uid(const struct process *p, uid_t uid)
{
    return uid == p->uid || uid == p->euid || uid == p->suid;
}

static long do_setresuid(uid_t r, uid_t e, uid_t s)
{
    struct process *p = current->proc;
    struct ids to = { r == NO_ID ? p->uid : r, e == NO_ID ? p->euid : e, s == NO_ID ? p->suid : s };

    if (!has_capability() && !(is_own_uid(p, to.r) && is_own_uid(p, to.e) && is_own_uid(p, to.s)))
        return -EPERM;
    return commit_uids(p, &to);
}

SYSCALL3(setresuid, uid_t, r, uid_t, e, uid_t, s)
{
    return do_setresuid(r, e, s);
}

SYSCALL1(setuid, uid_t, uid)
{
    const struct process *p = current->proc;

    if (uid == NO_ID)
        return -EINVAL;
    if (has_capability())
        return do_setresuid(uid, uid, uid);
    if (uid != p->uid && uid != p->suid)
        return -EPERM;
    return do_setresuid(NO_ID, uid, NO_ID);
}

SYSCALL2(setreuid, uid_t, r, uid_t, e)
{
    struct process *p = current->proc;
    struct ids to = { r == NO_ID ? p->uid : r, e == NO_ID ? p->euid : e, p->suid };

    if (!has_capability() &&
        ((r != NO_ID && r != p->uid && r != p->euid) || (e != NO_ID && !is_own_uid(p, e))))
        return -EPERM;
    if (r != NO_ID || (e != NO_ID && e != p->uid))
        to.s = to.e;
    return commit_uids(p, &to);
}

/* Returns the old id, also when nothing changed: setfsuid(2) has no other way to tell. */
SYSCALL1(setfsuid, uid_t, uid)
{
    struct process *p = current->proc;
    uid_t old = p->fsuid;
    unsigned long flags;

    if (uid == NO_ID || (!has_capability() && !is_own_uid(p, uid) && uid != old))
        return (long)old;
    flags = sighand_lock(p);
    p->fsuid = uid;
    sighand_unlock(p, flags);
    return (long)old;
}

/* ---- group ids ------------------------------------------------------------------------------- */

static void commit_gids(struct process *p, const struct ids *to)
{
    unsigned long flags = sighand_lock(p);

    if (p->egid != to->e)
        p->dumpable = false;
    p->gid = to->r;
    p->egid = p->fsgid = to->e;
    p->sgid = to->s;
    sighand_unlock(p, flags);
}

static bool is_own_gid(const struct process *p, gid_t gid)
{
    return gid == p->gid || gid == p->egid || gid == p->sgid;
}

static long do_setresgid(gid_t r, gid_t e, gid_t s)
{
    struct process *p = current->proc;
    struct ids to = { r == NO_ID ? p->gid : r, e == NO_ID ? p->egid : e, s == NO_ID ? p->sgid : s };

    if (!has_capability() && !(is_own_gid(p, to.r) && is_own_gid(p, to.e) && is_own_gid(p, to.s)))
        return -EPERM;
    commit_gids(p, &to);
    return 0;
}

SYSCALL3(setresgid, gid_t, r, gid_t, e, gid_t, s)
{
    return do_setresgid(r, e, s);
}

SYSCALL1(setgid, gid_t, gid)
{
    const struct process *p = current->proc;

    if (gid == NO_ID)
        return -EINVAL;
    if (has_capability())
        return do_setresgid(gid, gid, gid);
    if (gid != p->gid && gid != p->sgid)
        return -EPERM;
    return do_setresgid(NO_ID, gid, NO_ID);
}

SYSCALL2(setregid, gid_t, r, gid_t, e)
{
    struct process *p = current->proc;
    struct ids to = { r == NO_ID ? p->gid : r, e == NO_ID ? p->egid : e, p->sgid };

    if (!has_capability() &&
        ((r != NO_ID && r != p->gid && r != p->egid) || (e != NO_ID && !is_own_gid(p, e))))
        return -EPERM;
    if (r != NO_ID || (e != NO_ID && e != p->gid))
        to.s = to.e;
    commit_gids(p, &to);
    return 0;
}

SYSCALL1(setfsgid, gid_t, gid)
{
    struct process *p = current->proc;
    gid_t old = p->fsgid;
    unsigned long flags;

    if (gid == NO_ID || (!has_capability() && !is_own_gid(p, gid) && gid != old))
        return (long)old;
    flags = sighand_lock(p);
    p->fsgid = gid;
    sighand_unlock(p, flags);
    return (long)old;
}

/* ---- reading --------------------------------------------------------------------------------- */

SYSCALL0(getuid)
{
    return (long)current->proc->uid;
}

SYSCALL0(geteuid)
{
    return (long)current->proc->euid;
}

SYSCALL0(getgid)
{
    return (long)current->proc->gid;
}

SYSCALL0(getegid)
{
    return (long)current->proc->egid;
}

static int put_three(const struct ids *ids, u32 __user *r, u32 __user *e, u32 __user *s)
{
    if (put_user_u32(ids->r, r) != 0 || put_user_u32(ids->e, e) != 0)
        return -EFAULT;
    return put_user_u32(ids->s, s);
}

SYSCALL3(getresuid, u32 __user *, r, u32 __user *, e, u32 __user *, s)
{
    const struct process *p = current->proc;

    return put_three(&(struct ids){ p->uid, p->euid, p->suid }, r, e, s);
}

SYSCALL3(getresgid, u32 __user *, r, u32 __user *, e, u32 __user *, s)
{
    const struct process *p = current->proc;

    return put_three(&(struct ids){ p->gid, p->egid, p->sgid }, r, e, s);
}

/* ---- supplementary groups -------------------------------------------------------------------- */

SYSCALL2(getgroups, int, size, gid_t __user *, list)
{
    const struct process *p = current->proc;
    int n = p->ngroups;

    if (size < 0 || (size != 0 && size < n))
        return -EINVAL;
    if (size != 0 && copy_to_user(list, p->groups, (size_t)n * sizeof(gid_t)) != 0)
        return -EFAULT;
    return n;
}

SYSCALL2(setgroups, int, size, const gid_t __user *, list)
{
    struct process *p = current->proc;
    gid_t groups[ARRAY_SIZE(p->groups)];
    unsigned long flags;

    if (!has_capability())
        return -EPERM;
    if (size < 0 || size > (int)ARRAY_SIZE(groups))
        return -EINVAL;
    if (copy_from_user(groups, list, (size_t)size * sizeof(gid_t)) != 0)
        return -EFAULT;
    flags = sighand_lock(p);
    memcpy(p->groups, groups, (size_t)size * sizeof(gid_t));
    p->ngroups = size;
    sighand_unlock(p, flags);
    return 0;
}

/* ---- capabilities ---------------------------------------------------------------------------- */

#define ALL_CAPS ((2ULL << CAP_LAST_CAP) - 1)

/* How many 32-bit parts this version has; an unknown one is answered with ours. */
static int cap_version(struct __user_cap_header_struct __user *uhdr,
                       struct __user_cap_header_struct *hdr)
{
    if (copy_from_user(hdr, uhdr, sizeof(*hdr)) != 0)
        return -EFAULT;
    switch (hdr->version) {
    case _LINUX_CAPABILITY_VERSION_1: return _LINUX_CAPABILITY_U32S_1;
    case _LINUX_CAPABILITY_VERSION_2:
    case _LINUX_CAPABILITY_VERSION_3: return _LINUX_CAPABILITY_U32S_3;
    default:
        if (put_user_u32(_LINUX_CAPABILITY_VERSION_3, user_field(uhdr, version)) != 0)
            return -EFAULT;
        return -EINVAL;
    }
}

static u64 caps_of(const struct process *p)
{
    return p->euid == 0 ? ALL_CAPS : 0;
}

SYSCALL2(capget, struct __user_cap_header_struct __user *, uhdr,
         struct __user_cap_data_struct __user *, udata)
{
    struct __user_cap_data_struct data[2] = { { 0 } };
    struct __user_cap_header_struct hdr;
    int parts = cap_version(uhdr, &hdr);
    struct process *p;
    u64 caps;

    if (parts < 0)
        return udata == NULL && parts == -EINVAL ? 0 : parts;
    if (hdr.pid < 0)
        return -EINVAL;
    if (hdr.pid == 0) {
        caps = caps_of(current->proc);
    } else {
        p = process_find_get(hdr.pid);
        if (p == NULL)
            return -ESRCH;
        caps = caps_of(p);
        process_put(p);
    }
    for (int i = 0; i < 2; i++)
        data[i].effective = data[i].permitted = (u32)(caps >> (32 * i));
    return copy_to_user(udata, data, (size_t)parts * sizeof(data[0]));
}

/* The caller may give up nothing and gain nothing: what it has follows from its euid. */
SYSCALL2(capset, struct __user_cap_header_struct __user *, uhdr,
         const struct __user_cap_data_struct __user *, udata)
{
    struct __user_cap_data_struct data[2] = { { 0 } };
    struct __user_cap_header_struct hdr;
    int parts = cap_version(uhdr, &hdr);
    u64 permitted;

    if (parts < 0)
        return parts;
    if (hdr.pid != 0 && hdr.pid != current->tid)
        return -EPERM;
    if (copy_from_user(data, udata, (size_t)parts * sizeof(data[0])) != 0)
        return -EFAULT;
    permitted = data[0].permitted | (u64)data[1].permitted << 32;
    return (permitted & ~caps_of(current->proc)) != 0 ? -EPERM : 0;
}

/* ---- access to other processes --------------------------------------------------------------- */

bool process_may_access(struct process *p)
{
    const struct process *me = current->proc;

    if (p == me || has_capability())
        return true;
    return p != &kproc && p->dumpable && me->fsuid == p->uid && me->fsuid == p->euid &&
           me->fsuid == p->suid && me->fsgid == p->gid && me->fsgid == p->egid &&
           me->fsgid == p->sgid;
}
