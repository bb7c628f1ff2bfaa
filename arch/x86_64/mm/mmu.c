/* SPDX-License-Identifier: MIT */
/*
 * mmu.c: the kernel's half of the address space, and the root of each user one.
 *
 * The user half is mm/'s business, through the seam, and so is the tree of the kernel's half
 * (mm/kernel_pt.c). Every root links the same lower tables for the kernel's half: all top entries
 * that the kernel will ever use exist after boot, so nothing must be copied to living address
 * spaces later.
 *
 * Locks: none, as in mm/kernel_pt.c.
 * Invariants: I1 the kernel's top entries do not change after mmu_boot_map. Checked by
 * tests/kernel/mm/seam_ktest.c.
 * Source: Intel SDM volume 3 section 4.5, 4.6 (access rights). Read next: boot_map.c, tlb.c.
 */
#include <asm/errno.h>
#include <asm/quire_cpu.h>
#include <kernel/printk.h>
#include <mm/kernel_pt.h>
#include <mm/mm.h>
#include <mm/pt_walk.h>
#include "internal.h"

int kernel_map(vaddr_t va, paddr_t pa, size_t len, pt_prot_t prot)
{
    int err = kernel_pt_map(va, pa, len, prot, 0);

    if (err)
        kernel_unmap(va, len);
    return err;
}

void kernel_unmap(vaddr_t va, size_t len)
{
    kernel_pt_unmap(va, len);
    kernel_flush(va, va + len);
}

int mmu_mm_init(struct mm *mm)
{
    struct page *p = pt_table_alloc(mm, pt_top_level(), GFP_KERNEL);

    if (p == NULL)
        return -ENOMEM;
    mm->root = page_to_virt(p);
    mm->arch_root = page_to_phys(p);
    for (unsigned int i = 0; i < x86_nr_kernel_links; i++)
        pte_store(mm->root + x86_kernel_links[i], kernel_root[x86_kernel_links[i]]);
    return 0;
}

void mmu_mm_destroy(struct mm *mm)
{
    ASSERT(mm->cpus.bits == 0 && mm->root != NULL);
    pt_table_free(pt_table_page(mm->root));
    mm->root = NULL;
}

void mmu_switch(struct mm *mm)
{
    write_cr(3, mm != NULL ? mm->arch_root : kernel_root_pa);
}

void mmu_init_cpu(void)
{
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
    write_cr(0, read_cr(0) | CR0_WP);
    write_cr(3, kernel_root_pa);
    if (cpu_features.pge)
        write_cr(4, read_cr(4) | CR4_PGE);
}
