/* SPDX-License-Identifier: MIT */
/* memblock_ktest.c: what early boot left behind; memblock's algorithms are tested on the host
 * (tests/host/mm/memblock_test.c). */
#include <kernel/ktest.h>
#include <mm/buddy.h>
#include <mm/memblock.h>

KTEST(memblock, lists_are_sound)
{
    paddr_t base, end, last = 0;
    u64 total = 0;

    EXPECT_EQ(memblock_check(), 0);
    for (unsigned int i = 0; memblock_memory_range(i, &base, &end); i++) {
        EXPECT(base < end && (i == 0 || base > last));
        total += end - base;
        last = end;
    }
    EXPECT_EQ(total, memblock_total());
    EXPECT_EQ(last, memblock_end());
    EXPECT_EQ(memblock_start() >> PAGE_SHIFT, mem_map_first);
}

/* The kernel itself may keep little: 1/64 for struct page, and some MiB. */
KTEST(memblock, most_memory_was_given_to_buddy)
{
    u64 kept = (memblock_total() >> PAGE_SHIFT) - buddy_nr_total();

    EXPECT(buddy_nr_total() <= memblock_total() >> PAGE_SHIFT);
    EXPECT(kept <= (memblock_total() >> PAGE_SHIFT) / 64 + MIB(16) / PAGE_SIZE);
}
