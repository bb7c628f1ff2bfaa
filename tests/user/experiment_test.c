/* SPDX-License-Identifier: MIT */
/*
 * /dev/experiment, row PT_EXPERIMENT of the pagetable-operations table: ordinary memory whatever
 * the row does, and, when the kernel was built with labs/experiment/row.c, two pages per fault.
 * Only Quire has the device.
 */
#include "mem.h"

static int open_device(char *text, size_t size)
{
    int fd = open("/dev/experiment", O_RDWR);
    ssize_t n;

    if (fd < 0)
        ktap_skip("/dev/experiment: %s", strerror(errno));
    n = read(fd, text, size - 1);
    text[n > 0 ? n : 0] = '\0';
    return fd;
}

static void child_writes(void *arg)
{
    char *p = arg;

    CHECK_EQ(p[0], 'a');
    p[0] = 'c';
    CHECK_EQ(p[0], 'c');
}

TEST(memory_behaves)
{
    char text[128];
    int fd = open_device(text, sizeof(text));
    char *p = mmap(NULL, 16 * page_size, RW, MAP_PRIVATE, fd, 0);

    CHECK(strncmp(text, "row ", 4) == 0);
    CHECK_ERRNO(sys_mmap(NULL, page_size, RW, MAP_SHARED, fd, 0), EINVAL);
    REQUIRE(p != MAP_FAILED);
    for (size_t i = 0; i < 16; i++) {
        CHECK_EQ(p[i * page_size], 0);
        p[i * page_size] = (char)('a' + i);
    }
    CHECK_EQ(in_child(child_writes, p), 0);
    CHECK_EQ(p[0], 'a');
    CHECK_OK(mprotect(p + page_size, page_size, PROT_READ));
    CHECK_FAULT(try_write(p + page_size), p + page_size, SIGSEGV, SEGV_ACCERR);
    CHECK_OK(munmap(p + 3 * page_size, page_size));
    CHECK_FAULT(try_read(p + 3 * page_size), p + 3 * page_size, SIGSEGV, SEGV_MAPERR);
    CHECK_EQ(p[4 * page_size], 'e');
    CHECK_OK(madvise(p + 4 * page_size, page_size, MADV_DONTNEED));
    CHECK_EQ(p[4 * page_size], 0);
}

TEST(two_pages_per_fault)
{
    long faults, pages;
    char text[128];
    int fd = open_device(text, sizeof(text));
    char *p;

    if (!strstr(text, "two pages per fault"))
        ktap_skip("built without EXPERIMENT=labs/experiment/row.c");
    p = mmap(NULL, 65 * page_size, RW, MAP_PRIVATE, fd, 0);
    REQUIRE(p != MAP_FAILED);
    p += (uintptr_t)p / page_size & 1 ? page_size : 0; /* whole pairs */
    faults = minor_faults();
    for (size_t i = 0; i < 64; i++)
        p[i * page_size] = 1;
    faults = minor_faults() - faults;
    CHECK(faults >= 32 && faults < 40);
    lseek(fd, 0, SEEK_SET);
    CHECK(read(fd, text, sizeof(text)) > 0);
    CHECK_EQ(sscanf(text, "row two pages per fault: %ld faults, %ld", &faults, &pages), 2);
    CHECK(faults >= 32 && pages >= 32);
    CHECK_OK(munmap(p, 64 * page_size));
}

KTAP_MAIN(CASE(memory_behaves), CASE(two_pages_per_fault))
