/* SPDX-License-Identifier: MIT */
/*
 * The kernel copies large pieces through VSX registers, which may be a program's, live: all 64 of a
 * thread must be what they were behind reads, writes, copies between processes and copies of pages,
 * while other threads with other contents take the CPU away; and in signal frames.
 */
#include "../ktap.h"
#include "holding.h"

#include <pthread.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define NR_THREADS 6
#define ROUNDS     150
#define BYTES      32768ul

struct registers {
    unsigned char vsr[64][16];
} __attribute__((aligned(16)));

#define ALL_FPRS                                                                                   \
    "fr0", "fr1", "fr2", "fr3", "fr4", "fr5", "fr6", "fr7", "fr8", "fr9", "fr10", "fr11", "fr12",  \
        "fr13", "fr14", "fr15", "fr16", "fr17", "fr18", "fr19", "fr20", "fr21", "fr22", "fr23",    \
        "fr24", "fr25", "fr26", "fr27", "fr28", "fr29", "fr30", "fr31"

#define HOLD(work)                                                                                 \
    HOLDING(".machine push\n\t.machine power8\n\t"                                                 \
            ".set n, 0\n.rept 64\nlxvd2x n, 0, 9\naddi 9, 9, 16\n.set n, n + 1\n.endr",            \
            work,                                                                                  \
            ".set n, 0\n.rept 64\nstxvd2x n, 0, 10\naddi 10, 10, 16\n.set n, n + 1\n.endr\n\t"     \
            ".machine pop")

DEFINE_CALL_HOLDING(struct registers, HOLD, ALL_FPRS)

/* A store to each of 8 pages, which a fault replaces by copies. */
static void touch_holding(const struct registers *want, struct registers *got, char *at)
{
    register char *r3 __asm__("r3") = at;
    register const struct registers *r9 __asm__("r9") = want;
    register struct registers *r10 __asm__("r10") = got;

    __asm__ volatile(HOLD("li 4, 8\n\tmtctr 4\n1: stb 4, 100(3)\n\taddi 3, 3, 4096\n\tbdnz 1b")
                     : "+b"(r3), "+b"(r9), "+b"(r10)
                     :
                     : "r4", "ctr", "memory", ALL_FPRS);
}

struct worker {
    int file;
    unsigned int seed;
    char *from, *to;
};

static void fill(struct registers *r, unsigned int seed)
{
    for (unsigned int i = 0; i < sizeof(r->vsr); i++)
        ((unsigned char *)r->vsr)[i] = (unsigned char)(seed * 37 + i * 11 + i / 16);
}

/* Names what did not keep them; NULL: all did. */
static const char *round_of(const struct worker *w, unsigned int seed)
{
    struct iovec from = {w->from, BYTES}, to = {w->to, BYTES};
    struct registers want, got;
    char *page;

    fill(&want, seed);
    memset(w->from, (int)seed, BYTES);
    if (call_holding(&want, &got, CALL(SYS_pwrite64, w->file, (long)w->from, BYTES)) != BYTES ||
        memcmp(&got, &want, sizeof(got)) != 0)
        return "pwrite";
    if (call_holding(&want, &got, CALL(SYS_pread64, w->file, (long)w->to, BYTES)) != BYTES ||
        memcmp(&got, &want, sizeof(got)) != 0 || memcmp(w->from, w->to, BYTES) != 0)
        return "pread";
    memset(w->from, (int)~seed, BYTES);
    if (call_holding(&want, &got,
                     CALL(SYS_process_vm_readv, getpid(), (long)&to, 1, (long)&from, 1)) != BYTES ||
        memcmp(&got, &want, sizeof(got)) != 0 || memcmp(w->from, w->to, BYTES) != 0)
        return "process_vm_readv";
    page = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE, w->file, 0);
    touch_holding(&want, &got, page);
    if (memcmp(&got, &want, sizeof(got)) != 0 || page[99] != (char)seed || page[101] != (char)seed)
        return "copy on write";
    munmap(page, BYTES);
    return NULL;
}

static void *work(void *arg)
{
    const struct worker *w = arg;
    const char *bad = NULL;

    for (unsigned int i = 0; i < ROUNDS && !bad; i++)
        bad = round_of(w, w->seed + i);
    return (void *)bad;
}

static void make_worker(struct worker *w, unsigned int seed)
{
    w->seed = seed;
    w->file = (int)syscall(SYS_memfd_create, "vsx", 0);
    w->from = mmap(NULL, 2 * BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    w->to = w->from + BYTES;
    CHECK(w->file >= 0 && w->from != MAP_FAILED);
}

static void need_vsx(void)
{
    if (!(getauxval(AT_HWCAP) & PPC_FEATURE_HAS_VSX))
        ktap_skip("this CPU has no VSX");
}

TEST(registers_survive_the_kernels_copies)
{
    struct worker w[NR_THREADS];
    pthread_t t[NR_THREADS];
    void *bad;

    need_vsx();
    for (unsigned int i = 0; i < NR_THREADS; i++) {
        make_worker(&w[i], 40 * i);
        REQUIRE(pthread_create(&t[i], NULL, work, &w[i]) == 0);
    }
    for (unsigned int i = 0; i < NR_THREADS; i++) {
        pthread_join(t[i], &bad);
        if (bad)
            ktap_note("thread %u: not behind %s", i, (const char *)bad);
        CHECK(bad == NULL);
    }
}

/* A copy that ends in the middle, at memory that is not there: what the loop used comes back. */
TEST(registers_survive_a_copy_that_faults)
{
    struct registers want, got;
    struct worker w;

    need_vsx();
    make_worker(&w, 1);
    REQUIRE(pwrite(w.file, w.from, BYTES, 0) == BYTES);
    REQUIRE(mprotect(w.to + 8192, 4096, PROT_NONE) == 0);
    for (unsigned int i = 0; i < 20; i++) {
        fill(&want, i);
        CHECK_EQ(call_holding(&want, &got, CALL(SYS_pread64, w.file, (long)w.to + i, BYTES)),
                 8192 - i);
        CHECK(memcmp(&got, &want, sizeof(got)) == 0);
    }
}

/* The pages that a parent and its child write are copies; both keep their registers. */
TEST(registers_survive_fork_and_its_copies)
{
    struct registers want, got;
    struct worker w;
    int status;

    need_vsx();
    make_worker(&w, 7);
    for (unsigned int i = 0; i < 10; i++) {
        pid_t pid;

        memset(w.from, 1, BYTES);
        fill(&want, i);
        pid = fork();
        if (pid == 0)
            fill(&want, i + 100);
        touch_holding(&want, &got, w.from);
        if (pid == 0)
            _exit(memcmp(&got, &want, sizeof(got)) == 0 && w.from[99] == 1 ? 0 : 1);
        CHECK(memcmp(&got, &want, sizeof(got)) == 0);
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK_EQ(status, 0);
    }
}

/* Of a frame, as Linux has it: where it says that the vector registers are, and how they follow. */
#define FRAME_FPRS   (168 + 448)
#define FRAME_V_REGS (168 + 712)
#define V_REG_BYTES  16
#define NR_V_REGS    34

static struct registers interrupted, changed;
static volatile sig_atomic_t nested, nested_bad;

/* VSR i of a frame: its halves, or the whole of it from 32 on. */
static void copy_frame(char *uc, struct registers *r, bool to_frame)
{
    char *v = *(char **)(uc + FRAME_V_REGS);

    for (unsigned int i = 0; i < 64; i++) {
        char *high = i < 32 ? uc + FRAME_FPRS + 8 * i : v + V_REG_BYTES * (i - 32);
        char *low = i < 32 ? v + V_REG_BYTES * NR_V_REGS + 8 * i : high + 8;

        memcpy(to_frame ? high : (char *)r->vsr[i], to_frame ? (char *)r->vsr[i] : high, 8);
        memcpy(to_frame ? low : (char *)r->vsr[i] + 8, to_frame ? (char *)r->vsr[i] + 8 : low, 8);
    }
}

/* SIGUSR1: holds others itself, and is interrupted by SIGUSR2, which does the same, but changes
 * nothing of what it interrupts. */
static void on_nested(int sig, siginfo_t *info, void *uc)
{
    struct registers want, got;

    fill(&want, 200 + (unsigned int)sig);
    nested++;
    if (sig == SIGUSR1)
        copy_frame(uc, &interrupted, false);
    call_holding(&want, &got, CALL(SYS_kill, getpid(), sig == SIGUSR1 ? SIGUSR2 : 0));
    nested_bad += memcmp(&got, &want, sizeof(got)) != 0;
    if (sig == SIGUSR1)
        copy_frame(uc, &changed, true);
}

TEST(registers_go_through_signal_frames)
{
    struct sigaction sa = {.sa_sigaction = on_nested, .sa_flags = SA_SIGINFO};
    struct registers want, got;

    need_vsx();
    CHECK_OK(sigaction(SIGUSR1, &sa, NULL));
    CHECK_OK(sigaction(SIGUSR2, &sa, NULL));
    for (unsigned int i = 0; i < 20; i++) {
        fill(&want, i);
        fill(&changed, 100 + i);
        call_holding(&want, &got, CALL(SYS_kill, getpid(), SIGUSR1));
        CHECK(memcmp(&interrupted, &want, sizeof(want)) == 0);
        CHECK(memcmp(&got, &changed, sizeof(got)) == 0);
    }
    CHECK_EQ(nested, 40);
    CHECK_EQ(nested_bad, 0);
}

KTAP_MAIN(CASE(registers_survive_the_kernels_copies), CASE(registers_survive_a_copy_that_faults),
          CASE(registers_survive_fork_and_its_copies), CASE(registers_go_through_signal_frames))
