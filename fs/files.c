/* SPDX-License-Identifier: MIT */
/*
 * files.c: descriptor tables, shared by the threads of a process (clone CLONE_FILES), and the calls
 * that only move descriptors: close, close_range, dup, dup2, dup3.
 *
 * A table has room for 64 descriptors in itself and moves to a larger block when that is not
 * enough. A slot is free when its bit in open is clear; a bit without a file is a number that was
 * promised and not yet filled. Locks: files->lock (FILES). A table with one user changes only under
 * that user's hands (others only look, under the lock), so its own reads take no lock and no
 * reference on the file: fdref_get.
 *
 * Invariants: I1 file != NULL => bit in open; I2 next <= lowest free number. Checked by
 * tests/kernel/fs/files_ktest.c. Source: dup(2), close_range(2). Read next: fcntl.c.
 */
#include "internal.h"
#include <kernel/syscall.h>
#include <linux/close_range.h>
#include <mm/vmalloc.h>

#define FD_INLINE 64u
#define FD_MAX    (1u << 20)

struct files {
    atomic_t refs;
    spinlock_t lock;
    unsigned int cap;  /* multiple of 64 */
    unsigned int next; /* no free number below */
    struct file **fd;
    u64 *open, *cloexec;
    struct file *inline_fd[FD_INLINE];
    u64 inline_open, inline_cloexec;
};

static struct kmem_cache *files_cache;

struct files *files_alloc(void)
{
    struct files *fs;

    if (!files_cache)
        files_cache = kmem_cache_create("files", sizeof(struct files), 0, NULL);
    fs = kmem_cache_alloc(files_cache, GFP_KERNEL | GFP_ZERO);
    if (!fs)
        return NULL;
    atomic_set(&fs->refs, 1);
    spin_init(&fs->lock, LOCK_FILES);
    fs->cap = FD_INLINE;
    fs->fd = fs->inline_fd;
    fs->open = &fs->inline_open;
    fs->cloexec = &fs->inline_cloexec;
    return fs;
}

/* Bits of word @w of @set, as numbers. */
#define for_each_bit(n, word, base)                                                                \
    for (u64 w_ = (word), once_ = 1; once_; once_ = 0)                                             \
        for (unsigned int n; w_ && ((n) = (base) + (unsigned int)__builtin_ctzll(w_), 1);          \
             w_ &= w_ - 1)

static bool bit_test(const u64 *set, unsigned int n)
{
    return (set[n / 64] >> (n % 64)) & 1;
}

static void bit_assign(u64 *set, unsigned int n, bool on)
{
    if (on)
        set[n / 64] |= 1ULL << (n % 64);
    else
        set[n / 64] &= ~(1ULL << (n % 64));
}

/* Room for a table of @cap in one block: pointers, then both bit sets. */
struct fd_block {
    void *mem;
    struct file **fd;
    u64 *open, *cloexec;
};

static size_t block_size(unsigned int cap)
{
    return cap * sizeof(struct file *) + 2 * (cap / 8);
}

static int block_alloc(struct fd_block *b, unsigned int cap)
{
    size_t size = block_size(cap);

    b->mem = size <= KIB(512) ? kzalloc(size) : vmalloc(size);
    if (!b->mem)
        return -ENOMEM;
    b->fd = b->mem;
    b->open = (u64 *)(b->fd + cap);
    b->cloexec = b->open + cap / 64;
    return 0;
}

static void block_free(struct file **fd, unsigned int cap)
{
    if (cap <= FD_INLINE)
        return;
    if (block_size(cap) <= KIB(512))
        kfree(fd);
    else
        vfree(fd);
}

/* Makes room for descriptor @n. 0, -EMFILE or -ENOMEM. Takes and drops the lock. */
static int files_grow(struct files *fs, unsigned int n)
{
    struct fd_block b;
    struct file **old;
    unsigned int cap = FD_INLINE, old_cap;

    if (n >= FD_MAX)
        return -EMFILE;
    while (cap <= n)
        cap *= 2;
    if (block_alloc(&b, cap))
        return -ENOMEM;
    spin_lock(&fs->lock);
    if (fs->cap >= cap) { /* another thread was faster */
        spin_unlock(&fs->lock);
        block_free(b.fd, cap);
        return 0;
    }
    old = fs->fd;
    old_cap = fs->cap;
    memcpy(b.fd, old, old_cap * sizeof(*old));
    memcpy(b.open, fs->open, old_cap / 8);
    memcpy(b.cloexec, fs->cloexec, old_cap / 8);
    fs->fd = b.fd;
    fs->open = b.open;
    fs->cloexec = b.cloexec;
    fs->cap = cap;
    spin_unlock(&fs->lock);
    block_free(old, old_cap);
    return 0;
}

struct files *files_copy(struct files *old)
{
    struct files *fs = files_alloc();

    if (!fs)
        return ERR_PTR(-ENOMEM);
    for (;;) {
        unsigned int want = READ_ONCE(old->cap);

        if (want > fs->cap && files_grow(fs, want - 1)) {
            files_put(fs);
            return ERR_PTR(-ENOMEM);
        }
        spin_lock(&old->lock);
        if (old->cap <= fs->cap)
            break;
        spin_unlock(&old->lock);
    }
    for (unsigned int w = 0; w < old->cap / 64; w++) {
        u64 live = 0;

        for_each_bit(n, old->open[w], w * 64)
        {
            if (!old->fd[n])
                continue; /* promised to another thread of the parent */
            fs->fd[n] = file_get(old->fd[n]);
            live |= 1ULL << (n % 64);
        }
        fs->open[w] = live;
        fs->cloexec[w] = old->cloexec[w] & live;
    }
    spin_unlock(&old->lock);
    return fs;
}

void files_get(struct files *fs)
{
    atomic_inc(&fs->refs);
}

/* What close(2) does with a file that left a table. */
static void file_close(struct files *fs, struct file *f)
{
    if (unlikely(READ_ONCE(f->inode->locks) != NULL))
        locks_release_posix(f, fs);
    file_put(f);
}

void files_put(struct files *fs)
{
    if (!fs || !atomic_dec_and_test(&fs->refs))
        return;
    for (unsigned int w = 0; w < fs->cap / 64; w++)
        for_each_bit(n, fs->open[w], w * 64) if (fs->fd[n]) file_close(fs, fs->fd[n]);
    block_free(fs->fd, fs->cap);
    kmem_cache_free(files_cache, fs);
}

struct files *files_unshare(struct files *fs)
{
    struct files *own;

    if (atomic_read(&fs->refs) == 1)
        return fs;
    own = files_copy(fs);
    if (!IS_ERR(own))
        files_put(fs);
    return own;
}

/* ---- looking up ---- */

struct file *files_lookup(struct files *fs, int fd)
{
    struct file *f = NULL;

    spin_lock(&fs->lock);
    if ((unsigned int)fd < fs->cap && fs->fd[fd])
        f = file_get(fs->fd[fd]);
    spin_unlock(&fs->lock);
    return f;
}

int files_next_fd(struct files *fs, int from)
{
    int found = -1;

    spin_lock(&fs->lock);
    for (unsigned int n = (unsigned int)from; n < fs->cap; n++)
        if (fs->fd[n]) {
            found = (int)n;
            break;
        }
    spin_unlock(&fs->lock);
    return found;
}

unsigned int files_capacity(struct files *fs)
{
    return READ_ONCE(fs->cap);
}

static __always_inline struct fdref fdref_find(int fd)
{
    struct files *fs = current->files;

    if (likely(atomic_read(&fs->refs) == 1)) {
        if (unlikely((unsigned int)fd >= fs->cap))
            return (struct fdref){NULL, false};
        return (struct fdref){fs->fd[fd], false};
    }
    struct file *f = files_lookup(fs, fd);
    return (struct fdref){f, f != NULL};
}

struct fdref fdref_get_any(int fd)
{
    return fdref_find(fd);
}

struct fdref fdref_get(int fd)
{
    struct fdref r = fdref_find(fd);

    if (r.file && unlikely(r.file->f_mode & FMODE_PATH)) {
        fdref_put(r);
        return (struct fdref){NULL, false};
    }
    return r;
}

struct file *fd_get_any(int fd)
{
    return files_lookup(current->files, fd);
}

struct file *fd_get(int fd)
{
    struct file *f = fd_get_any(fd);

    if (f && (f->f_mode & FMODE_PATH)) {
        file_put(f);
        return NULL;
    }
    return f;
}

/* ---- numbers ---- */

static unsigned int fd_limit(void)
{
    return (unsigned int)min(task_rlimit(RLIMIT_NOFILE), (u64)FD_MAX);
}

/* Lowest free number >= @from, or cap. */
static unsigned int lowest_free(const struct files *fs, unsigned int from)
{
    unsigned int w = from / 64;
    u64 taken;

    if (from >= fs->cap)
        return from;
    taken = fs->open[w] | ((1ULL << (from % 64)) - 1);
    while (taken == ~0ULL) {
        if (++w == fs->cap / 64)
            return fs->cap;
        taken = fs->open[w];
    }
    return w * 64 + (unsigned int)__builtin_ctzll(~taken);
}

int fd_reserve_from(unsigned int min_fd, unsigned int flags)
{
    struct files *fs = current->files;
    unsigned int limit = fd_limit(), n;

    if (min_fd >= limit)
        return -EMFILE;
    spin_lock(&fs->lock);
    for (;;) {
        n = lowest_free(fs, max(min_fd, fs->next));
        if (n >= limit) {
            spin_unlock(&fs->lock);
            return -EMFILE;
        }
        if (n < fs->cap)
            break;
        spin_unlock(&fs->lock);
        int ret = files_grow(fs, n);
        if (ret)
            return ret;
        spin_lock(&fs->lock);
    }
    bit_assign(fs->open, n, true);
    bit_assign(fs->cloexec, n, flags & O_CLOEXEC);
    if (min_fd <= fs->next)
        fs->next = n + 1;
    spin_unlock(&fs->lock);
    return (int)n;
}

int fd_reserve(unsigned int flags)
{
    return fd_reserve_from(0, flags);
}

void fd_install(int fd, struct file *f)
{
    struct files *fs = current->files;

    spin_lock(&fs->lock);
    ASSERT(fs->fd[fd] == NULL && bit_test(fs->open, (unsigned int)fd));
    fs->fd[fd] = f;
    spin_unlock(&fs->lock);
}

/* Takes what stands at @fd out (maybe NULL) and frees the number. Lock held. */
static struct file *slot_clear(struct files *fs, unsigned int fd)
{
    struct file *f = fs->fd[fd];

    fs->fd[fd] = NULL;
    bit_assign(fs->open, fd, false);
    bit_assign(fs->cloexec, fd, false);
    if (fd < fs->next)
        fs->next = fd;
    return f;
}

void fd_unreserve(int fd)
{
    struct files *fs = current->files;

    spin_lock(&fs->lock);
    (void)slot_clear(fs, (unsigned int)fd);
    spin_unlock(&fs->lock);
}

long fd_install_pair(struct file *f[2], int __user *fds, unsigned int flags)
{
    int fd[2];
    long ret;

    fd[0] = fd_reserve(flags);
    fd[1] = fd[0] < 0 ? fd[0] : fd_reserve(flags);
    ret = fd[1] < 0 ? fd[1] : copy_to_user(fds, fd, sizeof(fd));
    if (ret == 0) {
        fd_install(fd[0], f[0]);
        fd_install(fd[1], f[1]);
        return 0;
    }
    if (fd[1] >= 0)
        fd_unreserve(fd[1]);
    if (fd[0] >= 0)
        fd_unreserve(fd[0]);
    file_put(f[0]);
    file_put(f[1]);
    return ret;
}

int fd_alloc_install(struct file *f, unsigned int flags)
{
    int fd = fd_reserve(flags);

    if (fd >= 0)
        fd_install(fd, f);
    return fd;
}

bool files_is_cloexec(struct files *fs, int fd)
{
    bool on;

    spin_lock(&fs->lock);
    on = (unsigned int)fd < fs->cap && bit_test(fs->cloexec, (unsigned int)fd);
    spin_unlock(&fs->lock);
    return on;
}

bool fd_get_cloexec(int fd)
{
    return files_is_cloexec(current->files, fd);
}

int fd_set_cloexec(int fd, bool on)
{
    struct files *fs = current->files;
    int ret = -EBADF;

    spin_lock(&fs->lock);
    if ((unsigned int)fd < fs->cap && fs->fd[fd]) {
        bit_assign(fs->cloexec, (unsigned int)fd, on);
        ret = 0;
    }
    spin_unlock(&fs->lock);
    return ret;
}

/* ---- closing ---- */

int fd_close(int fd)
{
    struct files *fs = current->files;
    struct file *f = NULL;

    spin_lock(&fs->lock);
    if ((unsigned int)fd < fs->cap && fs->fd[fd])
        f = slot_clear(fs, (unsigned int)fd);
    spin_unlock(&fs->lock);
    if (!f)
        return -EBADF;
    file_close(fs, f);
    return 0;
}

void files_close_on_exec(struct files *fs)
{
    for (unsigned int w = 0; w < fs->cap / 64; w++)
        for_each_bit(n, fs->cloexec[w] & fs->open[w], w * 64)
        {
            struct file *f;

            spin_lock(&fs->lock);
            f = slot_clear(fs, n);
            spin_unlock(&fs->lock);
            if (f)
                file_close(fs, f);
        }
}

SYSCALL1(close, int, fd)
{
    return fd_close(fd);
}

static void cloexec_range(unsigned int first, unsigned int last)
{
    for (int fd = files_next_fd(current->files, (int)first); fd >= 0 && (unsigned int)fd <= last;
         fd = files_next_fd(current->files, fd + 1))
        (void)fd_set_cloexec(fd, true);
}

SYSCALL3(close_range, unsigned int, first, unsigned int, last, unsigned int, flags)
{
    if (flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC))
        return -EINVAL;
    if (first > last)
        return -EINVAL;
    if (flags & CLOSE_RANGE_UNSHARE) {
        struct files *own = files_unshare(current->files);

        if (IS_ERR(own))
            return PTR_ERR(own);
        spin_lock(&current->lock);
        current->files = own;
        spin_unlock(&current->lock);
    }
    if (first >= FD_MAX)
        return 0;
    if (flags & CLOSE_RANGE_CLOEXEC) {
        cloexec_range(first, last);
        return 0;
    }
    for (int fd = files_next_fd(current->files, (int)first); fd >= 0 && (unsigned int)fd <= last;
         fd = files_next_fd(current->files, fd + 1))
        (void)fd_close(fd);
    return 0;
}

/* ---- duplicating ---- */

SYSCALL1(dup, int, fd)
{
    struct file *f = fd_get_any(fd);
    int new;

    if (!f)
        return -EBADF;
    new = fd_alloc_install(f, 0);
    if (new < 0)
        file_put(f);
    return new;
}

static int do_dup(unsigned int old, unsigned int new, unsigned int flags)
{
    struct files *fs = current->files;
    struct file *f, *was;

    if (new >= fd_limit())
        return -EBADF;
    f = fd_get_any((int)old);
    if (!f)
        return -EBADF;
    spin_lock(&fs->lock);
    while (new >= fs->cap) {
        spin_unlock(&fs->lock);
        int ret = files_grow(fs, new);
        if (ret) {
            file_put(f);
            return ret;
        }
        spin_lock(&fs->lock);
    }
    was = fs->fd[new];
    if (!was && bit_test(fs->open, new)) { /* another thread is about to fill it */
        spin_unlock(&fs->lock);
        file_put(f);
        return -EBUSY;
    }
    fs->fd[new] = f;
    bit_assign(fs->open, new, true);
    bit_assign(fs->cloexec, new, flags & O_CLOEXEC);
    spin_unlock(&fs->lock);
    if (was)
        file_close(fs, was);
    return (int)new;
}

SYSCALL3(dup3, unsigned int, old, unsigned int, new, int, flags)
{
    if ((flags & ~O_CLOEXEC) || old == new)
        return -EINVAL;
    return do_dup(old, new, (unsigned int)flags);
}

SYSCALL2(dup2, unsigned int, old, unsigned int, new)
{
    struct file *f;

    if (old != new)
        return do_dup(old, new, 0);
    f = fd_get_any((int)old);
    if (!f)
        return -EBADF;
    file_put(f);
    return (int)new;
}
