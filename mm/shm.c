/* SPDX-License-Identifier: MIT */
/*
 * shm.c: System V shared memory: segments with an id and a key, attached by any process that may.
 *
 * A segment is a shared anonymous object (shmem_file_create) and its card here. Each shmat opens a
 * file of its own on the segment, so that a read-only attachment cannot be made writable later, and
 * maps it; splitting, forking and unmapping are then the ordinary business of areas and file
 * references. The segment lives as long as its id is registered or a file is open on it; IPC_RMID
 * takes the key away at once and the id with the last attachment. Attachments are counted by
 * looking: they are the areas on the object's list. Times of implicit detachments (exit, exec) are
 * not recorded.
 *
 * Locks: shm_lock (MISC_SLEEP) for the table and the fields of segments; not held while files are
 * opened, mapped or put.
 * Invariants: I1 refs of a segment = 1 while registered plus one per open file. Checked by
 * tests/kernel/mm/shm_ktest.c.
 * Source: shmget(2), shmop(2), shmctl(2), POSIX.1-2017 sys/shm.h. Read next: fs/tmpfs
 * (shmem_file_create), mmap.c.
 */
#include <asm/errno.h>
#include <kernel/printk.h>
#include <kernel/string.h>
#include <kernel/syscall.h>
#include <kernel/time.h>
#include <kernel/uaccess.h>
#include <kernel/vfs.h>
#include <mm/hugetlb.h>
#include <mm/page_cache.h>
#include <mm/slab.h>
#include <uapi/shm.h>
#include "vma_internal.h"

struct segment {
    struct list_head link; /* the table */
    int id;
    int key;
    size_t size;           /* bytes, as asked for */
    struct file *object;   /* [S] */
    atomic_t refs;
    uid_t uid, cuid;
    gid_t gid, cgid;
    unsigned int mode;     /* permissions, SHM_DEST, SHM_LOCKED */
    pid_t cpid, lpid;
    s64 atime, dtime, ctime; /* seconds */
};

static struct mutex shm_lock;
static LIST_HEAD(segments);
static int nr_segments, next_id;

void shm_init(void)
{
    mutex_init(&shm_lock, LOCK_MISC_SLEEP);
}

static s64 now(void)
{
    return (s64)(clock_realtime_ns() / NSEC_PER_SEC);
}

static u64 segment_pages(const struct segment *s)
{
    return PAGE_ALIGN(s->object->inode->size) >> PAGE_SHIFT;
}

/* Base pages that it has. */
static u64 resident_pages(const struct segment *s)
{
    size_t len = 1;
    unsigned int level = s->object->op->map_level ? s->object->op->map_level(s->object, &len) : 0;

    return mapping_nr_pages(s->object->mapping) << (pt_shift(level) - PAGE_SHIFT);
}

/* Last reference: the id goes, then the memory. */
static void segment_put(struct segment *s)
{
    if (!atomic_dec_and_test(&s->refs))
        return;
    mutex_lock(&shm_lock);
    ASSERT((s->mode & SHM_DEST) && nr_segments > 0); /* I1: its registration's went by IPC_RMID */
    list_del(&s->link);
    nr_segments--;
    mutex_unlock(&shm_lock);
    file_put(s->object);
    kfree(s);
}

/* May current have the access @want (permission bits of any class)? shm_lock held. */
static bool permitted(const struct segment *s, unsigned int want)
{
    const struct process *p = current->proc;
    unsigned int granted = s->mode;

    lock_assert_held(&shm_lock);
    want = (want >> 6) | (want >> 3) | want;
    if (p->euid == s->cuid || p->euid == s->uid)
        granted >>= 6;
    else if (p->egid == s->cgid || p->egid == s->gid)
        granted >>= 3;
    return !(want & ~granted & 7) || has_capability();
}

/* Is current its owner or creator? shm_lock held. */
static bool owns(const struct segment *s)
{
    lock_assert_held(&shm_lock);
    return current->proc->euid == s->uid || current->proc->euid == s->cuid || has_capability();
}

/* shm_lock held. NULL: no such id. A segment whose last reference just went is no longer there. */
static struct segment *find_get(int id)
{
    struct segment *s;

    lock_assert_held(&shm_lock);
    list_for_each_entry(s, &segments, link)
        if (s->id == id)
            return atomic_inc_not_zero(&s->refs) ? s : NULL;
    return NULL;
}

static struct segment *find_key(int key)
{
    struct segment *s;

    lock_assert_held(&shm_lock);
    list_for_each_entry(s, &segments, link)
        if (s->key == key && key != IPC_PRIVATE)
            return s;
    return NULL;
}

static bool id_in_use(int id)
{
    struct segment *s;

    lock_assert_held(&shm_lock);
    list_for_each_entry(s, &segments, link)
        if (s->id == id)
            return true;
    return false;
}

static int segment_mmap(struct file *f, struct vma *v)
{
    struct segment *s = f->private;

    ASSERT(atomic_read(&s->refs) > 0 && f->mapping == s->object->mapping);
    return s->object->op->mmap(s->object, v);
}

static void segment_release(struct file *f)
{
    segment_put(f->private);
}

static int segment_fsync(struct file *f)
{
    (void)f;
    return 0;
}

static unsigned int segment_map_level(struct file *f, size_t *len)
{
    struct file *object = ((struct segment *)f->private)->object;

    return object->op->map_level ? object->op->map_level(object, len) : 0;
}

static const struct file_ops segment_ops = { .mmap = segment_mmap,
                                             .map_level = segment_map_level,
                                             .release = segment_release,
                                             .fsync = segment_fsync };

static struct huge_pool *segment_pool(int flags)
{
    return huge_pool_by_log(((unsigned int)flags >> SHM_HUGE_SHIFT) & SHM_HUGE_MASK);
}

/* The memory: promised in full unless SHM_NORESERVE says otherwise. ERR_PTR. */
static struct file *make_object(const char *name, size_t size, int flags)
{
    bool promise = !(flags & SHM_NORESERVE) || sysctl_overcommit_memory == 2;
    struct huge_pool *pool;

    if (!(flags & SHM_HUGETLB))
        return shmem_file_create(name, size, promise ? 0 : VM_NORESERVE);
    pool = segment_pool(flags);
    return hugetlb_file_create(name, pool, ALIGN_UP(size, huge_size(pool)), promise);
}

static struct segment *segment_alloc(int key, size_t size, int flags)
{
    struct segment *s = kzalloc(sizeof(*s));
    const struct process *p = current->proc;
    char name[16];

    if (!s)
        return ERR_PTR(-ENOMEM);
    snprintf(name, sizeof(name), "SYSV%08x", (unsigned int)key);
    s->object = make_object(name, size, flags);
    if (IS_ERR(s->object)) {
        long err = PTR_ERR(s->object);

        kfree(s);
        return ERR_PTR(err);
    }
    ASSERT((size_t)s->object->inode->size >= size);
    s->key = key;
    s->size = size;
    s->mode = (unsigned int)flags & 0777;
    s->uid = s->cuid = p->euid;
    s->gid = s->cgid = p->egid;
    s->cpid = p->tgid;
    s->ctime = now();
    atomic_set(&s->refs, 1);
    return s;
}

/* shm_lock held: the existing segment with the key, checked as shmget does. Id or -errno; 0 and
 * *found false: none. */
static int existing(int key, size_t size, int flags, bool *found)
{
    struct segment *s = find_key(key);

    *found = s != NULL;
    if (!s)
        return 0;
    if ((flags & (IPC_CREAT | IPC_EXCL)) == (IPC_CREAT | IPC_EXCL))
        return -EEXIST;
    if (size > s->size)
        return -EINVAL;
    return permitted(s, (unsigned int)flags) ? s->id : -EACCES;
}

/* shm_lock held. */
static int register_segment(struct segment *s)
{
    lock_assert_held(&shm_lock);
    ASSERT(atomic_read(&s->refs) == 1 && s->object != NULL);
    if (nr_segments >= SHMMNI)
        return -ENOSPC;
    while (id_in_use(next_id))
        next_id = (next_id + 1) & 0x7fffffff;
    s->id = next_id;
    next_id = (next_id + 1) & 0x7fffffff;
    list_add_tail(&s->link, &segments);
    nr_segments++;
    return s->id;
}

static int create_checks(size_t size, int flags)
{
    if (size < SHMMIN || size > SHMMAX)
        return -EINVAL;
    if (flags & SHM_HUGETLB) {
        struct huge_pool *pool = segment_pool(flags);

        if (!pool || ALIGN_UP(size, huge_size(pool)) < size)
            return -EINVAL;
        return has_capability() ? 0 : -EPERM;
    }
    return 0;
}

SYSCALL3(shmget, int, key, size_t, size, int, flags)
{
    struct segment *s;
    bool found;
    int ret;

    mutex_lock(&shm_lock);
    ret = existing(key, size, flags, &found);
    mutex_unlock(&shm_lock);
    if (found)
        return ret;
    if (key != IPC_PRIVATE && !(flags & IPC_CREAT))
        return -ENOENT;
    ret = create_checks(size, flags);
    if (ret)
        return ret;
    s = segment_alloc(key, size, flags);
    if (IS_ERR(s))
        return PTR_ERR(s);
    mutex_lock(&shm_lock);
    ret = existing(key, size, flags, &found); /* somebody may have been faster */
    if (!found)
        ret = register_segment(s);
    mutex_unlock(&shm_lock);
    if (found || ret < 0) {
        file_put(s->object);
        kfree(s);
    }
    return ret;
}

/* Flags and address of an attachment, as mmap takes them. */
static int attach_request(struct mmap_request *r, int flags)
{
    r->prot =
        PROT_READ | (flags & SHM_RDONLY ? 0 : PROT_WRITE) | (flags & SHM_EXEC ? PROT_EXEC : 0);
    r->flags = MAP_SHARED;
    if (r->addr == 0)
        return flags & SHM_REMAP ? -EINVAL : 0;
    if (!IS_ALIGNED(r->addr, PAGE_SIZE)) {
        if (!(flags & SHM_RND))
            return -EINVAL;
        r->addr &= PAGE_MASK;
        if (r->addr == 0 && flags & SHM_REMAP)
            return -EINVAL;
    }
    if (r->addr != 0)
        r->flags |= flags & SHM_REMAP ? MAP_FIXED : MAP_FIXED | MAP_FIXED_NOREPLACE;
    return 0;
}

/* Maps @s, whose reference goes to the attachment's file. Address or -errno. */
static long attach(struct segment *s, struct mmap_request *r, int flags)
{
    char name[32];
    long at;

    ASSERT(atomic_read(&s->refs) > 0 && IS_ALIGNED(r->addr, PAGE_SIZE));
    snprintf(name, sizeof(name), "/SYSV%08x (deleted)", (unsigned int)s->key);
    r->file = file_alloc_anon(name, &segment_ops, flags & SHM_RDONLY ? O_RDONLY : O_RDWR, s);
    if (IS_ERR(r->file)) {
        segment_put(s);
        return PTR_ERR(r->file);
    }
    r->file->mapping = s->object->mapping;
    r->len = s->size;
    at = mm_mmap(current->mm, r);
    if (!IS_ERR((void *)at)) {
        mutex_lock(&shm_lock);
        s->atime = now();
        s->lpid = current->proc->tgid;
        mutex_unlock(&shm_lock);
    }
    file_put(r->file);
    return at == -EEXIST ? -EINVAL : at;
}

SYSCALL3(shmat, int, id, vaddr_t, addr, int, flags)
{
    struct mmap_request r = { .addr = addr };
    unsigned int want = flags & SHM_RDONLY ? 0444 : 0666;
    struct segment *s;
    int err = id < 0 ? -EINVAL : attach_request(&r, flags);

    if (err)
        return err;
    if (flags & SHM_EXEC)
        want |= 0111;
    mutex_lock(&shm_lock);
    s = find_get(id);
    if (!s)
        err = -EINVAL;
    else if (!permitted(s, want))
        err = -EACCES;
    mutex_unlock(&shm_lock);
    if (!err)
        return attach(s, &r, flags);
    if (s)
        segment_put(s);
    return err;
}

/* Does @v belong to the attachment at @addr: the file @f, or any when NULL? */
static bool is_attachment(const struct vma *v, vaddr_t addr, const struct file *f)
{
    return v->file && v->file->op == &segment_ops && (!f || v->file == f) &&
           v->start - addr == v->pgoff << PAGE_SHIFT;
}

/* mmap_lock held for writing. */
static int detach_at(struct mm *mm, vaddr_t addr, struct vma **dead)
{
    struct vma *v = vma_find(mm, addr);
    struct segment *s;
    struct file *f;
    vaddr_t end;
    int err = 0;

    ASSERT(rwsem_is_write_locked(&mm->mmap_lock));
    while (v && !is_attachment(v, addr, NULL))
        v = v->next;
    if (!v)
        return -EINVAL;
    f = v->file;
    s = f->private;
    ASSERT(atomic_read(&s->refs) > 0);
    end = addr + PAGE_ALIGN(s->object->inode->size);
    mutex_lock(&shm_lock);
    s->dtime = now();
    s->lpid = current->proc->tgid;
    mutex_unlock(&shm_lock);
    while (v && v->start < end && !err) {
        struct vma *next = v->next;

        if (is_attachment(v, addr, f))
            err = mm_unmap_locked(mm, v->start, v->end, dead);
        v = next;
    }
    return err;
}

SYSCALL1(shmdt, vaddr_t, addr)
{
    struct mm *mm = current->mm;
    struct vma *dead = NULL;
    int err;

    if (!IS_ALIGNED(addr, PAGE_SIZE))
        return -EINVAL;
    err = mmap_write_lock_killable(mm);
    if (err)
        return err;
    err = detach_at(mm, addr, &dead);
    mmap_write_unlock(mm);
    vma_free_chain(dead);
    return err;
}

static unsigned long count_attachments(struct segment *s)
{
    struct mapping *m = s->object->mapping;
    struct list_head *p;
    unsigned long n = 0;

    rwsem_read_lock(&m->vmas_lock);
    for (p = m->vmas.next; p != &m->vmas; p = p->next)
        n++;
    rwsem_read_unlock(&m->vmas_lock);
    return n;
}

static long shm_stat(int cmd, struct segment *s, struct shmid64_ds __user *out)
{
    struct shmid64_ds d;
    bool ok;

    memset(&d, 0, sizeof(d));
    mutex_lock(&shm_lock);
    ok = cmd == SHM_STAT_ANY || permitted(s, 0444);
    d.shm_perm.key = s->key;
    d.shm_perm.uid = s->uid;
    d.shm_perm.gid = s->gid;
    d.shm_perm.cuid = s->cuid;
    d.shm_perm.cgid = s->cgid;
    d.shm_perm.mode = s->mode;
    d.shm_segsz = s->size;
    d.shm_atime = s->atime;
    d.shm_dtime = s->dtime;
    d.shm_ctime = s->ctime;
    d.shm_cpid = s->cpid;
    d.shm_lpid = s->lpid;
    mutex_unlock(&shm_lock);
    if (!ok)
        return -EACCES;
    d.shm_nattch = count_attachments(s);
    if (copy_to_user(out, &d, sizeof(d)))
        return -EFAULT;
    return cmd == IPC_STAT ? 0 : s->id;
}

static long shm_set(struct segment *s, const struct shmid64_ds __user *in)
{
    struct shmid64_ds d;
    long err = 0;

    if (copy_from_user(&d, in, sizeof(d)))
        return -EFAULT;
    mutex_lock(&shm_lock);
    if (owns(s)) {
        s->uid = d.shm_perm.uid;
        s->gid = d.shm_perm.gid;
        s->mode = (s->mode & ~0777u) | (d.shm_perm.mode & 0777u);
        s->ctime = now();
    } else {
        err = -EPERM;
    }
    mutex_unlock(&shm_lock);
    return err;
}

/* IPC_RMID: the key is free for others, the segment ends with its last attachment. */
static long shm_remove(struct segment *s)
{
    bool allowed, first;

    mutex_lock(&shm_lock);
    allowed = owns(s);
    first = allowed && !(s->mode & SHM_DEST);
    if (first) {
        ASSERT(atomic_read(&s->refs) >= 2); /* the registration's and the caller's */
        s->mode |= SHM_DEST;
        s->key = IPC_PRIVATE;
    }
    mutex_unlock(&shm_lock);
    if (first)
        segment_put(s); /* the registration's */
    return allowed ? 0 : -EPERM;
}

/* Nothing leaves memory here; the mark is what ipcs shows. */
static long shm_lock_memory(struct segment *s, bool lock)
{
    long err = 0;

    mutex_lock(&shm_lock);
    if (!owns(s) || (lock && task_rlimit(RLIMIT_MEMLOCK) == 0 && !has_capability()))
        err = -EPERM;
    else
        s->mode = lock ? s->mode | SHM_LOCKED : s->mode & ~(unsigned int)SHM_LOCKED;
    mutex_unlock(&shm_lock);
    return err;
}

/* Index of the last segment in the table; its order stands for Linux's slots. */
static long shm_info(int cmd, void __user *out)
{
    struct shminfo64 limits = {
        .shmmax = SHMMAX, .shmmin = SHMMIN, .shmmni = SHMMNI, .shmseg = SHMMNI, .shmall = SHMMAX};
    struct shm_info info;
    struct segment *s;
    long last;

    memset(&info, 0, sizeof(info));
    mutex_lock(&shm_lock);
    info.used_ids = nr_segments;
    list_for_each_entry(s, &segments, link) {
        info.shm_tot += segment_pages(s);
        info.shm_rss += resident_pages(s);
    }
    ASSERT(nr_segments >= 0 && nr_segments <= SHMMNI);
    last = nr_segments ? nr_segments - 1 : 0;
    mutex_unlock(&shm_lock);
    if (cmd == IPC_INFO ? copy_to_user(out, &limits, sizeof(limits))
                        : copy_to_user(out, &info, sizeof(info)))
        return -EFAULT;
    return last;
}

/* SHM_STAT takes a place in the table instead of an id. */
static struct segment *nth_get(int n)
{
    struct segment *s;

    lock_assert_held(&shm_lock);
    list_for_each_entry(s, &segments, link)
        if (n-- == 0)
            return atomic_inc_not_zero(&s->refs) ? s : NULL;
    return NULL;
}

static long shm_control(int cmd, struct segment *s, void __user *buf)
{
    switch (cmd) {
    case IPC_STAT:
    case SHM_STAT:
    case SHM_STAT_ANY:
        return shm_stat(cmd, s, buf);
    case IPC_SET:
        return shm_set(s, buf);
    case IPC_RMID:
        return shm_remove(s);
    case SHM_LOCK:
    case SHM_UNLOCK:
        return shm_lock_memory(s, cmd == SHM_LOCK);
    default:
        return -EINVAL;
    }
}

SYSCALL3(shmctl, int, id, int, cmd, void __user *, buf)
{
    struct segment *s;
    long ret;

    cmd &= ~IPC_64;
    if (id < 0 || cmd < 0)
        return -EINVAL;
    if (cmd == IPC_INFO || cmd == SHM_INFO)
        return shm_info(cmd, buf);
    mutex_lock(&shm_lock);
    s = cmd == SHM_STAT || cmd == SHM_STAT_ANY ? nth_get(id) : find_get(id);
    mutex_unlock(&shm_lock);
    if (!s)
        return -EINVAL;
    ret = shm_control(cmd, s, buf);
    segment_put(s);
    return ret;
}

/*
 * The one call for all of System V IPC that older ABIs have; C libraries that shall run on Linux
 * before 5.1 use it there. Only its shared memory part exists here.
 */
#ifdef __NR_ipc
SYSCALL6(ipc, unsigned int, call, int, first, unsigned long, second, unsigned long, third,
         void __user *, ptr, long, fifth)
{
    long at;

    (void)fifth;
    switch (call) { /* the upper half is a version, which only 0 has for these */
    case SHMGET:
        return sys_shmget(first, second, (int)third);
    case SHMCTL:
        return sys_shmctl(first, (int)second, ptr);
    case SHMDT:
        return sys_shmdt((vaddr_t)ptr);
    case SHMAT:
        at = sys_shmat(first, (vaddr_t)ptr, (int)second);
        if (at >= 0 && put_user_u64((u64)at, (void __user *)third)) {
            (void)sys_shmdt((vaddr_t)at); /* nobody would ever know its address */
            return -EFAULT;
        }
        return at < 0 ? at : 0;
    default:
        return -ENOSYS;
    }
}
#endif
