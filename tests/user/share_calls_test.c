/* SPDX-License-Identifier: MIT */
/*
 * The calls that say what shares page tables (prctl PR_SET_PT_SHARE, madvise MADV_NOSHAREPT), with
 * every wrong argument, what they do, and who has how much memory: ru_maxrss and oom_score count
 * pages that are mapped through the tables of an object.
 */
#include "share.h"

#include <linux/sched.h>
#include <sys/uio.h>

#define PR_SET_PT_SHARE 0x51510001
#define PR_GET_PT_SHARE 0x51510002
#define MADV_SHAREPT    0x5100
#define MADV_NOSHAREPT  0x5101
#define OBJECTS         1ul /* the bit of prctl that this is about */

static long set_bits(unsigned long bits)
{
    return syscall(SYS_prctl, PR_SET_PT_SHARE, bits, 0ul, 0ul, 0ul);
}

static long get_bits(void)
{
    long bits = syscall(SYS_prctl, PR_GET_PT_SHARE, 0ul, 0ul, 0ul, 0ul);

    if (bits < 0 && errno == EINVAL)
        ktap_skip("this kernel has no such call");
    return bits;
}

/* ---- prctl ---- */

TEST(prctl_wrong_arguments)
{
    long bits = get_bits();

    CHECK(bits & 1);
    CHECK_ERRNO(set_bits(1ul << 8), EINVAL);
    CHECK_ERRNO(set_bits(1ul << 31), EINVAL);
    CHECK_ERRNO(set_bits(1ul << 63 | OBJECTS), EINVAL);
    CHECK_ERRNO(set_bits(~0ul), EINVAL);
    for (int arg = 3; arg <= 5; arg++) {
        CHECK_ERRNO(syscall(SYS_prctl, PR_SET_PT_SHARE, OBJECTS, (long)(arg == 3), (long)(arg == 4),
                            (long)(arg == 5)),
                    EINVAL);
        CHECK_ERRNO(syscall(SYS_prctl, PR_GET_PT_SHARE, 0ul, (long)(arg == 3), (long)(arg == 4),
                            (long)(arg == 5)),
                    EINVAL);
    }
    CHECK_ERRNO(syscall(SYS_prctl, PR_GET_PT_SHARE, 1ul, 0ul, 0ul, 0ul), EINVAL);
    CHECK_ERRNO(syscall(SYS_prctl, 0x51510000, 0ul, 0ul, 0ul, 0ul), EINVAL);
    CHECK_ERRNO(syscall(SYS_prctl, 0x51510003, 0ul, 0ul, 0ul, 0ul), EINVAL);
    CHECK_EQ(get_bits(), bits); /* nothing has changed */
}

/* Touches what the parent has; how many links that took. */
static long links_of_a_toucher(const char *p, size_t len)
{
    long before = share_count(SHARE_PT);

    CHECK_EQ(share_wrong(p, len, 8), 0);
    return share_count(SHARE_PT) - before;
}

/* An object of @len, mapped and filled; skips where nobody shares. */
static char *filled_object(size_t len, int *fd)
{
    char *p;

    (void)get_bits();
    if (share_is_off("shared_pt=off"))
        ktap_skip("switched off at boot");
    p = share_new(len, fd);
    share_fill(p, len, 8);
    return p;
}

TEST(prctl_says_who_shares)
{
    size_t len = share_span();
    long bits = get_bits();
    int fd;
    char *p = filled_object(len, &fd);
    pid_t pid = peer();

    if (pid == 0) {
        CHECK(links_of_a_toucher(p, len) > 0);
        CHECK_OK(set_bits((unsigned long)bits & ~OBJECTS));
        CHECK_EQ(get_bits(), bits & ~(long)OBJECTS);
        CHECK_OK(madvise(p, len, MADV_DONTNEED));
        CHECK_EQ(links_of_a_toucher(p, len), 0);
        pid = fork(); /* children inherit it */
        if (pid == 0) {
            CHECK_EQ(get_bits(), bits & ~(long)OBJECTS);
            CHECK_EQ(links_of_a_toucher(p, len), 0);
            peer_end();
        }
        CHECK_PEER(pid);
        CHECK_OK(set_bits((unsigned long)bits)); /* from the next table on */
        CHECK(share_map(p, len, RW, MAP_SHARED, fd, 0) == p);
        CHECK(links_of_a_toucher(p, len) > 0);
        peer_end();
    }
    CHECK_PEER(pid);
    CHECK_EQ(get_bits(), bits);
}

TEST(prctl_outlives_exec)
{
    long bits = get_bits();
    char text[16];
    pid_t pid = peer();

    if (pid == 0) {
        CHECK_OK(set_bits((unsigned long)bits & ~OBJECTS));
        snprintf(text, sizeof(text), "%ld", bits & ~(long)OBJECTS);
        execl("/proc/self/exe", "share_calls_test", "--bits", text, NULL);
        _exit(9);
    }
    CHECK_PEER(pid); /* main: status 0 when it still has these bits */
}

/* ---- madvise ---- */

TEST(madvise_wrong_arguments)
{
    size_t len = share_span();
    int fd;
    char *p = share_new(len, &fd), *hole = map_pages(3, RW);

    (void)get_bits();
    munmap(hole + page_size, page_size);
    for (int advice = MADV_SHAREPT; advice <= MADV_NOSHAREPT; advice++) {
        CHECK_ERRNO(sys_madvise(p + 1, page_size, advice), EINVAL);
        CHECK_ERRNO(sys_madvise(p, -page_size, advice), EINVAL);
        CHECK_ERRNO(sys_madvise(p, (size_t)0 - 1, advice), EINVAL);
        CHECK_OK(sys_madvise(p, 0, advice));
        CHECK_OK(sys_madvise(p, 1, advice)); /* rounded up */
        CHECK_ERRNO(sys_madvise(hole, 3 * page_size, advice), ENOMEM);
        CHECK_OK(sys_madvise(hole, page_size, advice)); /* private memory: nothing to share */
    }
    CHECK_ERRNO(sys_madvise(p, len, MADV_SHAREPT - 1), EINVAL);
    CHECK_ERRNO(sys_madvise(p, len, MADV_NOSHAREPT + 1), EINVAL);
}

TEST(madvise_is_for_ones_own_process)
{
    struct iovec range = {map_pages(1, RW), page_size};
    int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

    (void)get_bits();
    REQUIRE(fd >= 0);
    CHECK_ERRNO(syscall(SYS_process_madvise, fd, &range, 1ul, MADV_SHAREPT, 0), EINVAL);
    CHECK_ERRNO(syscall(SYS_process_madvise, fd, &range, 1ul, MADV_NOSHAREPT, 0), EINVAL);
}

TEST(madvise_says_what_is_shared)
{
    size_t len = 2 * share_span();
    int fd;
    char *p = filled_object(len, &fd);
    pid_t pid = peer();

    if (pid == 0) {
        CHECK(links_of_a_toucher(p, len) > 0);
        CHECK_OK(madvise(p, len, MADV_NOSHAREPT)); /* leaves what it has */
        CHECK(has_vmflag(p, "ns"));
        CHECK_EQ(smaps_field(p, "TableShared"), 0);
        CHECK_EQ(links_of_a_toucher(p, len), 0);
        CHECK(smaps_field(p, "TablePrivate") > 0);
        CHECK_OK(madvise(p, len, MADV_SHAREPT)); /* from the next table on */
        CHECK(!has_vmflag(p, "ns"));
        CHECK_EQ(smaps_field(p, "TableShared"), 0);
        CHECK_OK(munmap(p, len));
        CHECK(share_map(p, len, RW, MAP_SHARED, fd, 0) == p);
        CHECK(links_of_a_toucher(p, len) > 0);
        CHECK(smaps_field(p, "TableShared") > 0);
        peer_end();
    }
    CHECK_PEER(pid);
    CHECK_EQ(share_wrong(p, len, 8), 0);
}

/* ---- whose memory ---- */

#define MUCH ((size_t)(ktap_swept ? 4 : 32) << 20)

/* What a child that does @how with MUCH that is there already had at most, in KiB. */
static long peak_of_child(char *p, int how)
{
    struct rusage ru;
    int status;
    pid_t pid = peer();

    if (pid == 0) {
        CHECK_EQ(share_wrong(p, how == 0 ? page_size : MUCH, 1), 0);
        if (how == 2)
            munmap(p, MUCH);
        if (how == 3)
            madvise(p, MUCH, MADV_DONTNEED);
        if (how == 2 || how == 3) {
            CHECK(getrusage(RUSAGE_SELF, &ru) == 0 && ru.ru_maxrss >= (long)(MUCH >> 10));
        }
        peer_end();
    }
    CHECK_EQ(wait4(pid, &status, 0, &ru), pid);
    CHECK_EQ(status, 0);
    return ru.ru_maxrss;
}

TEST(maxrss_counts_pages_behind_links)
{
    int fd;
    char *p = share_new(MUCH, &fd);

    share_fill(p, MUCH, 1);
    /* One page means its whole table, which maps 256 MiB where huge pages have 16. */
    CHECK(share_span() > 2u << 20 || peak_of_child(p, 0) < (long)(MUCH >> 10));
    for (int how = 1; how <= 3; how++)
        CHECK(peak_of_child(p, how) >= (long)(MUCH >> 10));
}

TEST(oom_score_counts_pages_behind_links)
{
    long total = file_field("/proc/meminfo", "MemTotal") << 10;
    int fd;
    char *p = share_new(MUCH, &fd);
    pid_t pid;

    share_fill(p, MUCH, 1);
    pid = peer();
    if (pid == 0) {
        char text[16] = "", more[16] = "";
        int score = open("/proc/self/oom_score", O_RDONLY);

        CHECK(pread(score, text, sizeof(text) - 1, 0) > 0);
        CHECK_EQ(share_wrong(p, MUCH, 1), 0);
        close(score);
        score = open("/proc/self/oom_score", O_RDONLY);
        CHECK(pread(score, more, sizeof(more) - 1, 0) > 0);
        CHECK(atol(more) - atol(text) >= (long)MUCH / (total / 1000) * 2 / 3 - 2);
        peer_end();
    }
    CHECK_PEER(pid);
}

static const struct ktap_case cases[] = {CASE(prctl_wrong_arguments),
                                         CASE(prctl_says_who_shares),
                                         CASE(prctl_outlives_exec),
                                         CASE(madvise_wrong_arguments),
                                         CASE(madvise_is_for_ones_own_process),
                                         CASE(madvise_says_what_is_shared),
                                         CASE(maxrss_counts_pages_behind_links),
                                         CASE(oom_score_counts_pages_behind_links)};

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "--bits") == 0)
        return get_bits() != atol(argv[2]);
    return ktap_main(cases, (int)(sizeof(cases) / sizeof(cases[0])), argc, argv);
}
