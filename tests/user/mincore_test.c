/* SPDX-License-Identifier: MIT */
/* mincore(2). */
#include "mem.h"

TEST(anonymous)
{
    char *p = map_pages(4, RW);
    unsigned char vec[5] = {9, 9, 9, 9, 9};

    p[page_size] = 1;
    p[3 * page_size] = 1;
    CHECK_OK(mincore(p, 4 * page_size, vec));
    CHECK_EQ(vec[0] & 1, 0);
    CHECK_EQ(vec[1] & 1, 1);
    CHECK_EQ(vec[2] & 1, 0);
    CHECK_EQ(vec[3] & 1, 1);
    CHECK_EQ(vec[4], 9);
}

TEST(file_pages_count_without_mapping_them)
{
    int fd = make_file(3);
    char *p = mmap(NULL, 3 * page_size, PROT_READ, MAP_SHARED, fd, 0);
    unsigned char vec[3] = {0};

    REQUIRE(p != MAP_FAILED);
    CHECK_OK(mincore(p, 3 * page_size, vec));
    for (int i = 0; i < 3; i++)
        CHECK_EQ(vec[i] & 1, 1);
    CHECK_OK(ftruncate(fd, (off_t)(64 * page_size)));
    p = mmap(NULL, 64 * page_size, PROT_READ, MAP_SHARED, fd, 0);
    REQUIRE(p != MAP_FAILED);
    CHECK_OK(mincore(p + 63 * page_size, page_size, vec));
    CHECK_EQ(vec[0] & 1, 0);
}

TEST(after_dontneed)
{
    char *p = map_pages(2, RW);
    unsigned char vec[2];

    memset(p, 1, 2 * page_size);
    CHECK_OK(madvise(p, page_size, MADV_DONTNEED));
    CHECK_OK(mincore(p, 2 * page_size, vec));
    CHECK_EQ(vec[0] & 1, 0);
    CHECK_EQ(vec[1] & 1, 1);
}

TEST(length_is_rounded_up)
{
    char *p = map_pages(2, RW);
    unsigned char vec[2] = {9, 9};

    p[0] = 1;
    CHECK_OK(mincore(p, 1, vec));
    CHECK_EQ(vec[0] & 1, 1);
    CHECK_EQ(vec[1], 9);
}

TEST(across_mappings)
{
    char *p = map_pages(3, RW);
    unsigned char vec[3];

    memset(p, 1, 3 * page_size);
    mprotect(p + page_size, page_size, PROT_READ);
    CHECK_OK(mincore(p, 3 * page_size, vec));
    for (int i = 0; i < 3; i++)
        CHECK_EQ(vec[i] & 1, 1);
}

TEST(error_table)
{
    char *p = map_pages(3, RW);
    unsigned char vec[3];

    CHECK_ERRNO(mincore(p + 1, page_size, vec), EINVAL);
    CHECK_ERRNO(mincore(p, page_size, (void *)16), EFAULT);
    munmap(p + page_size, page_size);
    CHECK_ERRNO(mincore(p, 3 * page_size, vec), ENOMEM);
    CHECK_ERRNO(mincore(p + page_size, page_size, vec), ENOMEM);
    CHECK_ERRNO(mincore(p, (size_t)-1 / page_size * page_size, vec), ENOMEM);
    CHECK_OK(mincore(p, 0, vec));
}

KTAP_MAIN(CASE(anonymous), CASE(file_pages_count_without_mapping_them), CASE(after_dontneed),
          CASE(length_is_rounded_up), CASE(across_mappings), CASE(error_table))
