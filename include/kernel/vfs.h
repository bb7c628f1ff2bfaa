/* SPDX-License-Identifier: MIT */
/*
 * vfs.h: files, inodes, names.
 *
 * An inode is an object; a dentry is its name in a directory; a file is an open instance; a mapping
 * (mm/page_cache.h) is its memory. A path is a dentry seen through a mount. All file systems live
 * in memory: for tmpfs, devfs, sysfs and procfs' fixed part the dentry tree is the directory (an
 * entry stays in it until unlinked); procfs makes the dentries of processes at each lookup. Locks:
 * RENAME for shape and mounts, INODE rwsem for a directory's entries and a file's size, DENTRY spin
 * for links read while walking.
 */
#pragma once
#include <kernel/atomic.h>
#include <kernel/list.h>
#include <kernel/mutex.h>
#include <kernel/types.h>
#include <linux/fcntl.h>
#include <linux/stat.h>
#include <linux/uio.h>

struct file;
struct inode;
struct dentry;
struct mount;
struct super_block;
struct vma;
struct mapping;
struct poll_table;
struct pipe;
struct file_lock;
struct task;
struct process;
struct iov_iter;
struct wait_queue;
struct statfs;
struct seq;

struct timespec64 {
    s64 sec;
    s64 nsec;
};

struct kstat {
    u64 dev, ino, rdev, size, blocks; /* blocks: of 512 bytes */
    u32 mode, nlink, uid, gid, blksize;
    struct timespec64 atime, mtime, ctime, btime;
};

/* A name in the tree of mounts. Both pointers hold a reference (path_get, path_put). */
struct path {
    struct mount *mnt;
    struct dentry *dentry;
};

struct inode_ops {
    /* Directory; the directory's rwsem is held for writing. 0 or -errno. */
    int (*create)(struct inode *dir, struct dentry *d, mode_t mode,
                  dev_t rdev); /* file, device, fifo, socket by mode */
    int (*mkdir)(struct inode *dir, struct dentry *d, mode_t mode);
    int (*symlink)(struct inode *dir, struct dentry *d, const char *target);
    int (*link)(struct inode *dir, struct dentry *d, struct inode *target);
    int (*unlink)(struct inode *dir, struct dentry *d);
    int (*rmdir)(struct inode *dir, struct dentry *d);
    /* nd is negative or is replaced; with RENAME_EXCHANGE both are positive. The caller moves the
     * dentries. */
    int (*rename)(struct inode *odir, struct dentry *od, struct inode *ndir, struct dentry *nd,
                  unsigned int flags);
    /* O_TMPFILE: a regular file without a name. */
    int (*tmpfile)(struct inode *dir, struct dentry *d, mode_t mode);
    /* Entries that are made when asked for; no lock held. Inode with a reference, or
     * ERR_PTR(-ENOENT). */
    struct inode *(*lookup)(struct inode *dir, const char *name, size_t len);
    /* Symlink: writes the target to buf, returns its length without NUL or -errno. */
    ssize_t (*readlink)(struct inode *i, char *buf, size_t n);
    /* Magic links (/proc/self/exe, fd/N): the path to go to, with references, instead of readlink's
     * text. */
    int (*follow)(struct inode *i, struct path *to);
    int (*setsize)(struct inode *i, u64 size);         /* INODE held for writing */
    int (*getattr)(struct inode *i, struct kstat *st); /* st is filled from the inode already */
    int (*permission)(struct inode *i, int mask);      /* on top of the mode bits: 0 or -errno */
};

typedef bool (*dir_emit_t)(void *ctx, const char *name, size_t len, ino_t ino, unsigned int type,
                           loff_t next);

struct file_ops {
    int (*open)(struct inode *i, struct file *f);
    void (*release)(struct file *f);
    /* user buffers through iov_iter; *pos is advanced by the callee. */
    ssize_t (*read)(struct file *f, struct iov_iter *to, loff_t *pos);
    ssize_t (*write)(struct file *f, struct iov_iter *from, loff_t *pos);
    loff_t (*llseek)(struct file *f, loff_t off, int whence); /* NULL: by the inode's size */
    /* Calls emit for entries from f->pos on, with the position behind each; returns 0 at the end or
     * when emit said stop (returned false). emit may be called under a spin lock. */
    int (*iterate)(struct file *f, dir_emit_t emit, void *ctx);
    unsigned int (*poll)(struct file *f,
                         struct poll_table *pt); /* POLL* mask now; registers wait queues */
    long (*ioctl)(struct file *f, unsigned int cmd, unsigned long arg); /* -ENOTTY: unknown */
    /* Sets v->pt_ops (a row that exists), v->mapping, flags. 0 or -errno. NULL: -ENODEV. mmap_lock
     * held. */
    int (*mmap)(struct file *f, struct vma *v);
    /* Level of the smallest leaves of a mapping; may round *len up to them. NULL: 0. */
    unsigned int (*map_level)(struct file *f, size_t *len);
    long (*fallocate)(struct file *f, int mode, loff_t off, loff_t len);
    int (*fsync)(struct file *f);
    void (*show_fdinfo)(struct file *f, struct seq *s); /* further lines of /proc/PID/fdinfo/N */
};

struct inode {
    atomic_t refs;
    u32 mode, nlink, uid, gid;
    ino_t ino;
    dev_t rdev;
    u64 size; /* INODE for write; readers take it once */
    struct timespec64 atime, mtime, ctime, btime;
    struct super_block *sb;
    const struct inode_ops *iop;
    const struct file_ops *fop;
    struct rwsem lock;
    struct mapping *mapping; /* regular files and memfds: owned; devices that map: as they please */
    struct pipe *pipe;       /* fifos and pipes; DENTRY guards the pointer */
    struct file_lock *locks; /* flock and fcntl locks; LOCKS spin lock in fs/locks.c */
    void *private;           /* file system's own */
    void (*evict)(struct inode *i); /* last reference: frees private and mapping; may be NULL */
    u64 dir_cookie;                 /* directory: position of the next entry; DENTRY */
    unsigned int seals;             /* F_SEAL_* of memfd; INODE */
    bool linkable;    /* O_TMPFILE without O_EXCL: linkat may name it although nlink is 0 */
    atomic_t writers; /* > 0 open for writing, < 0 being executed (ETXTBSY) */
};

struct dentry {
    atomic_t refs;
    struct dentry *parent; /* DENTRY; a root and an unattached one: itself */
    struct inode *inode;   /* NULL: negative, during create; then set once */
    struct super_block *sb;
    struct list_head children, sibling; /* DENTRY */
    struct dentry *hash_next;           /* DENTRY */
    u64 cookie;                         /* DENTRY: position in the directory */
    bool hashed;                        /* DENTRY: part of the tree, which holds a reference */
    bool unlinked;  /* DENTRY: was taken out of the tree: a directory accepts no entries any more */
    bool anonymous; /* never had a place in a tree: name says it all ("pipe:[12]") */
    atomic_t nr_mounted; /* mounts on this dentry */
    u32 hash;
    u16 name_len;
    char *name; /* DENTRY; NUL-terminated; inline_name when short */
    char inline_name[32];
};

struct file {
    atomic_t refs;
    unsigned int flags; /* O_*; F_SETFL changes some of them */
    mode_t f_mode;      /* FMODE_READ | FMODE_WRITE | … */
    loff_t pos;         /* FILE_POS when shared */
    struct mutex pos_lock;
    struct inode *inode;   /* borrowed from dentry */
    struct dentry *dentry; /* never NULL; files without a name have an anonymous one */
    struct mount *mnt;
    const struct file_ops *op;
    struct mapping *mapping; /* inode->mapping */
    void *private;
    int sig_owner;                /* F_SETOWN */
    struct list_head epoll_items; /* fs/epoll.c */
};
#define FMODE_READ   1u
#define FMODE_WRITE  2u
#define FMODE_EXEC   4u /* opened by exec: holds writers below zero */
#define FMODE_PATH   8u
#define FMODE_STREAM 16u /* no position: pread gives ESPIPE */
#define FMODE_LOCKED 32u /* has or had flock/fcntl locks */

/* Scattered user (or kernel) memory, consumed from the front. */
struct iov_iter {
    const struct iovec *iov; /* kernel copy of the vector; base is a user pointer unless kernel */
    unsigned int nr;
    size_t off;   /* into iov[0] */
    size_t count; /* bytes left */
    bool kernel;
};
static inline void iov_iter_user(struct iov_iter *it, struct iovec *single, void __user *buf,
                                 size_t n)
{
    *single = (struct iovec){buf, n};
    *it = (struct iov_iter){.iov = single, .nr = 1, .count = n};
}
static inline void iov_iter_kernel(struct iov_iter *it, struct iovec *single, void *buf, size_t n)
{
    *single = (struct iovec){buf, n};
    *it = (struct iov_iter){.iov = single, .nr = 1, .count = n, .kernel = true};
}
/* Copy to/from the iterator; returns bytes copied (short on a fault). */
size_t copy_to_iter(const void *src, size_t n, struct iov_iter *it);
size_t copy_from_iter(void *dst, size_t n, struct iov_iter *it);
size_t zero_iter(size_t n, struct iov_iter *it);
/* The front segment's bytes, at most it->count of them. */
size_t iov_iter_piece(struct iov_iter *it, char **base);
/* All addresses and lengths of the segments, or-ed: for alignment. */
unsigned long iov_iter_alignment(const struct iov_iter *it);
/* Steps over @n bytes. */
void iov_iter_advance(struct iov_iter *it, size_t n);

/* Life of files. */
static inline struct file *file_get(struct file *f)
{
    atomic_inc(&f->refs);
    return f;
}
/* Last reference: releases the file. Files that can be mapped are released without sleeping locks
 * above MMAP, so that this may be called under mmap_lock. */
void file_put(struct file *f);
/* Opens for the kernel (exec, init): ERR_PTR on error. */
struct file *file_open(const char *path, int flags, mode_t mode);
struct file *file_open_exec(const char *path); /* + execute permission, regular file, deny-write */
struct file *file_open_exec_at(int dirfd, const char *path, int at_flags);
ssize_t kernel_read(struct file *f, void *buf, size_t n, loff_t pos);
ssize_t kernel_write(struct file *f, const void *buf, size_t n, loff_t pos);
/* A file without a name in the tree (memfd, pipe, pidfd). @name is what /proc/PID/fd shows:
 * "anon_inode:[eventfd]". */
struct file *file_alloc_anon(const char *name, const struct file_ops *op, unsigned int flags,
                             void *private);
/* An llseek operation where positions are addresses: any value, and no end. */
loff_t address_llseek(struct file *f, loff_t off, int whence);
/* Shared anonymous memory object of @size bytes as a file (mmap MAP_SHARED|MAP_ANONYMOUS, SysV,
 * memfd). The whole size is committed (vm_commit) at once; with VM_NORESERVE in @vm_flags each page
 * when it is allocated. ERR_PTR. */
struct file *shmem_file_create(const char *name, u64 size, unsigned int vm_flags);
/* Path of a file or dentry as users see it, into buf; returns start inside buf or
 * ERR_PTR(-ENAMETOOLONG). */
char *file_path(struct file *f, char *buf, size_t n);

/* Descriptor tables: struct files is opaque to others. */
struct files *files_alloc(void);
struct files *files_copy(struct files *old); /* clone without CLONE_FILES; ERR_PTR */
void files_get(struct files *fs);
void files_put(struct files *fs);
void files_close_on_exec(struct files *fs);
struct files *files_unshare(
    struct files *fs);       /* exec: own copy when shared (then @fs is put), else @fs; ERR_PTR */
struct file *fd_get(int fd); /* current's; reference taken; NULL = EBADF, also for O_PATH ones */
struct file *fd_get_any(int fd); /* also O_PATH */
int fd_alloc_install(
    struct file *f,
    unsigned int flags); /* O_CLOEXEC; takes over the reference on success; fd or -EMFILE */
int fd_close(int fd);
struct file *files_lookup(struct files *fs,
                          int fd);             /* other task's, for /proc/pid/fd; reference taken */
int files_next_fd(struct files *fs, int from); /* next open fd >= from or -1 */
unsigned int files_capacity(struct files *fs);

/* fs_struct: cwd, root, umask. */
struct fs_struct *fs_alloc_init(void);
struct fs_struct *fs_copy(struct fs_struct *old); /* NULL = out of memory */
void fs_get(struct fs_struct *fs);
void fs_put(struct fs_struct *fs);

/* Waiting on several files. A driver's poll calls poll_wait for each queue that its state changes
 * wake. */
void poll_wait(struct file *f, struct wait_queue *wq, struct poll_table *pt);

/* File systems. */
struct fs_type {
    const char *name;
    bool nodev;  /* as /proc/filesystems says */
    bool single; /* every mount shows the same super block */
    int (*fill)(struct super_block *sb, const char *options); /* sets root; 0 or -errno */
    int (*remount)(struct super_block *sb, const char *options);
    void (*kill)(struct super_block *sb); /* the tree was taken apart already; frees private */
    void (*show_options)(struct super_block *sb, struct seq *s); /* ",size=8k" for /proc/mounts */
    /* File systems on tmpfs' directories: operations and contents of a new regular file; 0 or
     * -ENOMEM. NULL: tmpfs' own. */
    int (*init_file)(struct inode *i);
    /* Corrects what was filled in from max_blocks and max_inodes. May be NULL. */
    void (*statfs)(struct super_block *sb, struct statfs *st);
};
struct super_block {
    const struct fs_type *type;
    struct dentry *root;
    dev_t dev;
    u32 magic;
    unsigned long flags;        /* MS_* */
    u64 max_blocks, max_inodes; /* tmpfs size=, nr_inodes=; 0 = no limit */
    atomic_long_t used_blocks, used_inodes;
    void *private;
    atomic_t refs; /* mounts */
    struct list_head link;
};
void vfs_register(const struct fs_type *t);
void vfs_init(void); /* root tmpfs, registers tmpfs procfs sysfs devfs; after the slab allocator */
/* Mounts devtmpfs, proc and sysfs on /dev, /proc and /sys, making the directories. Called before
 * /init when asked for. */
void vfs_mount_defaults(void);
/* Unpacks a newc cpio to /; 0 or -EINVAL with a message of what is wrong at which offset. */
int initramfs_unpack(const void *data, size_t len);

/* Character devices: devfs makes the node, opens dispatch to fop. @name may contain one directory
 * ("pts/ptmx"). */
void chrdev_register(const char *name, dev_t rdev, mode_t mode, const struct file_ops *fop);
#define MKDEV(major, minor) (((dev_t)(major) << 20) | (minor))
#define MAJOR(dev)          ((unsigned int)((dev) >> 20))
#define MINOR(dev)          ((unsigned int)((dev)&0xfffff))

/* procfs, sysfs: text files made by a function. seq grows as needed; content is made when read from
 * position 0. */
struct seq {
    char *buf;
    size_t len, cap;
    bool failed; /* out of memory: the read gives -ENOMEM */
};
void seq_printf(struct seq *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void seq_write(struct seq *s, const void *data, size_t n);
void seq_puts(struct seq *s, const char *str);
void seq_free(struct seq *s);
/* path may contain directories: "sys/vm/overcommit_memory". show NULL = write-only, store NULL =
 * read-only. After the slab allocator is up; the file cannot be removed. store gets NUL-terminated
 * text, returns bytes used or -errno. */
typedef int (*pseudo_show_t)(struct seq *s, void *arg);
typedef ssize_t (*pseudo_store_t)(const char *buf, size_t n, void *arg);
void proc_create(const char *path, mode_t mode, pseudo_show_t show, pseudo_store_t store,
                 void *arg);
void sysfs_create(const char *path, mode_t mode, pseudo_show_t show, pseudo_store_t store,
                  void *arg);
/* An empty directory; directories on the way are made too. */
void sysfs_mkdir(const char *path);
/* The CPUs have started: each gets its directory in /sys/devices/system/cpu. */
void sysfs_add_cpus(void);
/* Files with operations of their own. */
void proc_create_ops(const char *path, mode_t mode, const struct file_ops *fop, void *private);
void sysfs_create_ops(const char *path, mode_t mode, const struct file_ops *fop, void *private);

/* tty: input from a driver, any context. */
void console_input(char c);
/* Foreground process group (-1: none) and number (0) of the terminal that controls @p, for
 * /proc/PID/stat. */
pid_t tty_of_process(const struct process *p, dev_t *rdev);
/* A session leader exits: its session loses its terminal. */
void tty_session_leader_exit(struct task *leader);
