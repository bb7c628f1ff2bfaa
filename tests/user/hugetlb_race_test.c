/* SPDX-License-Identifier: MIT */
/*
 * Eight processes fight for a pool that is too small for them: reservations, private copies after
 * fork, shared files that are truncated and punched under their mappings, children that exit with
 * everything still mapped. At the end the counters are what they were.
 *
 * The same with faults: in round n the n-th place of each process, and of each child, finds no
 * memory or cannot copy. What was promised is kept all the same, calls answer with errors that
 * their manual pages know, and after each round no page is missing; until no fault falls any more.
 */
#include "fail_nth.h"
#include "huge.h"

#include <setjmp.h>
#include <time.h>

#define PROCESSES 8
#define SECONDS   4 /* on four CPUs */
#define POOL      12

static uint32_t seed;
static int nth; /* the place that fails in each process; 0: none */

/* Of a round, of all its processes. */
struct round {
    int fell;  /* faults that have fallen */
    int wrong; /* answers that nobody expects; the last one: */
    int error;
    char what[32];
};
static struct round *shared;

static uint32_t dice(uint32_t n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 16) % n;
}

static void note_wrong(const char *what, int error)
{
    if (shared == NULL)
        return;
    __atomic_fetch_add(&shared->wrong, 1, __ATOMIC_RELAXED);
    shared->error = error;
    strncpy(shared->what, what, sizeof(shared->what) - 1);
}

/* True when the call went well. It may answer ENOMEM, or @also. */
static bool went_well(const char *what, long result, int also)
{
    if (result != -1)
        return true;
    if (errno != ENOMEM && errno != also)
        note_wrong(what, errno);
    return false;
}

static sigjmp_buf back;

static void on_sigbus(int sig)
{
    (void)sig;
    siglongjmp(back, 1);
}

/* Once for a process and its children: try_write's calls around each access might fail, too. */
static void catch_sigbus(void)
{
    struct sigaction sa = {.sa_handler = on_sigbus, .sa_flags = SA_NODEFER};

    sigaction(SIGBUS, &sa, NULL);
}

static bool is_refused(char *p)
{
    if (sigsetjmp(back, 0))
        return true;
    *(volatile char *)p = 'W';
    return false;
}

/* Writes may be refused with SIGBUS: then the page is left alone. */
static void poke(char *p, size_t nr)
{
    for (size_t i = 0; i < nr; i++)
        if (dice(3))
            is_refused(p + i * huge_size + dice(1000));
}

/* These not: mmap said that there are pages for them. */
static void poke_promised(const char *what, char *p, size_t nr)
{
    for (size_t i = 0; i < nr; i++)
        if (dice(3) && is_refused(p + i * huge_size + dice(1000)))
            note_wrong(what, EFAULT);
}

static void poke_own(const char *what, char *p, size_t nr, int flags)
{
    if (flags & MAP_NORESERVE)
        poke(p, nr);
    else
        poke_promised(what, p, nr);
}

/* The n-th place of the calling process; ends in its exit, if it has not come before. */
static void begin_faults(void)
{
    if (nth == 0)
        return;
    close(nth_fd);
    fail_nth_open();
    arm(nth);
}

__attribute__((noreturn)) static void end(void)
{
    if (nth && armed() == 0)
        __atomic_fetch_add(&shared->fell, 1, __ATOMIC_RELAXED);
    _exit(0);
}

static void child_of_family(char *p, size_t nr)
{
    begin_faults();
    poke(p, nr);
    if (dice(2))
        went_well("munmap", munmap(p, huge_size), 0);
    end(); /* with the rest mapped */
}

static void private_family(void)
{
    size_t nr = 1 + dice(4);
    int flags = dice(4) ? 0 : MAP_NORESERVE;
    char *p = map_huge(nr, flags);
    pid_t pid;

    if (!went_well("mmap", (long)p, ENFILE))
        return;
    poke_own("promised, before fork", p, nr, flags);
    pid = (pid_t)syscall(SYS_fork); /* the library's blocks signals, and a fault may leave it so */
    if (pid == 0)
        child_of_family(p, nr);
    went_well("fork", pid, EAGAIN);
    poke_own("promised, after fork", p, nr, flags);
    if (dice(3) == 0)
        went_well("madvise", madvise(p, huge_size, MADV_DONTNEED), EAGAIN);
    if (dice(3) == 0)
        poke(p, nr);
    if (dice(2))
        went_well("munmap", munmap(p, nr * huge_size), 0);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    munmap(p, nr * huge_size);
}

static void shared_file(int fd)
{
    size_t nr = 1 + dice(3);
    char *p = mmap(NULL, nr * huge_size, RW, dice(4) ? MAP_SHARED : MAP_PRIVATE, fd, 0);
    bool mapped = went_well("mmap of the file", (long)p, 0);

    if (mapped) {
        poke(p, nr);
        if (dice(2))
            poke(p, nr);
    }
    if (dice(3) == 0)
        went_well("ftruncate", ftruncate(fd, (off_t)(dice(3) * huge_size)), 0);
    if (dice(3) == 0)
        went_well("punching",
                  fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                            (off_t)(dice(2) * huge_size), (off_t)huge_size),
                  0);
    if (dice(4) == 0)
        went_well("fallocate", fallocate(fd, 0, 0, (off_t)huge_size), ENOSPC);
    if (mapped) {
        poke(p, nr);
        if (dice(8))
            went_well("munmap", munmap(p, nr * huge_size), 0);
    }
}

static void moved(void)
{
    char *p = map_huge(2, 0), *q;

    if (!went_well("mmap", (long)p, ENFILE))
        return;
    poke_promised("promised, before the move", p, 2);
    q = (char *)sys_mremap(p, 2 * huge_size, 2 * huge_size, MREMAP_MAYMOVE | MREMAP_FIXED,
                           ((uintptr_t)1 << 43) + dice(64) * huge_size);
    if (!went_well("mremap", (long)q, 0))
        q = p;
    poke_promised("promised, after the move", q, 2);
    went_well("munmap", munmap(q + huge_size, huge_size), 0);
    went_well("munmap", munmap(q, huge_size), 0);
}

static void step(int fd)
{
    switch (dice(4)) {
    case 0: moved(); break;
    case 1: shared_file(fd); break;
    default: private_family(); break;
    }
}

/* For a time; under the sweep, which runs it again for each fault, a few steps. */
static void fight(int fd, unsigned int nr)
{
    time_t stop = time(NULL) + ktap_race_seconds(SECONDS);

    seed = nr * 7919 + 1;
    catch_sigbus();
    for (int i = 0; ktap_swept ? i < 2 : time(NULL) < stop; i++)
        step(fd);
    _exit(0);
}

static void check_pool(long total)
{
    struct pool now = pool_settled(total, 0);

    CHECK_EQ(now.total, total);
    CHECK_EQ(now.free, total);
    CHECK_EQ(now.reserved, 0);
    CHECK_EQ(now.surplus, 0);
}

/* How many of them ended otherwise than with 0, or by @signal. */
static int wait_all(const pid_t *pids, int signal)
{
    int wrong = 0;

    for (unsigned int i = 0; i < PROCESSES; i++) {
        int status = -1;

        if (pids[i] > 0)
            waitpid(pids[i], &status, 0);
        if (status == 0 || status == signal)
            continue;
        ktap_note("process %u ended with status 0x%x", i, status);
        wrong++;
    }
    return wrong;
}

TEST(eight_processes_exhaust_the_pool)
{
    pid_t pids[PROCESSES];
    int fd;

    set_pool(POOL);
    fd = huge_memfd();
    REQUIRE(fd >= 0);
    fflush(stdout);
    for (unsigned int i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            fight(fd, i);
        CHECK(pids[i] > 0);
    }
    CHECK_EQ(wait_all(pids, 0), 0);
    close(fd);
    check_pool(POOL);
}

/* ---- the same with faults ---- */

#define SCRAP    6 /* pages: four of the processes want that many */
#define STEPS    3
#define MAX_NTH  1000
#define IN_A_ROW 3 /* rounds without a fault: then there are no more */

/* What a process does in a round: always the same, but for what the others do. */
__attribute__((noreturn)) static void act(int fd, unsigned int script)
{
    seed = script * 7919 + 1;
    catch_sigbus();
    begin_faults();
    for (int i = 0; i < STEPS; i++)
        step(fd);
    end();
}

/* Round @n; false when something is wrong. */
static bool one_round(int fd, unsigned int first_script, int n)
{
    int failures = ktap_failures;
    pid_t pids[PROCESSES];
    struct stat st;

    nth = n;
    *shared = (struct round){0};
    for (unsigned int i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            act(fd, first_script + i);
    }
    CHECK_EQ(wait_all(pids, SIGSEGV), 0); /* when SIGBUS cannot be told to a handler */
    CHECK_OK(fstat(fd, &st));
    CHECK(st.st_blocks * 512 <= st.st_size); /* a fault that truncation has overtaken left a page */
    CHECK_OK(ftruncate(fd, 0));
    check_pool(SCRAP);
    CHECK_EQ(shared->wrong, 0);
    if (ktap_failures == failures)
        return true;
    ktap_note("round %d; last wrong: %s, %s", n, shared->what, strerror(shared->error));
    return false;
}

static void every_place(int fd, unsigned int first_script)
{
    int n = 0, idle = 0, faults = 0;

    while (n < MAX_NTH && idle < IN_A_ROW) {
        if (!one_round(fd, first_script, n))
            return;
        faults += shared->fell;
        idle = n > 0 && shared->fell == 0 ? idle + 1 : 0;
        n++;
    }
    CHECK(n < MAX_NTH);
    ktap_note("%d rounds, %d faults", n, faults);
}

/* Each number of CPUs has its own scripts. */
TEST(every_place_fails_in_eight_processes)
{
    unsigned int first_script = PROCESSES * (unsigned int)(sysconf(_SC_NPROCESSORS_ONLN) - 1);
    struct sweep_state before, after;
    int fd;

    fail_nth_open();
    set_pool(SCRAP);
    shared = mmap(NULL, sizeof(*shared), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    fd = huge_memfd();
    REQUIRE(fd >= 0 && shared != MAP_FAILED);
    ktap_note("%d processes, %d pages", PROCESSES, SCRAP);
    one_round(fd, first_script, 1); /* what is made once, at first use */
    CHECK(sweep_take_memory());     /* what we touch first later must not look lost */
    before = sweep_counts_settled();
    every_place(fd, first_script);
    after = sweep_look_settled();
    if (!CHECK(sweep_is_clean(&before, &after)))
        ktap_note("%ld pages and %ld objects lost, %ld violations", before.pages - after.pages,
                  after.objects - before.objects, after.violations);
    close(fd);
}

/* ---- a pool that changes ---- */

/* Persistent pages come and go meanwhile, with surplus allowed. */
TEST(while_the_pool_is_resized)
{
    long before = number_in(SURPLUS_FILE);
    pid_t pids[PROCESSES];
    int fd;

    set_pool(POOL);
    CHECK(write_number(SURPLUS_FILE, 3));
    fd = huge_memfd();
    REQUIRE(fd >= 0);
    fflush(stdout);
    for (unsigned int i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            fight(fd, i + 100);
    }
    for (int i = 0; i < (ktap_swept ? 5 : 60); i++) {
        write_number(NR_FILE, i % 5 * 3);
        usleep(ktap_swept ? 5000 : ktap_race_seconds(SECONDS) * 1000000 / 60);
    }
    wait_all(pids, 0);
    close(fd);
    CHECK(write_number(NR_FILE, 2));
    check_pool(2);
    CHECK(write_number(SURPLUS_FILE, before));
}

/* Moves the parent's pages again and again. */
static void keep_moving(const char *p, size_t len)
{
    char text[80];
    int n = snprintf(text, sizeof(text), "%d,0x%lx,0x%lx", getppid(), (unsigned long)p,
                     (unsigned long)p + len);

    for (;;) {
        int fd = open("/sys/kernel/debug/migrate_pages", O_WRONLY);

        if (fd < 0 || write(fd, text, (size_t)n) != n || ktap_swept)
            usleep(1000); /* not Quire; or each time is more places that fail */
        close(fd);
    }
}

/* Children share pages with their parent, which are moved: who does that looks at each address
 * space of the family, and is the last user of some when their processes end. Their pages come
 * back. */
TEST(last_user_is_the_kernel)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), nr = ktap_swept ? 8 : 64;
    int late = 0, children = ktap_swept ? 3 : 300;
    pid_t mover, pid;
    char *small;

    set_pool(1);
    small = mmap(NULL, nr * page, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(small != MAP_FAILED);
    for (size_t i = 0; i < nr; i++)
        small[i * page] = 1;
    fflush(stdout);
    mover = ktap_fork();
    if (mover == 0)
        keep_moving(small, nr * page);
    for (int i = 0; i < children; i++) {
        struct pool now;

        pid = fork();
        if (pid == 0) {
            char *p = map_huge(1, 0);

            if (p != MAP_FAILED)
                p[0] = 1;
            _exit(p == MAP_FAILED);
        }
        CHECK(pid > 0);
        waitpid(pid, NULL, 0);
        now = pool_now();
        late += now.free != 1;
        CHECK_POOL(1, 0);
    }
    kill(mover, SIGKILL);
    waitpid(mover, NULL, 0);
    printf("# %d of %d pages came back after wait\n", late, children);
}

KTAP_MAIN(CASE(eight_processes_exhaust_the_pool), CASE(every_place_fails_in_eight_processes),
          CASE(while_the_pool_is_resized), CASE(last_user_is_the_kernel))
