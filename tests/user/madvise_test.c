/* SPDX-License-Identifier: MIT */
/* madvise(2): every advice that concerns memory, what it does to contents, and the errors. */
#include "mem.h"

/* 1 or the test ends: older kernels and stricter configurations lack some advice. */
static void advise(char *p, size_t nr, int advice, const char *name)
{
    if (madvise(p, nr * page_size, advice) == 0)
        return;
    if (errno == EINVAL)
        ktap_skip("%s is not known here", name);
    CHECK_ERRNO(-1, 0);
}

TEST(dontneed_anonymous_reads_zero)
{
    char *p = map_pages(4, RW);

    memset(p, 'd', 4 * page_size);
    CHECK_OK(madvise(p + page_size, 2 * page_size, MADV_DONTNEED));
    CHECK_EQ(count_present(p, 4), 2);
    CHECK_EQ(p[0], 'd');
    CHECK_EQ(p[page_size], 0);
    CHECK_EQ(p[3 * page_size - 1], 0);
    CHECK_EQ(p[3 * page_size], 'd');
}

TEST(dontneed_private_file_reads_file)
{
    int fd = make_file(1);
    char *p = mmap(NULL, page_size, RW, MAP_PRIVATE, fd, 0);

    REQUIRE(p != MAP_FAILED);
    p[0] = 'X';
    CHECK_OK(madvise(p, page_size, MADV_DONTNEED));
    CHECK_EQ(p[0], 'a');
}

TEST(dontneed_shared_file_keeps)
{
    int fd = make_file(1);
    char *p = mmap(NULL, page_size, RW, MAP_SHARED, fd, 0);

    REQUIRE(p != MAP_FAILED);
    p[0] = 'X';
    CHECK_OK(madvise(p, page_size, MADV_DONTNEED));
    CHECK_EQ(p[0], 'X');
}

TEST(dontneed_locked_is_refused)
{
    char *p = map_pages(1, RW);

    if (mlock(p, page_size) < 0)
        ktap_skip("mlock: %s", strerror(errno));
    p[0] = 'l';
    CHECK_ERRNO(madvise(p, page_size, MADV_DONTNEED), EINVAL);
    CHECK_EQ(p[0], 'l');
}

TEST(dontneed_length_is_rounded_up)
{
    char *p = map_pages(2, RW);

    memset(p, 'r', 2 * page_size);
    CHECK_OK(madvise(p, 1, MADV_DONTNEED));
    CHECK_EQ(p[page_size - 1], 0);
    CHECK_EQ(p[page_size], 'r');
}

TEST(free_keeps_until_pressure)
{
    char *p = map_pages(2, RW);

    memset(p, 'f', 2 * page_size);
    advise(p, 2, MADV_FREE, "MADV_FREE");
    CHECK(p[0] == 'f' || p[0] == 0);
    p[0] = 'g';
    CHECK_EQ(p[0], 'g');
}

/* Marked pages show as LazyFree until they are written. Linux counts them in batches per CPU, so a
 * few may be missing. */
TEST(free_is_lazy_and_a_write_takes_it_back)
{
    enum { NR = 256, SLACK = 64 };
    char *p = map_pages(NR, RW);
    long kb = (long)page_size / 1024, lazy;

    memset(p, 'l', NR * page_size);
    CHECK_EQ(smaps_field(p, "LazyFree"), 0);
    advise(p, NR, MADV_FREE, "MADV_FREE");
    lazy = smaps_field(p, "LazyFree");
    if (lazy == 0 && smaps_field(p, "Rss") < NR * kb)
        ktap_skip("memory is short, the pages went at once");
    CHECK(lazy >= (NR - SLACK) * kb);
    CHECK(lazy <= NR * kb);
    for (size_t i = 0; i < NR / 2; i++)
        p[i * page_size] = 'w';
    CHECK(smaps_field(p, "LazyFree") <= NR / 2 * kb);
    for (size_t i = 0; i < NR; i++) {
        char first = p[i * page_size], second = p[i * page_size + 1];

        if (i < NR / 2)
            CHECK(first == 'w' && (second == 'l' || second == 0));
        else
            CHECK(first == second && (first == 'l' || first == 0));
    }
    CHECK_OK(madvise(p, NR * page_size, MADV_DONTNEED));
    CHECK_EQ(smaps_field(p, "LazyFree"), 0);
}

TEST(free_needs_private_anonymous)
{
    int fd = make_file(1);
    char *p = mmap(NULL, page_size, RW, MAP_SHARED, fd, 0);

    REQUIRE(p != MAP_FAILED);
    CHECK_ERRNO(madvise(p, page_size, MADV_FREE), EINVAL);
}

static void child_sees_hole(void *arg)
{
    char *p = arg;

    CHECK_EQ(try_read(p), 0);
    CHECK_FAULT(try_read(p + page_size), p + page_size, SIGSEGV, SEGV_MAPERR);
}

static void child_sees_all(void *arg)
{
    char *p = arg;

    CHECK_EQ(p[0], 1);
    CHECK_EQ(p[page_size], 2);
}

TEST(dontfork_dofork)
{
    char *p = map_pages(3, RW);

    p[0] = 1;
    p[page_size] = 2;
    CHECK_OK(madvise(p + page_size, page_size, MADV_DONTFORK));
    CHECK(has_vmflag(p + page_size, "dc"));
    CHECK_EQ(in_child(child_sees_hole, p), 0);
    CHECK_EQ(p[page_size], 2);
    CHECK_OK(madvise(p + page_size, page_size, MADV_DOFORK));
    CHECK_EQ(in_child(child_sees_all, p), 0);
    CHECK_MAPS(p, 3, "|www");
}

static void child_sees_zero(void *arg)
{
    char *p = arg;

    CHECK_EQ(p[0], 'k');
    CHECK_EQ(p[page_size], 0);
    /* The child inherits the advice. */
    CHECK(has_vmflag(p + page_size, "wf"));
}

static void child_sees_kept(void *arg)
{
    char *p = arg;

    CHECK_EQ(p[page_size], 'k');
    CHECK(!has_vmflag(p + page_size, "wf"));
}

TEST(wipeonfork_keeponfork)
{
    char *p = map_pages(2, RW);

    memset(p, 'k', 2 * page_size);
    advise(p + page_size, 1, MADV_WIPEONFORK, "MADV_WIPEONFORK");
    CHECK_EQ(in_child(child_sees_zero, p), 0);
    CHECK_EQ(p[page_size], 'k');
    CHECK_OK(madvise(p + page_size, page_size, MADV_KEEPONFORK));
    CHECK_EQ(in_child(child_sees_kept, p), 0);
    CHECK_ERRNO(
        madvise(mmap(NULL, page_size, RW, MAP_SHARED, make_file(1), 0), page_size, MADV_WIPEONFORK),
        EINVAL);
}

TEST(populate_read)
{
    char *p = map_pages(4, RW);

    advise(p, 4, MADV_POPULATE_READ, "MADV_POPULATE_READ");
    CHECK_EQ(count_present(p, 4), 4);
    CHECK_EQ(p[0], 0);
    p = map_pages(1, PROT_NONE);
    CHECK_ERRNO(madvise(p, page_size, MADV_POPULATE_READ), EINVAL);
    p = map_pages(1, PROT_WRITE);
    CHECK_OK(madvise(p, page_size, MADV_POPULATE_WRITE));
}

TEST(populate_write)
{
    char *p = map_pages(4, RW);
    long faults;

    advise(p, 4, MADV_POPULATE_WRITE, "MADV_POPULATE_WRITE");
    CHECK_EQ(smaps_field(p, "Anonymous"), (long)(4 * page_size / 1024));
    faults = minor_faults();
    memset(p, 1, 4 * page_size);
    CHECK_EQ(minor_faults() - faults, 0);
    p = map_pages(1, PROT_READ);
    CHECK_ERRNO(madvise(p, page_size, MADV_POPULATE_WRITE), EINVAL);
}

TEST(populate_breaks_cow)
{
    int fd = make_file(1);
    char *p = mmap(NULL, page_size, RW, MAP_PRIVATE, fd, 0);
    char c;

    REQUIRE(p != MAP_FAILED);
    advise(p, 1, MADV_POPULATE_WRITE, "MADV_POPULATE_WRITE");
    CHECK_EQ(p[0], 'a');
    CHECK_EQ(smaps_field(p, "Anonymous"), (long)page_size / 1024);
    CHECK_EQ(pwrite(fd, "z", 1, 0), 1);
    CHECK_EQ(p[0], 'a');
    CHECK_EQ(pread(fd, &c, 1, 0), 1);
    CHECK_EQ(c, 'z');
}

TEST(populate_past_end_of_file)
{
    int fd = make_file(1);
    char *p = mmap(NULL, 2 * page_size, RW, MAP_SHARED, fd, 0);

    REQUIRE(p != MAP_FAILED);
    advise(p, 1, MADV_POPULATE_READ, "MADV_POPULATE_READ");
    CHECK_ERRNO(madvise(p, 2 * page_size, MADV_POPULATE_READ), EFAULT);
}

TEST(hints_keep_contents)
{
    static const int hints[] = {MADV_NORMAL, MADV_RANDOM,  MADV_SEQUENTIAL, MADV_WILLNEED,
                                MADV_COLD,   MADV_PAGEOUT, MADV_DONTDUMP,   MADV_DODUMP};
    char *p = map_pages(2, RW);

    memset(p, 'h', 2 * page_size);
    for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
        CHECK_OK(madvise(p, 2 * page_size, hints[i]));
        CHECK_EQ(p[0], 'h');
        CHECK_EQ(p[2 * page_size - 1], 'h');
    }
}

TEST(vm_flags_in_smaps)
{
    char *p = map_pages(1, RW);

    CHECK_OK(madvise(p, page_size, MADV_RANDOM));
    CHECK(has_vmflag(p, "rr"));
    CHECK_OK(madvise(p, page_size, MADV_SEQUENTIAL));
    CHECK(has_vmflag(p, "sr"));
    CHECK(!has_vmflag(p, "rr"));
    CHECK_OK(madvise(p, page_size, MADV_NORMAL));
    CHECK(!has_vmflag(p, "sr"));
    CHECK_OK(madvise(p, page_size, MADV_DONTDUMP));
    CHECK(has_vmflag(p, "dd"));
    CHECK_OK(madvise(p, page_size, MADV_DODUMP));
    CHECK(!has_vmflag(p, "dd"));
}

TEST(advice_splits_mappings)
{
    char *p = map_pages(4, RW);

    CHECK_OK(madvise(p + page_size, page_size, MADV_DONTFORK));
    CHECK_MAPS(p, 4, "|w|w|ww");
    CHECK_OK(madvise(p + page_size, page_size, MADV_DOFORK));
    CHECK_MAPS(p, 4, "|wwww");
}

TEST(remove_punches_a_hole)
{
    int fd = make_file(3);
    char *p = mmap(NULL, 3 * page_size, RW, MAP_SHARED, fd, 0);
    char c = 1;

    REQUIRE(p != MAP_FAILED);
    p[page_size] = 'x';
    advise(p + page_size, 1, MADV_REMOVE, "MADV_REMOVE");
    CHECK_EQ(p[page_size], 0);
    CHECK_EQ(pread(fd, &c, 1, (off_t)page_size), 1);
    CHECK_EQ(c, 0);
    CHECK_EQ(p[0], 'a');
    CHECK_EQ(p[2 * page_size], 'c');
    p = map_pages(1, RW);
    CHECK_ERRNO(madvise(p, page_size, MADV_REMOVE), EINVAL);
}

TEST(hugepage_advice)
{
    char *p = map_pages(4, RW);

    if (madvise(p, 4 * page_size, MADV_HUGEPAGE) < 0) {
        CHECK_ERRNO(-1, EINVAL);
        ktap_skip("no transparent huge pages");
    }
    CHECK(has_vmflag(p, "hg"));
    CHECK_OK(madvise(p, 4 * page_size, MADV_NOHUGEPAGE));
    CHECK(has_vmflag(p, "nh"));
    CHECK(!has_vmflag(p, "hg"));
}

TEST(error_table)
{
    char *p = map_pages(4, RW);

    CHECK_ERRNO(sys_madvise(p + 1, page_size, MADV_NORMAL), EINVAL);
    CHECK_ERRNO(sys_madvise(p, page_size, 9999), EINVAL);
    CHECK_OK(sys_madvise(p, 0, MADV_DONTNEED));
    CHECK_ERRNO(sys_madvise(p, -1L, MADV_DONTNEED), EINVAL);
    munmap(p + page_size, page_size);
    CHECK_ERRNO(sys_madvise(p, 4 * page_size, MADV_NORMAL), ENOMEM);
    CHECK_ERRNO(sys_madvise(p + page_size, page_size, MADV_DONTNEED), ENOMEM);
}

TEST(dontneed_works_around_holes)
{
    char *p = map_pages(4, RW);

    memset(p, 'h', 4 * page_size);
    munmap(p + page_size, page_size);
    CHECK_ERRNO(madvise(p, 4 * page_size, MADV_DONTNEED), ENOMEM);
    /* What is mapped was still done. */
    CHECK_EQ(p[0], 0);
    CHECK_EQ(p[3 * page_size], 0);
}

TEST(process_rss_falls)
{
    char *p = map_pages(256, RW);
    long before, after;

    memset(p, 1, 256 * page_size);
    (void)file_field("/proc/self/status", "VmRSS"); /* what looking itself needs is there now */
    before = file_field("/proc/self/status", "VmRSS");
    CHECK_OK(madvise(p, 256 * page_size, MADV_DONTNEED));
    after = file_field("/proc/self/status", "VmRSS");
    CHECK(before - after >= (long)(192 * page_size / 1024));
    CHECK_EQ(smaps_field(p, "Rss"), 0);
}

KTAP_MAIN(CASE(dontneed_anonymous_reads_zero), CASE(dontneed_private_file_reads_file),
          CASE(dontneed_shared_file_keeps), CASE(dontneed_locked_is_refused),
          CASE(dontneed_length_is_rounded_up), CASE(free_keeps_until_pressure),
          CASE(free_is_lazy_and_a_write_takes_it_back), CASE(free_needs_private_anonymous),
          CASE(dontfork_dofork), CASE(wipeonfork_keeponfork),
          CASE(populate_read), CASE(populate_write), CASE(populate_breaks_cow),
          CASE(populate_past_end_of_file), CASE(hints_keep_contents), CASE(vm_flags_in_smaps),
          CASE(advice_splits_mappings), CASE(remove_punches_a_hole), CASE(hugepage_advice),
          CASE(error_table), CASE(dontneed_works_around_holes), CASE(process_rss_falls))
