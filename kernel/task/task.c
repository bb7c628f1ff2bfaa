/* SPDX-License-Identifier: MIT */
/*
 * task.c: life of struct task and struct process, kernel threads, and the walk that checks them
 * all. Does not copy (fork.c) or end (exit.c) user processes.
 *
 * References of a task: one while it can run (the scheduler gives it back after the last switch
 * away), one while its id is hashed, and one per holder. Each struct task holds one reference to
 * its process. So a process lives until its leader was reaped and the last holder of any of its
 * threads let go.
 *
 * Locks: TASKLIST for the lists, and SIGHAND for a process's list of threads.
 * Invariants: I1 t->proc->threads contains t exactly while t is in all_tasks; I2 nr_threads is that
 * list's length, and nr_tasks that of all_tasks; I3 leader->tid == tgid. Checked by task_check.
 * Read next: pid.c, fork.c, exit.c.
 */
#include "internal.h"
#include <kernel/futex.h>
#include <kernel/ktest.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/string.h>
#include <kernel/vfs.h>
#include <mm/mm.h>
#include <mm/slab.h>
#include <mm/vmalloc.h>
#include <asm/errno.h>

static struct kmem_cache *task_cache __ro_after_init;
static struct kmem_cache *process_cache __ro_after_init;

static struct sighand kernel_sighand = { .refs = ATOMIC_INIT(1),
                                         .lock = SPINLOCK_INIT(LOCK_SIGHAND) };

struct process kproc = {
    .refs = ATOMIC_INIT(1),
    .threads = LIST_HEAD_INIT(kproc.threads),
    .children = LIST_HEAD_INIT(kproc.children),
    .sibling = LIST_HEAD_INIT(kproc.sibling),
    .child_wait = WAIT_QUEUE_INIT(kproc.child_wait),
    .exit_wait = WAIT_QUEUE_INIT(kproc.exit_wait),
    .pending = { .list = LIST_HEAD_INIT(kproc.pending.list) },
    .sighand = &kernel_sighand,
    .parent = &kproc,
    .user = &root_user,
    .unkillable = true,
};
struct process *init_process;
int nr_tasks;
int sysctl_threads_max = PID_MAX;

void task_init(void)
{
    u64 bytes = buddy_nr_total() << PAGE_SHIFT;

    task_cache = kmem_cache_create("task", sizeof(struct task), 64, NULL);
    process_cache = kmem_cache_create("process", sizeof(struct process), 64, NULL);
    pid_init();
    futex_init();
    /* Kernel stacks shall take no more than an eighth of memory. */
    sysctl_threads_max = (int)min((u64)PID_MAX, max(bytes / (8 * KSTACK_SIZE), (u64)128));
    rlimit_init(&kproc);
}

/* ---- tasks ----------------------------------------------------------------------------------- */

struct task *task_new(struct process *p)
{
    struct task *t = kmem_cache_alloc(task_cache, GFP_KERNEL);

    if (t == NULL)
        return NULL;
    memset(t, 0, offsetof(struct task, held));
    t->kstack = kstack_alloc();
    if (t->kstack == NULL) {
        kmem_cache_free(task_cache, t);
        return NULL;
    }
    t->state = TASK_NEW;
    t->proc = p;
    t->sighand = p->sighand;
    t->affinity.bits = ~0UL;
    atomic_set(&t->refs, 1);
    list_init(&t->thread_link);
    list_init(&t->task_link);
    spin_init(&t->lock, LOCK_FS_STRUCT);
    sigpending_init(&t->pending);
    return t;
}

struct task *task_alloc(void)
{
    struct task *t = task_new(&kproc);

    if (t == NULL)
        return NULL;
    process_get(&kproc);
    t->flags = TF_KTHREAD;
    return t;
}

static void task_free(struct task *t)
{
    arch_free_thread(t);
    if (t->kstack != NULL)
        kstack_free(t->kstack);
    process_put(t->proc);
    kmem_cache_free(task_cache, t);
}

static void task_free_rcu(struct rcu_head *head)
{
    task_free(container_of(head, struct task, rcu));
}

void task_put(struct task *t)
{
    if (!atomic_dec_and_test(&t->refs))
        return;
    /* Freeing a stack may sleep. The scheduler's last put cannot; wait4's, the frequent one, can.
     */
    if (arch_preempt_count() == 0 && irqs_enabled())
        task_free(t);
    else
        call_rcu(&t->rcu, task_free_rcu);
}

void task_set_comm(struct task *t, const char *name)
{
    char comm[TASK_COMM_LEN] = { 0 };

    strscpy(comm, name, sizeof(comm));
    spin_lock(&t->lock);
    memcpy(t->comm, comm, sizeof(comm));
    spin_unlock(&t->lock);
}

static u64 nr_forks; /* [T] */

u64 process_nr_forks(void)
{
    return READ_ONCE(nr_forks);
}

void task_link(struct task *t, struct process *p)
{
    lock_assert_held(&tasklist_lock);
    task_get(t);
    pid_hash_insert(t);
    list_add_tail(&t->task_link, &all_tasks);
    list_add_tail(&t->thread_link, &p->threads);
    nr_tasks++;
    nr_forks++;
    p->nr_threads++;
    p->nr_running++;
    atomic_inc(&p->nr_live);
    atomic_inc(&p->user->nr_procs);
}

void task_unlink(struct task *t)
{
    struct process *p = t->proc;
    unsigned long flags;
    u64 user, sys;

    lock_assert_held(&tasklist_lock);
    sched_task_times(t, &user, &sys);
    pid_hash_remove(t);
    list_del(&t->task_link);
    nr_tasks--;
    flags = sighand_lock(p);
    atomic_dec(&p->user->nr_procs);
    list_del(&t->thread_link);
    p->nr_threads--;
    p->dead_user_ns += user;
    p->dead_sys_ns += sys;
    p->dead_min_flt += t->min_flt;
    p->dead_maj_flt += t->maj_flt;
    p->dead_nvcsw += t->nvcsw;
    p->dead_nivcsw += t->nivcsw;
    sigpending_flush(&t->pending);
    if (p->nr_threads == 0)
        sigpending_flush(&p->pending);
    sighand_unlock(p, flags);
}

struct mm *task_mm_get(struct task *t)
{
    struct mm *mm;

    spin_lock(&t->lock);
    mm = t->mm;
    if (mm != NULL)
        mm_get(mm);
    spin_unlock(&t->lock);
    return mm;
}

/* ---- processes ------------------------------------------------------------------------------- */

struct process *process_alloc(void)
{
    struct process *p = kmem_cache_alloc(process_cache, GFP_KERNEL);

    if (p == NULL)
        return NULL;
    memset(p, 0, sizeof(*p));
    atomic_set(&p->refs, 1);
    list_init(&p->threads);
    list_init(&p->children);
    list_init(&p->sibling);
    wait_queue_init(&p->child_wait);
    wait_queue_init(&p->exit_wait);
    sigpending_init(&p->pending);
    return p;
}

void process_put(struct process *p)
{
    if (!atomic_dec_and_test(&p->refs))
        return;
    if (p->sighand != NULL)
        sighand_put(p->sighand);
    if (p->user != NULL)
        user_put(p->user);
    kmem_cache_free(process_cache, p);
}

/* ---- kernel threads -------------------------------------------------------------------------- */

static int kthread_main(void *arg)
{
    (void)arg;
    do_exit(current->kthread_fn(current->kthread_arg) << 8);
}

struct task *kernel_thread(int (*fn)(void *), void *arg, const char *name)
{
    struct clone_args_k args = { .fn = kthread_main };
    struct task *t = task_alloc();
    unsigned long flags, sflags;
    pid_t tid;

    if (t == NULL)
        return ERR_PTR(-ENOMEM);
    t->kthread_fn = fn;
    t->kthread_arg = arg;
    t->start_ns = clock_monotonic_ns();
    task_set_comm(t, name);
    sched_fork(t);
    if (arch_copy_thread(t, &args) != 0) {
        task_put(t);
        return ERR_PTR(-ENOMEM);
    }
    flags = spin_lock_irqsave(&tasklist_lock);
    tid = pid_alloc_locked();
    if (tid > 0) {
        t->tid = tid;
        sflags = sighand_lock(&kproc);
        task_link(t, &kproc);
        sighand_unlock(&kproc, sflags);
    }
    spin_unlock_irqrestore(&tasklist_lock, flags);
    if (tid < 0) {
        task_put(t);
        return ERR_PTR(-ENOMEM);
    }
    sched_start(t);
    return t;
}

/* ---- checks ---------------------------------------------------------------------------------- */

static int check_task(struct task *t)
{
    struct process *p = t->proc;
    struct task *other;
    int bad = 0, n = 0;
    bool listed = false;

    list_for_each_entry(other, &p->threads, thread_link) {
        n++;
        listed |= other == t;
    }
    bad += !listed;
    bad += n != p->nr_threads;
    bad += task_find_locked(t->tid) != t;
    bad += p != &kproc && (p->leader == NULL || p->leader->tid != p->tgid);
    bad += p->zombie != (p != &kproc && p->nr_running == 0);
    if (bad != 0)
        pr_err("task_check: thread %d of process %d: %d things wrong\n", t->tid, p->tgid, bad);
    return bad;
}

static int task_check(void)
{
    unsigned long flags = spin_lock_irqsave(&tasklist_lock);
    struct task *t;
    int bad = 0, n = 0;

    list_for_each_entry(t, &all_tasks, task_link) {
        bad += check_task(t);
        n++;
    }
    if (n != nr_tasks) {
        pr_err("task_check: %d tasks listed, %d counted\n", n, nr_tasks);
        bad++;
    }
    spin_unlock_irqrestore(&tasklist_lock, flags);
    return bad;
}
KCHECK("task_check", task_check);
