/* SPDX-License-Identifier: MIT */
/*
 * internal.h: what the files of fs/ share and nobody else sees.
 */
#pragma once
#include <asm/errno.h>
#include <kernel/printk.h>
#include <kernel/string.h>
#include <kernel/task.h>
#include <kernel/uaccess.h>
#include <kernel/vfs.h>
#include <linux/fs.h>
#include <mm/slab.h>

#define NAME_MAX_LEN       255
#define PATH_MAX_LEN       4096 /* with NUL */
#define SYMLINK_MAX_NESTED 40
#define MAX_RW_COUNT       (0x7fffffffUL & PAGE_MASK)

/* ---- inode.c ---- */
#define MAY_EXEC  1
#define MAY_WRITE 2
#define MAY_READ  4

/* An inode with one reference, owner current, times now, mode as given; NULL = out of memory. */
struct inode *inode_alloc(struct super_block *sb, mode_t mode);
static inline struct inode *inode_get(struct inode *i)
{
    atomic_inc(&i->refs);
    return i;
}
void inode_put(struct inode *i);
/* Group and set-group-id bit of a new entry of @dir. */
void inode_inherit(struct inode *i, const struct inode *dir);
/* 0, -EACCES. By the file-system ids of current. */
int inode_permission(struct inode *i, int mask);
int inode_permission_ids(struct inode *i, int mask, uid_t uid, gid_t gid);
bool inode_owner_or_root(const struct inode *i);
/* Is current in the group? */
bool current_in_group(gid_t gid);
struct timespec64 time_now(void);
static inline bool time_before(const struct timespec64 *a, const struct timespec64 *b)
{
    return a->sec != b->sec ? a->sec < b->sec : a->nsec < b->nsec;
}
/* mtime and ctime := now. */
void inode_modified(struct inode *i);
void inode_accessed_slow(struct inode *i);
/* Relative atime: only when something changed since the last one. */
static inline void inode_accessed(struct inode *i)
{
    if (!time_before(&i->mtime, &i->atime) || !time_before(&i->ctime, &i->atime))
        inode_accessed_slow(i);
}
/* A write by somebody who is not root takes set-user-id and set-group-id away. INODE held. */
void inode_drop_suid(struct inode *i);
void inode_getattr(struct inode *i, struct kstat *st);
int inode_write_get(struct inode *i); /* 0 or -ETXTBSY */
void inode_write_put(struct inode *i);
int inode_exec_get(struct inode *i); /* denies writers; 0 or -ETXTBSY */
void inode_exec_put(struct inode *i);

/* ---- dentry.c ---- */
extern spinlock_t dentry_lock;
/* Not in the tree yet; holds a reference on @parent (NULL: a root). NULL = out of memory. */
struct dentry *dentry_alloc(struct super_block *sb, struct dentry *parent, const char *name,
                            size_t len);
static inline struct dentry *dentry_get(struct dentry *d)
{
    atomic_inc(&d->refs);
    return d;
}
void dentry_put(struct dentry *d);
/* The entry of the tree with a reference, or NULL. */
struct dentry *dentry_find(struct dentry *parent, const char *name, size_t len);
/* Joins the tree, which takes a reference. The parent's inode is write-locked. -ENOENT when the
 * parent was removed. */
int dentry_add(struct dentry *d);
/* Leaves the tree. The caller has a reference of its own. */
void dentry_remove(struct dentry *d);
/* rename: @od takes name and parent of @place (negative, not in the tree); @victim, when not NULL,
 * leaves the tree. */
void dentry_move(struct dentry *od, struct dentry *place, struct dentry *victim);
void dentry_exchange(struct dentry *a, struct dentry *b);
bool dentry_is_ancestor(const struct dentry *a, const struct dentry *d);
bool dentry_has_children(struct dentry *d);
int dentry_check(void); /* invariant walker */
struct dentry *dentry_parent_get(struct dentry *d);
/* Takes the whole tree apart, @root's reference included. */
void dentry_destroy_tree(struct dentry *root);
/* file_ops.iterate of directories whose entries are the dentry tree. */
int dentry_iterate(struct file *f, dir_emit_t emit, void *ctx);
bool dir_emit_dots(struct file *f, dir_emit_t emit, void *ctx);
extern const struct file_ops dentry_dir_fops;
/* Text of @p as seen from @root, built from the end of buf; @deleted: append " (deleted)" for what
 * has no name any more. */
char *path_text(const struct path *p, const struct path *root, char *buf, size_t n, bool deleted);

/* ---- mount.c ---- */
struct mount {
    struct list_head link;     /* DENTRY: all mounts, in order of mounting */
    struct mount *parent;      /* DENTRY; NULL: the root of all, and detached ones */
    struct dentry *mountpoint; /* with a reference; in parent */
    struct dentry *root;       /* with a reference */
    struct super_block *sb;
    atomic_t refs;       /* paths, plus one while attached */
    unsigned long flags; /* MS_RDONLY, MS_NOEXEC … */
    int id;
    char source[64];
};
extern struct mount *root_mount;
extern struct mount *anon_mount; /* of files without a name */
void mount_init(void);
void mount_free(struct mount *m);
static inline void mount_put(struct mount *m)
{
    if (atomic_dec_and_test(&m->refs))
        mount_free(m);
}
static inline void path_get(const struct path *p)
{
    atomic_inc(&p->mnt->refs);
    atomic_inc(&p->dentry->refs);
}
static inline void path_put(const struct path *p)
{
    dentry_put(p->dentry);
    mount_put(p->mnt);
}
static inline bool path_equal(const struct path *a, const struct path *b)
{
    return a->mnt == b->mnt && a->dentry == b->dentry;
}
/* While something is mounted on @p, goes to the root of that. References move along. */
void mount_follow_down(struct path *p);
/* @p is the root of its mount: to the mountpoint, when there is one. */
bool mount_follow_up(struct path *p);
static inline int mount_want_write(const struct mount *m)
{
    return ((m->flags | m->sb->flags) & MS_RDONLY) ? -EROFS : 0;
}
int mount_fs(const struct fs_type *t, const char *source, const struct path *at,
             unsigned long flags, const char *options);
/* umount2: @p is the root of what goes. 0, -EINVAL, -EBUSY. */
int mount_remove(const struct path *p, int flags);
void mount_show(struct seq *s, const struct path *root, bool mountinfo);
void filesystems_show(struct seq *s);
struct super_block *super_alloc(const struct fs_type *t);
const struct fs_type *fs_type_find(const char *name);

/* ---- fs_struct.c ---- */
struct fs_struct {
    atomic_t refs;
    spinlock_t lock; /* LOCK_FS_STRUCT: below */
    mode_t umask;
    struct path root, pwd;
};
struct path fs_root_get(struct fs_struct *fs);
struct path fs_pwd_get(struct fs_struct *fs);

/* ---- namei.c ---- */
#define WALK_FOLLOW    1u /* a symlink as the last component is followed */
#define WALK_DIRECTORY 2u /* the result must be a directory */
#define WALK_EMPTY     4u /* an empty path names dirfd itself */

enum last_kind { LAST_NORMAL, LAST_DOT, LAST_DOTDOT, LAST_ROOT };
/* A walk under way: where it is and what is left. After walk_to_parent: the directory that contains
 * (or will contain) the last component, which was looked at but not looked up. */
struct walk {
    struct path at, root; /* with references */
    const char *rest;
    char *text; /* holds rest once a symlink was met */
    unsigned int nr_links;
    enum last_kind kind;
    const char *name; /* len bytes, not terminated */
    size_t len;
    bool slash; /* a slash follows: must be a directory */
};
/* Copies a path name from the user: kfree after use. ERR_PTR(-EFAULT, -ENAMETOOLONG, -ENOMEM). */
char *name_from_user(const char __user *path);
/* Finds @name from @dirfd (or AT_FDCWD); *out gets references. 0 or -errno. */
int walk_path(int dirfd, const char *name, unsigned int flags, struct path *out);
int walk_user_path(int dirfd, const char __user *name, unsigned int flags, struct path *out);
/* The WALK_ flags of calls that follow links unless they are told not to. */
static inline unsigned int at_walk(int at_flags)
{
    return (at_flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW) |
           (at_flags & AT_EMPTY_PATH ? WALK_EMPTY : 0);
}
/* Finds the parent of the last component; @name must live as long as @w. On success walk_end is
 * due. */
int walk_parent(int dirfd, const char *name, struct walk *w);
void walk_end(struct walk *w);
/* The last component is the symlink @link: goes on to the parent of what it names. 1: @w->at is the
 * end already. */
int walk_parent_link(struct walk *w, const struct path *link);
/* The entry, mounts not followed: reference, NULL when there is none, or ERR_PTR. */
struct dentry *walk_lookup(struct dentry *dir, const char *name, size_t len);

/* ---- file.c ---- */
void file_init(void);
/* A file that is not open yet; file_discard is for one that may or may not have been opened
 * meanwhile. */
struct file *file_alloc(unsigned int flags);
void file_discard(struct file *f);
/* Opens @f on @p, whose references are taken over on success; runs the open op. 0 or -errno, then
 * @p is still the caller's. */
int file_open_on(struct file *f, const struct path *p, unsigned int flags);
/* Both in one. ERR_PTR. */
struct file *file_open_path(const struct path *p, unsigned int flags);
struct file *file_on_anon(struct inode *i, const char *name, const struct file_ops *op,
                          unsigned int flags, void *private);
struct inode *anon_inode_alloc(mode_t mode);
extern struct super_block *anon_sb;

/* ---- files.c ---- */
struct fdref {
    struct file *file; /* NULL: no such descriptor */
    bool put;          /* a reference was taken */
};
/* Descriptor for the length of one call; without counting when no other thread shares the table. */
struct fdref fdref_get(int fd); /* not O_PATH */
struct fdref fdref_get_any(int fd);
static inline void fdref_put(struct fdref r)
{
    if (r.put)
        file_put(r.file);
}
int fd_reserve(unsigned int flags); /* a free number, not yet visible; -EMFILE */
int fd_reserve_from(unsigned int min, unsigned int flags);
void fd_install(int fd,
                struct file *f); /* makes a reserved one visible, takes the reference over */
void fd_unreserve(int fd);
/* Descriptors for both files of a pair, stored at @fds; takes the references over, also when it
 * fails. 0, -EMFILE, -EFAULT. */
long fd_install_pair(struct file *f[2], int __user *fds, unsigned int flags);
bool fd_get_cloexec(int fd);
bool files_is_cloexec(struct files *fs, int fd);
int fd_set_cloexec(int fd, bool on);

/* ---- open.c ---- */
struct open_how_k {
    unsigned int flags; /* O_* */
    mode_t mode;
};
struct file *open_at(int dirfd, const char *name, const struct open_how_k *how);
int truncate_inode(struct inode *i, u64 size);

/* ---- locks.c ---- */
long locks_fcntl(struct file *f, unsigned int cmd, void __user *arg);
void locks_release_posix(struct file *f, struct files *owner); /* close(2) of any descriptor */
void locks_release_file(struct file *f);

/* ---- pipe.c ---- */
extern const struct file_ops pipe_fops;
long pipe_set_size(struct file *f, unsigned long bytes);
long pipe_get_size(struct file *f);

/* ---- read_write.c ---- */
ssize_t file_read_iter(struct file *f, struct iov_iter *it, loff_t *pos);
ssize_t file_write_iter(struct file *f, struct iov_iter *it, loff_t *pos);
loff_t file_llseek(struct file *f, loff_t off, int whence);
/* Copies the vector; *out is @fast or kmalloc'ed. Total bytes or -errno. */
#define IOV_FAST 8
ssize_t iov_from_user(const struct iovec __user *uvec, unsigned long n, struct iovec *fast,
                      struct iovec **out);
/* Limits of a write at @pos: RLIMIT_FSIZE. Bytes allowed or -EFBIG. */
ssize_t write_limit(struct file *f, loff_t pos, size_t n);

/* ---- chrdev.c ---- */
/* May O_DIRECT be asked for? Only where there is something that memory is not. */
static inline bool inode_can_direct(const struct inode *i)
{
    return S_ISBLK(i->mode);
}
extern const struct file_ops chrdev_open_fops, blkdev_open_fops;
void chrdev_show(struct seq *s);
/* fop for a device, fifo or socket inode by its mode; NULL for others. */
const struct file_ops *special_fops(mode_t mode);

/* ---- pseudo.c: trees whose files are text made by functions ---- */
struct super_block *pseudo_super(const struct fs_type *t, u32 magic);
void pseudo_create(struct super_block *sb, const char *path, mode_t mode, pseudo_show_t show,
                   pseudo_store_t store, void *arg);
struct dentry *pseudo_mkdir(struct super_block *sb, const char *path);
void pseudo_add_inode(struct super_block *sb, const char *path,
                      struct inode *i); /* takes the reference */
struct pseudo_file {
    pseudo_show_t show;
    pseudo_store_t store;
    void *arg;
};
void pseudo_create_ops(struct super_block *sb, const char *path, mode_t mode,
                       const struct file_ops *fop, void *private);
/* A write into a text file: the whole of it, NUL-terminated, goes to @store. */
ssize_t pseudo_store_text(struct iov_iter *from, loff_t *pos, pseudo_store_t store, void *arg);
extern const struct file_ops seq_fops; /* inode->private is a struct pseudo_file */
/* For files whose text depends on the open file. */
ssize_t seq_read_file(struct file *f, struct iov_iter *to, loff_t *pos,
                      int (*make)(struct file *, struct seq *));
void seq_release(struct file *f);

/* ---- devfs, procfs, sysfs ---- */
void devfs_init(void);
void procfs_init(void);
void sysfs_init(void);
void devfs_add(const char *path, mode_t mode, dev_t rdev);

/* ---- tmpfs ---- */
extern const struct fs_type tmpfs_type, ramfs_type, devtmpfs_type, proc_type, sysfs_type,
    hugetlbfs_type, devpts_type;
struct inode *tmpfs_make_inode(struct super_block *sb, const struct inode *dir, mode_t mode,
                               dev_t rdev);
int tmpfs_setsize(struct inode *i, u64 size);
extern const struct file_ops tmpfs_file_fops, hugetlbfs_file_fops;
void tmpfs_init(void);
void msharefs_init(void);  /* likewise */
void hugetlbfs_init(void); /* after sysfs and procfs: the pools are files there */
extern struct super_block *shmem_sb; /* of memory objects without a file system */

/* ---- poll.c ---- */
struct poll_table {
    void (*queue)(struct poll_table *pt, struct file *f,
                  struct wait_queue *wq); /* NULL: only ask */
    unsigned int events;                  /* what the caller waits for; 0 = do not know */
};
unsigned int file_poll(struct file *f, struct poll_table *pt);
void epoll_file_closed(struct file *f);
void epoll_init(void);
