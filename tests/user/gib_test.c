/* SPDX-License-Identifier: MIT */
/*
 * Leaves of 1 GiB over anonymous memory: MADV_COLLAPSE and khugepaged make them, whoever changes a
 * part takes them back, whatever is pinned; every byte is where it was. Needs a machine whose MMU
 * has such leaves, a free block of 1 GiB besides the memory of the test, and root: `make gigantic`.
 */
#include "gib.h"

#include "../../include/uapi/dmatest.h"
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <time.h>

static size_t huge; /* bytes of a huge page */

/* ---- what the kernel says ---- */

static long vmstat(const char *name)
{
    return file_field("/proc/vmstat", name);
}

static long huge_kb(const void *at)
{
    return smaps_field(at, "AnonHugePages");
}

/* ---- contents: a word in each page ---- */

static void fill(char *p, size_t len, size_t salt)
{
    for (size_t i = 0; i < len; i += page_size)
        *(size_t *)(p + i) = i + salt;
}

static void check_filled(const char *p, size_t len, size_t salt)
{
    for (size_t i = 0; i < len; i += page_size)
        if (*(const size_t *)(p + i) != i + salt) {
            CHECK_EQ(*(const size_t *)(p + i), i + salt);
            ktap_note("page %zu", i / page_size);
            return;
        }
}

/* ---- memory ---- */

static void set_knob(const char *text)
{
    if (access(KNOB, F_OK) < 0)
        ktap_skip("this MMU has no leaves of 1 GiB");
    CHECK_OK(write_text(KNOB, text));
}

/* The program's own process only. */
__attribute__((destructor)) static void knob_back(void)
{
    if (access(KNOB, F_OK) == 0)
        (void)write_text(KNOB, "never");
}

/* An aligned GiB that wants huge pages, filled, and alone. */
static char *map_gib(size_t salt)
{
    char text[32], *p = mmap(NULL, 3 * GIB, PROT_NONE, ANON, -1, 0), *at;

    if (p == MAP_FAILED)
        ktap_skip("mmap: %s", strerror(errno));
    if (file_field("/proc/meminfo", "MemFree") < (long)((2 * GIB + GIB / 4) >> 10))
        ktap_skip("needs 1 GiB twice");
    read_text(KNOBS "hpage_pmd_size", text, sizeof(text));
    huge = strtoul(text, NULL, 10);
    at = (char *)(((uintptr_t)p + GIB) & ~(GIB - 1));
    prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
    CHECK_OK(mprotect(at, GIB, RW));
    CHECK_OK(madvise(at, GIB, MADV_HUGEPAGE));
    fill(at, GIB, salt);
    return at;
}

/* The same as one leaf. */
static char *make_gib(size_t salt)
{
    char *p;

    set_knob("always");
    p = map_gib(salt);
    if (madvise(p, GIB, MADV_COLLAPSE) < 0) {
        note_blocks();
        ktap_skip("no free block of 1 GiB: %s", strerror(errno));
    }
    if (!CHECK(is_gib(p)))
        _exit(KTAP_STATUS_FAIL);
    return p;
}

static int split_to_order(const char *at, size_t len, unsigned int order)
{
    char text[96];

    snprintf(text, sizeof(text), "%d,0x%lx,0x%lx,%u", getpid(), (unsigned long)at,
             (unsigned long)at + len, order);
    return write_text(SPLIT, text);
}

static unsigned int huge_order(void)
{
    return (unsigned int)__builtin_ctzl(huge / page_size);
}

/* ---- tests ---- */

TEST(knob)
{
    char text[64];

    set_knob("always");
    read_text(KNOB, text, sizeof(text));
    CHECK(strcmp(text, "[always] inherit madvise never\n") == 0);
    CHECK_ERRNO(write_text(KNOB, "sometimes"), EINVAL);
    CHECK_ERRNO(write_text(KNOB, ""), EINVAL);
    set_knob("never\n");
    read_text(KNOB, text, sizeof(text));
    CHECK(strcmp(text, "always inherit madvise [never]\n") == 0);
}

TEST(collapse_makes_a_leaf)
{
    long promoted = vmstat("thp_promote_pud");
    size_t first;
    char *p = make_gib(7);

    CHECK_EQ(vmstat("thp_promote_pud"), promoted + 1);
    first = pagemap(p) & PAGEMAP_PFN;
    CHECK_EQ(first % (GIB / page_size), 0);
    CHECK_EQ(pagemap(p + GIB - page_size) & PAGEMAP_PFN, first + GIB / page_size - 1);
    CHECK_EQ(huge_kb(p), GIB >> 10);
    check_filled(p, GIB, 7);
    fill(p, GIB, 8);
    check_filled(p, GIB, 8);
    CHECK_OK(madvise(p, GIB, MADV_COLLAPSE)); /* it is one */
    CHECK_EQ(vmstat("thp_promote_pud"), promoted + 1);
    CHECK(is_gib(p));
}

/* Who only looks leaves it as it is. */
TEST(readers_leave_it)
{
    long split = vmstat("thp_split_pud");
    char *p = make_gib(3), byte = 0;
    struct iovec local = {&byte, 1}, remote = {p + GIB / 2 + 5, 1};
    unsigned char vec[4];

    CHECK_EQ(process_vm_readv(getpid(), &local, 1, &remote, 1, 0), 1);
    byte = 'y';
    CHECK_EQ(process_vm_writev(getpid(), &local, 1, &remote, 1, 0), 1);
    CHECK_EQ(p[GIB / 2 + 5], 'y');
    CHECK_OK(mincore(p + 10 * huge, 4 * page_size, vec));
    CHECK_EQ(vec[3] & 1, 1);
    CHECK(is_present(p + 3 * page_size));
    CHECK_EQ(huge_kb(p), GIB >> 10);
    CHECK_OK(madvise(p, GIB, MADV_POPULATE_WRITE));
    CHECK(is_gib(p));
    CHECK_EQ(vmstat("thp_split_pud"), split);
}

/* @region gets what is pinned from @at on; the test is skipped without the device. */
static int pin(int device, char *at, size_t len)
{
    struct dmatest_pin pin = {.addr = (uintptr_t)at, .len = len, .flags = DMATEST_WRITE};

    if (ioctl(device, DMATEST_PIN, &pin) < 0)
        ktap_skip("/dev/dmatest: %s", strerror(errno));
    return (int)pin.region;
}

/* The device writes where it pinned, and the program sees it. */
static void check_pin(int device, int region, size_t offset, const char *at)
{
    struct dmatest_access a = {.region = (unsigned)region,
                               .flags = DMATEST_WRITE,
                               .len = 1,
                               .offset = offset,
                               .buffer = (uintptr_t) "d"};

    CHECK_OK(ioctl(device, DMATEST_ACCESS, &a));
    CHECK_EQ(*at, 'd');
}

/* Without a pin, with one, with all pages pinned: to huge pages and back, then to small ones. */
TEST(split_with_pins)
{
    for (int round = 0; round < 3; round++) {
        int device = open("/dev/dmatest", O_RDWR), region[4] = {-1, -1, -1, -1};
        char *p = make_gib((size_t)round);
        long split = vmstat("thp_split_pud");

        if (round == 1)
            region[0] = pin(device, p + 9 * huge + 8, 1);
        for (int i = 0; round == 2 && i < 4; i++)
            region[i] = pin(device, p + (size_t)i * (GIB / 4), GIB / 4);
        CHECK(is_gib(p)); /* a pin takes nothing apart */
        CHECK_OK(split_to_order(p, GIB, huge_order()));
        CHECK(!is_gib(p));
        CHECK_EQ(vmstat("thp_split_pud"), split + 1);
        CHECK_EQ(huge_kb(p), GIB >> 10);
        check_filled(p, GIB, (size_t)round);
        CHECK_OK(madvise(p, GIB, MADV_COLLAPSE)); /* in place: pins do not matter */
        CHECK(is_gib(p));
        CHECK_OK(split_to_order(p + 9 * huge, huge, 0));
        CHECK(!is_gib(p));
        CHECK_EQ(huge_kb(p), (GIB - huge) >> 10);
        check_filled(p, GIB, (size_t)round);
        CHECK_OK(split_to_order(p, GIB, 4));
        CHECK_EQ(huge_kb(p), 0);
        check_filled(p, GIB, (size_t)round);
        if (round == 1)
            check_pin(device, region[0], 0, p + 9 * huge + 8);
        for (int i = 0; round == 2 && i < 4; i++)
            check_pin(device, region[i], GIB / 4 - 1, p + (size_t)(i + 1) * (GIB / 4) - 1);
        CHECK_OK(munmap(p, GIB));
        close(device);
    }
}

/* Pinned pages cannot be moved; then nothing changes. */
TEST(collapse_of_what_is_pinned)
{
    int device = open("/dev/dmatest", O_RDWR), region;
    char *p;

    set_knob("never");
    p = map_gib(1);
    CHECK_OK(madvise(p + huge, huge, MADV_DONTNEED));
    CHECK_OK(split_to_order(p + 2 * huge, huge, 0));
    fill(p + huge, huge, 1 + huge);           /* in another order than addresses have */
    CHECK_OK(madvise(p, GIB, MADV_COLLAPSE)); /* huge pages, that is all that is asked for */
    CHECK_EQ(huge_kb(p), GIB >> 10);
    if (is_gib(p))
        ktap_skip("the pages lie side by side by chance");
    region = pin(device, p + 5 * huge, 1);
    set_knob("always");
    CHECK_ERRNO(madvise(p, GIB, MADV_COLLAPSE), EAGAIN);
    CHECK(!is_gib(p));
    CHECK_EQ(huge_kb(p), GIB >> 10);
    check_pin(device, region, 0, p + 5 * huge);
    *(size_t *)(p + 5 * huge) = 5 * huge + 1;
    check_filled(p, GIB, 1);
    close(device);
    CHECK_OK(madvise(p, GIB, MADV_COLLAPSE));
    CHECK(is_gib(p));
    check_filled(p, GIB, 1);
}

/* What changes a part takes the leaf back and does what it says, no more. */
TEST(parts)
{
    char *p = make_gib(4), *to;
    int status;
    pid_t pid;

    CHECK_OK(mprotect(p + huge, huge, PROT_READ));
    CHECK(!is_gib(p));
    CHECK_FAULT(try_write(p + huge), p + huge, SIGSEGV, SEGV_ACCERR);
    CHECK_EQ(try_write(p + 2 * huge), 0);
    *(size_t *)(p + 2 * huge) = 2 * huge + 4;
    CHECK_OK(mprotect(p + huge, huge, RW));
    CHECK_OK(madvise(p, GIB, MADV_COLLAPSE));
    CHECK(is_gib(p));
    CHECK_OK(madvise(p + 3 * page_size, page_size, MADV_DONTNEED));
    CHECK(!is_gib(p));
    CHECK_EQ(p[3 * page_size], 0);
    fill(p + 3 * page_size, page_size, 4 + 3 * page_size);
    CHECK_EQ(huge_kb(p), (GIB - huge) >> 10);
    check_filled(p, GIB, 4);
    CHECK_OK(madvise(p, GIB, MADV_COLLAPSE));
    CHECK(is_gib(p));
    pid = ktap_fork();
    if (pid == 0) {
        check_filled(p, GIB, 4);
        fill(p + 7 * huge, huge, 99);
        _exit(ktap_failures != 0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    check_filled(p, GIB, 4);
    fill(p, GIB, 4); /* written, so its own again */
    CHECK_OK(madvise(p, GIB, MADV_COLLAPSE));
    CHECK(is_gib(p));
    to = mmap(NULL, 3 * GIB, PROT_NONE, ANON, -1, 0);
    to = (char *)(((uintptr_t)to + GIB) & ~(GIB - 1));
    CHECK(mremap(p, GIB, GIB, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
    check_filled(to, GIB, 4);
    CHECK_EQ(huge_kb(to), GIB >> 10);
    CHECK_OK(madvise(to, GIB, MADV_COLLAPSE));
    CHECK(is_gib(to));
    CHECK_OK(munmap(to + GIB / 2, page_size));
    check_filled(to, GIB / 2, 4);
    CHECK_OK(munmap(to, GIB));
}

/* What a child has, too, is in the way for as long as it lives; what it had is not. */
TEST(collapse_after_fork)
{
    char *p = make_gib(2), c;
    int hold[2];
    pid_t pid;

    CHECK_OK(pipe(hold));
    pid = ktap_fork();
    if (pid == 0) {
        close(hold[1]);
        _exit(read(hold[0], &c, 1) != 0);
    }
    CHECK(!is_gib(p));
    CHECK_ERRNO(madvise(p, GIB, MADV_COLLAPSE), EAGAIN);
    *(size_t *)(p + 3 * huge) = 3 * huge + 2; /* a huge page again, but only this one */
    CHECK_ERRNO(madvise(p, GIB, MADV_COLLAPSE), EAGAIN);
    CHECK(!is_gib(p));
    close(hold[1]);
    CHECK_EQ(waitpid(pid, NULL, 0), pid);
    CHECK_OK(madvise(p, GIB, MADV_COLLAPSE));
    CHECK(is_gib(p));
    check_filled(p, GIB, 2);
    fill(p, GIB, 3);
    CHECK_OK(mprotect(p, GIB, PROT_READ));
    pid = ktap_fork();
    if (pid == 0)
        _exit(0);
    CHECK_EQ(waitpid(pid, NULL, 0), pid);
    CHECK_OK(madvise(p, GIB, MADV_COLLAPSE));
    CHECK(is_gib(p));
    CHECK_FAULT(try_write(p + huge), p + huge, SIGSEGV, SEGV_ACCERR);
    CHECK_OK(mprotect(p, GIB, PROT_NONE));
    CHECK_ERRNO(madvise(p, GIB, MADV_COLLAPSE), EINVAL); /* not for as long as it is so */
    CHECK_OK(mprotect(p, GIB, RW));
    CHECK_OK(write_text("/proc/self/clear_refs", "4"));
    CHECK_OK(madvise(p, GIB, MADV_COLLAPSE)); /* says that all was written */
    CHECK(is_gib(p));
    check_filled(p, GIB, 3);
}

TEST(khugepaged_promotes_in_place)
{
    char *p = make_gib(5), text[32];

    read_text(SCAN_SLEEP, text, sizeof(text));
    CHECK_OK(split_to_order(p, GIB, huge_order()));
    CHECK(!is_gib(p));
    CHECK_OK(write_text(SCAN_SLEEP, "10"));
    for (int i = 0; i < 1000 && !is_gib(p); i++)
        usleep(10000);
    CHECK(is_gib(p));
    check_filled(p, GIB, 5);
    CHECK_OK(write_text(SCAN_SLEEP, text));
    set_knob("never");
}

static long ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000l + t.tv_nsec;
}

/* What a request takes. */
static long cost(const char *at, size_t len, unsigned int order)
{
    long start = ns();

    CHECK_OK(split_to_order(at, len, order));
    return ns() - start;
}

/* Under -icount a nanosecond is an instruction. The same request with nothing to do is what each
 * costs beside the split. */
TEST(cost_of_a_split)
{
    char *p = make_gib(6);
    long whole, nothing, part;

    (void)cost(p, GIB, huge_order());
    CHECK_OK(madvise(p, GIB, MADV_COLLAPSE));
    whole = cost(p, GIB, huge_order());
    nothing = cost(p, GIB, huge_order());
    CHECK_OK(madvise(p, GIB, MADV_COLLAPSE));
    part = cost(p + huge, huge, 0);
    ktap_note("to huge pages %ld ns, nothing to do %ld ns", whole, nothing);
    ktap_note("and one of them to small ones %ld ns, without the leaf above %ld ns", part,
              cost(p + 2 * huge, huge, 0));
}

KTAP_MAIN(CASE(knob), CASE(collapse_makes_a_leaf), CASE(readers_leave_it), CASE(split_with_pins),
          CASE(collapse_of_what_is_pinned), CASE(parts), CASE(collapse_after_fork),
          CASE(khugepaged_promotes_in_place), CASE(cost_of_a_split))
