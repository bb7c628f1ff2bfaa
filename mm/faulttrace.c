/* SPDX-License-Identifier: MIT */
/*
 * faulttrace.c: remembers the last page faults for whoever wants to watch them.
 *
 * It costs a fault one load and one branch while it is off. It keeps the ring when it is switched
 * off, for reading.
 * Locks: one LEAF spin lock around the ring's contents.
 * Invariants: I1 entry s lies at ring[s % RING_SIZE] and is valid for next - RING_SIZE <= s < next.
 * Checked by tests/kernel/mm/fault_ktest.c. Read next: fault.c.
 */
#include <asm/errno.h>
#include <kernel/printk.h>
#include <kernel/string.h>
#include <kernel/task.h>
#include <kernel/time.h>
#include <mm/fault.h>
#include <mm/faulttrace.h>
#include <mm/vmalloc.h>

#define RING_SIZE 4096u
#define LINE_MAX  128u

struct entry {
    u64 time_ns;
    struct fault_event e;
    pid_t pid;
    u32 cpu;
};

bool faulttrace_on;
static struct entry *ring;
static u64 next; /* sequence number of the next entry */
static pid_t only_pid; /* 0: all */
static spinlock_t ring_lock = SPINLOCK_INIT(LOCK_LEAF);

void faulttrace_record(const struct fault_event *e)
{
    pid_t pid = current->proc->tgid;
    u64 now = clock_monotonic_ns();
    unsigned long flags;
    struct entry *to;

    if (only_pid != 0 && only_pid != pid)
        return;
    ASSERT(READ_ONCE(ring) != NULL && e->kind != NULL); /* made before the switch went on */
    flags = spin_lock_irqsave(&ring_lock);
    to = &ring[next % RING_SIZE];
    *to = (struct entry){ .time_ns = now, .e = *e, .pid = pid, .cpu = smp_processor_id() };
    next++;
    spin_unlock_irqrestore(&ring_lock, flags);
}

/* Digits and an optional newline; 0 when it is no positive number. */
static pid_t parse_pid(const char *s)
{
    const char *end;
    u64 v = parse_u64(s, &end);

    if (end == s || (*end != '\0' && strcmp(end, "\n") != 0) || v > 0x7fffffff)
        return 0;
    return (pid_t)v;
}

static bool is_word(const char *cmd, const char *word)
{
    size_t n = strlen(word);

    return strncmp(cmd, word, n) == 0 && (cmd[n] == '\0' || strcmp(cmd + n, "\n") == 0);
}

/* The ring is made once and stays. */
static bool have_ring(void)
{
    struct entry *new;

    if (READ_ONCE(ring) != NULL)
        return true;
    new = vmalloc(RING_SIZE * sizeof(ring[0]));
    if (new != NULL && cmpxchg(&ring, NULL, new) != NULL)
        vfree(new);
    return READ_ONCE(ring) != NULL;
}

int faulttrace_control(const char *cmd)
{
    pid_t pid = strncmp(cmd, "pid ", 4) == 0 ? parse_pid(cmd + 4) : 0;

    if (is_word(cmd, "0")) {
        WRITE_ONCE(faulttrace_on, false);
        return 0;
    }
    if (pid == 0 && !is_word(cmd, "1"))
        return -EINVAL;
    if (!have_ring())
        return -ENOMEM;
    WRITE_ONCE(only_pid, pid);
    __atomic_store_n(&faulttrace_on, true, __ATOMIC_RELEASE);
    return 0;
}

static char access_letter(unsigned int flags)
{
    return flags & FAULT_WRITE ? 'w' : flags & FAULT_EXEC ? 'x' : 'r';
}

/* Copies entry *@pos, or the oldest that is still there. */
static bool take(u64 *pos, struct entry *to)
{
    unsigned long flags = spin_lock_irqsave(&ring_lock);
    bool there;

    if (next > RING_SIZE && *pos < next - RING_SIZE)
        *pos = next - RING_SIZE;
    there = ring != NULL && *pos < next;
    if (there)
        *to = ring[*pos % RING_SIZE];
    spin_unlock_irqrestore(&ring_lock, flags);
    return there;
}

size_t faulttrace_read(u64 *pos, char *buf, size_t n)
{
    size_t done = 0;
    struct entry t;

    while (take(pos, &t)) {
        char line[LINE_MAX];
        int len = scnprintf(line, sizeof(line), "%llu %llu %u %d 0x%lx %c %s %u %llu\n",
                            (unsigned long long)*pos, (unsigned long long)t.time_ns, t.cpu, t.pid,
                            t.e.addr, access_letter(t.e.flags), t.e.kind, t.e.level,
                            (unsigned long long)t.e.cost);

        if (done + (size_t)len > n)
            break;
        memcpy(buf + done, line, (size_t)len);
        done += (size_t)len;
        ++*pos;
    }
    return done;
}
