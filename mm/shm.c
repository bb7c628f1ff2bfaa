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
 * Source: shmget(2), shmop(2), ipc(2), POSIX.1-2017 sys/shm.h. Read next: fs/tmpfs
 * (shmem_file_create), mmap.c, shm_ctl.c.
 */
#include <asm/errno.h>
#include <kernel/printk.h>
#include <kernel/string.h>
#include <kernel/syscall.h>
#include <kernel/uaccess.h>
#include <mm/hugetlb.h>
#include <mm/slab.h>
#include <uapi/shm.h>
#include "shm_internal.h"
#include "vma_internal.h"

struct mutex shm_lock;
struct list_head shm_segments = LIST_HEAD_INIT(shm_segments);
int shm_nr_segments;
static int next_id;

void shm_init(void)
{
    mutex_init(&shm_lock, LOCK_MISC_SLEEP);
}

void shm_segment_put(struct shm_segment *s)
{
    if (!atomic_dec_and_test(&s->refs))
        return;
    mutex_lock(&shm_lock);
    ASSERT(s->mode & SHM_DEST); /* I1: its registration's went by IPC_RMID */
    ASSERT(shm_nr_segments > 0);
    list_del(&s->link);
    shm_nr_segments--;
    mutex_unlock(&shm_lock);
    file_put(s->object);
    kfree(s);
}

bool shm_permitted(const struct shm_segment *s, unsigned int want)
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

struct shm_segment *shm_find_get(int id)
{
    struct shm_segment *s;

    lock_assert_held(&shm_lock);
    list_for_each_entry(s, &shm_segments, link)
        if (s->id == id)
            return atomic_inc_not_zero(&s->refs) ? s : NULL;
    return NULL;
}

static struct shm_segment *find_key(int key)
{
    struct shm_segment *s;

    lock_assert_held(&shm_lock);
    list_for_each_entry(s, &shm_segments, link)
        if (s->key == key && key != IPC_PRIVATE)
            return s;
    return NULL;
}

static bool id_in_use(int id)
{
    struct shm_segment *s;

    lock_assert_held(&shm_lock);
    list_for_each_entry(s, &shm_segments, link)
        if (s->id == id)
            return true;
    return false;
}

static int segment_mmap(struct file *f, struct vma *v)
{
    struct shm_segment *s = f->private;

    ASSERT(atomic_read(&s->refs) > 0 && f->mapping == s->object->mapping);
    return s->object->op->mmap(s->object, v);
}

static void segment_release(struct file *f)
{
    shm_segment_put(f->private);
}

static int segment_fsync(struct file *f)
{
    (void)f;
    return 0;
}

static unsigned int segment_map_level(struct file *f, size_t *len)
{
    struct file *object = ((struct shm_segment *)f->private)->object;

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

static struct shm_segment *segment_alloc(int key, size_t size, int flags)
{
    struct shm_segment *s = kzalloc(sizeof(*s));
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
    s->ctime = shm_now();
    atomic_set(&s->refs, 1);
    return s;
}

/* shm_lock held: the existing segment with the key, checked as shmget does. Id or -errno; 0 and
 * *found false: none. */
static int existing(int key, size_t size, int flags, bool *found)
{
    struct shm_segment *s = find_key(key);

    *found = s != NULL;
    if (!s)
        return 0;
    if ((flags & (IPC_CREAT | IPC_EXCL)) == (IPC_CREAT | IPC_EXCL))
        return -EEXIST;
    if (size > s->size)
        return -EINVAL;
    return shm_permitted(s, (unsigned int)flags) ? s->id : -EACCES;
}

/* shm_lock held. */
static int register_segment(struct shm_segment *s)
{
    lock_assert_held(&shm_lock);
    ASSERT(atomic_read(&s->refs) == 1 && s->object != NULL);
    if (shm_nr_segments >= SHMMNI)
        return -ENOSPC;
    while (id_in_use(next_id))
        next_id = (next_id + 1) & 0x7fffffff;
    s->id = next_id;
    next_id = (next_id + 1) & 0x7fffffff;
    list_add_tail(&s->link, &shm_segments);
    shm_nr_segments++;
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
    struct shm_segment *s;
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
static long attach(struct shm_segment *s, struct mmap_request *r, int flags)
{
    char name[32];
    long at;

    ASSERT(atomic_read(&s->refs) > 0 && IS_ALIGNED(r->addr, PAGE_SIZE));
    snprintf(name, sizeof(name), "/SYSV%08x (deleted)", (unsigned int)s->key);
    r->file = file_alloc_anon(name, &segment_ops, flags & SHM_RDONLY ? O_RDONLY : O_RDWR, s);
    if (IS_ERR(r->file)) {
        shm_segment_put(s);
        return PTR_ERR(r->file);
    }
    r->file->mapping = s->object->mapping;
    r->len = s->size;
    at = mm_mmap(current->mm, r);
    if (!IS_ERR((void *)at)) {
        mutex_lock(&shm_lock);
        s->atime = shm_now();
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
    struct shm_segment *s;
    int err = id < 0 ? -EINVAL : attach_request(&r, flags);

    if (err)
        return err;
    if (flags & SHM_EXEC)
        want |= 0111;
    mutex_lock(&shm_lock);
    s = shm_find_get(id);
    if (!s)
        err = -EINVAL;
    else if (!shm_permitted(s, want))
        err = -EACCES;
    mutex_unlock(&shm_lock);
    if (!err)
        return attach(s, &r, flags);
    if (s)
        shm_segment_put(s);
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
    struct shm_segment *s;
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
    s->dtime = shm_now();
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
        return shm_ctl(first, (int)second, ptr);
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
