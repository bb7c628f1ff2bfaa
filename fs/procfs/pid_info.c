/* SPDX-License-Identifier: MIT */
/*
 * pid_info.c: what a process is and has used: status, stat, statm, limits, comm, oom_*, schedstat,
 * io and the like.
 *
 * The formats are Linux's, field by field; what this kernel does not have is 0. Locks: TASKLIST and
 * SIGHAND for consistent ids and masks, mmap_lock for sizes. Source: proc(5). Read next:
 * pid_maps.c.
 */
#include "procfs.h"
#include <kernel/kallsyms.h>
#include <mm/pt_share.h>

#define TICKS_PER_SEC 100

u64 proc_ticks(u64 ns)
{
    return ns / (NSEC_PER_SEC / TICKS_PER_SEC);
}

static unsigned long kb(unsigned long pages)
{
    return pages << (PAGE_SHIFT - 10);
}

static char state_letter(const struct task *t)
{
    unsigned int s = READ_ONCE(t->state);

    if (s & (TASK_ZOMBIE | TASK_DEAD))
        return t->proc->zombie ? 'Z' : 'X';
    if (s & TASK_STOPPED)
        return 'T';
    if (s & (TASK_UNINTERRUPTIBLE | TASK_KILLABLE))
        return 'D';
    return s & TASK_INTERRUPTIBLE ? 'S' : 'R';
}

static const char *state_name(char letter)
{
    switch (letter) {
    case 'R': return "R (running)";
    case 'S': return "S (sleeping)";
    case 'D': return "D (disk sleep)";
    case 'T': return "T (stopped)";
    case 'Z': return "Z (zombie)";
    default: return "X (dead)";
    }
}

static void copy_comm(const struct task *t, char comm[TASK_COMM_LEN])
{
    memcpy(comm, t->comm, TASK_COMM_LEN);
    comm[TASK_COMM_LEN - 1] = '\0';
}

/* Sizes of an address space as status, stat and statm show them, in pages. */
struct mm_sizes {
    unsigned long vm, peak, locked, pinned, rss, hiwater, anon, file, shmem, data, stack, exec, lib,
        tables, shared_tables, hugetlb;
    vaddr_t start_code, end_code, start_stack, start_data, end_data, start_brk, arg_start, arg_end,
        env_start, env_end;
    bool present;
};

static void read_sizes(struct task *t, struct mm_sizes *z)
{
    struct mm *mm = task_mm_get(t);
    struct pt_share_usage shared;
    unsigned long text;

    memset(z, 0, sizeof(*z));
    if (!mm)
        return;
    mmap_read_lock(mm);
    pt_share_usage(mm, &shared);
    z->present = true;
    z->vm = mm->total_vm;
    z->locked = mm->locked_vm;
    z->pinned = mm->pinned_vm;
    z->anon = (unsigned long)max(atomic_long_read(&mm->rss[MM_ANON]), 0L);
    z->file = (unsigned long)max(atomic_long_read(&mm->rss[MM_FILE]), 0L) + shared.rss[MM_FILE];
    z->shmem = (unsigned long)max(atomic_long_read(&mm->rss[MM_SHMEM]), 0L) + shared.rss[MM_SHMEM];
    z->hugetlb =
        (unsigned long)max(atomic_long_read(&mm->rss[MM_HUGETLB]), 0L) + shared.rss[MM_HUGETLB];
    z->rss = z->anon + z->file + z->shmem;
    z->hiwater = max((unsigned long)mm->hiwater_rss, z->rss);
    z->data = mm->data_vm;
    z->stack = mm->stack_vm;
    text = (PAGE_ALIGN(mm->end_code) - ALIGN_DOWN(mm->start_code, PAGE_SIZE)) >> PAGE_SHIFT;
    z->exec = min(text, mm->exec_vm);
    z->lib = mm->exec_vm - z->exec;
    z->tables = (unsigned long)atomic_long_read(&mm->pt_pages);
    z->shared_tables = shared.tables;
    z->start_code = mm->start_code, z->end_code = mm->end_code, z->start_stack = mm->start_stack;
    z->start_data = mm->start_data, z->end_data = mm->end_data, z->start_brk = mm->start_brk;
    z->arg_start = mm->arg_start, z->arg_end = mm->arg_end, z->env_start = mm->env_start,
    z->env_end = mm->env_end;
    mmap_read_unlock(mm);
    mm_put(mm);
    z->peak = z->vm;
}

/* ---- status ---- */

static void status_ids(struct seq *s, struct task *t)
{
    const struct process *p = t->proc;
    struct files *fs = task_files_get(t);
    char comm[TASK_COMM_LEN];

    copy_comm(t, comm);
    seq_printf(s, "Name:\t%s\n", comm);
    seq_printf(s, "Umask:\t%04o\n", t->fs ? t->fs->umask : 0);
    seq_printf(s, "State:\t%s\n", state_name(state_letter(t)));
    seq_printf(s, "Tgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t0\n", p->tgid, t->tid,
               p->ppid);
    seq_printf(s, "Uid:\t%u\t%u\t%u\t%u\n", p->uid, p->euid, p->suid, p->fsuid);
    seq_printf(s, "Gid:\t%u\t%u\t%u\t%u\n", p->gid, p->egid, p->sgid, p->fsgid);
    seq_printf(s, "FDSize:\t%u\nGroups:\t", fs ? files_capacity(fs) : 0);
    for (int n = 0; n < p->ngroups; n++)
        seq_printf(s, "%u ", p->groups[n]);
    seq_printf(s, "\nNStgid:\t%d\nNSpid:\t%d\nNSpgid:\t%d\nNSsid:\t%d\n", p->tgid, t->tid, p->pgid,
               p->sid);
    if (fs)
        files_put(fs);
}

static void status_memory(struct seq *s, struct task *t)
{
    struct mm_sizes z;

    read_sizes(t, &z);
    if (!z.present)
        return;
    seq_printf(s, "VmPeak:\t%8lu kB\nVmSize:\t%8lu kB\n", kb(z.peak), kb(z.vm));
    seq_printf(s, "VmLck:\t%8lu kB\nVmPin:\t%8lu kB\n", kb(z.locked), kb(z.pinned));
    seq_printf(s, "VmHWM:\t%8lu kB\nVmRSS:\t%8lu kB\n", kb(z.hiwater), kb(z.rss));
    seq_printf(s, "RssAnon:\t%8lu kB\nRssFile:\t%8lu kB\nRssShmem:\t%8lu kB\n", kb(z.anon),
               kb(z.file), kb(z.shmem));
    seq_printf(s, "VmData:\t%8lu kB\nVmStk:\t%8lu kB\n", kb(z.data), kb(z.stack));
    seq_printf(s, "VmExe:\t%8lu kB\nVmLib:\t%8lu kB\n", kb(z.exec), kb(z.lib));
    seq_printf(s, "VmPTE:\t%8lu kB\nVmPTEShared:\t%8lu kB\nVmSwap:\t%8lu kB\n", kb(z.tables),
               kb(z.shared_tables), 0UL);
    seq_printf(s, "HugetlbPages:\t%8lu kB\n", kb(z.hugetlb));
    seq_printf(s, "CoreDumping:\t0\nTHP_enabled:\t%d\n", t->proc->thp_disable ? 0 : 1);
}

struct signal_sets {
    u64 pending, shared, blocked, ignored, caught;
};

static void read_signals(struct task *t, struct signal_sets *x)
{
    struct sighand *h = t->sighand;
    unsigned long flags;

    memset(x, 0, sizeof(*x));
    flags = spin_lock_irqsave(&tasklist_lock);
    if (h && !(READ_ONCE(t->state) & (TASK_ZOMBIE | TASK_DEAD))) {
        spin_lock(&h->lock);
        x->pending = t->pending.set.bits;
        x->shared = t->proc->pending.set.bits;
        x->blocked = t->blocked.bits;
        for (int sig = 1; sig <= NSIGNALS; sig++) {
            void *handler = h->action[sig - 1].handler;

            if (handler == SIG_IGN)
                x->ignored |= sigmask(sig);
            else if (handler != SIG_DFL)
                x->caught |= sigmask(sig);
        }
        spin_unlock(&h->lock);
    }
    spin_unlock_irqrestore(&tasklist_lock, flags);
}

static void status_signals(struct seq *s, struct task *t)
{
    unsigned long long caps = t->proc->euid == 0 ? 0x1ffffffffffULL : 0;
    struct signal_sets x;

    read_signals(t, &x);
    seq_printf(s, "Threads:\t%d\nSigQ:\t0/%llu\n", t->proc->nr_threads,
               (unsigned long long)t->proc->rlim[RLIMIT_SIGPENDING].rlim_cur);
    seq_printf(s, "SigPnd:\t%016llx\nShdPnd:\t%016llx\n", (unsigned long long)x.pending,
               (unsigned long long)x.shared);
    seq_printf(s, "SigBlk:\t%016llx\nSigIgn:\t%016llx\nSigCgt:\t%016llx\n",
               (unsigned long long)x.blocked, (unsigned long long)x.ignored,
               (unsigned long long)x.caught);
    seq_printf(s,
               "CapInh:\t%016llx\nCapPrm:\t%016llx\nCapEff:\t%016llx\nCapBnd:\t%016llx\nCapAmb:\t%"
               "016llx\n",
               0ULL, caps, caps, 0x1ffffffffffULL, 0ULL);
    seq_printf(s, "NoNewPrivs:\t%d\nSeccomp:\t0\nSeccomp_filters:\t0\n",
               t->flags & TF_NO_NEW_PRIVS ? 1 : 0);
}

int pid_show_status(struct seq *s, struct task *t)
{
    unsigned long mask =
        t->affinity.bits & ((nr_cpus_online >= 64 ? 0 : 1UL << nr_cpus_online) - 1);
    bool first = true;

    status_ids(s, t);
    status_memory(s, t);
    status_signals(s, t);
    seq_printf(s, "Cpus_allowed:\t%lx\nCpus_allowed_list:\t", mask);
    for (unsigned int n = 0; n < nr_cpus_online; n++)
        if (mask >> n & 1) {
            seq_printf(s, "%s%u", first ? "" : ",", n);
            first = false;
        }
    seq_puts(s, "\nMems_allowed:\t1\nMems_allowed_list:\t0\n");
    seq_printf(s, "voluntary_ctxt_switches:\t%llu\nnonvoluntary_ctxt_switches:\t%llu\n",
               (unsigned long long)t->nvcsw, (unsigned long long)t->nivcsw);
    return 0;
}

/* ---- stat: 52 fields ---- */

static void stat_times(struct seq *s, struct task *t)
{
    struct process *p = t->proc;
    u64 user, sys;

    process_times(p, &user, &sys);
    seq_printf(s, " %llu %llu %llu %llu", (unsigned long long)(p->dead_min_flt + t->min_flt),
               (unsigned long long)p->cmin_flt, (unsigned long long)(p->dead_maj_flt + t->maj_flt),
               (unsigned long long)p->cmaj_flt);
    seq_printf(s, " %llu %llu %llu %llu", (unsigned long long)proc_ticks(user),
               (unsigned long long)proc_ticks(sys), (unsigned long long)proc_ticks(p->cuser_ns),
               (unsigned long long)proc_ticks(p->csys_ns));
}

int pid_show_stat(struct seq *s, struct task *t)
{
    struct process *p = t->proc;
    bool secret = process_may_access(p) || p == current->proc;
    struct signal_sets x;
    struct mm_sizes z;
    char comm[TASK_COMM_LEN];
    dev_t tty;
    pid_t front = tty_of_process(p, &tty);

    read_signals(t, &x);
    read_sizes(t, &z);
    copy_comm(t, comm);
    seq_printf(s, "%d (%s) %c %d %d %d %u %d 0", t->tid, comm, state_letter(t), p->ppid, p->pgid,
               p->sid, MAJOR(tty) << 8 | MINOR(tty), front);
    stat_times(s, t);
    seq_printf(s, " %d %d %d 0 %llu", t->policy ? -1 - t->rt_priority : 20 + t->nice, t->nice,
               p->nr_threads, (unsigned long long)proc_ticks(t->start_ns));
    seq_printf(s, " %lu %lu %llu", z.vm << PAGE_SHIFT, z.rss,
               (unsigned long long)p->rlim[RLIMIT_RSS].rlim_cur);
    if (secret && z.present)
        seq_printf(s, " %lu %lu %lu 0 0", z.start_code, z.end_code, z.start_stack);
    else
        seq_puts(s, z.present ? " 1 1 0 0 0" : " 0 0 0 0 0");
    seq_printf(s, " %lu %lu %lu %lu", (unsigned long)(x.pending & 0x7fffffff),
               (unsigned long)(x.blocked & 0x7fffffff), (unsigned long)(x.ignored & 0x7fffffff),
               (unsigned long)(x.caught & 0x7fffffff));
    seq_printf(s, " 0 0 0 %d %u %u %u 0 0 0", p->exit_signal, t->cpu, t->rt_priority, t->policy);
    if (secret && z.present)
        seq_printf(s, " %lu %lu %lu %lu %lu %lu %lu", z.start_data, z.end_data, z.start_brk,
                   z.arg_start, z.arg_end, z.env_start, z.env_end);
    else
        seq_puts(s, " 0 0 0 0 0 0 0");
    seq_printf(s, " %d\n", secret ? t->exit_code : 0);
    return 0;
}

int pid_show_statm(struct seq *s, struct task *t)
{
    struct mm_sizes z;

    read_sizes(t, &z);
    seq_printf(s, "%lu %lu %lu %lu 0 %lu 0\n", z.vm, z.rss, z.file + z.shmem, z.exec,
               z.data + z.stack);
    return 0;
}

/* ---- limits ---- */

static void show_limit(struct seq *s, u64 v)
{
    if (v == ~0ULL)
        seq_printf(s, "%-20s ", "unlimited");
    else
        seq_printf(s, "%-20llu ", (unsigned long long)v);
}

int pid_show_limits(struct seq *s, struct task *t)
{
    static const struct {
        const char *name, *unit;
        int which;
    } limits[] = {
        {"Max cpu time", "seconds", RLIMIT_CPU},
        {"Max file size", "bytes", RLIMIT_FSIZE},
        {"Max data size", "bytes", RLIMIT_DATA},
        {"Max stack size", "bytes", RLIMIT_STACK},
        {"Max core file size", "bytes", RLIMIT_CORE},
        {"Max resident set", "bytes", RLIMIT_RSS},
        {"Max processes", "processes", RLIMIT_NPROC},
        {"Max open files", "files", RLIMIT_NOFILE},
        {"Max locked memory", "bytes", RLIMIT_MEMLOCK},
        {"Max address space", "bytes", RLIMIT_AS},
        {"Max file locks", "locks", RLIMIT_LOCKS},
        {"Max pending signals", "signals", RLIMIT_SIGPENDING},
        {"Max msgqueue size", "bytes", RLIMIT_MSGQUEUE},
        {"Max nice priority", "", RLIMIT_NICE},
        {"Max realtime priority", "", RLIMIT_RTPRIO},
        {"Max realtime timeout", "us", RLIMIT_RTTIME},
    };

    seq_printf(s, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
    for (unsigned int n = 0; n < ARRAY_SIZE(limits); n++) {
        const struct rlimit *r = &t->proc->rlim[limits[n].which];

        seq_printf(s, "%-25s ", limits[n].name);
        show_limit(s, r->rlim_cur);
        show_limit(s, r->rlim_max);
        if (limits[n].unit[0])
            seq_printf(s, "%-10s\n", limits[n].unit);
        else
            seq_puts(s, "\n");
    }
    return 0;
}

/* ---- small ones ---- */

int pid_show_comm(struct seq *s, struct task *t)
{
    char comm[TASK_COMM_LEN];

    copy_comm(t, comm);
    seq_printf(s, "%s\n", comm);
    return 0;
}

/* Only a thread of the same process may. */
ssize_t pid_store_comm(const char *buf, size_t n, struct task *t)
{
    char comm[TASK_COMM_LEN];

    if (t->proc != current->proc)
        return -EINVAL;
    (void)strscpy(comm, buf, sizeof(comm));
    for (char *c = comm; *c; c++)
        if (*c == '\n')
            *c = '\0';
    task_set_comm(t, comm);
    return (ssize_t)n;
}

int pid_show_personality(struct seq *s, struct task *t)
{
    seq_printf(s, "%08x\n", t->proc->personality);
    return 0;
}

int pid_show_wchan(struct seq *s, struct task *t)
{
    seq_puts(s, "0");
    return 0;
}

int pid_show_schedstat(struct seq *s, struct task *t)
{
    seq_printf(s, "%llu 0 %llu\n", (unsigned long long)t->run_ns,
               (unsigned long long)(t->nvcsw + t->nivcsw));
    return 0;
}

/* Reads and writes are not counted. */
int pid_show_io(struct seq *s, struct task *t)
{
    seq_puts(s, "rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: "
                "0\ncancelled_write_bytes: 0\n");
    return 0;
}

int pid_show_oom_score(struct seq *s, struct task *t)
{
    seq_printf(s, "%u\n", oom_score(t->proc));
    return 0;
}

int pid_show_oom_score_adj(struct seq *s, struct task *t)
{
    seq_printf(s, "%d\n", READ_ONCE(t->proc->oom_score_adj));
    return 0;
}

int pid_show_oom_adj(struct seq *s, struct task *t)
{
    int adj = READ_ONCE(t->proc->oom_score_adj);

    seq_printf(s, "%d\n", adj == 1000 ? 15 : adj * 17 / 1000);
    return 0;
}

ssize_t pid_store_oom_score_adj(const char *buf, size_t n, struct task *t)
{
    bool negative = buf[0] == '-';
    const char *end;
    long v = (long)parse_u64(buf + negative, &end);

    if (end == buf + negative || v > 1000)
        return -EINVAL;
    v = negative ? -v : v;
    if (v < READ_ONCE(t->proc->oom_score_adj) && !has_capability())
        return -EACCES;
    WRITE_ONCE(t->proc->oom_score_adj, (int)v);
    return (ssize_t)n;
}

/* ---- mounts ---- */

static int show_mounts(struct seq *s, struct task *t, bool mountinfo)
{
    struct fs_struct *fs;
    struct path root;

    spin_lock(&t->lock);
    fs = t->fs;
    if (fs)
        fs_get(fs);
    spin_unlock(&t->lock);
    if (!fs)
        return -EINVAL;
    root = fs_root_get(fs);
    fs_put(fs);
    mount_show(s, &root, mountinfo);
    path_put(&root);
    return 0;
}

int pid_show_mounts(struct seq *s, struct task *t)
{
    return show_mounts(s, t, false);
}

int pid_show_mountinfo(struct seq *s, struct task *t)
{
    return show_mounts(s, t, true);
}
