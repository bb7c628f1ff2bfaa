/* SPDX-License-Identifier: MIT */
/*
 * bootinfo_test.c: the memory map that boot/bootinfo.c makes of a firmware's: random ranges,
 * against a model that knows one kind for each page. Invariants I1 and I2 of bootinfo.c.
 */
#include <boot/bootinfo.h>
#include <kernel/string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "host.h"

#define PAGES    64u
#define RANGES   24u
#define MACHINES 500u
#define NOTHING  (-1)

static int model[PAGES]; /* the strongest kind that somebody called the page */

/* A page that is only partly RAM is not RAM; one that is partly something else is that. */
static void note(u64 start, u64 end, int kind)
{
    for (u64 n = 0; n < PAGES; n++) {
        u64 from = n * PAGE_SIZE, to = from + PAGE_SIZE;
        bool is = kind == BOOT_RAM ? start <= from && to <= end : start < to && from < end;

        if (is && kind > model[n])
            model[n] = kind;
    }
}

static void add_some_range(void)
{
    u64 start = host_random_below(PAGES * PAGE_SIZE), len = host_random_below(PAGE_SIZE * 16);
    int kind = (int)host_random_below(3);

    if (host_random_below(2) != 0) { /* as most are */
        start = ALIGN_DOWN(start, PAGE_SIZE);
        len = ALIGN_UP(len, PAGE_SIZE);
    }
    len = min(len, PAGES * PAGE_SIZE - start);
    bootinfo_add_range(start, len, (enum boot_range_kind)kind);
    if (len != 0)
        note(start, start + len, kind);
}

static int kind_in(const struct bootinfo *bi, u64 page)
{
    for (unsigned int i = 0; i < bi->nr_ranges; i++)
        if (page * PAGE_SIZE - bi->map[i].base < bi->map[i].len)
            return (int)bi->map[i].kind;
    return NOTHING;
}

static void check_machine(void)
{
    static struct bootinfo bi;
    unsigned int n = host_random_below(RANGES);

    for (unsigned int i = 0; i < PAGES; i++)
        model[i] = NOTHING;
    for (unsigned int i = 0; i < n; i++)
        add_some_range();
    bootinfo_finish(&bi);
    EXPECT_EQ(bi.nr_dropped, 0);
    for (unsigned int i = 0; i < bi.nr_ranges; i++) {
        EXPECT(bi.map[i].len != 0);
        EXPECT(i == 0 || bi.map[i].base >= bi.map[i - 1].base + bi.map[i - 1].len);
    }
    for (u64 page = 0; page < PAGES; page++)
        EXPECT_EQ(kind_in(&bi, page), model[page]);
}

/* bootinfo_finish is called once in a machine's life: each has a process of its own. */
HTEST(bootinfo_random_maps)
{
    for (unsigned int i = 0; i < MACHINES && host_failures() == 0; i++) {
        int status = -1;
        pid_t child = fork();

        (void)host_random();
        if (child == 0) {
            check_machine();
            _exit(host_failures() != 0);
        }
        EXPECT(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    }
}

HTEST(bootinfo_command_line)
{
    static struct bootinfo bi;
    static char longest[BOOT_CMDLINE_LEN + 1];

    bootinfo_set_cmdline(&bi, "quiet dmap=4k", 64);
    EXPECT(bootinfo_has_option(&bi, "dmap=4k") && bootinfo_has_option(&bi, "quiet"));
    EXPECT(!bootinfo_has_option(&bi, "dmap") && !bootinfo_has_option(&bi, "uiet"));
    EXPECT(!bi.cmdline_truncated);
    memset(longest, 'x', BOOT_CMDLINE_LEN);
    bootinfo_set_cmdline(&bi, longest, sizeof(longest));
    EXPECT(bi.cmdline_truncated && strlen(bi.cmdline) == BOOT_CMDLINE_LEN - 1);
}
