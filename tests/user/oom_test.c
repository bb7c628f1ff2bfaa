/* SPDX-License-Identifier: MIT */
/*
 * Memory runs out: the process that has most of it is killed, whole; others keep theirs and go on.
 * Fills all memory, so it runs only where there is little of it (a test machine), never on
 * somebody's desk.
 */
#include "ktap.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/sysinfo.h>

#define SMALL_MACHINE (1UL << 30)

static unsigned long total_bytes(void)
{
    struct sysinfo s;

    sysinfo(&s);
    return s.totalram * s.mem_unit;
}

static void skip_unless_small(void)
{
    if (ktap_swept)
        ktap_skip("fills all memory again for each fault, which takes minutes");
    if (total_bytes() > SMALL_MACHINE)
        ktap_skip("would fill all memory; runs on machines of up to 1 GiB");
}

static bool set_adj(int adj)
{
    char text[16];
    int fd = open("/proc/self/oom_score_adj", O_WRONLY),
        n = snprintf(text, sizeof(text), "%d", adj);
    bool ok = fd >= 0 && write(fd, text, n) == n;

    close(fd);
    return ok;
}

static int score(void)
{
    char text[16] = "";
    int fd = open("/proc/self/oom_score", O_RDONLY);

    if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
        return -1;
    close(fd);
    return atoi(text);
}

/* Maps and touches @bytes; NULL when it cannot. */
static char *take(unsigned long bytes)
{
    char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);

    if (p == MAP_FAILED)
        return NULL;
    for (unsigned long i = 0; i < bytes; i += 4096)
        p[i] = (char)(i >> 12);
    return p;
}

static bool intact(const char *p, unsigned long bytes)
{
    for (unsigned long i = 0; i < bytes; i += 4096)
        if (p[i] != (char)(i >> 12))
            return false;
    return true;
}

static void *hog(void *unused)
{
    while (take(1 << 20))
        ;
    return unused;
}

TEST(the_hog_dies_and_others_live)
{
    unsigned long bytes = total_bytes() / 8;
    int status;
    char *mine;
    pid_t pid;

    skip_unless_small();
    mine = take(bytes);
    REQUIRE(mine);
    pid = ktap_fork();
    if (pid == 0) {
        hog(NULL);
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    CHECK(intact(mine, bytes));
    CHECK(take(bytes) != NULL); /* its memory is back */
}

TEST(all_threads_of_the_hog_die)
{
    int status;
    pid_t pid;

    skip_unless_small();
    pid = ktap_fork();
    if (pid == 0) {
        pthread_t t[3];

        for (int i = 0; i < 3; i++)
            pthread_create(&t[i], NULL, hog, NULL);
        hog(NULL);
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

TEST(adjustment_decides)
{
    unsigned long bytes = total_bytes() / 3;
    int ready[2], status;
    pid_t spared, hogging;
    char c;

    skip_unless_small();
    if (!set_adj(-1000))
        ktap_skip("needs the right to lower oom_score_adj");
    REQUIRE(pipe(ready) == 0);
    spared = ktap_fork(); /* inherits -1000 */
    if (spared == 0) {
        char *p = take(bytes);

        (void)!write(ready[1], "x", 1);
        sleep(1000);
        _exit(p == NULL);
    }
    CHECK_EQ(read(ready[0], &c, 1), 1);
    set_adj(0);
    hogging = ktap_fork();
    if (hogging == 0) {
        hog(NULL);
        _exit(0);
    }
    CHECK_EQ(waitpid(hogging, &status, 0), hogging);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    CHECK_EQ(waitpid(spared, &status, WNOHANG), 0); /* it had more than we, and lives */
    kill(spared, SIGKILL);
    waitpid(spared, &status, 0);
}

static long vmstat(const char *name)
{
    FILE *f = fopen("/proc/vmstat", "r");
    char line[128];
    long value = -1;
    size_t len = strlen(name);

    while (f && fgets(line, sizeof(line), f))
        if (strncmp(line, name, len) == 0 && line[len] == ' ')
            value = atol(line + len);
    if (f)
        fclose(f);
    return value;
}

/* What a program gave up by MADV_FREE goes before anybody is killed; what it wrote since stays. */
TEST(given_up_pages_go_first)
{
    unsigned long bytes = total_bytes() / 2, page = 4096;
    long kills = vmstat("oom_kill"), freed = vmstat("pglazyfreed");
    int status;
    char *mine;
    pid_t pid;

    skip_unless_small();
    mine = take(bytes);
    REQUIRE(mine);
    if (madvise(mine, bytes, MADV_FREE) < 0)
        ktap_skip("no MADV_FREE");
    for (unsigned long i = 0; i < bytes; i += 64 * page)
        mine[i] = 'w';
    pid = ktap_fork();
    if (pid == 0) {
        unsigned long want = total_bytes() / 4 * 3;

        _exit(munmap(mine, bytes) == 0 && take(want) ? 7 : 8);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    CHECK_EQ(vmstat("oom_kill"), kills);
    CHECK(vmstat("pglazyfreed") > freed);
    for (unsigned long i = 0; i < bytes; i += page)
        if (i % (64 * page) == 0)
            CHECK_EQ(mine[i], 'w');
        else if (mine[i] != 0)
            REQUIRE(mine[i] == (char)(i >> 12));
}

TEST(score_follows_adjustment)
{
    int before = score(), after;

    REQUIRE(before >= 0);
    CHECK(set_adj(500));
    after = score();
    CHECK(after > before && after <= 2000);
    CHECK(set_adj(1000));
    CHECK(score() > after);
    if (set_adj(-1000)) /* never: whatever it uses */
        CHECK_EQ(score(), 0);
}

KTAP_MAIN(CASE(the_hog_dies_and_others_live), CASE(all_threads_of_the_hog_die),
          CASE(adjustment_decides), CASE(given_up_pages_go_first),
          CASE(score_follows_adjustment))
