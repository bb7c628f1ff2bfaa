/* SPDX-License-Identifier: MIT */
/*
 * pidfd.c: a process as a file descriptor: it cannot be mistaken for a later process with the same
 * number. Readable (poll) when the process has ended. Source: pidfd_open(2), pidfd_send_signal(2).
 *
 * Locks: TASKLIST to find the process. Invariants: I1 an open pidfd holds one reference to its
 * process.
 * Read next: wait.c (P_PIDFD).
 */
#include "internal.h"
#include <kernel/syscall.h>
#include <kernel/uaccess.h>
#include <kernel/vfs.h>
#include <asm/errno.h>
#include <asm/poll.h>
#include <linux/pidfd.h>
#include <linux/wait.h>

static void pidfd_release(struct file *f)
{
    process_put(f->private);
}

static unsigned int pidfd_poll(struct file *f, struct poll_table *pt)
{
    struct process *p = f->private;

    poll_wait(f, &p->exit_wait, pt);
    return READ_ONCE(p->zombie) ? POLLIN | POLLRDNORM : 0;
}

static void pidfd_show_fdinfo(struct file *f, struct seq *s)
{
    const struct process *p = f->private;
    int id = READ_ONCE(p->nr_threads) > 0 ? p->tgid : -1;

    seq_printf(s, "Pid:\t%d\nNSpid:\t%d\n", id, id);
}

static const struct file_ops pidfd_ops = {
    .release = pidfd_release,
    .poll = pidfd_poll,
    .show_fdinfo = pidfd_show_fdinfo,
};

static int install(struct process *p, unsigned int flags)
{
    struct file *f =
        file_alloc_anon("anon_inode:[pidfd]", &pidfd_ops, O_RDWR | (flags & PIDFD_NONBLOCK), p);
    int fd;

    if (IS_ERR(f))
        return (int)PTR_ERR(f);
    process_get(p);
    fd = fd_alloc_install(f, O_CLOEXEC);
    if (fd < 0)
        file_put(f);
    return fd;
}

int pidfd_create(struct process *p)
{
    return install(p, 0);
}

static struct process *pidfd_process(int fd, unsigned int *flags)
{
    struct file *f = fd_get(fd);
    struct process *p = ERR_PTR(-EBADF);

    if (f == NULL)
        return p;
    if (f->op == &pidfd_ops) {
        p = f->private;
        process_get(p);
        *flags = f->flags;
    }
    file_put(f);
    return p;
}

pid_t pidfd_tgid(int fd, int *wait_options)
{
    unsigned int flags;
    struct process *p = pidfd_process(fd, &flags);
    pid_t tgid;

    if (IS_ERR(p))
        return (pid_t)PTR_ERR(p);
    tgid = p->nr_threads > 0 ? p->tgid : PID_MAX; /* reaped: an id that no child has */
    process_put(p);
    if ((flags & PIDFD_NONBLOCK) != 0)
        *wait_options |= WNOHANG;
    return tgid;
}

SYSCALL2(pidfd_open, pid_t, pid, unsigned int, flags)
{
    struct process *p;
    struct task *t;
    int fd;

    if ((flags & ~(unsigned int)PIDFD_NONBLOCK) != 0 || pid <= 0)
        return -EINVAL;
    p = process_find_get(pid);
    if (p == NULL || p == &kproc) {
        if (p != NULL)
            process_put(p);
        t = task_find_get(pid);
        if (t == NULL)
            return -ESRCH;
        task_put(t);
        return -EINVAL; /* a thread that is not a leader */
    }
    fd = install(p, flags);
    process_put(p);
    return fd;
}

SYSCALL4(pidfd_send_signal, int, fd, int, sig, siginfo_t __user *, uinfo, unsigned int, flags)
{
    unsigned int file_flags;
    struct process *p;
    siginfo_t info;
    long err = 0;

    if (flags != 0)
        return -EINVAL;
    p = pidfd_process(fd, &file_flags);
    if (IS_ERR(p))
        return PTR_ERR(p);
    siginfo_from_user(&info, sig, SI_USER);
    if (uinfo != NULL) {
        if (copy_from_user(&info, uinfo, sizeof(info)) != 0)
            err = -EFAULT;
        else if (info.si_signo != sig)
            err = -EINVAL;
        else if ((info.si_code >= 0 || info.si_code == SI_TKILL) && p != current->proc)
            err = -EPERM;
    }
    if (err == 0)
        err = signal_kill(p, sig, &info);
    process_put(p);
    return err;
}
