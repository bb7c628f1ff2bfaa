/* SPDX-License-Identifier: MIT */
/*
 * pt_ops.c: the pagetable-operations table: one row per kind of mapping.
 *
 * Nothing is decided here. The table is constant, so no driver and no stray store can change a row;
 * a VMA's index names a row that exists. Ordinary memory is row 0 and has no other way than this
 * one.
 *
 * Locks: none. Invariants: I1 no slot is NULL (the macro takes all of them; pt_init looks). Checked
 * by tests/kernel/mm/pfnmap_ktest.c.
 * Read next: pt_default.c, pt_pfnmap.c.
 */
#include <mm/huge.h>
#include "pt_internal.h"
#include <kernel/vfs.h>

/* Every slot is an argument: one left out does not compile. */
#define ROW(index, row_name, sizes, f_may_map, f_fault, f_copy, f_zap, f_protect, f_move, f_pin,   \
            f_split, f_free, f_share)                                                              \
    [index] = {                                                                                    \
        .name = row_name,                                                                          \
        .page_sizes = sizes,                                                                       \
        .may_map = f_may_map,                                                                      \
        .fault = f_fault,                                                                          \
        .copy = f_copy,                                                                            \
        .zap = f_zap,                                                                              \
        .protect = f_protect,                                                                      \
        .move = f_move,                                                                            \
        .pin = f_pin,                                                                              \
        .may_split = f_split,                                                                      \
        .free_tables = f_free,                                                                     \
        .may_share = f_share,                                                                      \
    }

/*
 * The row for trying things out. `make EXPERIMENT=path/to/row.c` includes that file here: it
 * defines functions, EXPERIMENT_ROW, and pt_experiment_show; labs/experiment/ is a worked example.
 * Without one the row is a second name for ordinary memory.
 */
#ifdef EXPERIMENT
#include EXPERIMENT
#else
#define EXPERIMENT_ROW                                                                             \
    ROW(PT_EXPERIMENT, "experiment", BIT(0), pt_default_may_map, pt_default_fault,                 \
        pt_default_copy, pt_default_zap, pt_default_protect, pt_default_move, pt_default_pin,      \
        pt_default_may_split, pt_free_tables, pt_default_may_share)

void pt_experiment_show(struct seq *s)
{
    seq_printf(s, "row %s: ordinary memory\n", pt_ops_table[PT_EXPERIMENT].name);
}
#endif

#define HUGE_LEVELS (BIT(1) | BIT(2)) /* those that the MMU has (pt_level_can_leaf) */

const struct pt_ops pt_ops_table[NR_PT_OPS] = {
    ROW(PT_DEFAULT, "default", BIT(0) | BIT(HUGE_LEVEL), pt_default_may_map, pt_default_fault,
        pt_default_copy, pt_default_zap, pt_default_protect, pt_default_move, pt_default_pin,
        pt_default_may_split, pt_free_tables, pt_default_may_share),
    ROW(PT_PFNMAP, "pfnmap", BIT(0) | BIT(1) | BIT(2), pt_pfnmap_may_map, pt_pfnmap_fault,
        pt_pfnmap_copy, pt_pfnmap_zap, pt_pfnmap_protect, pt_pfnmap_move, pt_pfnmap_pin,
        pt_pfnmap_may_split, pt_free_tables, pt_pfnmap_may_share),
    ROW(PT_HUGETLB_FS, "hugetlbfs", HUGE_LEVELS, pt_default_may_map, pt_hugetlb_fault,
        pt_hugetlb_copy, pt_hugetlb_zap, pt_default_protect, pt_hugetlb_move, pt_default_pin,
        pt_hugetlb_may_split, pt_free_tables, pt_hugetlb_may_share),
    ROW(PT_HUGETLB_CHAR, "page-huge", HUGE_LEVELS, pt_default_may_map, pt_hugetlb_char_fault,
        pt_hugetlb_copy, pt_hugetlb_zap, pt_default_protect, pt_hugetlb_move, pt_default_pin,
        pt_hugetlb_may_split, pt_free_tables, pt_pfnmap_may_share),
    ROW(PT_SHARED_SPACE, "space", BIT(0) | BIT(1), pt_space_may_map, pt_space_fault, pt_space_copy,
        pt_space_zap, pt_space_protect, pt_space_move, pt_space_pin, pt_space_may_split,
        pt_free_tables, pt_pfnmap_may_share),
    EXPERIMENT_ROW,
};

struct page *zero_page __ro_after_init;

void pt_init(void)
{
    for (unsigned int i = 0; i < NR_PT_OPS; i++) {
        const struct pt_ops *o = &pt_ops_table[i];

        BUG_ON(!o->name || !o->may_map || !o->fault || !o->copy || !o->zap || !o->protect ||
               !o->move || !o->pin || !o->may_split || !o->free_tables || !o->may_share ||
               o->page_sizes == 0);
    }
    zero_page = page_alloc(PAGE_ZERO, GFP_KERNEL | GFP_ZERO | GFP_NOFAIL_INJECT);
    if (zero_page == NULL)
        panic("no memory for the zero page");
}
