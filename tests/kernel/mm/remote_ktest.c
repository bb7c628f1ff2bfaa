/* SPDX-License-Identifier: MIT */
/* remote_ktest.c: reading and writing the memory of an address space that one does not live in. */
#include <kernel/string.h>
#include <mm/slab.h>
#include "pt_test.h"

KTEST(remote, across_pages)
{
    struct mm *mm = test_mm_enter();
    vaddr_t va = test_map(3 * PAGE_SIZE, RW, ANON);
    char *buf = kmalloc(3 * PAGE_SIZE);

    EXPECT_OR_RETURN(buf != NULL);
    mm_get(mm);
    test_mm_leave();
    memset(buf, 0x5c, 3 * PAGE_SIZE);
    EXPECT_EQ(mm_access_remote(mm, va + 100, buf, 2 * PAGE_SIZE, true), 2 * PAGE_SIZE);
    memset(buf, 0, 3 * PAGE_SIZE);
    EXPECT_EQ(mm_access_remote(mm, va, buf, 3 * PAGE_SIZE, false), 3 * PAGE_SIZE);
    EXPECT_EQ(buf[99], 0);
    EXPECT_EQ(buf[100], 0x5c);
    EXPECT_EQ(buf[2 * PAGE_SIZE + 99], 0x5c);
    EXPECT_EQ(buf[2 * PAGE_SIZE + 100], 0);
    /* short */
    EXPECT_EQ(mm_access_remote(mm, va + 2 * PAGE_SIZE, buf, 2 * PAGE_SIZE, false), PAGE_SIZE);
    EXPECT_EQ(mm_access_remote(mm, va + 3 * PAGE_SIZE, buf, 1, false), -EFAULT);
    EXPECT_EQ(mm_access_remote(mm, user_top(), buf, 1, false), -EFAULT);
    EXPECT_EQ(mm_access_remote(mm, va, buf, 0, false), 0);
    EXPECT_EQ(mm_mprotect(mm, va, PAGE_SIZE, PROT_READ), 0);
    EXPECT_EQ(mm_access_remote(mm, va, buf, 8, true), -EFAULT);
    EXPECT_EQ(mm_access_remote(mm, va, buf, 8, false), 8);
    EXPECT_EQ(test_check(mm), 0);
    kfree(buf);
    mm_put(mm);
}

/* To look at a page does not take it from those with whom it is shared. */
KTEST(remote, reading_does_not_unshare)
{
    struct mm *mm = test_mm_enter(), *child;
    vaddr_t va = test_map(2 * PAGE_SIZE, RW, ANON);
    u64 word = 0, anon = vmstat_sum(VMSTAT_pgcow);

    EXPECT(test_write(va, 7));
    child = mm_fork(mm);
    EXPECT_OR_RETURN(!IS_ERR(child));
    EXPECT_EQ(mm_access_remote(child, va, &word, 8, false), 8);
    EXPECT_EQ(word, 7);
    EXPECT_EQ(mm_access_remote(mm, va, &word, 8, false), 8); /* its own: the fast way */
    EXPECT_EQ(mm_access_remote(child, va + PAGE_SIZE, &word, 8, false), 8);
    EXPECT_EQ(word, 0);
    EXPECT(test_page(child, va) == test_page(mm, va));
    EXPECT(page_refs(test_page(mm, va)) == 2 && page_pins(test_page(mm, va)) == 0);
    EXPECT_EQ(vmstat_sum(VMSTAT_pgcow), anon);
    EXPECT_EQ(test_rss(child, MM_ANON), 1);
    mm_put(child);
    test_mm_leave();
}

/* A write goes to the page's owner only, not to whom the page is shared with copy-on-write. */
KTEST(remote, copies_on_write)
{
    struct mm *mm = test_mm_enter(), *child;
    vaddr_t va = test_map(PAGE_SIZE, RW, ANON);
    u64 word = 2;

    EXPECT(test_write(va, 1));
    child = mm_fork(mm);
    EXPECT_OR_RETURN(!IS_ERR(child));
    EXPECT_EQ(mm_access_remote(child, va, &word, 8, true), 8);
    EXPECT_EQ(test_read(va), 1);
    mm_put(child);
    test_mm_leave();
}
