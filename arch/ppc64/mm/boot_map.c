/* SPDX-License-Identifier: MIT */
/*
 * boot_map.c: which MMU, and the kernel's final translations, made once from the memory map.
 *
 * The image is a part of the direct map: text is readable and executable, read-only data only
 * readable, all else writable and never executable. There is no second way to the image's frames.
 * With `dmap=4k` the radix direct map has base pages only.
 *
 * `mmu=hash` and `mmu=radix` choose; without, a POWER9 gets the radix tree and a POWER8, which has
 * none, the hash table. Radix is only asked for where it exists: a POWER8's hypervisor would say
 * yes and throw the hash table away.
 *
 * Locks: none, boot CPU before the others run, real mode. Invariants: those of mm/kernel_pt.c.
 * Checked by tests/kernel/mm/seam_ktest.c. Read next: hpt.c or radix.c.
 */
#include <asm/quire_cpu.h>
#include <asm/quire_platform.h>
#include <boot/bootinfo.h>
#include <kernel/param.h>
#include <kernel/printk.h>
#include <kernel/sections.h>
#include <kernel/string.h>
#include <mm/kernel_pt.h>
#include <mm/memblock.h>
#include <mm/pt_walk.h>
#include "internal.h"

/* Kernel addresses of the direct map: one segment of the hash MMU. */
#define DIRECT_MAP_SIZE (1UL << 40)
#define IMAGE_ALIGN     KIB(64) /* hash: pages of the direct map */

struct ppc_mmu ppc_mmu __ro_after_init;
vaddr_t ppc_user_top __ro_after_init;

#define LEVEL(s, b, o) {.shift = (s), .bits = (b), .order = (o), .mask = (1u << (b)) - 1}

static const struct ppc_mmu radix_mmu = {
    .radix = true,
    .leaf_levels = 7,
    .abilities = 1 << MMU_HW_YOUNG | 1 << MMU_WALKS_TREE | 1 << MMU_LINK_ANY,
    .level = {LEVEL(PAGE_SHIFT, 9, 0), LEVEL(21, 9, 0), LEVEL(30, 9, 0), LEVEL(39, 13, 4)},
};

/* Young and dirty: the refill sets them, which is this MMU's walk. */
static const struct ppc_mmu hash_mmu = {
    .leaf_levels = 3,
    .abilities = 1 << MMU_LINK_WRITE | 1 << MMU_LINK_EXEC | 1 << MMU_HW_YOUNG,
    .level = {LEVEL(PAGE_SHIFT, HASH_BITS_0, 3),
              LEVEL(HASH_SHIFT_1, HASH_BITS_1, 0),
              LEVEL(HASH_SHIFT_2, HASH_BITS_2, 0),
              LEVEL(HASH_SHIFT_3, HASH_BITS_3, 0)},
    .link_mask = PPC_LINK_NOW | PPC_LINK_NOX,
};

static unsigned int direct_map_level;

static void check_value(const char *value)
{
    if (strcmp(value, "hash") != 0 && strcmp(value, "radix") != 0)
        panic("mmu=%s is not known. There is: hash radix", value);
}
KPARAM("mmu", check_value, "hash or radix: which MMU of a POWER9 is used");

static void choose(const struct bootinfo *bi)
{
    bool has_radix = pvr_version() == PVR_POWER9;
    bool radix = bootinfo_has_option(bi, "mmu=radix");

    if (radix && !has_radix)
        panic("mmu=radix: this CPU has no radix MMU, a POWER9 has. Leave it out or say mmu=hash");
    if (has_radix && !bootinfo_has_option(bi, "mmu=hash"))
        radix = true;
    ppc_mmu = radix ? radix_mmu : hash_mmu;
    ppc_user_top = (1UL << (ppc_mmu.level[3].shift + ppc_mmu.level[3].bits)) - PAGE_SIZE;
    direct_map_level = !radix ? 1 : bootinfo_has_option(bi, "dmap=4k") ? 0 : 2;
}

static void map(vaddr_t va, paddr_t pa, size_t len, pt_prot_t prot, unsigned int max_level)
{
    if (kernel_pt_map(va, pa, len, prot, max_level) != 0 ||
        (!ppc_mmu.radix && hash_bolt(va, pa, len, prot) != 0))
        panic("mmu: cannot map 0x%lx", va);
}

/* [start, end), cut at [from, to), which gets @prot and base pages only. */
static void map_part(paddr_t start, paddr_t end, pt_prot_t prot, unsigned int max_level)
{
    if (start < end)
        map((vaddr_t)phys_to_virt(start), start, end - start, prot, max_level);
}

static void map_direct(paddr_t start, paddr_t end)
{
    paddr_t text = virt_to_phys(__text_start), rodata = virt_to_phys(__text_end);
    paddr_t init = virt_to_phys(__rodata_end), data = virt_to_phys(__ro_after_init_end);
    map_part(start, min(end, max(start, text)), PT_R | PT_W, direct_map_level);
    map_part(max(start, text), min(end, rodata), PT_R | PT_X, 0);
    map_part(max(start, rodata), min(end, init), PT_R, 0);
    map_part(max(start, init), min(end, data), PT_R | PT_W, 0);
    map_part(min(end, max(start, data)), end, PT_R | PT_W, direct_map_level);
}

/* Neighbouring ranges become one, so that a large leaf may cover their border. */
static void map_memory(const struct bootinfo *bi)
{
    paddr_t start = 0, end = 0;

    for (unsigned int i = 0; i < bi->nr_ranges; i++) {
        const struct boot_range *r = &bi->map[i];
        paddr_t first = ALIGN_DOWN(r->base, IMAGE_ALIGN),
                last = ALIGN_UP(r->base + r->len, IMAGE_ALIGN);

        if (last > DIRECT_MAP_SIZE)
            panic("mmu: memory ends behind the direct map's 1 TiB");
        if (last <= end)
            continue;
        if (first > end) {
            map_direct(start, end);
            start = first;
        }
        end = last;
    }
    map_direct(start, end);
}

static void make_hash(void)
{
    if (ppc_platform.pft_size == 0)
        panic("mmu: the device tree names no hash table");
    slb_init();
    hpt_init(ppc_platform.pft_size);
    seg_init(memblock_end() >> PAGE_SHIFT);
}

void mmu_boot_map(const struct bootinfo *bi)
{
    ASSERT(IS_ALIGNED((vaddr_t)__text_start | (vaddr_t)__text_end | (vaddr_t)__rodata_end |
                          (vaddr_t)__ro_after_init_end,
                      IMAGE_ALIGN));
    choose(bi);
    if (!ppc_mmu.radix)
        make_hash();
    kernel_pt_init();
    map_memory(bi);
    if (ppc_mmu.radix)
        radix_boot_map();
    mmu_init_cpu();
    pr_info("MMU: %s\n", ppc_mmu.radix ? "radix tree" : "hash table");
}

void mmu_protect_ro_after_init(void)
{
    vaddr_t va = (vaddr_t)__ro_after_init_start;
    size_t len = (size_t)(__ro_after_init_end - __ro_after_init_start);

    kernel_pt_protect(va, len, PT_R);
    if (ppc_mmu.radix)
        radix_flush_kernel(va, va + len);
    else
        hash_bolt_protect(va, len, PT_R);
}
