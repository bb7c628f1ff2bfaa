/* SPDX-License-Identifier: MIT */
/* fork(2), vfork and copy-on-write: contents, who copies, and what pagemap and smaps say. */
#include "mem.h"

#include <sched.h>

/* Results that a child leaves for its parent. */
static volatile uint64_t *shared_words(void)
{
    void *p = mmap(NULL, page_size, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

static int wait_for(pid_t pid)
{
    int status = -1;

    return waitpid(pid, &status, 0) == pid ? status : -1;
}

TEST(child_and_parent_write_apart)
{
    char *p = map_pages(2, RW);
    pid_t pid;

    strcpy(p, "before");
    pid = fork();
    if (pid == 0) {
        int bad = strcmp(p, "before") != 0;

        strcpy(p, "child");
        usleep(20000);
        _exit(bad || strcmp(p, "child") != 0);
    }
    strcpy(p, "parent");
    CHECK_EQ(wait_for(pid), 0);
    CHECK(strcmp(p, "parent") == 0);
}

TEST(frames_are_shared_until_written)
{
    volatile uint64_t *out = shared_words();
    char *p = map_pages(2, RW);
    uint64_t mine;
    pid_t pid;

    memset(p, 's', 2 * page_size);
    mine = pagemap(p) & PAGEMAP_PFN;
    if (!mine)
        ktap_skip("pagemap hides frame numbers");
    pid = fork();
    if (pid == 0) {
        out[0] = pagemap(p) & PAGEMAP_PFN;
        p[0] = 'c';
        out[1] = pagemap(p) & PAGEMAP_PFN;
        out[2] = pagemap(p + page_size) & PAGEMAP_PFN;
        _exit(0);
    }
    CHECK_EQ(wait_for(pid), 0);
    CHECK_EQ(out[0], mine);
    CHECK(out[1] != mine);
    CHECK_EQ(out[2], pagemap(p + page_size) & PAGEMAP_PFN);
    CHECK_EQ(p[0], 's');
}

TEST(last_owner_reuses)
{
    char *p = map_pages(1, RW);
    uint64_t mine;
    pid_t pid;

    p[0] = 'o';
    mine = pagemap(p) & PAGEMAP_PFN;
    if (!mine)
        ktap_skip("pagemap hides frame numbers");
    pid = fork();
    if (pid == 0)
        _exit(0);
    CHECK_EQ(wait_for(pid), 0);
    p[0] = 'r';
    CHECK_EQ(pagemap(p) & PAGEMAP_PFN, mine);
}

TEST(exclusive_bit)
{
    char *p = map_pages(1, RW);
    int ready[2], done[2];
    char c = 0;
    pid_t pid;

    p[0] = 'x';
    CHECK(pagemap(p) & PAGEMAP_EXCLUSIVE);
    REQUIRE(pipe(ready) == 0 && pipe(done) == 0);
    pid = fork();
    if (pid == 0) {
        close(done[1]);
        _exit(read(done[0], &c, 1) != 0);
    }
    CHECK(!(pagemap(p) & PAGEMAP_EXCLUSIVE));
    CHECK_EQ(smaps_field(p, "Shared_Dirty") + smaps_field(p, "Shared_Clean"),
             (long)page_size / 1024);
    p[0] = 'y';
    CHECK(pagemap(p) & PAGEMAP_EXCLUSIVE);
    CHECK_EQ(smaps_field(p, "Private_Dirty"), (long)page_size / 1024);
    close(done[1]);
    CHECK_EQ(wait_for(pid), 0);
}

TEST(many_children_share)
{
    enum { NR = 8 };
    char *p = map_pages(16, RW);
    pid_t pids[NR];

    memset(p, 'm', 16 * page_size);
    for (int i = 0; i < NR; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            int bad = 0;

            for (size_t k = 0; k < 16; k++) {
                bad |= p[k * page_size] != 'm';
                p[k * page_size] = (char)i;
            }
            for (size_t k = 0; k < 16; k++)
                bad |= p[k * page_size] != i;
            _exit(bad);
        }
    }
    for (int i = 0; i < NR; i++)
        CHECK_EQ(wait_for(pids[i]), 0);
    for (size_t k = 0; k < 16; k++)
        CHECK_EQ(p[k * page_size], 'm');
}

/* Every generation writes its own page and checks those of its ancestors. */
static int generation(char *p, int depth, int max)
{
    int status;
    pid_t pid;

    for (int i = 0; i < depth; i++) {
        if (p[(size_t)i * page_size] != 'A' + i)
            return 1;
    }
    if (depth == max)
        return 0;
    p[(size_t)depth * page_size] = (char)('A' + depth);
    pid = fork();
    if (pid == 0)
        _exit(generation(p, depth + 1, max));
    status = wait_for(pid);
    /* What the descendants have written is not here. */
    for (int i = depth + 1; i < max; i++) {
        if (p[(size_t)i * page_size] != 0)
            return 2;
    }
    return status != 0;
}

TEST(deep_chain)
{
    CHECK_EQ(generation(map_pages(24, RW), 0, 24), 0);
}

TEST(chain_survives_its_parents)
{
    volatile uint64_t *out = shared_words();
    char *p = map_pages(1, RW);
    int fds[2];
    char c;
    pid_t pid;

    REQUIRE(pipe(fds) == 0);
    p[0] = '0';
    pid = fork();
    if (pid == 0) {
        p[0] = '1';
        if (fork() == 0) {
            /* The grandchild reads its parent's page after that is gone. */
            usleep(50000);
            out[0] = (uint64_t)p[0];
            p[0] = '2';
            out[1] = (uint64_t)p[0];
            _exit(0);
        }
        _exit(0);
    }
    CHECK_EQ(wait_for(pid), 0);
    close(fds[1]);
    CHECK_EQ(read(fds[0], &c, 1), 0); /* all writers have ended */
    CHECK_EQ(out[0], '1');
    CHECK_EQ(out[1], '2');
    CHECK_EQ(p[0], '0');
}

TEST(private_file_page_over_fork)
{
    int fd = make_file(1);
    char *p = mmap(NULL, page_size, RW, MAP_PRIVATE, fd, 0);
    char c;
    pid_t pid;

    REQUIRE(p != MAP_FAILED);
    p[1] = 'm';
    pid = fork();
    if (pid == 0) {
        int bad = p[0] != 'a' || p[1] != 'm';

        p[0] = 'c';
        _exit(bad);
    }
    CHECK_EQ(wait_for(pid), 0);
    CHECK_EQ(p[0], 'a');
    CHECK_EQ(pread(fd, &c, 1, 1), 1);
    CHECK_EQ(c, 0);
}

TEST(read_only_mapping_over_fork)
{
    char *p = map_pages(1, RW);
    pid_t pid;

    p[0] = 'r';
    mprotect(p, page_size, PROT_READ);
    pid = fork();
    if (pid == 0) {
        int bad = try_write(p) != SIGSEGV;

        mprotect(p, page_size, RW);
        p[0] = 'c';
        _exit(bad || p[0] != 'c');
    }
    CHECK_EQ(wait_for(pid), 0);
    CHECK_EQ(p[0], 'r');
}

TEST(kernel_writes_break_cow_too)
{
    char *p = map_pages(1, RW);
    int fds[2];
    pid_t pid;

    strcpy(p, "original");
    REQUIRE(pipe(fds) == 0);
    pid = fork();
    if (pid == 0) {
        usleep(50000);
        _exit(strcmp(p, "original") != 0);
    }
    CHECK_EQ(write(fds[1], "replaced", 9), 9);
    CHECK_EQ(read(fds[0], p, 9), 9);
    CHECK(strcmp(p, "replaced") == 0);
    CHECK_EQ(wait_for(pid), 0);
}

TEST(vfork_shares_memory)
{
    volatile int *p = (volatile int *)map_pages(1, RW);
    pid_t pid;

    p[0] = 1;
    pid = vfork();
    if (pid == 0) {
        p[0] = 2;
        _exit(7);
    }
    /* The parent continues only now. */
    CHECK_EQ(p[0], 2);
    CHECK_EQ(wait_for(pid), 7 << 8);
}

TEST(counts_return_to_the_start)
{
    char *p = map_pages(64, RW);
    long before;

    memset(p, 'c', 64 * page_size);
    before = smaps_field(p, "Private_Dirty");
    for (int i = 0; i < 20; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            memset(p, i, (size_t)(i % 4) * 16 * page_size);
            _exit(0);
        }
        CHECK_EQ(wait_for(pid), 0);
    }
    CHECK_EQ(smaps_field(p, "Private_Dirty"), before);
    CHECK_EQ(smaps_field(p, "Shared_Dirty"), 0);
    for (size_t i = 0; i < 64; i++)
        CHECK_EQ(p[i * page_size], 'c');
}

TEST(zero_page_over_fork)
{
    char *p = map_pages(2, RW);
    pid_t pid;

    CHECK_EQ(p[0], 0);
    pid = fork();
    if (pid == 0) {
        p[0] = 1;
        _exit(p[page_size] != 0);
    }
    CHECK_EQ(wait_for(pid), 0);
    CHECK_EQ(p[0], 0);
    p[0] = 2;
    CHECK_EQ(p[0], 2);
    CHECK_EQ(p[page_size], 0);
}

TEST(unmap_in_child_leaves_parent)
{
    char *p = map_pages(8, RW);
    pid_t pid;

    memset(p, 'u', 8 * page_size);
    pid = fork();
    if (pid == 0) {
        munmap(p, 4 * page_size);
        madvise(p + 4 * page_size, page_size, MADV_DONTNEED);
        _exit(p[4 * page_size] != 0 || p[5 * page_size] != 'u');
    }
    CHECK_EQ(wait_for(pid), 0);
    for (size_t i = 0; i < 8; i++)
        CHECK_EQ(p[i * page_size], 'u');
}

KTAP_MAIN(CASE(child_and_parent_write_apart), CASE(frames_are_shared_until_written),
          CASE(last_owner_reuses), CASE(exclusive_bit), CASE(many_children_share), CASE(deep_chain),
          CASE(chain_survives_its_parents), CASE(private_file_page_over_fork),
          CASE(read_only_mapping_over_fork), CASE(kernel_writes_break_cow_too),
          CASE(vfork_shares_memory), CASE(counts_return_to_the_start), CASE(zero_page_over_fork),
          CASE(unmap_in_child_leaves_parent))
