/* SPDX-License-Identifier: MIT */
/* mremap(2): growing, shrinking, moving, fixed places, DONTUNMAP, and the errors. */
#include "mem.h"

static char *anon_at(char *at, size_t nr, char fill)
{
    char *p = mmap(at, nr * page_size, RW, ANON | MAP_FIXED, -1, 0);

    for (size_t i = 0; i < nr; i++)
        p[i * page_size] = (char)(fill + i);
    return p;
}

TEST(same_size)
{
    char *p = map_pages(2, RW);

    CHECK(mremap(p, 2 * page_size, 2 * page_size, 0) == p);
    CHECK(mremap(p, 2 * page_size, 2 * page_size - 100, 0) == p);
}

TEST(shrink)
{
    char *p = anon_at(free_range(4), 4, 'a');

    CHECK(mremap(p, 4 * page_size, 2 * page_size, 0) == p);
    CHECK_MAPS(p, 4, "|ww..");
    CHECK_EQ(p[page_size], 'b');
    CHECK_EQ(try_read(p + 2 * page_size), SIGSEGV);
}

TEST(grow_in_place)
{
    char *p = anon_at(free_range(4), 2, 'a');

    CHECK(mremap(p, 2 * page_size, 4 * page_size, 0) == p);
    CHECK_MAPS(p, 4, "|wwww");
    CHECK_EQ(p[page_size], 'b');
    CHECK_EQ(p[3 * page_size], 0);
}

TEST(grow_needs_permission_to_move)
{
    char *p = free_range(4);
    char *q;

    anon_at(p, 2, 'a');
    mmap(p + 2 * page_size, page_size, PROT_READ, ANON | MAP_FIXED, -1, 0);
    CHECK_ERRNO((long)mremap(p, 2 * page_size, 3 * page_size, 0), ENOMEM);
    CHECK_MAPS(p, 3, "|ww|r");
    q = mremap(p, 2 * page_size, 3 * page_size, MREMAP_MAYMOVE);
    REQUIRE(q != MAP_FAILED && q != p);
    CHECK_EQ(q[0], 'a');
    CHECK_EQ(q[page_size], 'b');
    CHECK_EQ(q[2 * page_size], 0);
    CHECK_MAPS(p, 3, "..|r");
}

TEST(grow_part_of_a_mapping)
{
    char *p = anon_at(free_range(4), 4, 'a');
    char *q = mremap(p + page_size, page_size, 2 * page_size, MREMAP_MAYMOVE);

    REQUIRE(q != MAP_FAILED);
    CHECK_EQ(q[0], 'b');
    CHECK_EQ(q[page_size], 0);
    CHECK_MAPS(p, 4, "|w.|ww");
    CHECK_EQ(p[2 * page_size], 'c');
}

TEST(move_keeps_frames)
{
    char *p = anon_at(free_range(2), 2, 'a'), *to = free_range(2);
    uint64_t frame = pagemap(p) & PAGEMAP_PFN;
    long faults;

    CHECK(mremap(p, 2 * page_size, 2 * page_size, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
    faults = minor_faults();
    CHECK_EQ(to[0], 'a');
    CHECK_EQ(to[page_size], 'b');
    CHECK_EQ(minor_faults() - faults, 0);
    CHECK_EQ(pagemap(to) & PAGEMAP_PFN, frame);
    CHECK_FAULT(try_read(p), p, SIGSEGV, SEGV_MAPERR);
}

TEST(fixed_replaces_target)
{
    char *p = anon_at(free_range(2), 2, 'a'), *to = anon_at(free_range(4), 4, 'p');

    CHECK(mremap(p, 2 * page_size, 2 * page_size, MREMAP_MAYMOVE | MREMAP_FIXED, to + page_size) ==
          to + page_size);
    CHECK_EQ(to[0], 'p');
    CHECK_EQ(to[page_size], 'a');
    CHECK_EQ(to[2 * page_size], 'b');
    CHECK_EQ(to[3 * page_size], 's');
}

TEST(fixed_grow_and_shrink)
{
    char *p = anon_at(free_range(2), 2, 'a'), *to = free_range(6), *q;

    q = mremap(p, 2 * page_size, 4 * page_size, MREMAP_MAYMOVE | MREMAP_FIXED, to);
    CHECK(q == to);
    CHECK_MAPS(to, 6, "|wwww..");
    CHECK_EQ(to[page_size], 'b');
    CHECK_EQ(to[3 * page_size], 0);
    q = mremap(to, 4 * page_size, page_size, MREMAP_MAYMOVE | MREMAP_FIXED, to + 5 * page_size);
    CHECK(q == to + 5 * page_size);
    CHECK_MAPS(to, 6, ".....|w");
    CHECK_EQ(q[0], 'a');
}

TEST(move_keeps_protection_and_holes)
{
    char *p = free_range(3), *to = free_range(3);

    mmap(p, 3 * page_size, PROT_READ, ANON | MAP_FIXED, -1, 0);
    CHECK(mremap(p, 3 * page_size, 3 * page_size, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
    CHECK_EQ(count_present(to, 3), 0);
    CHECK_MAPS(to, 3, "|rrr");
    CHECK_EQ(try_write(to), SIGSEGV);
}

TEST(move_a_shared_file)
{
    int fd = make_file(4);
    char *p = mmap(NULL, 2 * page_size, RW, MAP_SHARED, fd, (off_t)page_size), *q;
    struct mem_map m;

    REQUIRE(p != MAP_FAILED);
    CHECK_EQ(p[0], 'b');
    q = mremap(p, 2 * page_size, 3 * page_size, MREMAP_MAYMOVE);
    REQUIRE(q != MAP_FAILED);
    CHECK_EQ(q[0], 'b');
    CHECK_EQ(q[2 * page_size], 'd');
    m = find_map(q);
    CHECK_EQ(m.offset, page_size);
    q[0] = 'B';
    {
        char c;

        CHECK_EQ(pread(fd, &c, 1, (off_t)page_size), 1);
        CHECK_EQ(c, 'B');
    }
}

TEST(old_size_zero_duplicates_shared)
{
    int fd = make_file(2);
    char *p = mmap(NULL, page_size, RW, MAP_SHARED, fd, 0), *q;

    REQUIRE(p != MAP_FAILED);
    q = mremap(p, 0, page_size, MREMAP_MAYMOVE);
    REQUIRE(q != MAP_FAILED && q != p);
    q[3] = 'd';
    CHECK_EQ(p[3], 'd');
    /* A private mapping cannot be doubled. */
    p = map_pages(1, RW);
    CHECK_ERRNO((long)mremap(p, 0, page_size, MREMAP_MAYMOVE), EINVAL);
}

TEST(dontunmap)
{
    char *p = anon_at(free_range(3), 3, 'a');
    char *q = mremap(p, 3 * page_size, 3 * page_size, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);

    REQUIRE(q != MAP_FAILED && q != p);
    CHECK_EQ(q[0], 'a');
    CHECK_EQ(q[2 * page_size], 'c');
    CHECK_MAPS(p, 3, "|www");
    CHECK_EQ(count_present(p, 3), 0);
    CHECK_EQ(p[0], 0);
    p[0] = 'n';
    CHECK_EQ(q[0], 'a');
}

TEST(dontunmap_fixed)
{
    char *p = anon_at(free_range(2), 2, 'a'), *to = anon_at(free_range(2), 2, 'x');
    char *q = mremap(p, 2 * page_size, 2 * page_size,
                     MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to);

    CHECK(q == to);
    CHECK_EQ(to[page_size], 'b');
    CHECK_EQ(p[page_size], 0);
}

TEST(dontunmap_shared_refaults)
{
    int fd = make_file(1);
    char *p = mmap(NULL, page_size, RW, MAP_SHARED, fd, 0), *q;

    REQUIRE(p != MAP_FAILED);
    p[0] = 'S';
    q = mremap(p, page_size, page_size, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
    if (q == MAP_FAILED && errno == EINVAL)
        ktap_skip("DONTUNMAP of shared memory came with Linux 5.13");
    REQUIRE(q != MAP_FAILED);
    CHECK_EQ(q[0], 'S');
    CHECK_EQ(p[0], 'S');
}

TEST(error_table)
{
    char *p = map_pages(4, RW), *to = free_range(4);
    int all = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;

    CHECK_ERRNO(sys_mremap(p, page_size, page_size, 8, 0), EINVAL);
    CHECK_ERRNO(sys_mremap(p + 1, page_size, page_size, MREMAP_MAYMOVE, 0), EINVAL);
    CHECK_ERRNO(sys_mremap(p, page_size, 0, MREMAP_MAYMOVE, 0), EINVAL);
    CHECK_ERRNO(sys_mremap(p, page_size, page_size, MREMAP_FIXED, to), EINVAL);
    CHECK_ERRNO(sys_mremap(p, page_size, page_size, MREMAP_DONTUNMAP, to), EINVAL);
    CHECK_ERRNO(sys_mremap(p, page_size, page_size, MREMAP_MAYMOVE | MREMAP_FIXED, to + 1), EINVAL);
    CHECK_ERRNO(sys_mremap(p, page_size, 2 * page_size, all, to), EINVAL);
    /* Overlap of source and target. */
    CHECK_ERRNO(
        sys_mremap(p, 2 * page_size, 2 * page_size, MREMAP_MAYMOVE | MREMAP_FIXED, p + page_size),
        EINVAL);
    /* Nothing mapped there. */
    CHECK_ERRNO(sys_mremap(to, page_size, page_size, MREMAP_MAYMOVE, 0), EFAULT);
    CHECK_ERRNO(sys_mremap(to, page_size, 2 * page_size, MREMAP_MAYMOVE, 0), EFAULT);
    CHECK(sys_mremap(p, page_size, (size_t)1 << 62, MREMAP_MAYMOVE, 0) == -1);
    CHECK(errno == ENOMEM || errno == EINVAL);
}

TEST(grow_across_mappings_is_refused)
{
    char *p = anon_at(free_range(4), 4, 'a');

    mprotect(p + 2 * page_size, 2 * page_size, PROT_READ);
    CHECK_ERRNO((long)mremap(p, 4 * page_size, 5 * page_size, MREMAP_MAYMOVE), EFAULT);
    CHECK_MAPS(p, 4, "|ww|rr");
}

TEST(merge_after_move)
{
    char *p = anon_at(free_range(6), 6, 'a');

    munmap(p + 2 * page_size, 2 * page_size);
    CHECK_MAPS(p, 6, "|ww..|ww");
    CHECK(mremap(p + 4 * page_size, 2 * page_size, 2 * page_size, MREMAP_MAYMOVE | MREMAP_FIXED,
                 p + 2 * page_size) == p + 2 * page_size);
    CHECK_EQ(p[2 * page_size], 'e');
    CHECK_EQ(p[3 * page_size], 'f');
    CHECK_EQ(try_read(p + 4 * page_size), SIGSEGV);
}

TEST(locked_stays_locked)
{
    char *p = map_pages(2, RW), *to = free_range(8), *q;

    if (mlock(p, 2 * page_size) < 0)
        ktap_skip("mlock: %s", strerror(errno));
    q = mremap(p, 2 * page_size, 8 * page_size, MREMAP_MAYMOVE | MREMAP_FIXED, to);
    CHECK(q == to);
    CHECK_EQ(smaps_field(to, "Locked"), (long)(8 * page_size / 1024));
    CHECK_EQ(count_present(to, 8), 8);
}

TEST(big_move)
{
    const size_t nr = ktap_swept ? 600 : 3000; /* over an end of a table */
    char *p = map_pages(nr, RW), *to = free_range(nr);
    size_t bad = 0;

    for (size_t i = 0; i < nr; i++)
        *(size_t *)(p + i * page_size) = i;
    CHECK(mremap(p, nr * page_size, nr * page_size, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
    for (size_t i = 0; i < nr; i++)
        bad += *(size_t *)(to + i * page_size) != i;
    CHECK_EQ(bad, 0);
    CHECK_EQ(count_maps(p, nr * page_size), 0);
}

/* Whole page tables move, from around one border of a table of theirs to around another; some are
 * missing. A huge page is among them where there are any. */
#define BORDER (1UL << 30) /* of the next table on x86-64 and radix, and of a fourth one on hash */
#define MOVED  (32UL << 20)

TEST(move_around_borders_of_tables)
{
    char *room = mmap(NULL, 4 * BORDER, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
    char *border = (char *)(((uintptr_t)room + BORDER) & ~(BORDER - 1));
    char *from = border - MOVED / 2, *to = border + BORDER - MOVED / 4;

    REQUIRE(room != MAP_FAILED);
    for (int way = 0; way < 2; way++) {
        REQUIRE(mmap(from, MOVED, RW, ANON | MAP_FIXED | MAP_NORESERVE, -1, 0) == from);
        if (way == 0)
            (void)madvise(from, MOVED, MADV_NOHUGEPAGE);
        for (size_t at = 0; at < MOVED; at += 1 << 20)
            if (at >> 21 != 3 && at >> 21 != 9)
                memset(from + at, (int)(at >> 20) + 1, page_size);
        CHECK(mremap(from, MOVED, MOVED, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
        for (size_t at = 0; at < MOVED; at += 1 << 20)
            CHECK_EQ(to[at + 5], at >> 21 != 3 && at >> 21 != 9 ? (int)(at >> 20) + 1 : 0);
        CHECK_FAULT(try_read(from), from, SIGSEGV, SEGV_MAPERR);
        CHECK_FAULT(try_read(from + MOVED - 1), from + MOVED - 1, SIGSEGV, SEGV_MAPERR);
    }
    munmap(room, 4 * BORDER);
}

KTAP_MAIN(CASE(same_size), CASE(shrink), CASE(grow_in_place), CASE(grow_needs_permission_to_move),
          CASE(grow_part_of_a_mapping), CASE(move_keeps_frames), CASE(fixed_replaces_target),
          CASE(fixed_grow_and_shrink), CASE(move_keeps_protection_and_holes),
          CASE(move_a_shared_file), CASE(old_size_zero_duplicates_shared), CASE(dontunmap),
          CASE(dontunmap_fixed), CASE(dontunmap_shared_refaults), CASE(error_table),
          CASE(grow_across_mappings_is_refused), CASE(merge_after_move), CASE(locked_stays_locked),
          CASE(big_move), CASE(move_around_borders_of_tables))
