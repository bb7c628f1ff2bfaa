/* SPDX-License-Identifier: MIT */
/*
 * oom.c: the last resort when memory is out: one process is killed so that the others can go on.
 *
 * Before that, pages go that programs gave up with MADV_FREE (lazyfree.c).
 *
 * The victim is the process whose end frees most: resident pages, also those behind links to shared
 * tables, plus page tables of its own, shifted by oom_score_adj (a thousandth of all memory per
 * step). Never init, never a kernel thread, never one with -1000. All processes that share its
 * memory die with it.
 *
 * One task at a time chooses; the others sleep a little and try their allocation again. A victim
 * that has not given its memory back yet is waited for rather than joined by a second one, for
 * VICTIM_PATIENCE_NS. A task that is about to die anyway may use the allocator's reserve
 * (TF_OOM_VICTIM, set by itself), so that it can reach its exit. Who asks may hold mmap_lock for
 * reading or a VMA's lock; the victim's exit takes neither of another address space.
 *
 * Locks: TASKLIST while processes are compared; task->mm is followed under it because address
 * spaces are freed by RCU. None while sleeping. Invariants: I1 at most one victim is chosen per
 * VICTIM_PATIENCE_NS while memory is not given back.
 * Checked by tests/kernel/mm/oom_ktest.c, tests/user. Source: proc(5), oom_score_adj. Read next:
 * buddy.c, pcp.c (who calls).
 */
#include <kernel/rcu.h>
#include <kernel/time.h>
#include <mm/compact.h>
#include <mm/pt_share.h>
#include <mm/slab.h>
#include "thp_internal.h"
#include "vma_internal.h"

#define OOM_ADJ_NEVER      (-1000)
#define OOM_MAX_ORDER      3 /* larger blocks fail for lack of neighbours, not of memory */
#define RETRY_NS           (2 * NSEC_PER_MSEC)
#define VICTIM_PATIENCE_NS (2 * NSEC_PER_SEC)

static int choosing; /* 1 while a task looks for a victim; changed by cmpxchg */
/* The last victim's address space; a reference to the structure, owned by who is choosing. */
static struct mm *victim_mm;
static u64 victim_deadline_ns;

/* An address space of @p, or NULL. TASKLIST held. */
static struct mm *process_mm(struct process *p)
{
    struct task *t;

    lock_assert_held(&tasklist_lock);
    list_for_each_entry(t, &p->threads, thread_link) {
        struct mm *mm = READ_ONCE(t->mm);

        if (mm)
            return mm;
    }
    return NULL;
}

/* Pages that the end of @p is worth; below zero: not to be killed. TASKLIST held. */
static long badness(struct process *p, long total_pages)
{
    struct mm *mm;
    long points, adj = READ_ONCE(p->oom_score_adj);

    if (p == &kproc || p->unkillable || p->tgid == 1 || adj == OOM_ADJ_NEVER)
        return -1;
    mm = process_mm(p);
    if (!mm || mm->oom_reaped)
        return -1;
    points = (long)mm_rss(mm) + (long)pt_share_rss(mm) + atomic_long_read(&mm->pt_pages);
    points += adj * (total_pages / 1000);
    return max(points, 1L);
}

unsigned int oom_score(struct process *p)
{
    long total = (long)buddy_nr_total(), points;
    unsigned long flags = spin_lock_irqsave(&tasklist_lock);

    points = badness(p, total);
    spin_unlock_irqrestore(&tasklist_lock, flags);
    if (points < 0)
        return 0;
    /* As Linux: a process that uses nothing has 2/3 of 1000, one that uses everything twice
     * that. */
    return (unsigned int)min((points * 1000 / total + 1000) * 2 / 3, 2000L);
}

/* The worst process, or NULL; it and its address space's structure with a reference. */
static struct process *choose(struct mm **mm)
{
    long total = (long)buddy_nr_total(), worst = 0;
    struct process *victim = NULL;
    unsigned long flags = spin_lock_irqsave(&tasklist_lock);
    struct task *t;

    list_for_each_entry(t, &all_tasks, task_link) {
        long points;

        if (t->proc == victim || t->proc->leader != t)
            continue;
        points = badness(t->proc, total);
        if (points > worst) {
            worst = points;
            victim = t->proc;
        }
    }
    *mm = victim ? process_mm(victim) : NULL;
    if (*mm && !atomic_inc_not_zero(&(*mm)->refs))
        *mm = NULL; /* it is through with its exit */
    if (victim)
        process_get(victim);
    spin_unlock_irqrestore(&tasklist_lock, flags);
    return victim;
}

static unsigned long to_kib(long pages)
{
    return (unsigned long)pages << (PAGE_SHIFT - 10);
}

static void log_kill(const struct process *p, const struct mm *mm, unsigned int order, gfp_t gfp)
{
    pr_warn("%s invoked oom-killer: gfp_mask=0x%x, order=%u, oom_score_adj=%d\n", current->comm,
            gfp, order, current->proc->oom_score_adj);
    pr_err("Out of memory: Killed process %d (%s) total-vm:%lukB, anon-rss:%lukB, file-rss:%lukB, "
           "shmem-rss:%lukB, "
           "UID:%u pgtables:%lukB oom_score_adj:%d\n",
           p->tgid, p->leader->comm, to_kib((long)mm->total_vm),
           to_kib(atomic_long_read(&mm->rss[MM_ANON])), to_kib(atomic_long_read(&mm->rss[MM_FILE])),
           to_kib(atomic_long_read(&mm->rss[MM_SHMEM])), p->uid,
           to_kib(atomic_long_read(&mm->pt_pages)), p->oom_score_adj);
}

/* Another process than @victim that lives in @mm and was not told yet, with a reference; *after:
 * where to go on. TASKLIST held. */
static struct process *next_sharer(struct mm *mm, const struct process *victim, pid_t *after)
{
    struct process *best = NULL;
    struct task *t;

    lock_assert_held(&tasklist_lock);
    list_for_each_entry(t, &all_tasks, task_link) {
        struct process *p = t->proc;

        if (READ_ONCE(t->mm) != mm || p == victim || p->unkillable || p->tgid == 1 ||
            p->tgid <= *after)
            continue;
        if (!best || p->tgid < best->tgid)
            best = p;
    }
    if (best) {
        *after = best->tgid;
        process_get(best);
    }
    return best;
}

/* SIGKILL to @p and to all that share its memory, which otherwise would not come back. */
static void kill(struct process *p, struct mm *mm)
{
    struct process *other;
    pid_t after = 0;

    ASSERT(READ_ONCE(choosing) == 1 && mm == victim_mm); /* whose end will be waited for */
    (void)signal_send_process(p, SIGKILL, NULL);
    do {
        unsigned long flags = spin_lock_irqsave(&tasklist_lock);

        other = next_sharer(mm, p, &after);
        spin_unlock_irqrestore(&tasklist_lock, flags);
        if (other) {
            (void)signal_send_process(other, SIGKILL, NULL);
            process_put(other);
        }
    } while (other);
}

/* Is the last victim's memory still to come? Owner of choosing. */
static bool victim_pending(void)
{
    ASSERT(READ_ONCE(choosing) == 1);
    if (!victim_mm)
        return false;
    ASSERT(atomic_read(&victim_mm->refs) > 0 && victim_deadline_ns != 0);
    /* An exit gives the users' reference back when everything is unmapped; ours is the other
     * one. */
    if (atomic_read(&victim_mm->refs) > 1 && clock_monotonic_ns() < victim_deadline_ns)
        return true;
    mm_drop(victim_mm);
    victim_mm = NULL;
    return false;
}

/* Owner of choosing. False when there is nobody to kill. */
static bool kill_somebody(unsigned int order, gfp_t gfp)
{
    struct mm *mm;
    struct process *p = choose(&mm);

    ASSERT(READ_ONCE(choosing) == 1 && victim_mm == NULL);
    if (!p)
        return false;
    if (mm) { /* else it just exited, which is as good */
        ASSERT(p != &kproc && !p->unkillable && p->tgid != 1);
        log_kill(p, mm, order, gfp);
        vmstat_inc(VMSTAT_oom_kill);
        victim_mm = mm;
        victim_deadline_ns = clock_monotonic_ns() + VICTIM_PATIENCE_NS;
        kill(p, mm);
    }
    process_put(p);
    return true;
}

/* We are going to die: the reserve is for us. */
static bool dying(void)
{
    if (!(current->flags & TF_EXITING) && !fatal_signal_pending())
        return false;
    current->flags |= TF_OOM_VICTIM;
    return true;
}

bool oom_out_of_memory(unsigned int order, gfp_t gfp)
{
    bool found = true;

    if (gfp & (GFP_ATOMIC | GFP_NOOOM) || order > OOM_MAX_ORDER || current->flags & TF_OOM_VICTIM)
        return false;
    if (dying())
        return true;
    if (lazyfree_reclaim() != 0 || compact_give_way() || gib_give_way())
        return true;
    if (cmpxchg(&choosing, 0, 1) == 0) {
        if (!victim_pending())
            found = kill_somebody(order, gfp);
        smp_store_release(&choosing, 0);
    }
    if (!found) {
        if (gfp & GFP_USER && current->mm)
            panic("Out of memory and no killable processes");
        return false;
    }
    if (!dying())
        (void)nanosleep_until(clock_monotonic_ns() + RETRY_NS, false, NULL);
    return true;
}
