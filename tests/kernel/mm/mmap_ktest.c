/* SPDX-License-Identifier: MIT */
/* mmap_ktest.c: the calls that change the set of areas, through the system call table, with their
 * errors. */
#include <kernel/syscall.h>
#include <kernel/vfs.h>
#include <linux/mempolicy.h>
#include <mm/hugetlb.h>
#include "mm/vma_internal.h"
#include "pt_test.h"

#define AT 0x20000000UL

static long call(unsigned int nr, unsigned long a, unsigned long b, unsigned long c,
                 unsigned long d)
{
    return syscall_table[nr](a, b, c, d, ~0UL, 0);
}

static long map_at(vaddr_t at, size_t len, unsigned long prot, unsigned long flags)
{
    return call(__NR_mmap, at, len, prot, flags);
}

KTEST(mmap, errors_of_the_call)
{
    (void)test_mm_enter();
    EXPECT_EQ(map_at(0, 0, PROT_READ, ANON), -EINVAL);
    EXPECT_EQ(map_at(0, PAGE_SIZE, PROT_READ, MAP_ANONYMOUS), -EINVAL);
    EXPECT_EQ(map_at(0, ~0UL, PROT_READ, ANON), -ENOMEM);
    EXPECT_EQ(map_at(0, user_top() + PAGE_SIZE, PROT_READ, ANON), -ENOMEM);
    EXPECT_EQ(map_at(AT + 1, PAGE_SIZE, PROT_READ, ANON | MAP_FIXED), -EINVAL);
    EXPECT_EQ(map_at(user_top(), PAGE_SIZE, PROT_READ, ANON | MAP_FIXED), -ENOMEM);
    EXPECT_EQ(map_at(0, PAGE_SIZE, PROT_READ, ANON | MAP_HUGETLB),
              huge_pool_by_size(0) ? -ENOMEM : -EINVAL); /* no page, or no such pages here */
    EXPECT_EQ(map_at(0, PAGE_SIZE, PROT_READ, ANON | MAP_HUGETLB | (13 << MAP_HUGE_SHIFT)),
              -EINVAL);
    EXPECT_EQ(syscall_table[__NR_mmap](0, PAGE_SIZE, PROT_READ, ANON, ~0UL, 5), -EINVAL);
    EXPECT_EQ(map_at(AT, PAGE_SIZE, PROT_READ, ANON | MAP_FIXED_NOREPLACE), AT);
    EXPECT_EQ(map_at(AT, PAGE_SIZE, PROT_READ, ANON | MAP_FIXED_NOREPLACE), -EEXIST);
    EXPECT_EQ(call(__NR_munmap, AT + 1, PAGE_SIZE, 0, 0), -EINVAL);
    EXPECT_EQ(call(__NR_munmap, AT, 0, 0, 0), -EINVAL);
    EXPECT_EQ(call(__NR_munmap, AT, ~0UL, 0, 0), -EINVAL);
    EXPECT_EQ(call(__NR_munmap, AT, PAGE_SIZE, 0, 0), 0);
    EXPECT_EQ(call(__NR_munmap, AT, PAGE_SIZE, 0, 0), 0);
    test_mm_leave();
}

KTEST(mmap, places)
{
    struct mm *mm = test_mm_enter();
    long a = map_at(0, PAGE_SIZE, PROT_READ, ANON), b = map_at(0, PAGE_SIZE, PROT_NONE, ANON);

    EXPECT_EQ(a, mm->mmap_base - PAGE_SIZE);
    EXPECT_EQ(b, a - (long)PAGE_SIZE);
    EXPECT_EQ(map_at(AT + 123, PAGE_SIZE, PROT_READ, ANON), AT); /* a free hint is taken */
    EXPECT_EQ(map_at(AT, PAGE_SIZE, PROT_NONE, ANON), b - (long)PAGE_SIZE); /* one in use is not */
    /* page 0 as a hint means none */
    EXPECT_EQ(map_at(1, PAGE_SIZE, PROT_READ, ANON), b - 2 * (long)PAGE_SIZE);
#ifdef MAP_32BIT
    EXPECT(map_at(0, PAGE_SIZE, PROT_READ, ANON | MAP_32BIT) < (long)GIB(2));
#endif
    EXPECT_EQ(vma_check(mm), 0);
    test_mm_leave();
}

KTEST(mmap, populate_and_locked)
{
    struct mm *mm = test_mm_enter();

    EXPECT_EQ(map_at(AT, 8 * PAGE_SIZE, RW, ANON | MAP_FIXED | MAP_POPULATE), AT);
    EXPECT_EQ(test_rss(mm, MM_ANON), 8);
    EXPECT_EQ(map_at(AT, 8 * PAGE_SIZE, RW, ANON | MAP_FIXED | MAP_POPULATE | MAP_NONBLOCK), AT);
    EXPECT_EQ(test_rss(mm, MM_ANON), 0);
    EXPECT_EQ(map_at(AT, 8 * PAGE_SIZE, RW, ANON | MAP_FIXED | MAP_LOCKED), AT);
    EXPECT_EQ(test_rss(mm, MM_ANON), 8);
    EXPECT_EQ(mm->locked_vm, 8);
    EXPECT_EQ(map_at(AT, 8 * PAGE_SIZE, PROT_NONE, ANON | MAP_FIXED | MAP_LOCKED), AT);
    EXPECT_EQ(mm_rss(mm), 0);
    test_mm_leave();
}

KTEST(mmap, mprotect_through_the_call)
{
    struct mm *mm = test_mm_enter();

    EXPECT_EQ(map_at(AT, 3 * PAGE_SIZE, RW, ANON | MAP_FIXED), AT);
    for (unsigned int i = 0; i < 3; i++)
        EXPECT(test_write(AT + i * PAGE_SIZE, i));
    EXPECT_EQ(call(__NR_mprotect, AT + PAGE_SIZE, PAGE_SIZE, PROT_READ, 0), 0);
    EXPECT_EQ(mm->nr_vmas, 3);
    EXPECT(!test_write(AT + PAGE_SIZE, 1));
    EXPECT(test_write(AT, 5));
    EXPECT_EQ(call(__NR_mprotect, AT + PAGE_SIZE, PAGE_SIZE, RW, 0), 0);
    EXPECT_EQ(mm->nr_vmas, 1);
    EXPECT(test_write(AT + PAGE_SIZE, 1));
    EXPECT_EQ(call(__NR_mprotect, AT, PAGE_SIZE, PROT_READ | PROT_GROWSUP, 0), -EINVAL);
    EXPECT_EQ(call(__NR_mprotect, AT, 4 * PAGE_SIZE, PROT_READ, 0), -ENOMEM);
    EXPECT(!test_write(AT, 1)); /* what is mapped was changed */
    EXPECT_EQ(vma_check(mm), 0);
    EXPECT_EQ(test_check(mm), 0);
    test_mm_leave();
}

/* 64 MiB spread over tables of several levels go to another place and come back. */
KTEST(mmap, mremap_keeps_contents)
{
    struct mm *mm = test_mm_enter();
    const vaddr_t to[] = { AT + GIB(3), AT + GIB(5) + 7 * PAGE_SIZE, AT };
    vaddr_t at = AT;

    EXPECT_EQ(map_at(AT, MIB(64), RW, ANON | MAP_FIXED), AT);
    for (vaddr_t off = 0; off < MIB(64); off += 37 * PAGE_SIZE)
        EXPECT(test_write(AT + off, off));
    for (unsigned int i = 0; i < ARRAY_SIZE(to); i++) {
        struct mremap_request q = { at, MIB(64), MIB(64), MREMAP_MAYMOVE | MREMAP_FIXED, to[i] };

        EXPECT_EQ(mm_mremap(mm, &q), (long)to[i]);
        EXPECT_EQ(test_read(at), ~0ULL); /* gone, in the TLB too */
        at = to[i];
        for (vaddr_t off = 0; off < MIB(64); off += 37 * PAGE_SIZE)
            EXPECT_EQ(test_read(at + off), off);
        EXPECT_EQ(test_check(mm), 0);
    }
    EXPECT_EQ(vma_check(mm), 0);
    test_mm_leave();
}

KTEST(mmap, brk)
{
    struct mm *mm = test_mm_enter();

    mm->start_brk = mm->brk = AT;
    EXPECT_EQ(call(__NR_brk, 0, 0, 0, 0), AT);
    EXPECT_EQ(call(__NR_brk, AT + 3 * PAGE_SIZE + 1, 0, 0, 0), AT + 3 * PAGE_SIZE + 1);
    EXPECT(test_write(AT + 3 * PAGE_SIZE + 64, 9));
    EXPECT_EQ(call(__NR_brk, AT + PAGE_SIZE, 0, 0, 0), AT + PAGE_SIZE);
    EXPECT(!test_write(AT + PAGE_SIZE, 9));
    EXPECT_EQ(call(__NR_brk, ~0UL, 0, 0, 0), AT + PAGE_SIZE);
    EXPECT_EQ(vma_check(mm), 0);
    test_mm_leave();
}

KTEST(mmap, stack_and_its_gap)
{
    struct mm *mm = test_mm_enter();
    vaddr_t top = AT + MIB(64);

    EXPECT_EQ(mm_map_anon_fixed(mm, top - PAGE_SIZE, PAGE_SIZE,
                                VM_READ | VM_WRITE | VM_GROWSDOWN | VM_ACCOUNT),
              0);
    EXPECT(test_write(top - MIB(1), 3)); /* a fault below makes it grow */
    EXPECT_EQ(mm->stack_vm, MIB(1) >> PAGE_SHIFT);
    EXPECT_EQ(map_at(top - MIB(4), PAGE_SIZE, PROT_READ, ANON | MAP_FIXED), top - MIB(4));
    EXPECT(!test_write(top - MIB(4) + PAGE_SIZE + STACK_GUARD_GAP - 8, 3));
    EXPECT(test_write(top - MIB(4) + PAGE_SIZE + STACK_GUARD_GAP, 3));
    EXPECT_EQ(mm_mprotect(mm, top - PAGE_SIZE, PAGE_SIZE, PROT_READ | PROT_GROWSDOWN), 0);
    EXPECT(!test_write(top - MIB(1), 3));
    EXPECT_EQ(vma_check(mm), 0);
    test_mm_leave();
}

KTEST(mmap, overcommit_modes)
{
    int mode = sysctl_overcommit_memory;
    unsigned long before = vm_committed();
    size_t all = (buddy_nr_total() + 1) << PAGE_SHIFT;

    (void)test_mm_enter();
    sysctl_overcommit_memory = 0;
    EXPECT_EQ(map_at(0, all, RW, ANON), -ENOMEM);
    EXPECT(map_at(AT, all, PROT_READ, ANON) > 0);
    sysctl_overcommit_memory = 1;
    EXPECT(map_at(0, all, RW, ANON) > 0);
    EXPECT_EQ(vm_committed() - before, all >> PAGE_SHIFT);
    sysctl_overcommit_memory = 2;
    EXPECT_EQ(map_at(0, all / 2, RW, ANON | MAP_NORESERVE), -ENOMEM);
    sysctl_overcommit_memory = mode;
    test_mm_leave();
    EXPECT_EQ(vm_committed(), before);
}

KTEST(mmap, sysctl_ranges)
{
    char text[32];

    for (const struct vm_sysctl *k = vm_sysctls; k->name; k++) {
        EXPECT(k->show(text, sizeof(text)) > 1);
        if (k->store) {
            EXPECT_EQ(k->store("x"), -EINVAL);
            EXPECT_EQ(k->store(""), -EINVAL);
            EXPECT_EQ(k->store("-1"), -EINVAL);
            EXPECT_EQ(k->store("99999999999999999999999"), -EINVAL);
        }
        if (k->store == vm_sysctls[0].store) {
            EXPECT_EQ(k->store("3\n"), -EINVAL);
            EXPECT_EQ(k->store(text), 0);
        }
    }
}

KTEST(mmap, one_node)
{
    unsigned long node0 = 1, node1 = 2;

    (void)test_mm_enter();
    EXPECT_EQ(map_at(AT, PAGE_SIZE, RW, ANON | MAP_FIXED), AT);
    EXPECT_EQ(call(__NR_mbind, AT + 1, PAGE_SIZE, MPOL_DEFAULT, 0), -EINVAL);
    EXPECT_EQ(syscall_table[__NR_mbind](AT, PAGE_SIZE, MPOL_DEFAULT, 0, 0, 0), 0);
    EXPECT_EQ(syscall_table[__NR_mbind](AT, 2 * PAGE_SIZE, MPOL_DEFAULT, 0, 0, 0), -EFAULT);
    EXPECT_EQ(call(__NR_set_mempolicy, MPOL_MAX, 0, 0, 0), -EINVAL);
    (void)node0, (void)node1;
    test_mm_leave();
}
