/* SPDX-License-Identifier: MIT */
/* mmu_ktest.c: what both MMUs of this machine must do besides the seam's suite. */
#include <mm/pt_walk.h>
#include "tests/kernel/mm/pt_test.h"

/* An address space gets what its predecessor was called (PID, segment numbers), not what it had. */
KTEST(ppc_mmu, address_spaces_follow_each_other)
{
    vaddr_t va = 5UL << 30;
    u64 first = 0;
    bool again = false;

    for (unsigned int i = 0; i < 30; i++) {
        struct mm *mm = test_mm_enter();

        EXPECT_EQ(test_map_file(va, 2 * PAGE_SIZE, RW, ANON, NULL), va);
        EXPECT_EQ(test_read(va), 0);
        EXPECT(test_write(va, i + 1));
        EXPECT_EQ(test_read(va), i + 1);
        again |= i > 0 && mm->arch_root == first;
        if (i == 0)
            first = mm->arch_root;
        test_mm_leave();
    }
    EXPECT(again); /* radix: the number came back */
}

/* Low addresses of a CPU without an address space are nobody's: not the kernel's tree, which begins
 * at 0, too. */
KTEST(ppc_mmu, no_address_space_no_memory)
{
    u64 v;
    vaddr_t va;

    test_mm_enter();
    va = test_map(PAGE_SIZE, RW, ANON);
    EXPECT(test_write(va, 1));
    test_mm_leave();
    current->pagefault_disabled++;
    for (vaddr_t low = 0; low < MIB(8); low += MIB(1))
        EXPECT(get_user_u64(&v, (void *)low) != 0);
    EXPECT(get_user_u64(&v, (void *)va) != 0);
    current->pagefault_disabled--;
}

/* Above the user half nothing is found, whatever lies there for the kernel. */
KTEST(ppc_mmu, geometry)
{
    EXPECT_EQ(pt_shift(3) + (unsigned int)__builtin_ctz(pt_entries(3)), ppc_mmu.radix ? 52u : 46u);
    EXPECT_EQ(pt_size(1), ppc_mmu.radix ? MIB(2) : MIB(16));
    EXPECT_EQ(pt_table_order(0), ppc_mmu.radix ? 0 : 3);
    EXPECT_EQ(pt_table_order(3), ppc_mmu.radix ? 4 : 0);
    EXPECT_EQ(mmu_has(MMU_WALKS_TREE), ppc_mmu.radix);
    EXPECT_EQ(mmu_has(MMU_LINK_WRITE), !ppc_mmu.radix);
}
