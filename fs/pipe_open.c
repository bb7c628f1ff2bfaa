/* SPDX-License-Identifier: MIT */
/*
 * pipe_open.c: the ends of pipes and fifos, opened and closed; pipe(2). A fifo has the same ring,
 * made when it is first opened and freed when the last end is closed.
 *
 * Locks: dentry_lock for inode->pipe and users; pipe->lock (PIPE) for the counts of ends; neither
 * while an open waits for somebody at the other end. Invariants: I3 of pipe.c. Checked by
 * tests/kernel/fs/pipe_ktest.c, tests/user/pipe_test.c. Source: pipe(2), fifo(7). Read next:
 * pipe.c.
 */
#include "pipe.h"
#include <asm/poll.h>
#include <kernel/syscall.h>

/* The ring of a fifo, made when it is the first one; counted. */
static struct pipe *pipe_of_inode(struct inode *i)
{
    struct pipe *new = NULL, *p;

    for (;;) {
        spin_lock(&dentry_lock);
        if (!i->pipe && new) {
            i->pipe = new;
            new = NULL;
        }
        p = i->pipe;
        if (p)
            p->users++;
        spin_unlock(&dentry_lock);
        if (p)
            break;
        new = pipe_alloc();
        if (!new)
            return NULL;
    }
    if (new)
        pipe_free(new);
    return p;
}

static void pipe_put(struct inode *i, struct pipe *p)
{
    bool last;

    spin_lock(&dentry_lock);
    last = --p->users == 0;
    if (last)
        i->pipe = NULL;
    spin_unlock(&dentry_lock);
    if (last)
        pipe_free(p);
}

static void end_opened(struct pipe *p, struct file *f)
{
    if (f->f_mode & FMODE_READ) {
        p->readers++;
        p->reader_opens++;
    }
    if (f->f_mode & FMODE_WRITE) {
        p->writers++;
        p->writer_opens++;
    }
}

static void end_closed(struct pipe *p, struct file *f)
{
    mutex_lock(&p->lock);
    if (f->f_mode & FMODE_READ)
        p->readers--;
    if (f->f_mode & FMODE_WRITE)
        p->writers--;
    mutex_unlock(&p->lock);
    if (wait_queue_active(&p->rd_wait))
        wake_up_key(&p->rd_wait, 0, POLLIN | POLLRDNORM | POLLHUP);
    if (wait_queue_active(&p->wr_wait))
        wake_up_key(&p->wr_wait, 0, POLLOUT | POLLWRNORM | POLLERR);
}

/* A fifo's open waits for somebody at the other end. An open that came and went meanwhile counts.
 */
static int wait_for_partner(struct pipe *p, const u32 *opens, u32 seen)
{
    return wait_event_interruptible(&p->open_wait, READ_ONCE(*opens) != seen) ? -ERESTARTSYS : 0;
}

int pipe_open(struct inode *i, struct file *f)
{
    bool rd = f->f_mode & FMODE_READ, wr = f->f_mode & FMODE_WRITE,
         nonblock = f->flags & O_NONBLOCK;
    bool named = !f->dentry->anonymous;
    u32 seen_readers, seen_writers;
    struct pipe *p = pipe_of_inode(i);
    int ret = 0;

    if (!p)
        return -ENOMEM;
    f->private = p;
    f->f_mode |= FMODE_STREAM;
    mutex_lock(&p->lock);
    if (named && wr && !rd && nonblock && p->readers == 0) {
        mutex_unlock(&p->lock);
        pipe_put(i, p);
        return -ENXIO;
    }
    end_opened(p, f);
    seen_readers = p->reader_opens;
    seen_writers = p->writer_opens;
    pipe_note_opens(f, p->writers ? ~p->writer_opens : p->writer_opens);
    bool no_partner = named && !(rd && wr) && (rd ? p->writers == 0 : p->readers == 0);
    mutex_unlock(&p->lock);
    wake_up_all(&p->open_wait);
    if (no_partner && !nonblock)
        ret = rd ? wait_for_partner(p, &p->writer_opens, seen_writers)
                 : wait_for_partner(p, &p->reader_opens, seen_readers);
    if (ret) {
        end_closed(p, f);
        pipe_put(i, p);
    }
    return ret;
}

void pipe_release(struct file *f)
{
    end_closed(f->private, f);
    pipe_put(f->inode, f->private);
}

/* Two files on one new inode. */
static int pipe_files(struct file *out[2], unsigned int flags)
{
    struct inode *i = anon_inode_alloc(S_IFIFO | S_IRUSR | S_IWUSR);
    struct path p;
    char name[32];
    int ret = 0;

    if (!i)
        return -ENOMEM;
    (void)scnprintf(name, sizeof(name), "pipe:[%llu]", (unsigned long long)i->ino);
    i->fop = &pipe_fops;
    p = (struct path){anon_mount, dentry_alloc(anon_sb, NULL, name, strlen(name))};
    if (!p.dentry) {
        inode_put(i);
        return -ENOMEM;
    }
    p.dentry->inode = i;
    p.dentry->anonymous = true;
    atomic_inc(&anon_mount->refs);
    path_get(&p);
    out[0] = file_open_path(&p, O_RDONLY | (flags & O_NONBLOCK));
    out[1] = IS_ERR(out[0]) ? out[0] : file_open_path(&p, O_WRONLY | (flags & O_NONBLOCK));
    if (IS_ERR(out[1])) {
        ret = (int)PTR_ERR(out[1]);
        if (IS_ERR(out[0]))
            path_put(&p);
        else
            file_put(out[0]);
        path_put(&p);
    }
    return ret;
}

static long do_pipe(int __user *fds, unsigned int flags)
{
    struct file *f[2];
    long ret;

    if (flags & ~(unsigned int)(O_CLOEXEC | O_NONBLOCK))
        return -EINVAL;
    ret = pipe_files(f, flags);
    return ret ? ret : fd_install_pair(f, fds, flags);
}

SYSCALL1(pipe, int __user *, fds)
{
    return do_pipe(fds, 0);
}

SYSCALL2(pipe2, int __user *, fds, int, flags)
{
    return do_pipe(fds, (unsigned int)flags);
}
