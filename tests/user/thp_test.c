/* SPDX-License-Identifier: MIT */
/*
 * Transparent huge pages as programs see them: where they come, what counts them, the knobs, the
 * operations on wholes and parts, MADV_COLLAPSE, splitting on request. Needs a kernel with huge
 * pages, and root for the knobs. All of it at once: thp_stress_test.c.
 */
#include "mem.h"

#include "../../include/uapi/dmatest.h"
#include <sys/ioctl.h>
#include <sys/uio.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define KNOBS "/sys/kernel/mm/transparent_hugepage/"
#define SPLIT "/sys/kernel/debug/split_huge_pages"

static size_t huge_size(void)
{
    char buf[32];

    read_text(KNOBS "hpage_pmd_size", buf, sizeof(buf));
    return strtoul(buf, NULL, 10);
}

/* nr huge pages' room, aligned, that wants them. */
static char *map_huge(size_t nr)
{
    size_t size = huge_size();
    char *p = mmap(NULL, (nr + 1) * size, RW, ANON, -1, 0), *at;

    if (p == MAP_FAILED)
        ktap_skip("mmap: %s", strerror(errno));
    at = (char *)(((uintptr_t)p + size - 1) & ~(uintptr_t)(size - 1));
    prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
    if (madvise(at, nr * size, MADV_HUGEPAGE) < 0)
        ktap_skip("MADV_HUGEPAGE: %s", strerror(errno));
    return at;
}

static long huge_kb(const void *at)
{
    return smaps_field(at, "AnonHugePages");
}

struct vmstat_query {
    const char *name; /* with the blank behind it */
    long value;
};

static void vmstat_line(const char *line, void *arg)
{
    struct vmstat_query *q = arg;

    if (strncmp(line, q->name, strlen(q->name)) == 0)
        q->value = strtol(line + strlen(q->name), NULL, 10);
}

static long vmstat_value(const char *name)
{
    struct vmstat_query q = {.name = name, .value = -1};

    mem_each_line("/proc/vmstat", vmstat_line, &q);
    return q.value;
}

static void fill(char *p, size_t len, char salt)
{
    for (size_t i = 0; i < len; i += page_size)
        p[i] = (char)(i / page_size + (size_t)salt);
}

static void check_filled(const char *p, size_t len, size_t first, char salt)
{
    for (size_t i = 0; i < len; i += page_size)
        if (p[i] != (char)(i / page_size + first + (size_t)salt)) {
            CHECK_EQ(p[i], (char)(i / page_size + first + (size_t)salt));
            ktap_note("page %zu", i / page_size);
            return;
        }
}

TEST(fault_and_counters)
{
    size_t size = huge_size();
    char *p = map_huge(2);
    long faults = vmstat_value("thp_fault_alloc ");

    CHECK_EQ(smaps_field(p, "THPeligible"), 1);
    CHECK_EQ(huge_kb(p), 0);
    p[size + 17] = 1;
    CHECK_EQ(huge_kb(p), (long)size >> 10);
    CHECK(vmstat_value("thp_fault_alloc ") > faults);
    CHECK(file_field("/proc/meminfo", "AnonHugePages") >= (long)size >> 10);
    CHECK_EQ(p[0], 0); /* the huge zero page is not counted */
    CHECK_EQ(huge_kb(p), (long)size >> 10);
    CHECK_OK(madvise(p, 2 * size, MADV_DONTNEED));
    CHECK_EQ(huge_kb(p), 0);
    CHECK_EQ(p[size + 17], 0);
}

TEST(prctl_disables)
{
    char *p = map_huge(2);

    CHECK_OK(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
    p[0] = 1;
    CHECK_EQ(huge_kb(p), 0);
    CHECK_EQ(smaps_field(p, "THPeligible"), 0);
    CHECK_OK(prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0));
    p[huge_size()] = 1;
    CHECK_EQ(huge_kb(p), (long)huge_size() >> 10);
}

/* Nothing but time passes: the thread goes on at its pace without being asked each time. */
TEST(khugepaged_comes_by_itself)
{
    static const char sleep_knob[] = KNOBS "khugepaged/scan_sleep_millisecs";
    size_t nr = ktap_swept ? 1 : 3, len = nr * huge_size();
    char *p = map_huge(nr), before[32];

    CHECK_OK(madvise(p, len, MADV_NOHUGEPAGE));
    fill(p, len, 1);
    CHECK_EQ(huge_kb(p), 0);
    read_text(sleep_knob, before, sizeof(before));
    CHECK_OK(write_text(sleep_knob, "10"));
    usleep(ktap_swept ? 20000 : 200000); /* the scan that the knob itself has brought is over */
    CHECK_OK(madvise(p, len, MADV_HUGEPAGE));
    while (huge_kb(p) != (long)len >> 10)
        usleep(10000);
    CHECK_OK(write_text(sleep_knob, before));
    check_filled(p, len, 0, 1);
}

TEST(knobs)
{
    static const char *const bad[] = {"", "nonsense", "alway", "always madvise", "[always]", "2"};
    char before[128], now[128];

    read_text(KNOBS "enabled", before, sizeof(before));
    CHECK(strchr(before, '[') && strchr(before, ']') && strstr(before, "never"));
    for (size_t i = 1; i < sizeof(bad) / sizeof(*bad); i++) {
        CHECK_ERRNO(write_text(KNOBS "enabled", bad[i]), EINVAL);
        CHECK_ERRNO(write_text(KNOBS "defrag", bad[i]), EINVAL);
        CHECK_ERRNO(write_text(KNOBS "use_zero_page", bad[i]), EINVAL);
    }
    CHECK_ERRNO(write_text(KNOBS "khugepaged/pages_to_scan", "0"), EINVAL);
    CHECK_ERRNO(write_text(KNOBS "khugepaged/max_ptes_none", "100000000"), EINVAL);
    CHECK_ERRNO(write_text(KNOBS "khugepaged/scan_sleep_millisecs", "-1"), EINVAL);
    read_text(KNOBS "enabled", now, sizeof(now));
    CHECK(strcmp(before, now) == 0);
    CHECK_OK(write_text(KNOBS "enabled", "never\n"));
    read_text(KNOBS "enabled", now, sizeof(now));
    CHECK(strcmp(now, "always madvise [never]\n") == 0);
    CHECK_EQ(smaps_field(map_huge(1), "THPeligible"), 0);
    *strchr(before, ']') = '\0';
    CHECK_OK(write_text(KNOBS "enabled", strchr(before, '[') + 1));
}

TEST(parts)
{
    size_t size = huge_size();
    char *p = map_huge(3), *q;
    long free_kb;

    fill(p, 3 * size, 1);
    CHECK_EQ(huge_kb(p), (long)(3 * size) >> 10);
    free_kb = file_field("/proc/meminfo", "MemFree");
    CHECK_OK(madvise(p + size / 4, size / 2, MADV_DONTNEED));
    CHECK(file_field("/proc/meminfo", "MemFree") - free_kb > (long)(size / 4) >> 10);
    CHECK_EQ(huge_kb(p), (long)(2 * size) >> 10);
    check_filled(p, size / 4, 0, 1);
    check_filled(p + size / 4 * 3, size / 4, size / 4 * 3 / page_size, 1);
    CHECK_EQ(p[size / 2], 0);
    CHECK_OK(mprotect(p + size + page_size, page_size, PROT_READ));
    CHECK_EQ(try_write(p + size + page_size), SIGSEGV);
    check_filled(p + size, size, size / page_size, 1);
    q = mremap(p + 2 * size, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, p);
    CHECK(q == p);
    CHECK_EQ(huge_kb(p), (long)size >> 10);
    check_filled(p, size, 2 * size / page_size, 1);
}

TEST(fork_and_write)
{
    size_t size = huge_size();
    char *p = map_huge(1);
    int status = -1;
    pid_t pid;

    fill(p, size, 3);
    pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        check_filled(p, size, 0, 3);
        fill(p, size / 2, 9);
        check_filled(p + size / 2, size / 2, size / 2 / page_size, 3);
        _exit(ktap_failures != 0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    check_filled(p, size, 0, 3);
    p[page_size] = 99;
    CHECK_EQ(p[0], 3);
}

TEST(collapse)
{
    size_t size = huge_size();
    char *p = map_huge(1);

    CHECK_OK(madvise(p, size, MADV_NOHUGEPAGE));
    for (size_t i = size; i > 0; i -= page_size) /* against the order of addresses */
        p[i - page_size] = (char)((i - page_size) / page_size + 5);
    CHECK_EQ(huge_kb(p), 0);
    CHECK_ERRNO(madvise(p, size, MADV_COLLAPSE), EINVAL);
    CHECK_OK(madvise(p, size, MADV_HUGEPAGE));
    CHECK_OK(madvise(p, size, MADV_COLLAPSE));
    CHECK_EQ(huge_kb(p), (long)size >> 10);
    check_filled(p, size, 0, 5);
}

TEST(split_on_request)
{
    size_t size = huge_size();
    char *p = map_huge(3), byte = 0;
    struct iovec local = {&byte, 1}, remote = {p + size + 1, 1};

    fill(p, 3 * size, 7);
    CHECK_OK(write_range(SPLIT, p + size, size));
    CHECK_EQ(huge_kb(p), (long)(2 * size) >> 10);
    check_filled(p, 3 * size, 0, 7);
    CHECK_EQ(process_vm_readv(getpid(), &local, 1, &remote, 1, 0), 1);
    CHECK_OK(madvise(p, 3 * size, MADV_COLLAPSE));
    CHECK_EQ(huge_kb(p), (long)(3 * size) >> 10);
    check_filled(p, 3 * size, 0, 7);
    CHECK_OK(write_range(SPLIT, p, 1)); /* only whole pages of the range count, as on Linux */
    CHECK_OK(write_range(SPLIT, p + size, 1 - size));
    CHECK_EQ(huge_kb(p), (long)(3 * size) >> 10);
    CHECK_ERRNO(write_text(SPLIT, "nonsense"), EINVAL);
    CHECK_ERRNO(write_text(SPLIT, "2"), EINVAL);
    CHECK_ERRNO(write_text(SPLIT, "1,0x1000"), EINVAL);
    CHECK_ERRNO(write_text(SPLIT, "999999,0x0,0x1000"), ESRCH);
    CHECK_ERRNO(write_text(SPLIT, "1,0x1000,0x2000,"), EINVAL);
    CHECK_ERRNO(write_text(SPLIT, "1,0x1000,0x2000,99"), EINVAL);
    CHECK_ERRNO(write_text(SPLIT, "1,0x1000,0x2000,x"), EINVAL);
}

static int split_to_order(const char *at, unsigned int order)
{
    char text[96];

    snprintf(text, sizeof(text), "%d,0x%lx,0x%lx,%u", getpid(), (unsigned long)at,
             (unsigned long)at + huge_size(), order);
    return write_text(SPLIT, text);
}

/* Whatever is pinned, and whatever the parts shall be: it is split, and pins see what the process
 * writes. */
TEST(split_to_an_order_with_pins)
{
    static const unsigned int orders[] = {0, 1, 4};
    size_t size = huge_size(), nr = size / page_size;
    int device = open("/dev/dmatest", O_RDWR);
    char *p = NULL;

    for (unsigned int i = 0; i < 9; i++) {
        size_t pinned = i / 3 == 0 ? 0 : i / 3 == 1 ? 1 : nr;
        struct dmatest_pin pin = {.len = pinned * page_size, .flags = DMATEST_WRITE};
        struct dmatest_access a = {.flags = DMATEST_WRITE, .len = 1, .buffer = (uintptr_t)"d"};

        p = map_huge(1); /* where no table is left of the one before */
        pin.addr = (uintptr_t)p + (pinned == nr ? 0 : page_size);
        fill(p, size, (char)i);
        CHECK_EQ(huge_kb(p), (long)size >> 10);
        if (pinned != 0 && ioctl(device, DMATEST_PIN, &pin) < 0)
            ktap_skip("no /dev/dmatest");
        CHECK_OK(split_to_order(p, orders[i % 3]));
        CHECK_EQ(huge_kb(p), 0);
        check_filled(p, size, 0, (char)i);
        if (pinned == 0)
            continue;
        a.region = pin.region;
        a.offset = (pinned - 1) * page_size;
        CHECK_OK(ioctl(device, DMATEST_ACCESS, &a));
        CHECK_EQ(*(char *)(pin.addr + a.offset), 'd');
        CHECK_OK(ioctl(device, DMATEST_UNPIN, (long)pin.region));
    }
    CHECK_ERRNO(split_to_order(p, 31), EINVAL);
}

KTAP_MAIN(CASE(fault_and_counters), CASE(prctl_disables), CASE(khugepaged_comes_by_itself),
          CASE(knobs), CASE(parts), CASE(fork_and_write), CASE(collapse), CASE(split_on_request),
          CASE(split_to_an_order_with_pins))
