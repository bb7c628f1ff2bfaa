/* SPDX-License-Identifier: MIT */
/* seam_ktest.c: the conformance suite on this machine's MMU, and what only the kernel has: its own
 * half. */
#include <kernel/sections.h>
#include <mm/vmalloc.h>
#include "pt_test.h"
#include "seam_suite.h"

static struct mm *mm_new(void)
{
    struct mm *mm = mm_alloc();

    EXPECT(mm != NULL);
    return mm;
}

static void mm_free(struct mm *mm)
{
    if (current->mm == mm)
        mm_set_current(NULL);
    mm_put(mm);
}

static void use(struct mm *mm)
{
    mm_get(mm);
    mm_set_current(mm);
}

/* Page faults disabled: what the MMU says is what counts. */
static bool access_word(struct mm *mm, vaddr_t va, bool write, u64 *value)
{
    int err;

    EXPECT(current->mm == mm);
    current->pagefault_disabled++;
    err = write ? put_user_u64(*value, (void *)va) : get_user_u64(value, (void *)va);
    current->pagefault_disabled--;
    return err == 0;
}

static const struct seam_env env = { mm_new, mm_free, use, access_word };

KTEST(seam, geometry)
{
    seam_geometry();
}
KTEST(seam, values)
{
    seam_values();
    seam_links_and_markers();
}
KTEST(seam, cells)
{
    seam_cells();
}
KTEST(seam, write_right)
{
    seam_write_right(&env);
}
KTEST(seam, flush)
{
    seam_flush(&env);
}
KTEST(seam, young_and_dirty)
{
    seam_young_dirty(&env);
}
KTEST(seam, huge_leaf)
{
    seam_huge_leaf(&env);
}
KTEST(seam, link)
{
    seam_link(&env);
}
KTEST(seam, switch_between_address_spaces)
{
    seam_switch(&env);
}

/* No page of [start, end) lacks @must or has @never; returns how many are mapped. */
static unsigned long expect_prot(const void *start, const void *end, pt_prot_t must,
                                 pt_prot_t never)
{
    unsigned long mapped = 0;
    unsigned int level;

    for (vaddr_t va = (vaddr_t)start; va < (vaddr_t)end; va += PAGE_SIZE) {
        pte_t e = kernel_lookup(va, &level);
        pt_prot_t prot = pte_prot(e, level);

        if (pte_is_none(e))
            continue;
        mapped++;
        EXPECT_EQ(prot & must, must);
        EXPECT_EQ(prot & (never | PT_U), 0);
    }
    return mapped;
}

/* Some machines run the image at its place in the direct map: then there is no alias. */
static bool image_is_in_direct_map(void)
{
    return phys_to_virt(virt_to_phys(__text_start)) == (void *)__text_start;
}

KTEST(seam, kernel_image_is_w_xor_x)
{
    pt_prot_t behind = image_is_in_direct_map() ? PT_R | PT_W : 0;

    EXPECT(expect_prot(__text_start, __text_end, PT_R | PT_X, PT_W) != 0);
    EXPECT(expect_prot(__rodata_start, __rodata_end, PT_R, PT_W | PT_X) != 0);
    EXPECT(expect_prot(__ro_after_init_start, __ro_after_init_end, PT_R, PT_W | PT_X) != 0);
    EXPECT(expect_prot(__data_start, __kernel_end, PT_R | PT_W, PT_X) != 0);
    EXPECT_EQ(expect_prot(__kernel_end + PAGE_SIZE, __kernel_end + 16 * PAGE_SIZE, behind, PT_X),
              behind ? 15 : 0);
}

KTEST(seam, direct_map_never_executes_and_aliases_are_read_only)
{
    const char *text = phys_to_virt(virt_to_phys(__text_start)),
               *end = phys_to_virt(virt_to_phys(__ro_after_init_end));

    bool alias = !image_is_in_direct_map();

    EXPECT(expect_prot(text, end, PT_R, alias ? PT_W | PT_X : PT_W) != 0);
    for (pfn_t pfn = mem_map_first; pfn < mem_map_end; pfn += 61) {
        const char *p = phys_to_virt((paddr_t)pfn << PAGE_SHIFT);

        if (alias || p < __text_start || p >= __text_end)
            expect_prot(p, p + PAGE_SIZE, PT_R, PT_X);
    }
}

KTEST(seam, kernel_map_and_unmap)
{
    struct page *p = alloc_pages(0, GFP_KERNEL | GFP_ZERO);
    char *window = vmalloc(PAGE_SIZE);
    vaddr_t va = (vaddr_t)window;
    unsigned int level;
    paddr_t old;

    EXPECT_OR_RETURN(p != NULL && window != NULL);
    *(u64 *)page_to_virt(p) = 4711;
    EXPECT_EQ(*(volatile u64 *)window, 0);
    old = pte_paddr(kernel_lookup(va, &level), level);
    kernel_unmap(va, PAGE_SIZE);
    EXPECT(pte_is_none(kernel_lookup(va, &level)));
    EXPECT_EQ(kernel_map(va, page_to_phys(p), PAGE_SIZE, PT_R | PT_W), 0);
    EXPECT_EQ(*(volatile u64 *)window, 4711);
    kernel_unmap(va, PAGE_SIZE);
    EXPECT_EQ(kernel_map(va, old, PAGE_SIZE, PT_R | PT_W), 0);
    vfree(window);
    free_pages(p, 0);
}
