/* SPDX-License-Identifier: MIT */
/*
 * faulttrace.h: a ring of the last page faults, one line each:
 *
 *     seq time_ns cpu pid addr access kind level cost_insns
 *
 * access is r, w or x; kind is what the fault was (anon-zero anon cow reuse file shared stack
 * spurious segv bus oom intr); level is the leaf's; cost is in cycles of cycle_counter(), which are
 * instructions under QEMU's -icount shift=0.
 */
#pragma once
#include <kernel/types.h>

/* "1": on for all, "0": off, "pid N": on for one process. Text may end with a newline. 0, -EINVAL,
 * -ENOMEM. */
int faulttrace_control(const char *cmd);
/* Whole lines from entry *@pos on, as many as fit in @n bytes; *@pos moves on. 0 at the end. Lost
 * entries are skipped. */
size_t faulttrace_read(u64 *pos, char *buf, size_t n);

struct fault_event {
    vaddr_t addr;
    unsigned int flags; /* FAULT_* */
    const char *kind;
    unsigned int level;
    u64 cost;
};
extern bool faulttrace_on;
/* Current's fault; only when faulttrace_on. */
void faulttrace_record(const struct fault_event *e);
