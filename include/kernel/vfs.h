/* SPDX-License-Identifier: MIT */
/*
 * vfs.h: files, inodes, names.
 *
 * An inode is an object; a dentry is its name in a directory; a file is an open instance; a mapping (mm/page_cache.h)
 * is its memory. All file systems live in memory: for tmpfs and devfs the dentry tree is the directory (an entry stays
 * in it until unlinked); procfs and sysfs make dentries at lookup. Locks: RENAME for shape, INODE rwsem for a directory's
 * entries and a file's size, DENTRY spin for links read while walking.
 */
#pragma once
#include <kernel/atomic.h>
#include <kernel/list.h>
#include <kernel/mutex.h>
#include <kernel/types.h>
#include <linux/fcntl.h>
#include <linux/stat.h>

struct file;
struct inode;
struct dentry;
struct super_block;
struct vma;
struct mapping;
struct poll_table;
struct task;
struct iov_iter;

struct timespec64 {
    s64 sec;
    s64 nsec;
};

struct kstat {
    u64 dev, ino, rdev, size, blocks;
    u32 mode, nlink, uid, gid, blksize;
    struct timespec64 atime, mtime, ctime, btime;
};

struct inode_ops {
    /* Directory; the directory's rwsem is held for writing (lookup: reading). 0 or -errno; lookup: inode with a reference or ERR_PTR(-ENOENT). */
    struct inode *(*lookup)(struct inode *dir, const char *name, size_t len);
    int (*create)(struct inode *dir, struct dentry *d, mode_t mode, dev_t rdev); /* file, device, fifo, socket by mode */
    int (*mkdir)(struct inode *dir, struct dentry *d, mode_t mode);
    int (*symlink)(struct inode *dir, struct dentry *d, const char *target);
    int (*link)(struct inode *dir, struct dentry *d, struct inode *target);
    int (*unlink)(struct inode *dir, struct dentry *d);
    int (*rmdir)(struct inode *dir, struct dentry *d);
    int (*rename)(struct inode *odir, struct dentry *od, struct inode *ndir, struct dentry *nd, unsigned int flags);
    /* Symlink: writes the target to buf, returns length. */
    ssize_t (*readlink)(struct inode *i, char *buf, size_t n);
    /* Magic links (/proc/self/exe, fd/N): the dentry to go to, with a reference, instead of readlink text. */
    struct dentry *(*follow)(struct inode *i);
    int (*setsize)(struct inode *i, u64 size);
    int (*getattr)(struct inode *i, struct kstat *st);
};

struct file_ops {
    int (*open)(struct inode *i, struct file *f);
    void (*release)(struct file *f);
    /* user buffers through iov_iter; *pos is advanced by the callee. */
    ssize_t (*read)(struct file *f, struct iov_iter *to, loff_t *pos);
    ssize_t (*write)(struct file *f, struct iov_iter *from, loff_t *pos);
    loff_t (*llseek)(struct file *f, loff_t off, int whence);
    /* Calls emit for entries from f->pos on; returns 0 at the end or when emit said stop (returned false). */
    int (*iterate)(struct file *f, bool (*emit)(void *ctx, const char *name, size_t len, ino_t ino, unsigned int type, loff_t next), void *ctx);
    unsigned int (*poll)(struct file *f, struct poll_table *pt); /* POLL* mask now; registers wait queues */
    long (*ioctl)(struct file *f, unsigned int cmd, unsigned long arg);
    /* Sets v->pt_ops (a row that exists), v->mapping, flags. 0 or -errno (-ENODEV: cannot be mapped). */
    int (*mmap)(struct file *f, struct vma *v);
    long (*fallocate)(struct file *f, int mode, loff_t off, loff_t len);
    int (*fsync)(struct file *f);
};

struct inode {
    atomic_t refs;
    ino_t ino;
    u32 mode, nlink, uid, gid;
    dev_t rdev;
    u64 size;                /* INODE rwsem for write; readers take it once */
    struct timespec64 atime, mtime, ctime, btime;
    struct super_block *sb;
    const struct inode_ops *iop;
    const struct file_ops *fop;
    struct rwsem lock;
    struct mapping *mapping; /* regular files and memfds: owned; devices that map: as they please */
    void *private;           /* file system's own */
    void (*evict)(struct inode *i); /* last reference: frees private and mapping */
    unsigned int seals;      /* F_SEAL_* of memfd */
    atomic_t writers;        /* open for writing: ETXTBSY, seals */
};

struct dentry {
    atomic_t refs;
    struct dentry *parent;   /* DENTRY */
    struct inode *inode;     /* NULL: negative, during create */
    struct super_block *sb;
    struct list_head children, sibling; /* DENTRY */
    struct dentry *hash_next;
    struct super_block *mounted; /* file system mounted here, or NULL */
    bool unlinked;
    u32 hash;
    u16 name_len;
    char *name;              /* NUL-terminated; inline_name when short */
    char inline_name[32];
};

struct file {
    atomic_t refs;
    unsigned int flags;      /* O_* */
    mode_t f_mode;           /* FMODE_READ | FMODE_WRITE | … */
    loff_t pos;              /* FILE_POS when shared */
    struct mutex pos_lock;
    struct inode *inode;
    struct dentry *dentry;   /* NULL for pipes and anonymous files */
    const struct file_ops *op;
    struct mapping *mapping;
    void *private;
    int sig_owner;
};
#define FMODE_READ  1u
#define FMODE_WRITE 2u
#define FMODE_EXEC  4u
#define FMODE_PATH  8u
#define FMODE_STREAM 16u /* no position */

/* Scattered user (or kernel) memory, consumed from the front. */
struct iov_iter {
    const struct iovec *iov; /* kernel copy of the vector; base is a user pointer unless kernel */
    unsigned int nr;
    size_t off;              /* into iov[0] */
    size_t count;            /* bytes left */
    bool kernel;
};
void iov_iter_user(struct iov_iter *it, struct iovec *single, void __user *buf, size_t n);
void iov_iter_kernel(struct iov_iter *it, struct iovec *single, void *buf, size_t n);
/* Copy to/from the iterator; returns bytes copied (short on a fault). */
size_t copy_to_iter(const void *src, size_t n, struct iov_iter *it);
size_t copy_from_iter(void *dst, size_t n, struct iov_iter *it);
size_t zero_iter(size_t n, struct iov_iter *it);

/* Life of files. */
static inline struct file *file_get(struct file *f)
{
    atomic_inc(&f->refs);
    return f;
}
void file_put(struct file *f);
/* Opens for the kernel (exec, init): ERR_PTR on error. */
struct file *file_open(const char *path, int flags, mode_t mode);
struct file *file_open_exec(const char *path); /* + execute permission, regular file, deny-write */
struct file *file_open_exec_at(int dirfd, const char *path, int at_flags);
ssize_t kernel_read(struct file *f, void *buf, size_t n, loff_t pos);
ssize_t kernel_write(struct file *f, const void *buf, size_t n, loff_t pos);
/* A file without a name in the tree (memfd, pipe, pidfd, shared anonymous memory). */
struct file *file_alloc_anon(const char *name, const struct file_ops *op, unsigned int flags, void *private);
/* Shared anonymous memory object of @size bytes as a file (mmap MAP_SHARED|MAP_ANONYMOUS, SysV, memfd). */
struct file *shmem_file_create(const char *name, u64 size, unsigned int flags);
/* Path of a file or dentry as users see it, into buf; returns start inside buf or ERR_PTR(-ENAMETOOLONG). */
char *file_path(struct file *f, char *buf, size_t n);

/* Descriptor tables: struct files is opaque to others. */
struct files *files_alloc(void);
struct files *files_copy(struct files *old); /* clone without CLONE_FILES; ERR_PTR */
void files_get(struct files *fs);
void files_put(struct files *fs);
void files_close_on_exec(struct files *fs);
struct files *files_unshare(struct files *fs); /* exec: own copy when shared */
struct file *fd_get(int fd);        /* current's; reference taken; NULL = EBADF */
int fd_alloc_install(struct file *f, unsigned int flags); /* O_CLOEXEC; takes over the reference on success; fd or -EMFILE */
int fd_close(int fd);
struct file *files_lookup(struct files *fs, int fd); /* other task's, for /proc/pid/fd; reference taken */
int files_next_fd(struct files *fs, int from);       /* next open fd >= from or -1 */

/* fs_struct: cwd, root, umask. */
struct fs_struct *fs_alloc_init(void);
struct fs_struct *fs_copy(struct fs_struct *old);
void fs_get(struct fs_struct *fs);
void fs_put(struct fs_struct *fs);

/* Waiting on several files. */
struct wait_queue;
void poll_wait(struct file *f, struct wait_queue *wq, struct poll_table *pt);

/* File systems. */
struct fs_type {
    const char *name;
    int (*fill)(struct super_block *sb, const char *options);
    void (*kill)(struct super_block *sb);
};
struct super_block {
    const struct fs_type *type;
    struct dentry *root;
    struct dentry *mountpoint;
    dev_t dev;
    u32 magic;
    unsigned long flags; /* MS_* */
    u64 max_blocks, max_inodes; /* tmpfs size=, nr_inodes=; 0 = no limit */
    atomic_long_t used_blocks, used_inodes;
    void *private;
    struct list_head link;
    char source[64];
};
void vfs_register(const struct fs_type *t);
void vfs_init(void);           /* root tmpfs, registers tmpfs procfs sysfs devfs */
/* Unpacks a newc cpio to /; 0 or -EINVAL with a message of what is wrong at which offset. */
int initramfs_unpack(const void *data, size_t len);

/* Character devices: devfs makes the node, opens dispatch to fop. */
void chrdev_register(const char *name, dev_t rdev, mode_t mode, const struct file_ops *fop);
#define MKDEV(major, minor) (((dev_t)(major) << 20) | (minor))

/* procfs, sysfs: text files made by a function. seq grows as needed; content is made at open. */
struct seq {
    char *buf;
    size_t len, cap;
    bool failed;
};
void seq_printf(struct seq *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void seq_write(struct seq *s, const void *data, size_t n);
/* name may contain directories: "sys/vm/overcommit_memory". store NULL = read-only. */
void proc_create(const char *path, mode_t mode, int (*show)(struct seq *s, void *arg), ssize_t (*store)(const char *buf, size_t n, void *arg), void *arg);
void sysfs_create(const char *path, mode_t mode, int (*show)(struct seq *s, void *arg), ssize_t (*store)(const char *buf, size_t n, void *arg), void *arg);

/* tty: input from a driver, any context. */
void console_input(char c);
/* The console's controlling session hooks for exit of a session leader. */
void tty_session_leader_exit(struct task *leader);
