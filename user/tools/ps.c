/* SPDX-License-Identifier: MIT */
/*
 * ps: every process, one line each. RSS and VSZ in KiB, TIME is CPU time, S the state letter of
 * proc(5). Kernel threads have no command line and are shown in brackets.
 */
#include "lib.h"

#include <err.h>
#include <stdlib.h>
#include <unistd.h>

static void print_command(pid_t pid, const char *name)
{
    char path[64];
    size_t len = 0;
    char *text;

    snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
    text = read_file(path, &len);
    if (!text || !len) {
        printf("[%s]\n", name);
        free(text);
        return;
    }
    for (size_t i = 0; i + 1 < len; i++) {
        if (!text[i])
            text[i] = ' ';
    }
    puts(text);
    free(text);
}

int main(void)
{
    uint64_t page_kb = (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
    uint64_t ticks = (uint64_t)sysconf(_SC_CLK_TCK);
    pid_t *pids;
    size_t nr = proc_pids(&pids);

    printf("%5s %5s %5s %5s S %3s %8s %8s %8s COMMAND\n", "PID", "PPID", "PGID", "SID", "THR",
           "VSZ", "RSS", "TIME");
    for (size_t i = 0; i < nr; i++) {
        struct proc_stat st;
        uint64_t seconds;

        if (!proc_read_stat(pids[i], &st))
            continue;
        seconds = (st.utime_ticks + st.stime_ticks) / ticks;
        printf("%5d %5d %5d %5d %c %3ld %8llu %8llu %2u:%02u:%02u ", (int)st.pid, (int)st.ppid,
               (int)st.pgrp, (int)st.session, st.state, st.nr_threads,
               (unsigned long long)st.vsize_bytes / 1024,
               (unsigned long long)(st.rss_pages * page_kb), (unsigned int)(seconds / 3600),
               (unsigned int)(seconds / 60 % 60), (unsigned int)(seconds % 60));
        print_command(st.pid, st.name);
    }
    free(pids);
    return 0;
}
