/* SPDX-License-Identifier: MIT */
/*
 * radix.c: the POWER9 radix tree, which hardware walks. What is left for software: the process
 * table, which says for each process number (PID) where its tree begins, and dropping translations.
 *
 * PID 0 is the kernel: its tree translates the addresses that begin with binary 11, whatever
 * process is loaded. The others are given to address spaces. PID 1 has an empty tree, for CPUs
 * without an address space, so that a user address there faults and does not find the kernel's
 * tree, which PID 0 would offer for low addresses, too.
 *
 * Locks: LEAF (pid_lock) for the map of numbers. Invariants: I1 a number is given out only when no
 * TLB has anything of its last owner; I2 entry n of the process table is 0 when nobody has n.
 * Checked by tests/kernel/mm/seam_ktest.c, tests/kernel/ppc64/mmu_ktest.c.
 * Source: Power ISA 3.0B Book III section 5.7.6 (process table), 5.7.10 (radix trees), 5.9.3.3
 * (tlbie: RIC 0 translations, 1 page walk cache, 2 both and the process table's entry); LoPAR
 * 14.5.4.8 (H_REGISTER_PROC_TBL). Read next: README.md.
 */
#include <asm/errno.h>
#include <asm/quire_cpu.h>
#include <asm/quire_hcall.h>
#include <kernel/printk.h>
#include <kernel/spinlock.h>
#include <mm/buddy.h>
#include <mm/kernel_pt.h>
#include <mm/memblock.h>
#include <mm/mm.h>
#include <mm/pt_walk.h>
#include "internal.h"

#define PID_BITS   14u
#define NR_PIDS    (1u << PID_BITS)
#define PID_NOBODY 1u
#define FIRST_PID  2u

/* H_REGISTER_PROC_TBL: register a new table, of radix trees, software may use tlbie. */
#define PROC_TBL_RADIX_GTSE 0x1dUL

/* First word of an entry: tree size 52 bits (RTS, in two parts), log2 of the root's entries. */
#define ROOT_RTS52 (1UL << 62 | 0xa0)
#define ROOT_BITS  13UL

/* More single pages than this cost more than filling the TLB again. */
#define FLUSH_PAGES_MAX 32

/* tlbie operands. */
#define RIC_TLB 0
#define RIC_PWC 1
#define RIC_ALL 2
#define IS_PID  0x400UL /* RB: all of one process */
#define IS_LPID 0x800UL /* of all processes of the partition */

static u64 (*process_table)[2];
static u64 pids_used[NR_PIDS / 64] = {3};
static spinlock_t pid_lock = SPINLOCK_INIT(LOCK_LEAF);

#define TLBIE(rb, pid, ric)                                                                        \
    __asm__ volatile(".machine push; .machine power9; tlbie %0, %1, %2, 1, 1; .machine pop"        \
                     :                                                                             \
                     : "r"((unsigned long)(rb)), "r"((unsigned long)(pid) << 32), "i"(ric)         \
                     : "memory")

/* Stores to the tree before the invalidation; and the end waits for all CPUs. */
static void tlbie_begin(void)
{
    __asm__ volatile("ptesync" : : : "memory");
}

static void tlbie_end(void)
{
    __asm__ volatile("eieio; tlbsync; ptesync" : : : "memory");
}

static void set_root(u32 pid, paddr_t root)
{
    WRITE_ONCE(process_table[pid][1], 0);
    WRITE_ONCE(process_table[pid][0], root != 0 ? ROOT_RTS52 | root | ROOT_BITS : 0);
    __asm__ volatile("ptesync" : : : "memory");
}

void radix_boot_map(void)
{
    u64 bytes = sizeof(*process_table) * NR_PIDS;
    paddr_t table = memblock_alloc(bytes, bytes);
    long rc;

    process_table = phys_to_virt(table);
    set_root(0, kernel_root_pa);
    set_root(PID_NOBODY, kernel_table_alloc(pt_top_level()));
    rc = hcall(H_REGISTER_PROC_TBL, PROC_TBL_RADIX_GTSE, table, 0, PID_BITS + 4 - 12);
    if (rc != H_SUCCESS)
        panic("mmu: the hypervisor refuses the process table: %ld", rc);
}

void radix_init_cpu(void)
{
    radix_switch(NULL);
}

/* A number that nobody has, or 0. */
static u32 pid_alloc(void)
{
    unsigned long irq = spin_lock_irqsave(&pid_lock);
    u32 pid = 0;

    for (u32 i = 0; i < NR_PIDS / 64 && pid == 0; i++) {
        if (~pids_used[i] == 0)
            continue;
        pid = i * 64 + (u32)__builtin_ctzl(~pids_used[i]);
        pids_used[i] |= 1UL << (pid % 64);
    }
    spin_unlock_irqrestore(&pid_lock, irq);
    return pid;
}

static void pid_free(u32 pid)
{
    unsigned long irq = spin_lock_irqsave(&pid_lock);

    ASSERT((pids_used[pid / 64] >> (pid % 64)) & 1 && pid >= FIRST_PID);
    pids_used[pid / 64] &= ~(1UL << (pid % 64));
    spin_unlock_irqrestore(&pid_lock, irq);
}

int radix_mm_init(struct mm *mm)
{
    u32 pid = pid_alloc();

    if (pid == 0)
        return -ENOMEM;
    mm->arch_root = pid;
    set_root(pid, virt_to_phys(mm->root));
    return 0;
}

/* Entry first, then what hardware has cached of it and below, then the number. */
void radix_mm_destroy(struct mm *mm)
{
    u32 pid = (u32)mm->arch_root;

    set_root(pid, 0);
    tlbie_begin();
    TLBIE(IS_PID, pid, RIC_ALL);
    tlbie_end();
    pid_free(pid);
}

void radix_switch(struct mm *mm)
{
    mtspr(SPR_PID, mm != NULL ? mm->arch_root : PID_NOBODY);
    __asm__ volatile("isync" : : : "memory");
}

/* How tlbie calls the page size of a leaf: RB bits 5 to 7. Source: table in 5.9.3.3. */
static u64 actual_size(unsigned int level)
{
    static const u8 ap[] = {0, 1, 2};

    return (u64)ap[level] << 5;
}

static void flush_pages(u32 pid, vaddr_t start, vaddr_t end, unsigned int level)
{
    for (vaddr_t va = start; va < end; va += pt_size(level))
        TLBIE((va & PAGE_MASK) | actual_size(level), pid, RIC_TLB);
}

static void nothing(void *arg)
{
    (void)arg;
}

/* Links on the way may be cached apart from translations, so they go in any case. */
void radix_flush_begin(struct mm *mm, vaddr_t start, vaddr_t end, unsigned int level)
{
    u32 pid = (u32)mm->arch_root;

    start = ALIGN_DOWN(start, pt_size(level));
    tlbie_begin();
    if ((end - start) >> pt_shift(level) > FLUSH_PAGES_MAX || !pt_level_can_leaf(level)) {
        TLBIE(IS_PID, pid, RIC_ALL);
    } else {
        flush_pages(pid, start, end, level);
        TLBIE(IS_PID, pid, RIC_PWC);
    }
    tlbie_end();
}

void radix_flush_range(struct mm *mm, vaddr_t start, vaddr_t end, unsigned int level)
{
    radix_flush_begin(mm, start, end, level);
    ppc_flush_round(mm, nothing, NULL);
}

void radix_flush_mm(struct mm *mm)
{
    tlbie_begin();
    TLBIE(IS_PID, mm->arch_root, RIC_ALL);
    tlbie_end();
    ppc_flush_round(mm, nothing, NULL);
}

void radix_flush_all(void)
{
    tlbie_begin();
    TLBIE(IS_LPID, 0, RIC_ALL);
    tlbie_end();
}

void radix_flush_kernel(vaddr_t start, vaddr_t end)
{
    tlbie_begin();
    if ((end - start) >> PAGE_SHIFT > FLUSH_PAGES_MAX)
        TLBIE(IS_PID, 0, RIC_TLB);
    else
        flush_pages(0, start, end, 0);
    tlbie_end();
}
