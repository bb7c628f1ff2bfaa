/* SPDX-License-Identifier: MIT */
/*
 * boot_map.c: the kernel's final page tables, built once from the memory map.
 *
 * Text is readable and executable, read-only data only readable, the rest writable and never
 * executable. The direct map is never executable, and its alias of text and read-only data is
 * read-only, so that no second way leads to writing code. With `dmap=4k` the direct map has base
 * pages only: QEMU flushes its whole TLB for any page inside a region of large ones, which would
 * hide missing flushes from the tests.
 *
 * Locks: none, boot CPU before the others run. Invariants: those of mmu.c. Checked by
 * tests/kernel/mm/seam_ktest.c.
 * Read next: mmu.c.
 */
#include <asm/quire_cpu.h>
#include <boot/bootinfo.h>
#include <kernel/printk.h>
#include <kernel/sections.h>
#include <mm/kernel_pt.h>
#include <mm/pt_walk.h>
#include "internal.h"

unsigned int x86_pt_top __ro_after_init = 3;
bool x86_gb_leaves __ro_after_init;
vaddr_t x86_user_top __ro_after_init;
unsigned int x86_nr_kernel_links __ro_after_init;
u16 x86_kernel_links[X86_MAX_KERNEL_LINKS] __ro_after_init;

/* A reserved range next to RAM that is not larger than this holds firmware tables, not devices. */
#define FIRMWARE_TABLES_MAX MIB(16)
#define LEGACY_END          MIB(1)

static unsigned int direct_map_level;

static void map(vaddr_t va, paddr_t pa, size_t len, pt_prot_t prot, unsigned int max_level)
{
    if (kernel_pt_map(va, pa, len, prot, max_level) != 0)
        panic("mmu: cannot map 0x%lx", va);
}

static void map_image_part(const char *start, const char *end, pt_prot_t prot)
{
    if (start < end)
        map((vaddr_t)start, virt_to_phys(start), (size_t)(end - start), prot, 0);
}

/* Direct map of [start, end), cut at [from, to), which gets @prot and base pages only. */
static void map_direct_part(paddr_t start, paddr_t end, pt_prot_t prot, unsigned int max_level)
{
    if (start < end)
        map((vaddr_t)phys_to_virt(start), start, end - start, prot, max_level);
}

static void map_direct(paddr_t start, paddr_t end)
{
    paddr_t text = virt_to_phys(__text_start), init = virt_to_phys(__ro_after_init_start);
    paddr_t data = virt_to_phys(__ro_after_init_end);

    map_direct_part(start, min(end, max(start, text)), PT_R | PT_W, direct_map_level);
    map_direct_part(max(start, text), min(end, init), PT_R, 0);
    map_direct_part(max(start, init), min(end, data), PT_R | PT_W, 0);
    map_direct_part(min(end, max(start, data)), end, PT_R | PT_W, direct_map_level);
}

/* Is the range memory that the kernel reads: RAM, firmware tables? @after: it follows such a range
 * without a gap. */
static bool wants_direct_map(const struct boot_range *r, bool after)
{
    if (r->kind != BOOT_RESERVED)
        return true;
    return after && r->len <= FIRMWARE_TABLES_MAX;
}

/* Neighbouring ranges become one, so that a large leaf may cover their border. */
static void map_memory(const struct bootinfo *bi)
{
    paddr_t start = 0, end = LEGACY_END;

    for (unsigned int i = 0; i < bi->nr_ranges; i++) {
        const struct boot_range *r = &bi->map[i];
        paddr_t first = ALIGN_DOWN(r->base, PAGE_SIZE),
                last = ALIGN_UP(r->base + r->len, PAGE_SIZE);

        if (last <= end || !wants_direct_map(r, first <= end))
            continue;
        if (first > end) {
            map_direct(start, end);
            start = first;
        }
        end = last;
    }
    map_direct(start, end);
}

/* The level-3 table below which the whole kernel half lies: the root itself with four levels. */
static pte_t *make_root(void)
{
    kernel_pt_init();
    if (x86_pt_top == 3)
        return kernel_root;
    paddr_t pa = kernel_table_alloc(3);
    pte_store(kernel_root + pt_index(KERNEL_BASE, 4), pte_make_table(pa, PT_R | PT_W | PT_X));
    return phys_to_virt(pa);
}

static void note_kernel_links(void)
{
    for (unsigned int i = 0; i < pt_entries(x86_pt_top); i++) {
        if (pte_is_none(kernel_root[i]))
            continue;
        if (x86_nr_kernel_links == X86_MAX_KERNEL_LINKS)
            panic("mmu: more memory than the kernel's half has room for");
        x86_kernel_links[x86_nr_kernel_links++] = (u16)i;
    }
}

void mmu_boot_map(const struct bootinfo *bi)
{
    pte_t *level3;

    if (!cpu_features.nx)
        panic("mmu: this CPU cannot forbid execution (no NX)");
    x86_pt_top = (read_cr(4) & CR4_LA57) ? 4 : 3;
    x86_user_top = (1UL << (x86_pt_top == 4 ? 56 : 47)) - PAGE_SIZE;
    x86_gb_leaves = cpu_features.gbpages;
    direct_map_level = bootinfo_has_option(bi, "dmap=4k") ? 0 : 2;

    level3 = make_root();
    pte_store(level3 + pt_index(VMALLOC_START, 3),
              pte_make_table(kernel_table_alloc(2), PT_R | PT_W | PT_X));
    map_image_part(__text_start, __text_end, PT_R | PT_X);
    map_image_part(__rodata_start, __rodata_end, PT_R);
    map_image_part(__ro_after_init_start, __kernel_end, PT_R | PT_W);
    map_memory(bi);
    note_kernel_links();
    mmu_init_cpu();
}

void mmu_protect_ro_after_init(void)
{
    vaddr_t va = (vaddr_t)__ro_after_init_start;
    size_t len = (size_t)(__ro_after_init_end - __ro_after_init_start);
    vaddr_t alias = (vaddr_t)phys_to_virt(virt_to_phys(__ro_after_init_start));

    kernel_pt_protect(va, len, PT_R);
    kernel_pt_protect(alias, len, PT_R);
    kernel_flush(va, va + len);
    kernel_flush(alias, alias + len);
}
