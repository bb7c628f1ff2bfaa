/* SPDX-License-Identifier: MIT */
/*
 * root.c: the root of /proc: the fixed entries, and a directory for each process, made when it is
 * looked up.
 *
 * An inode about a process holds a reference on struct process and finds the thread by its id at
 * each use, so that a process may end at any time: then there is nothing to show (ESRCH). Such
 * inodes and their dentries live as long as somebody uses them and are never found again by name.
 *
 * Locks: TASKLIST for walks over processes. Checked by tests/user/procfs_test.c.
 * Source: proc(5). Read next: pid.c.
 */
#include "procfs.h"
#include <linux/magic.h>
#include <uapi/dirent.h>

#define PID_POS_BASE (1LL << 32) /* directory positions of processes */

const struct fs_type proc_type = {.name = "proc", .nodev = true, .single = true};
struct super_block *proc_sb;

/* ---- registration ---- */

static struct inode *root_lookup(struct inode *dir, const char *name, size_t len)
{
    return proc_pid_lookup(name, len);
}

static const struct inode_ops root_iops = {.lookup = root_lookup};

/* The lowest process id from @from on, or 0. */
static pid_t next_tgid(pid_t from)
{
    unsigned long flags = spin_lock_irqsave(&tasklist_lock);
    struct task *t;
    pid_t best = 0;

    list_for_each_entry (t, &all_tasks, task_link) {
        pid_t id = t->proc->tgid;

        if (t->proc != &kproc && id >= from && (best == 0 || id < best))
            best = id;
    }
    spin_unlock_irqrestore(&tasklist_lock, flags);
    return best;
}

static int root_iterate(struct file *f, dir_emit_t emit, void *ctx)
{
    pid_t id;

    if (f->pos < PID_POS_BASE) {
        (void)dentry_iterate(f, emit, ctx);
        if (f->pos < (loff_t)f->inode->dir_cookie)
            return 0; /* emit had no room; the last entry's cookie is dir_cookie - 1 */
        f->pos = PID_POS_BASE;
    }
    while ((id = next_tgid((pid_t)(f->pos - PID_POS_BASE))) != 0) {
        char name[12];
        int n = scnprintf(name, sizeof(name), "%d", id);

        if (!emit(ctx, name, (size_t)n, (ino_t)id + 0x10000, DT_DIR, PID_POS_BASE + id + 1))
            return 0;
        f->pos = PID_POS_BASE + id + 1;
    }
    return 0;
}

static const struct file_ops root_fops = {.iterate = root_iterate};

static struct super_block *tree(void)
{
    if (!proc_sb) {
        proc_sb = pseudo_super(&proc_type, PROC_SUPER_MAGIC);
        proc_sb->root->inode->iop = &root_iops;
        proc_sb->root->inode->fop = &root_fops;
    }
    return proc_sb;
}

void proc_create(const char *path, mode_t mode, pseudo_show_t show, pseudo_store_t store, void *arg)
{
    pseudo_create(tree(), path, mode, show, store, arg);
}

void proc_create_ops(const char *path, mode_t mode, const struct file_ops *fop, void *private)
{
    pseudo_create_ops(tree(), path, mode, fop, private);
}

/* ---- self, thread-self ---- */

static ssize_t self_readlink(struct inode *i, char *buf, size_t n)
{
    if (current->proc == &kproc)
        return -ENOENT;
    return scnprintf(buf, n, "%d", current->proc->tgid);
}

static ssize_t thread_self_readlink(struct inode *i, char *buf, size_t n)
{
    if (current->proc == &kproc)
        return -ENOENT;
    return scnprintf(buf, n, "%d/task/%d", current->proc->tgid, current->tid);
}

static ssize_t mounts_readlink(struct inode *i, char *buf, size_t n)
{
    return scnprintf(buf, n, "self/mounts");
}

static void add_link(const char *name, const struct inode_ops *iop)
{
    struct inode *i = inode_alloc(tree(), S_IFLNK | 0777);

    if (!i)
        panic("procfs: out of memory");
    i->iop = iop;
    pseudo_add_inode(tree(), name, i);
}

/* ---- inodes of processes ---- */

static void pid_evict(struct inode *i)
{
    process_put(proc_ref(i)->proc);
    kfree(i->private);
}

struct inode *proc_pid_inode(struct process *p, pid_t tid, mode_t mode)
{
    struct proc_ref *r = kzalloc(sizeof(*r));
    struct inode *i = r ? inode_alloc(proc_sb, mode) : NULL;

    if (!i) {
        kfree(r);
        return ERR_PTR(-ENOMEM);
    }
    process_get(p);
    r->proc = p;
    r->tid = tid;
    i->private = r;
    i->evict = pid_evict;
    i->uid = p->dumpable ? p->euid : 0;
    i->gid = p->dumpable ? p->egid : 0;
    if (S_ISDIR(mode))
        i->nlink = 2;
    return i;
}

struct task *proc_task_get(const struct inode *i)
{
    const struct proc_ref *r = proc_ref(i);
    struct task *t = task_find_get(r->tid);

    if (t && t->proc != r->proc) {
        task_put(t);
        t = NULL;
    }
    return t;
}

int proc_check_access(const struct inode *i)
{
    return proc_ref(i)->proc == current->proc || process_may_access(proc_ref(i)->proc) ? 0
                                                                                       : -EACCES;
}

struct mm *proc_mm_get(const struct inode *i)
{
    struct task *t;
    struct mm *mm;
    int ret = proc_check_access(i);

    if (ret)
        return ERR_PTR(ret);
    t = proc_task_get(i);
    if (!t)
        return ERR_PTR(-ESRCH);
    mm = task_mm_get(t);
    task_put(t);
    return mm;
}

struct files *task_files_get(struct task *t)
{
    struct files *fs;

    spin_lock(&t->lock);
    fs = t->files;
    if (fs)
        files_get(fs);
    spin_unlock(&t->lock);
    return fs;
}

long proc_parse_number(const char *name, size_t len)
{
    long v = 0;

    if (len == 0 || len > 10 || (name[0] == '0' && len > 1))
        return -1;
    for (size_t n = 0; n < len; n++) {
        if (name[n] < '0' || name[n] > '9')
            return -1;
        v = v * 10 + (name[n] - '0');
    }
    return v;
}

struct inode *proc_pid_lookup(const char *name, size_t len)
{
    long id = proc_parse_number(name, len);
    struct task *t = id > 0 && id < 0x7fffffff ? task_find_get((pid_t)id) : NULL;
    struct inode *i;

    if (!t)
        return ERR_PTR(-ENOENT);
    if (t->proc == &kproc) {
        task_put(t);
        return ERR_PTR(-ENOENT);
    }
    /* A thread that is not the leader is found by name too, though the directory does not list it.
     */
    i = proc_pid_inode(t->proc, t->tid, S_IFDIR | 0555);
    task_put(t);
    if (!IS_ERR(i)) {
        i->iop = &proc_pid_dir_iops;
        i->fop = &proc_pid_dir_fops;
    }
    return i;
}

void procfs_init(void)
{
    static const struct inode_ops self_iops = {.readlink = self_readlink},
                                  thread_self_iops = {.readlink = thread_self_readlink},
                                  mounts_iops = {.readlink = mounts_readlink};

    add_link("self", &self_iops);
    add_link("thread-self", &thread_self_iops);
    add_link("mounts", &mounts_iops);
    proc_meminfo_init();
    proc_system_init();
    proc_sys_init();
    proc_kpage_init();
    proc_fail_init();
    vfs_register(&proc_type);
}
