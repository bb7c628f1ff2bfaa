/* SPDX-License-Identifier: MIT */
/*
 * tlb.c: which CPUs may hold translations of an address space, and the gather that frees pages
 * behind one flush.
 *
 * It does not know how a TLB is flushed; that is the seam's (mmu_flush_range). It decides who takes
 * part: mm->cpus.
 *
 * A CPU sets its bit in mm->cpus, then loads mm's tables; whoever changes entries changes them,
 * then reads mm->cpus. With a full barrier between the two steps on both sides, either the flusher
 * sees the bit and asks the CPU, or the CPU's walks see the new entries.
 *
 * A kernel thread keeps running on the tables of the task before it (lazy): no walk is wanted
 * there, but the hardware may make one. The first flush that reaches such a CPU makes it switch to
 * the kernel's own tables and forget the address space, so an idle CPU is disturbed once. Nobody
 * holds a reference for a lazy CPU: the exit of an address space asks all CPUs to leave.
 *
 * Operations on one address space gather (tlb_gather). Who walks from a page to the leaves of many
 * has a batch (tlb_batch): it adds up the CPUs and the range, and makes one round for all of them.
 * A CPU that was asked drops the range whatever address space it has loaded by then: if another
 * than at tlb_batch_add, then too much, but loading that one has dropped what was meant.
 *
 * Locks: none; a CPU's active_mm and lazy flag change with interrupts off, on that CPU only.
 * Invariants: I1 tables are loaded on a CPU => its bit is set in mm->cpus and active_mm == mm; I2 a
 * page or table is freed only after a flush that began after its entry was cleared; I3 after
 * mm_leave_cpus mm->cpus is empty; I4 one operation, one round of calls.
 * Checked by tests/kernel/mm/tlb_ktest.c. Read next: arch/x86_64/mm/tlb.c.
 */
#include <kernel/preempt.h>
#include <kernel/printk.h>
#include <kernel/smp.h>
#include <kernel/string.h>
#include <mm/buddy.h>
#include <mm/huge.h>
#include <mm/mm.h>
#include <mm/page_cache.h>
#include <mm/pt_share.h>

static DEFINE_PER_CPU(bool, mm_lazy);

void mm_switch(struct mm *prev, struct mm *next)
{
    struct cpu *c = this_cpu();
    struct mm *loaded = c->active_mm;

    ASSERT(!irqs_enabled());
    ASSERT(loaded == NULL || cpumask_test(&loaded->cpus, c->id)); /* I1 */
    (void)prev; /* active_mm says more: prev may have been a kernel thread on somebody's tables */
    if (next == NULL) {
        this_cpu_var(mm_lazy) = true;
        return;
    }
    this_cpu_var(mm_lazy) = false;
    if (loaded == next)
        return; /* the bit stayed set, so every flush has reached this CPU */
    cpumask_set(&next->cpus, c->id);
    smp_mb(); /* the bit before the first walk; pairs with the flusher, who reads mm->cpus last */
    mmu_switch(next);
    c->active_mm = next;
    if (loaded != NULL)
        cpumask_clear(&loaded->cpus, c->id);
}

/* Interrupts off. */
static void leave(struct mm *mm)
{
    struct cpu *c = this_cpu();

    if (c->active_mm != mm)
        return;
    ASSERT(!irqs_enabled() && cpumask_test(&mm->cpus, c->id));
    mmu_switch(NULL);
    c->active_mm = NULL;
    cpumask_clear(&mm->cpus, c->id);
}

bool mm_cpu_must_flush(struct mm *mm)
{
    ASSERT(!irqs_enabled());
    if (this_cpu()->active_mm != mm)
        return false; /* left while the call was on its way: loading other tables flushed */
    if (!this_cpu_var(mm_lazy))
        return true;
    leave(mm);
    return false;
}

bool mm_cpu_shares(void)
{
    const struct mm *mm = this_cpu()->active_mm;

    return mm != NULL && atomic_long_read(&mm->nr_shared) != 0;
}

static void leave_call(void *mm)
{
    leave(mm);
}

void mm_leave_cpus(struct mm *mm)
{
    cpumask_t cpus;
    unsigned long flags = irq_save();

    ASSERT(atomic_read(&mm->users) == 0); /* no task brings a CPU back */
    leave(mm);
    irq_restore(flags);
    smp_mb();
    cpus = mm->cpus;
    if (cpus.bits != 0)
        smp_call_on(cpus, leave_call, mm);
    ASSERT(mm->cpus.bits == 0);
}

void tlb_batch_add(struct tlb_batch *b, struct mm *mm, vaddr_t start, vaddr_t end,
                   unsigned int level)
{
    cpumask_t cpus;

    ASSERT(start < end && mm->root != NULL);
    mmu_quiesce_walkers(mm);
    cpus = mmu_flush_begin(mm, start, end, level);
    b->cpus.bits |= cpus.bits;
    b->start = min(b->start, start);
    b->end = max(b->end, end);
    b->level = min(b->level, level);
    if (unlikely(READ_ONCE(mm->nr_notifiers) != 0))
        mm_notify(mm, start, end);
}

/* Whatever address space is loaded: the CPU was asked because of one that was. */
static void batch_call(void *arg)
{
    const struct tlb_batch *b = arg;
    struct mm *loaded = this_cpu()->active_mm;

    if (loaded != NULL && mm_cpu_must_flush(loaded))
        mmu_flush_local(b->start, b->end, b->level);
}

void tlb_batch_end(struct tlb_batch *b)
{
    unsigned long own, flags;

    if (b->start >= b->end)
        return;
    preempt_disable();
    own = 1UL << smp_processor_id();
    if ((b->cpus.bits & ~own) != 0) {
        vmstat_inc(VMSTAT_tlb_flush_rounds);
        vmstat_add(VMSTAT_tlb_flush_ipis, (u64)__builtin_popcountl(b->cpus.bits & ~own));
        smp_call_on(b->cpus, batch_call, b);
    } else {
        vmstat_inc(VMSTAT_tlb_flush_local);
        flags = irq_save();
        if (b->cpus.bits != 0)
            batch_call(b);
        irq_restore(flags);
    }
    preempt_enable();
    *b = (struct tlb_batch)TLB_BATCH_INIT;
}

static void begin(struct tlb_gather *t, struct mm *mm, bool full_mm)
{
    t->mm = mm;
    t->start = ~0UL;
    t->end = 0;
    t->level_min = PT_MAX_LEVELS;
    t->full_mm = full_mm;
    t->keep_private = false;
    t->areas_go = false;
    t->need_flush = false;
    t->tables = NULL;
    t->nr_pages = t->nr_huge = 0;
    t->max_pages = ARRAY_SIZE(t->local_pages);
    t->pages = t->local_pages;
    t->all_users = NULL;
    t->named = NULL;
    t->links = t->local_links;
    t->nr_links = 0;
    t->max_links = ARRAY_SIZE(t->local_links);
    t->rss[MM_ANON] = t->rss[MM_FILE] = t->rss[MM_SHMEM] = 0;
}

void tlb_gather_begin(struct tlb_gather *t, struct mm *mm, bool full_mm)
{
    ASSERT(mm->root != NULL);
    begin(t, mm, full_mm);
    if (full_mm)
        mm_leave_cpus(mm);
}

void tlb_gather_begin_batch(struct tlb_gather *t)
{
    begin(t, NULL, true);
}

bool tlb_gather_full(struct tlb_gather *t)
{
    struct page *p;

    ASSERT(t->nr_pages == t->max_pages);
    if (t->pages != t->local_pages)
        return true;
    p = alloc_pages(0, GFP_ATOMIC | GFP_NOOOM);
    if (p == NULL)
        return true;
    t->pages = page_to_virt(p);
    memcpy(t->pages, t->local_pages, sizeof(t->local_pages));
    t->max_pages = TLB_GATHER_PAGES;
    return false;
}

void tlb_gather_table(struct tlb_gather *t, struct page *table)
{
    ASSERT(table->kind == PAGE_TABLE && table->pt_mm == t->mm && table->pt_used == 0);
    table->spare = (u64)(unsigned long)t->tables;
    t->tables = table;
    t->need_flush = true;
}

/* Flushed: nobody knows the tables through these links any more. */
static void put_links(struct tlb_gather *t)
{
    ASSERT(!t->need_flush || t->full_mm);
    pt_share_put_links(t->mm, t->links, t->nr_links);
    t->nr_links = 0;
}

void tlb_gather_link(struct tlb_gather *t, struct page *table)
{
    struct page *p;

    ASSERT(t->nr_links < t->max_links && READ_ONCE(table->pt_shared) != 0);
    t->links[t->nr_links++] = table;
    if (likely(t->nr_links < t->max_links))
        return;
    p = t->links == t->local_links ? alloc_pages(0, GFP_ATOMIC | GFP_NOOOM) : NULL;
    if (p == NULL) {
        tlb_gather_flush(t);
        put_links(t);
        return;
    }
    t->links = page_to_virt(p);
    memcpy(t->links, t->local_links, sizeof(t->local_links));
    t->max_links = PAGE_SIZE / sizeof(t->links[0]);
}

/* Those who keep copies of translations of areas that may have links. An area whose links are
 * cleared and not flushed has told them before it leaves the list (munmap.c). */
static void tell_users(const struct mapping *m)
{
    struct vma *v;

    list_for_each_entry (v, &m->vmas, mapping_link)
        if (unlikely(READ_ONCE(v->mm->nr_notifiers) != 0) && READ_ONCE(v->has_shared))
            mm_notify(v->mm, v->start, v->end);
}

/* What the MMU's cache has under the name of the table of an object. */
static void flush_named(struct tlb_gather *t)
{
    if (t->named == NULL || t->start >= t->end)
        return;
    mmu_quiesce_walkers(NULL);
    mmu_flush_table(t->named, t->start, t->end);
}

void tlb_gather_named(struct tlb_gather *t, struct page *table)
{
    ASSERT(t->all_users != NULL);
    flush_named(t);
    t->start = ~0UL;
    t->end = 0;
    t->named = table;
}

/* Drops the queued references; frames that nobody else holds go back in one batch. */
static void put_pages(struct tlb_gather *t)
{
    struct page **pages = t->pages;
    unsigned int nr_free = 0;

    for (unsigned int i = 0; i < t->nr_pages; i++) {
        struct page *p = pages[i];
        u64 left = __atomic_sub_fetch(&p->word, PAGE_REF, __ATOMIC_RELEASE);

        ASSERT((u32)(left + PAGE_REF) >= PAGE_REF); /* there was one */
        if (left != 0)
            continue;
        ASSERT(page_mapcount(p) == 0); /* the entry went before */
        if (likely(p->order == 0)) {
            pages[nr_free++] = p;
        } else {
            __atomic_thread_fence(__ATOMIC_ACQUIRE);
            page_free_last(p);
        }
    }
    t->nr_pages = 0;
    if (nr_free == 0)
        return;
    /* Others' last accesses, before the frames get new contents. */
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    free_pages_bulk(pages, nr_free);
}

void tlb_gather_flush(struct tlb_gather *t)
{
    struct page *table = t->tables;

    if (unlikely(t->all_users != NULL)) {
        if (t->need_flush) {
            flush_named(t);
            mmu_flush_sharers();
            tell_users(t->all_users);
            vmstat_inc(VMSTAT_pt_share_flush);
        }
    } else if (t->need_flush && !t->full_mm) {
        mmu_quiesce_walkers(t->mm);
        if (t->start < t->end)
            mm_flush_range(t->mm, t->start, t->end, t->level_min);
    }
    t->start = ~0UL;
    t->end = 0;
    t->level_min = PT_MAX_LEVELS;
    t->need_flush = false;
    if (t->nr_pages != 0)
        put_pages(t);
    while (unlikely(t->nr_huge != 0))
        huge_put(t->huge[--t->nr_huge]);
    if (table != NULL)
        pt_table_free_chain(table);
    t->tables = NULL;
    ASSERT(t->nr_pages == 0 && !t->need_flush);
}

void tlb_gather_end(struct tlb_gather *t)
{
    struct mm *mm = t->mm;
    long any = 0;

    if (t->need_flush || t->nr_pages != 0 || t->nr_huge != 0 || t->tables != NULL)
        tlb_gather_flush(t);
    if (unlikely(t->nr_links != 0))
        put_links(t);
    if (t->links != t->local_links)
        page_free_virt(t->links);
    if (t->pages != t->local_pages)
        page_free_virt(t->pages);
    for (unsigned int i = 0; i < ARRAY_SIZE(t->rss); i++)
        any |= t->rss[i];
    if (mm == NULL || any == 0)
        return;
    if (t->rss[MM_ANON] + t->rss[MM_FILE] + t->rss[MM_SHMEM] < 0 && mm_rss(mm) > mm->hiwater_rss)
        mm->hiwater_rss = mm_rss(mm);
    for (unsigned int i = 0; i < ARRAY_SIZE(t->rss); i++)
        if (t->rss[i] != 0)
            atomic_long_add(&mm->rss[i], t->rss[i]);
}
