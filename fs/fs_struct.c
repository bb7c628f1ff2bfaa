/* SPDX-License-Identifier: MIT */
/*
 * fs_struct.c: working directory, root and umask, which threads may share (clone CLONE_FS);
 * chdir(2), chroot(2), umask(2), getcwd(2).
 *
 * Locks: fs->lock (FS_STRUCT) guards all fields; references are dropped after it is released.
 * Read next: namei.c.
 */
#include "internal.h"
#include <kernel/syscall.h>

static void path_set(struct fs_struct *fs, struct path *slot, const struct path *to)
{
    struct path old;

    path_get(to);
    spin_lock(&fs->lock);
    old = *slot;
    *slot = *to;
    spin_unlock(&fs->lock);
    path_put(&old);
}

struct fs_struct *fs_alloc_init(void)
{
    struct fs_struct *fs = kzalloc(sizeof(*fs));
    struct path top = {root_mount, root_mount->root};

    if (!fs)
        return NULL;
    atomic_set(&fs->refs, 1);
    spin_init(&fs->lock, LOCK_FS_STRUCT);
    fs->umask = 022;
    fs->root = fs->pwd = top;
    path_get(&fs->root);
    path_get(&fs->pwd);
    return fs;
}

struct fs_struct *fs_copy(struct fs_struct *old)
{
    struct fs_struct *fs = kzalloc(sizeof(*fs));

    if (!fs)
        return NULL;
    atomic_set(&fs->refs, 1);
    spin_init(&fs->lock, LOCK_FS_STRUCT);
    spin_lock(&old->lock);
    fs->umask = old->umask;
    fs->root = old->root;
    fs->pwd = old->pwd;
    path_get(&fs->root);
    path_get(&fs->pwd);
    spin_unlock(&old->lock);
    return fs;
}

void fs_get(struct fs_struct *fs)
{
    atomic_inc(&fs->refs);
}

void fs_put(struct fs_struct *fs)
{
    if (!fs || !atomic_dec_and_test(&fs->refs))
        return;
    path_put(&fs->root);
    path_put(&fs->pwd);
    kfree(fs);
}

struct path fs_root_get(struct fs_struct *fs)
{
    struct path p;

    spin_lock(&fs->lock);
    p = fs->root;
    path_get(&p);
    spin_unlock(&fs->lock);
    return p;
}

struct path fs_pwd_get(struct fs_struct *fs)
{
    struct path p;

    spin_lock(&fs->lock);
    p = fs->pwd;
    path_get(&p);
    spin_unlock(&fs->lock);
    return p;
}

SYSCALL1(umask, unsigned int, mask)
{
    struct fs_struct *fs = current->fs;
    mode_t old;

    spin_lock(&fs->lock);
    old = fs->umask;
    fs->umask = mask & 0777;
    spin_unlock(&fs->lock);
    return old;
}

/* Makes the directory @name what @where, of current, is. */
static int go_to(const char __user *name, struct path *where, bool allowed)
{
    struct path p;
    int ret = walk_user_path(AT_FDCWD, name, WALK_FOLLOW | WALK_DIRECTORY, &p);

    if (ret)
        return ret;
    ret = inode_permission(p.dentry->inode, MAY_EXEC);
    if (ret == 0 && !allowed)
        ret = -EPERM;
    if (ret == 0)
        path_set(current->fs, where, &p);
    path_put(&p);
    return ret;
}

SYSCALL1(chdir, const char __user *, name)
{
    return go_to(name, &current->fs->pwd, true);
}

SYSCALL1(fchdir, int, fd)
{
    struct fdref r = fdref_get_any(fd);
    int ret;

    if (!r.file)
        return -EBADF;
    ret = S_ISDIR(r.file->inode->mode) ? inode_permission(r.file->inode, MAY_EXEC) : -ENOTDIR;
    if (ret == 0) {
        struct path p = {r.file->mnt, r.file->dentry};

        path_set(current->fs, &current->fs->pwd, &p);
    }
    fdref_put(r);
    return ret;
}

SYSCALL1(chroot, const char __user *, name)
{
    return go_to(name, &current->fs->root, has_capability());
}

SYSCALL2(getcwd, char __user *, buf, unsigned long, size)
{
    struct path pwd, root;
    char *page, *text;
    long ret;

    page = kmalloc(PATH_MAX_LEN);
    if (!page)
        return -ENOMEM;
    pwd = fs_pwd_get(current->fs);
    root = fs_root_get(current->fs);
    text = path_text(&pwd, &root, page, PATH_MAX_LEN, false);
    if (IS_ERR(text)) {
        ret = PTR_ERR(text);
    } else if (pwd.dentry->unlinked) {
        ret = -ENOENT;
    } else {
        ret = (long)strlen(text) + 1;
        if ((unsigned long)ret > size)
            ret = -ERANGE;
        else if (copy_to_user(buf, text, (size_t)ret))
            ret = -EFAULT;
    }
    path_put(&root);
    path_put(&pwd);
    kfree(page);
    return ret;
}
