/* SPDX-License-Identifier: MIT */
/*
 * pid.c: the directories /proc/PID and /proc/PID/task/TID and the table of what is in them.
 *
 * An entry is text from a function, or has operations of its own. Text is made with a reference on
 * the thread and no lock; each function takes what it needs. Secret entries are for who may trace
 * the process, checked when text is made.
 *
 * Locks: TASKLIST for the list of threads. Source: proc(5). Read next: pid_info.c, pid_maps.c,
 * pid_fd.c, pid_mem.c.
 */
#include "procfs.h"
#include <uapi/dirent.h>

#define FILE_RO  (S_IFREG | 0444)
#define FILE_OWN (S_IFREG | 0400)
#define FILE_RW  (S_IFREG | 0644)

const struct pid_entry pid_entries[] = {
    {.name = "task",
     .mode = S_IFDIR | 0555,
     .fop = &proc_task_dir_fops,
     .iop = &proc_task_dir_iops,
     .process_only = true},
    {.name = "fd", .mode = S_IFDIR | 0500, .fop = &proc_fd_dir_fops, .iop = &proc_fd_dir_iops},
    {.name = "fdinfo",
     .mode = S_IFDIR | 0500,
     .fop = &proc_fdinfo_dir_fops,
     .iop = &proc_fdinfo_dir_iops},
    {.name = "map_files",
     .mode = S_IFDIR | 0500,
     .fop = &proc_mapfiles_fops,
     .iop = &proc_mapfiles_iops,
     .process_only = true},
    {.name = "environ", .mode = FILE_OWN, .show = pid_show_environ, .secret = true},
    {.name = "auxv", .mode = FILE_OWN, .show = pid_show_auxv, .secret = true},
    {.name = "status", .mode = FILE_RO, .show = pid_show_status},
    {.name = "personality", .mode = FILE_OWN, .show = pid_show_personality, .secret = true},
    {.name = "limits", .mode = FILE_RO, .show = pid_show_limits},
    {.name = "comm", .mode = FILE_RW, .show = pid_show_comm, .store = pid_store_comm},
    {.name = "cmdline", .mode = FILE_RO, .show = pid_show_cmdline},
    {.name = "stat", .mode = FILE_RO, .show = pid_show_stat},
    {.name = "statm", .mode = FILE_RO, .show = pid_show_statm},
    {.name = "maps", .mode = FILE_RO, .show = pid_show_maps, .secret = true},
    {.name = "mem", .mode = S_IFREG | 0600, .fop = &proc_mem_fops},
    {.name = "cwd", .mode = S_IFLNK | 0777, .iop = &proc_cwd_iops},
    {.name = "root", .mode = S_IFLNK | 0777, .iop = &proc_root_iops},
    {.name = "exe", .mode = S_IFLNK | 0777, .iop = &proc_exe_iops},
    {.name = "mounts", .mode = FILE_RO, .show = pid_show_mounts},
    {.name = "mountinfo", .mode = FILE_RO, .show = pid_show_mountinfo},
    {.name = "clear_refs", .mode = S_IFREG | 0200, .store = pid_store_clear_refs, .secret = true},
    {.name = "smaps", .mode = FILE_RO, .show = pid_show_smaps, .secret = true},
    {.name = "numa_maps", .mode = FILE_RO, .show = pid_show_numa_maps, .secret = true},
    {.name = "smaps_rollup", .mode = FILE_RO, .show = pid_show_smaps_rollup, .secret = true},
    {.name = "pagemap", .mode = FILE_OWN, .fop = &proc_pagemap_fops},
    {.name = "pagetable", .mode = FILE_OWN, .show = pid_show_pagetable, .secret = true},
    {.name = "wchan", .mode = FILE_RO, .show = pid_show_wchan},
    {.name = "schedstat", .mode = FILE_RO, .show = pid_show_schedstat},
    {.name = "io", .mode = FILE_OWN, .show = pid_show_io, .secret = true},
    {.name = "oom_score", .mode = FILE_RO, .show = pid_show_oom_score},
    {.name = "oom_adj", .mode = FILE_RO, .show = pid_show_oom_adj},
    {.name = "oom_score_adj",
     .mode = FILE_RW,
     .show = pid_show_oom_score_adj,
     .store = pid_store_oom_score_adj},
#ifdef CONFIG_DEBUG
    {.name = "fail-nth", .mode = FILE_RW, .fop = &proc_fail_nth_fops},
    {.name = "make-it-fail",
     .mode = FILE_RW,
     .show = pid_show_make_it_fail,
     .store = pid_store_make_it_fail,
     .secret = true},
#endif
    {.name = NULL},
};

/* ---- files of text ---- */

static int entry_make(struct file *f, struct seq *s)
{
    const struct pid_entry *e = proc_ref(f->inode)->entry;
    struct task *t;
    int ret;

    if (e->secret && (ret = proc_check_access(f->inode)) != 0)
        return ret;
    t = proc_task_get(f->inode);
    if (!t)
        return -ESRCH;
    ret = e->show(s, t);
    task_put(t);
    return ret;
}

static ssize_t entry_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
    return proc_ref(f->inode)->entry->show ? seq_read_file(f, to, pos, entry_make) : -EINVAL;
}

struct store_call {
    const struct pid_entry *entry;
    struct task *task;
};

static ssize_t entry_store(const char *buf, size_t n, void *arg)
{
    struct store_call *c = arg;

    return c->entry->store(buf, n, c->task);
}

static ssize_t entry_write(struct file *f, struct iov_iter *from, loff_t *pos)
{
    struct store_call c = {proc_ref(f->inode)->entry, NULL};
    ssize_t ret = proc_check_access(f->inode);

    if (ret)
        return ret;
    if (!c.entry->store)
        return -EINVAL;
    c.task = proc_task_get(f->inode);
    if (!c.task)
        return -ESRCH;
    ret = pseudo_store_text(from, pos, entry_store, &c);
    task_put(c.task);
    return ret;
}

/* Secrets are refused at open already, so that a descriptor handed on is worth what it was. */
static int entry_open(struct inode *i, struct file *f)
{
    return proc_ref(i)->entry->secret ? proc_check_access(i) : 0;
}

static const struct file_ops entry_fops = {
    .open = entry_open,
    .read = entry_read,
    .write = entry_write,
    .release = seq_release,
};

static int entry_setsize(struct inode *i, u64 size)
{
    return 0;
}

static const struct inode_ops entry_iops = {.setsize = entry_setsize};

/* ---- the directory ---- */

static struct inode *make_entry(const struct inode *dir, const struct pid_entry *e)
{
    struct inode *i = proc_pid_inode(proc_ref(dir)->proc, proc_ref(dir)->tid, e->mode);

    if (IS_ERR(i))
        return i;
    proc_ref(i)->entry = e;
    i->fop = e->fop ? e->fop : S_ISREG(e->mode) ? &entry_fops : NULL;
    i->iop = e->iop ? e->iop : &entry_iops;
    return i;
}

/* Is this a directory in some task/? */
static bool in_task_dir(const struct inode *dir)
{
    return proc_ref(dir)->n[0] != 0;
}

static struct inode *pid_dir_lookup(struct inode *dir, const char *name, size_t len)
{
    for (const struct pid_entry *e = pid_entries; e->name; e++)
        if (strlen(e->name) == len && memcmp(e->name, name, len) == 0) {
            if (e->process_only && in_task_dir(dir))
                break;
            return make_entry(dir, e);
        }
    return ERR_PTR(-ENOENT);
}

static int pid_dir_iterate(struct file *f, dir_emit_t emit, void *ctx)
{
    size_t nr = 0;

    if (!dir_emit_dots(f, emit, ctx))
        return 0;
    while (pid_entries[nr].name)
        nr++;
    for (; f->pos - 2 < (loff_t)nr; f->pos++) {
        const struct pid_entry *e = &pid_entries[f->pos - 2];

        if (e->process_only && in_task_dir(f->inode))
            continue;
        if (!emit(ctx, e->name, strlen(e->name), f->inode->ino + (ino_t)f->pos, DT_OF_MODE(e->mode),
                  f->pos + 1))
            return 0;
    }
    return 0;
}

const struct inode_ops proc_pid_dir_iops = {.lookup = pid_dir_lookup};
const struct file_ops proc_pid_dir_fops = {.iterate = pid_dir_iterate};

/* ---- task/ ---- */

static struct inode *task_dir_lookup(struct inode *dir, const char *name, size_t len)
{
    long id = proc_parse_number(name, len);
    struct task *t = id > 0 ? task_find_get((pid_t)id) : NULL;
    struct inode *i = ERR_PTR(-ENOENT);

    if (!t)
        return i;
    if (t->proc == proc_ref(dir)->proc)
        i = proc_pid_inode(t->proc, t->tid, S_IFDIR | 0555);
    task_put(t);
    if (!IS_ERR(i)) {
        proc_ref(i)->n[0] = 1;
        i->iop = &proc_pid_dir_iops;
        i->fop = &proc_pid_dir_fops;
    }
    return i;
}

/* The lowest thread id of @p from @from on, or 0. */
static pid_t next_tid(struct process *p, pid_t from)
{
    unsigned long flags = spin_lock_irqsave(&tasklist_lock);
    struct task *t;
    pid_t best = 0;

    list_for_each_entry (t, &p->threads, thread_link)
        if (t->tid >= from && (best == 0 || t->tid < best))
            best = t->tid;
    spin_unlock_irqrestore(&tasklist_lock, flags);
    return best;
}

static int task_dir_iterate(struct file *f, dir_emit_t emit, void *ctx)
{
    struct task *t = proc_task_get(f->inode);
    pid_t id;

    if (!t)
        return -ENOENT;
    task_put(t);
    if (!dir_emit_dots(f, emit, ctx))
        return 0;
    while ((id = next_tid(proc_ref(f->inode)->proc, (pid_t)(f->pos - 2))) != 0) {
        char name[12];
        int n = scnprintf(name, sizeof(name), "%d", id);

        if (!emit(ctx, name, (size_t)n, (ino_t)id + 0x20000, DT_DIR, id + 3))
            return 0;
        f->pos = id + 3;
    }
    return 0;
}

static int task_dir_getattr(struct inode *i, struct kstat *st)
{
    st->nlink = 2 + (u32)READ_ONCE(proc_ref(i)->proc->nr_threads);
    return 0;
}

const struct inode_ops proc_task_dir_iops = {.lookup = task_dir_lookup,
                                             .getattr = task_dir_getattr};
const struct file_ops proc_task_dir_fops = {.iterate = task_dir_iterate};
