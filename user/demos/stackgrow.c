/* SPDX-License-Identifier: MIT */
/*
 * stackgrow [KIB]: the stack grows as calls go deeper (1024 KiB by default), then a deep call runs
 * into its limit and a handler on another stack catches the fault.
 */
#include "lib.h"

#include <err.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static sigjmp_buf back;
static void *volatile fault_address;

static void report(const char *what)
{
    char *text = read_file("/proc/self/maps", NULL), *save = NULL;

    for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
         line = strtok_r(NULL, "\n", &save)) {
        struct proc_map m;

        if (proc_parse_map(line, &m) && strcmp(m.name, "[stack]") == 0)
            printf("%-24s %llx-%llx %6llu KiB\n", what, (unsigned long long)m.start,
                   (unsigned long long)m.end, (unsigned long long)(m.end - m.start) / 1024);
    }
    free(text);
}

static __attribute__((noinline)) int descend(size_t kib)
{
    volatile char frame[1024];

    frame[0] = (char)kib;
    frame[1023] = frame[0];
    if (kib == 0) {
        report("at the deepest call");
        return 0;
    }
    return descend(kib - 1) + frame[1023] - frame[0];
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
    fault_address = info->si_addr;
    siglongjmp(back, 1);
}

int main(int argc, char **argv)
{
    size_t kib = argc > 1 ? (size_t)parse_long(argv[1], "KiB") : 1024;
    stack_t other = {.ss_size = 65536, .ss_sp = xmalloc(65536)};
    struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    struct rlimit rl;

    report("at the start");
    descend(kib);
    report("after the return");
    getrlimit(RLIMIT_STACK, &rl);
    rl.rlim_cur = rl.rlim_cur == RLIM_INFINITY ? 8 << 20 : rl.rlim_cur;
    setrlimit(RLIMIT_STACK, &rl);
    sigaltstack(&other, NULL);
    sigaction(SIGSEGV, &sa, NULL);
    if (sigsetjmp(back, 1) == 0)
        descend((size_t)-1);
    printf("the limit is %llu KiB; the fault was at %p\n", (unsigned long long)rl.rlim_cur / 1024,
           fault_address);
    report("after the overflow");
    return 0;
}
