/* SPDX-License-Identifier: MIT */
/*
 * segv: five ways to touch memory wrongly, and what the kernel says about each in siginfo: the
 * signal, si_code and si_addr.
 */
#include "lib.h"

#include <err.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static sigjmp_buf back;
static siginfo_t caught;

static void on_fault(int sig, siginfo_t *info, void *context)
{
    caught = *info;
    siglongjmp(back, 1);
}

static const char *code_name(void)
{
    if (caught.si_signo == SIGSEGV) {
        switch (caught.si_code) {
        case SEGV_MAPERR: return "SEGV_MAPERR, nothing is mapped there";
        case SEGV_ACCERR: return "SEGV_ACCERR, the mapping does not allow it";
        default: break;
        }
    }
    if (caught.si_signo == SIGBUS && caught.si_code == BUS_ADRERR)
        return "BUS_ADRERR, the mapping has no memory there";
    return "?";
}

static void touch(const char *what, volatile char *at, bool write)
{
    memset(&caught, 0, sizeof(caught));
    if (sigsetjmp(back, 1) == 0) {
        if (write)
            *at = 1;
        else
            (void)*at;
        printf("%-30s %p: no signal\n", what, (void *)at);
        return;
    }
    printf("%-30s %p: SIG%s, si_addr %p, si_code %s\n", what, (void *)at,
           signal_name(caught.si_signo), caught.si_addr, code_name());
}

static char *map(int prot, int fd)
{
    void *p = mmap(NULL, 2 * (size_t)sysconf(_SC_PAGESIZE), prot,
                   fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, 0);

    if (p == MAP_FAILED)
        err(1, "mmap");
    return p;
}

int main(void)
{
    struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *p;
    int fd;

    sigaction(SIGSEGV, &sa, NULL);
    sigaction(SIGBUS, &sa, NULL);
    touch("read the null pointer", NULL, false);
    p = map(PROT_READ, -1);
    touch("write a read-only page", p + 100, true);
    munmap(p, 2 * page);
    touch("read what was unmapped", p + 100, false);
    p = map(PROT_NONE, -1);
    touch("read a PROT_NONE page", p + 200, false);
    fd = memfd_create("short", 0);
    if (fd < 0 || ftruncate(fd, (off_t)page) < 0)
        err(1, "memfd");
    p = map(PROT_READ | PROT_WRITE, fd);
    touch("write inside a file", p + 10, true);
    touch("write a page past its end", p + page + 10, true);
    return 0;
}
