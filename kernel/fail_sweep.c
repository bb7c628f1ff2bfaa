/* SPDX-License-Identifier: MIT */
/*
 * fail_sweep.c: fault injection over whole programs, and what a system call may answer to it. Debug
 * kernels only.
 *
 * fail.c's counter is one task's. A program under test has children and threads, and repeats what
 * it does: the sweep's one counter counts for all tasks with make_it_fail, which fork and clone
 * hand on, and instead of "the n-th" it can mean "the first that is new": whose chain of callers,
 * from the place to the entry of the kernel, had no fault yet. So a run of the program per new
 * chain is enough until nothing fails any more, however often the program goes the same way.
 *
 * Each fault that falls during a system call marks the task; when the call returns with an error,
 * the error must be one that the manual page allows for lack of memory, or EFAULT for a user copy
 * that failed. Others are counted as violations, which /proc/kcheck and each kernel test's end take
 * (once: what happened is not looked at again), and told with the callers of the fault.
 *
 * Locks: none. The set of chains is a table of hashes that only grows (compare and swap); the state
 * is one word. Invariants: I1 each armed fault falls at most once; I2 a chain is in the set before
 * its fault falls. Checked by tests/kernel/lock/ktest_ktest.c. Source of the errors: the manual
 * pages and Linux's behaviour. Read next: fs/procfs/fail_sweep.c.
 */
#include <arch/debug.h>
#include <arch/ptrace.h>
#include <kernel/fail.h>
#include <kernel/kallsyms.h>
#include <kernel/ktest.h>
#include <kernel/printk.h>
#include <kernel/string.h>
#include <kernel/syscall.h>
#include <kernel/task.h>
#include <asm/errno.h>
#include <asm/unistd.h>

#ifdef CONFIG_DEBUG

#define MAX_CHAIN  40u
#define OWN_FRAMES 3u
#define SET_BITS   15
#define SET_SIZE   (1u << SET_BITS)
#define MAX_SHOWN  14u
#define NR_ALLOWED 3

static atomic_long_t sweep; /* FAIL_SWEEP_NEW, 0 off, or what is left of n */
static atomic_long_t nr_places;
static u64 set[SET_SIZE]; /* hashes of chains; 0 is empty */
static atomic_t nr_chains, nr_violations;

static struct {
    unsigned long pc[MAX_CHAIN];
    unsigned int n;
    enum fail_site site;
} last; /* the fault that fell last: one is armed at a time */

/* ---- the set of chains ---- */

static u64 chain_hash(const unsigned long *pc, unsigned int n, enum fail_site site)
{
    u64 h = 0xcbf29ce484222325ULL + site;

    for (unsigned int i = 0; i < n; i++) {
        h = (h ^ pc[i]) * 0x9e3779b97f4a7c15ULL;
        h ^= h >> 29;
    }
    return h ? h : 1;
}

static void set_add(u64 h)
{
    u64 found;

    for (u32 i = (u32)(h >> (64 - SET_BITS));; i = (i + 1) % SET_SIZE) {
        found = 0;
        if (__atomic_compare_exchange_n(&set[i], &found, h, false, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED))
            break;
        if (found == h)
            return;
    }
    if ((u32)atomic_inc_return(&nr_chains) >= SET_SIZE / 4 * 3)
        panic("fail_sweep: more chains of callers than its table holds");
}

static bool set_has(u64 h)
{
    for (u32 i = (u32)(h >> (64 - SET_BITS)); READ_ONCE(set[i]) != 0; i = (i + 1) % SET_SIZE)
        if (READ_ONCE(set[i]) == h)
            return true;
    return false;
}

/* ---- arming and falling ---- */

void fail_sweep_set(long n)
{
    atomic_long_set(&nr_places, 0);
    atomic_long_set(&sweep, n);
}

bool fail_sweep_is_armed(void)
{
    return atomic_long_read(&sweep) != 0;
}

void fail_sweep_forget(void)
{
    memset(set, 0, sizeof(set));
    atomic_set(&nr_chains, 0);
}

u64 fail_sweep_nr_places(void)
{
    return (u64)atomic_long_read(&nr_places);
}

/* The callers from should_fail's on; the return addresses before are the way to here. */
static __noinline unsigned int get_chain(unsigned long *pc)
{
    unsigned long all[MAX_CHAIN + OWN_FRAMES];
    unsigned int n = arch_backtrace(NULL, all, MAX_CHAIN + OWN_FRAMES);

    n -= min(n, OWN_FRAMES);
    memcpy(pc, all + OWN_FRAMES, n * sizeof(*pc));
    return n;
}

static void record(const unsigned long *pc, unsigned int n, enum fail_site site)
{
    memcpy(last.pc, pc, n * sizeof(*pc));
    last.n = n;
    last.site = site;
    /* A copy that may not fault may fail at any time; whoever makes it has another way. */
    if (!(site == FAIL_USERCOPY && current->pagefault_disabled))
        current->fail_hit = (u8)(1 + site);
}

void fail_sweep_record(enum fail_site site)
{
    unsigned long pc[MAX_CHAIN];

    record(pc, get_chain(pc), site);
}

/* Takes the state from @from to @to; false when another task was quicker. */
static bool move_on(long from, long to)
{
    return __atomic_compare_exchange_n(&sweep.v, &from, to, false, __ATOMIC_RELAXED,
                                       __ATOMIC_RELAXED);
}

static bool count_down(long n)
{
    while (n > 0) {
        if (move_on(n, n - 1))
            return n == 1;
        n = atomic_long_read(&sweep);
    }
    return false;
}

bool fail_sweep_asks(enum fail_site site)
{
    long n = atomic_long_read(&sweep);
    unsigned long pc[MAX_CHAIN];
    unsigned int nr;
    u64 hash;

    if (n == 0)
        return false;
    atomic_long_inc(&nr_places);
    if (n != FAIL_SWEEP_NEW && !count_down(n))
        return false;
    nr = get_chain(pc);
    hash = chain_hash(pc, nr, site);
    if (n == FAIL_SWEEP_NEW && (set_has(hash) || !move_on(FAIL_SWEEP_NEW, 0)))
        return false;
    set_add(hash);
    record(pc, nr, site);
    return true;
}

static const char *caller(unsigned int i)
{
    unsigned long offset, size;
    const char *name = kallsyms_lookup(last.pc[i] - 1, &offset, &size);

    return name ? name : "?";
}

size_t fail_show_last(char *buf, size_t n)
{
    static const char *const kinds[NR_FAIL_SITES] = {"page", "slab", "user copy"};
    size_t len = (size_t)scnprintf(buf, n, "%s", kinds[last.site]);

    for (unsigned int i = 0; i < min(last.n, MAX_SHOWN); i++)
        len += (size_t)scnprintf(buf + len, n - len, " < %s", caller(i));
    return len;
}

/* ---- what calls may answer ---- */

/* Besides ENOMEM, when memory is lacking. */
static const struct {
    u16 nr;
    int err[NR_ALLOWED];
} allowed[] = {
    {__NR_fork, {EAGAIN}},
    {__NR_vfork, {EAGAIN}},
    {__NR_clone, {EAGAIN}},
    {__NR_clone3, {EAGAIN}},
    {__NR_execve, {E2BIG}}, /* no page for the strings */
    {__NR_execveat, {E2BIG}},
    {__NR_madvise, {EAGAIN}},
    {__NR_mincore, {EAGAIN}},
    {__NR_mlock, {EAGAIN}},
    {__NR_mlock2, {EAGAIN}},
    {__NR_mlockall, {EAGAIN}},
    {__NR_munlock, {EAGAIN}},
    {__NR_tkill, {EAGAIN}}, /* real-time signals */
    {__NR_tgkill, {EAGAIN}},
    {__NR_rt_sigqueueinfo, {EAGAIN}},
    {__NR_rt_tgsigqueueinfo, {EAGAIN}},
    {__NR_pidfd_send_signal, {EAGAIN}},
    {__NR_setuid, {EAGAIN}}, /* no record of what the user has in use */
    {__NR_setreuid, {EAGAIN}},
    {__NR_setresuid, {EAGAIN}},
    {__NR_timer_create, {EAGAIN}},
    {__NR_shmget, {ENOSPC}},
    {__NR_fallocate, {ENOSPC}}, /* no huge page for the file */
    {__NR_open, {ENOSPC}}, /* no inode for a new file */
    {__NR_openat, {ENOSPC}},
    {__NR_creat, {ENOSPC}},
    {__NR_mkdir, {ENOSPC}},
    {__NR_mkdirat, {ENOSPC}},
    {__NR_mknod, {ENOSPC}},
    {__NR_mknodat, {ENOSPC}},
    {__NR_symlink, {ENOSPC}},
    {__NR_symlinkat, {ENOSPC}},
    {__NR_link, {ENOSPC}},
    {__NR_linkat, {ENOSPC}},
    {__NR_process_vm_readv, {EFAULT}}, /* the other's page cannot be had */
    {__NR_process_vm_writev, {EFAULT}},
};

/* Did the fault fall in a page fault on user memory? Then the copy fails: EFAULT. */
static bool in_page_fault(void)
{
    for (unsigned int i = 0; i < last.n; i++)
        if (strcmp(caller(i), "mm_fault") == 0)
            return true;
    return false;
}

bool fail_errno_is_allowed(enum fail_site site, long nr, int err)
{
    if (err >= 512) /* the call starts again */
        return true;
    if (site == FAIL_USERCOPY)
        return err == EFAULT;
    if (err == ENOMEM)
        return true;
    for (unsigned int i = 0; i < ARRAY_SIZE(allowed); i++)
        for (unsigned int k = 0; allowed[i].nr == nr && k < NR_ALLOWED; k++)
            if (allowed[i].err[k] == err)
                return true;
    return false;
}

static void violation(const char *what, int value)
{
    char text[400];

    fail_show_last(text, sizeof(text));
    pr_err("fail_check: %s[%d]: %s %d after a fault in %s\n", current->comm, current->tid, what,
           value, text);
    atomic_inc(&nr_violations);
}

void fail_syscall_return(const struct pt_regs *regs)
{
    enum fail_site site = (enum fail_site)(current->fail_hit - 1);
    long ret = arch_syscall_result(regs), nr = regs_syscall_nr(regs);

    if (likely(current->fail_hit == 0))
        return;
    current->fail_hit = 0;
    if (nr < 0 || ret >= 0 || ret < -4095 || fail_errno_is_allowed(site, nr, (int)-ret))
        return;
    if (site != FAIL_USERCOPY && ret == -EFAULT && in_page_fault())
        return;
    violation(syscall_name((unsigned int)nr), (int)-ret);
}

void fail_user_return(void)
{
    current->fail_hit = 0;
}

void fail_tolerated(void)
{
    current->fail_hit = 0;
}

void fail_check_signal(int sig)
{
    if (current->fail_hit != 0 && current->fail_hit != 1 + FAIL_USERCOPY)
        violation("signal", sig);
}

int fail_take_violations(void)
{
    return __atomic_exchange_n(&nr_violations.v, 0, __ATOMIC_RELAXED);
}

#endif /* CONFIG_DEBUG */
