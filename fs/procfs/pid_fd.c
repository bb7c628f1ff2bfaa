/* SPDX-License-Identifier: MIT */
/*
 * pid_fd.c: what of a process leads elsewhere: fd/N, fdinfo/N, exe, cwd, root, map_files/A-B. They
 * are links to objects, not to names: following one gives the very file, even one without a name.
 *
 * Locks: task->lock for fs and files, SIGHAND for exe, mmap_lock for areas. Source: proc(5). Read
 * next: files.c.
 */
#include "procfs.h"
#include <uapi/dirent.h>

/* The open file that fd/N names, with a reference. ERR_PTR(-ENOENT, -EACCES, -ESRCH). */
static struct file *fd_file(const struct inode *i)
{
    int ret = proc_check_access(i);
    struct files *fs;
    struct file *f;
    struct task *t;

    if (ret)
        return ERR_PTR(ret);
    t = proc_task_get(i);
    if (!t)
        return ERR_PTR(-ESRCH);
    fs = task_files_get(t);
    task_put(t);
    if (!fs)
        return ERR_PTR(-ENOENT);
    f = files_lookup(fs, (int)proc_ref(i)->n[0]);
    files_put(fs);
    return f ? f : ERR_PTR(-ENOENT);
}

static int path_of_file(struct file *f, struct path *to)
{
    if (IS_ERR(f))
        return (int)PTR_ERR(f);
    *to = (struct path){f->mnt, f->dentry};
    path_get(to);
    file_put(f);
    return 0;
}

static int fd_follow(struct inode *i, struct path *to)
{
    return path_of_file(fd_file(i), to);
}

static const struct inode_ops fd_link_iops = {.follow = fd_follow};

static struct inode *fd_inode(const struct inode *dir, const char *name, size_t len, mode_t mode)
{
    long n = proc_parse_number(name, len);
    struct inode *i;
    struct file *f;

    if (n < 0 || n > 0x7fffffff)
        return ERR_PTR(-ENOENT);
    i = proc_pid_inode(proc_ref(dir)->proc, proc_ref(dir)->tid, mode);
    if (IS_ERR(i))
        return i;
    proc_ref(i)->n[0] = (unsigned long)n;
    f = fd_file(i);
    if (IS_ERR(f)) {
        inode_put(i);
        return PTR_ERR(f) == -EACCES ? (struct inode *)f : ERR_PTR(-ENOENT);
    }
    if (S_ISLNK(mode)) {
        i->mode |= (f->f_mode & FMODE_READ ? 0500 : 0) | (f->f_mode & FMODE_WRITE ? 0300 : 0);
        i->size = 64;
    }
    file_put(f);
    return i;
}

static struct inode *fd_lookup(struct inode *dir, const char *name, size_t len)
{
    struct inode *i = fd_inode(dir, name, len, S_IFLNK);

    if (!IS_ERR(i))
        i->iop = &fd_link_iops;
    return i;
}

static int fd_iterate(struct file *f, dir_emit_t emit, void *ctx)
{
    struct task *t = proc_task_get(f->inode);
    struct files *fs;
    int n, ret = proc_check_access(f->inode);

    if (!t || ret) {
        if (t)
            task_put(t);
        return ret ? ret : -ENOENT;
    }
    fs = task_files_get(t);
    task_put(t);
    if (fs && dir_emit_dots(f, emit, ctx)) {
        while ((n = files_next_fd(fs, (int)f->pos - 2)) >= 0) {
            char name[12];
            int len = scnprintf(name, sizeof(name), "%d", n);

            if (!emit(ctx, name, (size_t)len, f->inode->ino + (ino_t)n + 1,
                      f->op == &proc_fd_dir_fops ? DT_LNK : DT_REG, n + 3))
                break;
            f->pos = n + 3;
        }
    }
    if (fs)
        files_put(fs);
    return 0;
}

const struct inode_ops proc_fd_dir_iops = {.lookup = fd_lookup};
const struct file_ops proc_fd_dir_fops = {.iterate = fd_iterate};

/* ---- fdinfo ---- */

static bool fd_is_cloexec(const struct inode *i)
{
    struct task *t = proc_task_get(i);
    struct files *fs = t ? task_files_get(t) : NULL;
    bool on = fs && files_is_cloexec(fs, (int)proc_ref(i)->n[0]);

    if (fs)
        files_put(fs);
    if (t)
        task_put(t);
    return on;
}

static int fdinfo_make(struct file *info, struct seq *s)
{
    struct file *f = fd_file(info->inode);

    if (IS_ERR(f))
        return (int)PTR_ERR(f);
    seq_printf(s, "pos:\t%lli\n", (long long)(f->f_mode & FMODE_STREAM ? 0 : f->pos));
    seq_printf(s, "flags:\t0%o\n", f->flags | (fd_is_cloexec(info->inode) ? O_CLOEXEC : 0));
    seq_printf(s, "mnt_id:\t%d\n", f->mnt->id);
    seq_printf(s, "ino:\t%llu\n", (unsigned long long)f->inode->ino);
    if (f->op && f->op->show_fdinfo)
        f->op->show_fdinfo(f, s);
    file_put(f);
    return 0;
}

static ssize_t fdinfo_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
    return seq_read_file(f, to, pos, fdinfo_make);
}

static const struct file_ops fdinfo_fops = {.read = fdinfo_read, .release = seq_release};
static const struct inode_ops fdinfo_iops = {0};

static struct inode *fdinfo_lookup(struct inode *dir, const char *name, size_t len)
{
    struct inode *i = fd_inode(dir, name, len, S_IFREG | 0400);

    if (!IS_ERR(i)) {
        i->iop = &fdinfo_iops;
        i->fop = &fdinfo_fops;
    }
    return i;
}

const struct inode_ops proc_fdinfo_dir_iops = {.lookup = fdinfo_lookup};
const struct file_ops proc_fdinfo_dir_fops = {.iterate = fd_iterate};

/* ---- exe, cwd, root ---- */

static int exe_follow(struct inode *i, struct path *to)
{
    struct mm *mm = proc_mm_get(i);
    struct file *f = NULL;

    if (!mm || IS_ERR(mm))
        return mm ? (int)PTR_ERR(mm) : -ENOENT;
    mmap_read_lock(mm);
    if (mm->exe)
        f = file_get(mm->exe);
    mmap_read_unlock(mm);
    mm_put(mm);
    return path_of_file(f ? f : ERR_PTR(-ENOENT), to);
}

static int fs_follow(struct inode *i, struct path *to, bool root)
{
    int ret = proc_check_access(i);
    struct task *t;

    if (ret)
        return ret;
    t = proc_task_get(i);
    if (!t)
        return -ESRCH;
    ret = -ENOENT;
    spin_lock(&t->lock);
    if (t->fs) {
        struct fs_struct *fs = t->fs;

        fs_get(fs);
        spin_unlock(&t->lock);
        *to = root ? fs_root_get(fs) : fs_pwd_get(fs);
        fs_put(fs);
        ret = 0;
    } else {
        spin_unlock(&t->lock);
    }
    task_put(t);
    return ret;
}

static int cwd_follow(struct inode *i, struct path *to)
{
    return fs_follow(i, to, false);
}

static int root_follow(struct inode *i, struct path *to)
{
    return fs_follow(i, to, true);
}

const struct inode_ops proc_exe_iops = {.follow = exe_follow};
const struct inode_ops proc_cwd_iops = {.follow = cwd_follow};
const struct inode_ops proc_root_iops = {.follow = root_follow};

/* ---- map_files ---- */

/* "55d0-55d8" to two numbers. */
static bool parse_range(const char *name, size_t len, unsigned long n[2])
{
    size_t at = 0;

    for (int k = 0; k < 2; k++) {
        size_t digits = 0;

        n[k] = 0;
        for (; at < len && digits < 16; at++, digits++) {
            char c = name[at];
            int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;

            if (d < 0)
                break;
            if (digits == 1 && n[k] == 0)
                return false; /* no leading zeros */
            n[k] = n[k] << 4 | (unsigned long)d;
        }
        if (digits == 0)
            return false;
        if (k == 0 && (at >= len || name[at++] != '-'))
            return false;
    }
    return at == len;
}

static struct file *mapped_file(const struct inode *i)
{
    const struct proc_ref *r = proc_ref(i);
    struct mm *mm = proc_mm_get(i);
    struct file *f = ERR_PTR(-ENOENT);
    struct vma *v;

    if (!mm || IS_ERR(mm))
        return mm ? (struct file *)mm : f;
    mmap_read_lock(mm);
    v = vma_lookup(mm, r->n[0]);
    if (v && v->start == r->n[0] && v->end == r->n[1] && v->file)
        f = file_get(v->file);
    mmap_read_unlock(mm);
    mm_put(mm);
    return f;
}

static int mapped_follow(struct inode *i, struct path *to)
{
    return path_of_file(mapped_file(i), to);
}

static const struct inode_ops mapped_iops = {.follow = mapped_follow};

static struct inode *mapfiles_lookup(struct inode *dir, const char *name, size_t len)
{
    unsigned long n[2];
    struct inode *i;
    struct file *f;

    if (!parse_range(name, len, n))
        return ERR_PTR(-ENOENT);
    i = proc_pid_inode(proc_ref(dir)->proc, proc_ref(dir)->tid, S_IFLNK | 0500);
    if (IS_ERR(i))
        return i;
    proc_ref(i)->n[0] = n[0];
    proc_ref(i)->n[1] = n[1];
    i->iop = &mapped_iops;
    i->size = 64;
    f = mapped_file(i);
    if (IS_ERR(f)) {
        inode_put(i);
        return PTR_ERR(f) == -EACCES ? (struct inode *)f : ERR_PTR(-ENOENT);
    }
    file_put(f);
    return i;
}

static int mapfiles_iterate(struct file *f, dir_emit_t emit, void *ctx)
{
    struct mm *mm = proc_mm_get(f->inode);
    loff_t at = 2;

    if (!mm || IS_ERR(mm))
        return mm ? (int)PTR_ERR(mm) : 0;
    if (dir_emit_dots(f, emit, ctx)) {
        mmap_read_lock(mm);
        for_each_vma (v, mm) {
            char name[40];
            int len;

            if (!v->file || at++ < f->pos)
                continue;
            len = scnprintf(name, sizeof(name), "%lx-%lx", v->start, v->end);
            if (!emit(ctx, name, (size_t)len, f->inode->ino + (ino_t)at, DT_LNK, at))
                break;
            f->pos = at;
        }
        mmap_read_unlock(mm);
    }
    mm_put(mm);
    return 0;
}

const struct inode_ops proc_mapfiles_iops = {.lookup = mapfiles_lookup};
const struct file_ops proc_mapfiles_fops = {.iterate = mapfiles_iterate};
