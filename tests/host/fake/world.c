/* SPDX-License-Identifier: MIT */
/* world.c: see world.h. Objects are those of the kernel; only what is behind them is left out. */
#include <asm/errno.h>
#include <kernel/printk.h>
#include <kernel/string.h>
#include <kernel/uaccess.h>
#include <linux/falloc.h>
#include <mm/faulttrace.h>
#include <mm/page_cache.h>
#include <mm/pt_ops.h>
#include <mm/slab.h>
#include "host.h"
#include "mm/vma_internal.h"
#include "world.h"

struct task host_task;
struct process host_process, kproc;
spinlock_t tasklist_lock = SPINLOCK_INIT(LOCK_TASKLIST);
LIST_HEAD(all_tasks);
long host_nr_files;

struct host_file {
    struct file file;
    struct inode inode;
    struct mapping mapping;
    u64 committed; /* pages */
};

void host_world_init(u64 bytes)
{
    host_boot(bytes, PAGE_SIZE);
    pt_init();
    mm_init();
    host_task.proc = &host_process;
    spin_init(&host_task.lock, LOCK_FS_STRUCT);
    list_init(&host_process.threads);
    for (unsigned int i = 0; i < RLIM_NLIMITS; i++)
        host_process.rlim[i].rlim_cur = host_process.rlim[i].rlim_max = RLIM_INFINITY;
    set_current_task(&host_task);
}

u64 task_rlimit(int which)
{
    return host_process.rlim[which].rlim_cur;
}

bool fatal_signal_pending(void)
{
    return false;
}

void signal_send_fault(int sig, int code, vaddr_t addr, int trapno, unsigned long error)
{
    (void)code, (void)trapno, (void)error;
    panic("signal %d at 0x%lx", sig, addr);
}

static int file_mmap(struct file *f, struct vma *v)
{
    v->mapping = f->mapping;
    v->pt_ops = PT_DEFAULT;
    return 0;
}

static long file_fallocate(struct file *f, int mode, loff_t off, loff_t len)
{
    u64 first = (u64)off >> PAGE_SHIFT, last = (u64)(off + len) >> PAGE_SHIFT;

    if (mode != (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE))
        return -EOPNOTSUPP;
    mapping_unmap_range(f->mapping, first, last, false);
    mapping_truncate(f->mapping, first, last);
    return 0;
}

static const struct mapping_ops memory_only = { 0 };
static const struct file_ops file_ops = { .mmap = file_mmap, .fallocate = file_fallocate };

struct file *host_file_create(u64 size, unsigned int f_mode)
{
    struct host_file *h = kzalloc(sizeof(*h));

    if (!h)
        return ERR_PTR(-ENOMEM);
    mapping_init(&h->mapping, &memory_only, &h->inode, MAPPING_SHMEM);
    h->inode.size = size;
    h->inode.mapping = &h->mapping;
    h->file.inode = &h->inode;
    h->file.mapping = &h->mapping;
    h->file.op = &file_ops;
    h->file.f_mode = f_mode;
    atomic_set(&h->file.refs, 1);
    __atomic_fetch_add(&host_nr_files, 1, __ATOMIC_RELAXED);
    return &h->file;
}

struct file *shmem_file_create(const char *name, u64 size, unsigned int vm_flags)
{
    u64 pages = PAGE_ALIGN(size) >> PAGE_SHIFT;
    struct file *f;

    (void)name;
    if (vm_flags & VM_NORESERVE)
        pages = 0;
    if (pages && vm_commit(NULL, pages))
        return ERR_PTR(-ENOMEM);
    f = host_file_create(size, FMODE_READ | FMODE_WRITE);
    if (IS_ERR(f))
        vm_uncommit(pages);
    else
        container_of(f, struct host_file, file)->committed = pages;
    return f;
}

void file_put(struct file *f)
{
    struct host_file *h = container_of(f, struct host_file, file);

    if (!atomic_dec_and_test(&f->refs))
        return;
    REQUIRE(list_empty(&h->mapping.vmas) && atomic_read(&h->mapping.nr_writable) == 0);
    mapping_destroy(&h->mapping);
    vm_uncommit(h->committed);
    kfree(h);
    __atomic_fetch_sub(&host_nr_files, 1, __ATOMIC_RELAXED);
}

void host_file_truncate(struct file *f, u64 size)
{
    u64 first = (size + PAGE_SIZE - 1) >> PAGE_SHIFT;

    f->inode->size = size;
    mapping_unmap_range(f->mapping, first, ~0ULL, true);
    mapping_truncate(f->mapping, first, ~0ULL);
}

/* Processes: there is one, and it is found by nobody. */
struct task *task_find_get(pid_t tid)
{
    (void)tid;
    return NULL;
}

struct process *process_find_get(pid_t tgid)
{
    (void)tgid;
    return NULL;
}

pid_t pidfd_tgid(int fd, int *wait_options)
{
    (void)fd, (void)wait_options;
    return -EBADF;
}

void process_put(struct process *p)
{
    (void)p;
}

void task_put(struct task *t)
{
    (void)t;
}

bool process_may_access(struct process *p)
{
    return p == &host_process;
}

struct mm *task_mm_get(struct task *t)
{
    if (t->mm)
        mm_get(t->mm);
    return t->mm;
}

/* User memory: a test has none. */
int copy_from_user(void *dst, const void __user *src, size_t n)
{
    memcpy(dst, src, n);
    return 0;
}

int copy_to_user(void __user *dst, const void *src, size_t n)
{
    memcpy(dst, src, n);
    return 0;
}

size_t copy_to_iter(const void *src, size_t n, struct iov_iter *it)
{
    memcpy((char *)it->iov->iov_base + it->off, src, n);
    it->off += n;
    it->count -= n;
    return n;
}

size_t copy_from_iter(void *dst, size_t n, struct iov_iter *it)
{
    memcpy(dst, (char *)it->iov->iov_base + it->off, n);
    it->off += n;
    it->count -= n;
    return n;
}

/* Neighbours that tests do not look at. */
void shm_init(void)
{
}

bool faulttrace_on;
void faulttrace_record(const struct fault_event *e)
{
    (void)e;
}

struct file *fd_get(int fd)
{
    (void)fd;
    return NULL;
}
