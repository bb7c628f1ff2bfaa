/* SPDX-License-Identifier: MIT */
/*
 * tlb_ktest.c: stale translations. QEMU's TLB keeps an entry until it is flushed, so what is left
 * out here shows. The tests with a second CPU need -smp 2 or more.
 */
#include <kernel/sched.h>
#include <linux/mman.h>
#include <mm/huge.h>
#include <mm/pt_walk.h>
#include "pt_test.h"

/* One round for the whole of a large unmapping, however many batches. */
KTEST(tlb, one_flush_per_operation)
{
    struct mm *mm = test_mm_enter();
    vaddr_t va = test_map(300 * PAGE_SIZE, RW, ANON);
    u64 before;

    for (unsigned int i = 0; i < 300; i++)
        EXPECT(test_write(va + i * PAGE_SIZE, i));
    before = vmstat_sum(VMSTAT_tlb_flush_local) + vmstat_sum(VMSTAT_tlb_flush_rounds);
    EXPECT_EQ(mm_munmap(mm, va, 300 * PAGE_SIZE), 0);
    EXPECT_EQ(vmstat_sum(VMSTAT_tlb_flush_local) + vmstat_sum(VMSTAT_tlb_flush_rounds) - before, 1);
    EXPECT_EQ(test_read(va), ~0ULL);
    test_mm_leave();
}

/* What the CPU has cached is not used after the call that changed it. */
KTEST(tlb, own_cpu)
{
    struct mm *mm = test_mm_enter();
    vaddr_t va = test_map(3 * PAGE_SIZE, RW, ANON);

    EXPECT(test_write(va, 1) && test_write(va + PAGE_SIZE, 2) && test_write(va + 2 * PAGE_SIZE, 3));
    EXPECT_EQ(mm_mprotect(mm, va, PAGE_SIZE, PROT_READ), 0);
    EXPECT(!test_write(va, 9));
    EXPECT_EQ(mm_mprotect(mm, va, PAGE_SIZE, PROT_NONE), 0);
    EXPECT_EQ(test_read(va), ~0ULL);
    EXPECT_EQ(mm_munmap(mm, va + PAGE_SIZE, PAGE_SIZE), 0);
    EXPECT_EQ(test_read(va + PAGE_SIZE), ~0ULL);
    EXPECT_EQ(test_read(va + 2 * PAGE_SIZE), 3);
    EXPECT_EQ(test_map_file(va + PAGE_SIZE, PAGE_SIZE, RW, ANON, NULL), va + PAGE_SIZE);
    EXPECT_EQ(test_read(va + PAGE_SIZE), 0);
    test_mm_leave();
}

/* A thread on another CPU that does one thing at a time for the test. */
enum order { ORDER_NONE, ORDER_READ, ORDER_WRITE, ORDER_IDLE, ORDER_QUIT };
struct helper {
    struct mm *mm;
    vaddr_t va;
    u64 value;   /* read, or ~0; to write */
    bool ok;
    u32 order;   /* enum order; ORDER_NONE when done */
    u32 cpu;
    bool gone;
};

static int helper_main(void *arg)
{
    struct helper *h = arg;

    mm_get(h->mm);
    mm_set_current(h->mm);
    for (;;) {
        u32 order = smp_load_acquire(&h->order);

        switch (order) {
        case ORDER_READ:
            h->value = test_read(h->va);
            break;
        case ORDER_WRITE:
            h->ok = test_write(h->va, h->value);
            break;
        case ORDER_IDLE: /* a kernel thread on borrowed tables */
            mm_set_current(NULL);
            break;
        case ORDER_QUIT:
            if (current->mm != NULL)
                mm_set_current(NULL);
            smp_store_release(&h->gone, true);
            return 0;
        default:
            cpu_relax();
            continue;
        }
        h->cpu = smp_processor_id();
        smp_store_release(&h->order, ORDER_NONE);
    }
}

static void order(struct helper *h, enum order o)
{
    smp_store_release(&h->order, o);
    while (smp_load_acquire(&h->order) != ORDER_NONE && !smp_load_acquire(&h->gone))
        cpu_relax();
}

static u64 remote_read(struct helper *h, vaddr_t va)
{
    h->va = va;
    order(h, ORDER_READ);
    return h->value;
}

static bool remote_write(struct helper *h, vaddr_t va, u64 v)
{
    h->va = va;
    h->value = v;
    order(h, ORDER_WRITE);
    return h->ok;
}

static void start_helper_on(unsigned int cpu, struct helper *h, struct mm *mm)
{
    struct task *t;

    *h = (struct helper){ .mm = mm };
    t = kernel_thread(helper_main, h, "tlb-helper");
    EXPECT(!IS_ERR(t));
    EXPECT_EQ(sched_set_affinity(t, (cpumask_t){ 1UL << cpu }), 0);
}

/* The test thread stays on CPU 0, the helper on CPU 1. False: there is no second CPU. */
static bool start_helper(struct helper *h, struct mm *mm)
{
    if (nr_cpus_online < 2) {
        ktest_skip("needs two CPUs");
        return false;
    }
    EXPECT_EQ(sched_set_affinity(current, (cpumask_t){ 1 }), 0);
    start_helper_on(1, h, mm);
    return true;
}

static void stop_helper(struct helper *h)
{
    order(h, ORDER_QUIT);
    EXPECT_EQ(sched_set_affinity(current, (cpumask_t){ ~0UL }), 0);
}

KTEST(tlb, other_cpu)
{
    struct mm *mm = test_mm_enter();
    vaddr_t va = test_map(64 * PAGE_SIZE, RW, ANON);
    struct helper h;

    if (!start_helper(&h, mm)) {
        test_mm_leave();
        return;
    }
    for (unsigned int i = 0; i < 50; i++) {
        EXPECT(remote_write(&h, va, i));
        EXPECT_EQ(h.cpu, 1);
        EXPECT_EQ(test_read(va), i);
        EXPECT_EQ(mm_mprotect(mm, va, PAGE_SIZE, PROT_READ), 0);
        EXPECT(!remote_write(&h, va, 1));
        EXPECT_EQ(remote_read(&h, va), i);
        EXPECT_EQ(mm_mprotect(mm, va, PAGE_SIZE, RW), 0);
        EXPECT(remote_write(&h, va, i + 1));
        EXPECT_EQ(mm_munmap(mm, va, PAGE_SIZE), 0);
        EXPECT_EQ(remote_read(&h, va), ~0ULL);
        EXPECT_EQ(test_map_file(va, PAGE_SIZE, RW, ANON, NULL), va);
        EXPECT_EQ(remote_read(&h, va), 0);
    }
    stop_helper(&h);
    EXPECT_EQ(test_check(mm), 0);
    test_mm_leave();
}

/* Copy-on-write on one CPU is seen by the other, which has the old page cached. */
KTEST(tlb, cow_on_other_cpu)
{
    struct mm *mm = test_mm_enter(), *child;
    vaddr_t va = test_map(PAGE_SIZE, RW, ANON);
    struct helper h;

    if (!start_helper(&h, mm)) {
        test_mm_leave();
        return;
    }
    for (unsigned int i = 0; i < 20; i++) {
        EXPECT(remote_write(&h, va, i));
        child = mm_fork(mm);
        EXPECT(!IS_ERR(child));
        EXPECT_EQ(remote_read(&h, va), i);
        EXPECT(test_write(va, 1000 + i)); /* the parent's copy */
        EXPECT_EQ(remote_read(&h, va), 1000 + i);
        EXPECT(remote_write(&h, va, i));
        EXPECT_EQ(*(u64 *)page_to_virt(test_page(child, va)), i);
        mm_put(child);
    }
    stop_helper(&h);
    test_mm_leave();
}

/* A CPU that only borrows the tables takes part in one flush, and then no more. */
KTEST(tlb, lazy_cpu_leaves)
{
    struct mm *mm = test_mm_enter();
    vaddr_t va = test_map(8 * PAGE_SIZE, RW, ANON);
    struct helper h;
    u64 ipis;

    if (!start_helper(&h, mm)) {
        test_mm_leave();
        return;
    }
    EXPECT(remote_write(&h, va, 1));
    EXPECT(cpumask_test(&mm->cpus, 1));
    order(&h, ORDER_IDLE);
    EXPECT(cpumask_test(&mm->cpus, 1));
    EXPECT_EQ(mm_munmap(mm, va, PAGE_SIZE), 0);
    EXPECT(!cpumask_test(&mm->cpus, 1));
    ipis = vmstat_sum(VMSTAT_tlb_flush_ipis);
    for (unsigned int i = 1; i < 8; i++) {
        EXPECT(test_write(va + i * PAGE_SIZE, 1));
        EXPECT_EQ(mm_munmap(mm, va + i * PAGE_SIZE, PAGE_SIZE), 0);
    }
    EXPECT_EQ(vmstat_sum(VMSTAT_tlb_flush_ipis), ipis);
    stop_helper(&h);
    test_mm_leave();
}

/* The address space dies while another CPU still has its tables loaded. */
KTEST(tlb, exit_with_a_lazy_cpu)
{
    struct helper h;

    for (unsigned int i = 0; i < 10; i++) {
        struct mm *mm = test_mm_enter();
        vaddr_t va = test_map(4 * PAGE_SIZE, RW, ANON);

        if (!start_helper(&h, mm)) {
            test_mm_leave();
            return;
        }
        EXPECT(remote_write(&h, va, 1));
        EXPECT(test_write(va + PAGE_SIZE, 1));
        order(&h, ORDER_IDLE);
        test_mm_leave();
        stop_helper(&h);
    }
}

/*
 * Every CPU runs in an address space of its own, all of which map one huge page, and has its
 * translation cached. The split asks all of them in one round; then what they have is gone: an
 * entry that is changed without a flush is seen.
 */
static void split_in_one_round(struct mm *mm, vaddr_t va)
{
    static struct helper h[NR_CPUS];
    u64 rounds, ipis;

    EXPECT(test_write(va + PAGE_SIZE, 4));
    for (unsigned int n = 1; n < nr_cpus_online; n++) {
        start_helper_on(n, &h[n], mm_fork(mm));
        EXPECT_EQ(remote_read(&h[n], va + PAGE_SIZE), 4);
        EXPECT(cpumask_test(&h[n].mm->cpus, n));
    }
    EXPECT_EQ(page_mapcount(test_page(mm, va)), nr_cpus_online);
    rounds = vmstat_sum(VMSTAT_tlb_flush_rounds);
    ipis = vmstat_sum(VMSTAT_tlb_flush_ipis);
    split_huge_page(test_page(mm, va));
    EXPECT_EQ(vmstat_sum(VMSTAT_tlb_flush_rounds) - rounds, 1);
    EXPECT_EQ(vmstat_sum(VMSTAT_tlb_flush_ipis) - ipis, nr_cpus_online - 1);
    for (unsigned int n = 1; n < nr_cpus_online; n++) {
        struct page *table;
        unsigned int level;
        pte_t *slot = pt_find_slot(h[n].mm, va + PAGE_SIZE, 0, &table, &level), e;

        EXPECT(slot != NULL && level == 0);
        e = pte_xchg(slot, pte_with_state(pte_make_leaf(page_to_phys(zero_page), 0, PT_R | PT_U),
                                          PT_YOUNG));
        EXPECT_EQ(remote_read(&h[n], va + PAGE_SIZE), 0);
        pte_store(slot, e);
        mmu_quiesce_walkers(h[n].mm);
        mmu_flush_mm(h[n].mm);
        EXPECT_EQ(remote_read(&h[n], va + PAGE_SIZE), 4);
        order(&h[n], ORDER_QUIT);
        mm_put(h[n].mm);
    }
}

KTEST(tlb, one_round_for_many_address_spaces)
{
    struct mm *mm = test_mm_enter();
    vaddr_t size = pt_size(HUGE_LEVEL), va = ALIGN_UP(test_map(2 * size, RW, ANON), size);

    if (nr_cpus_online < 2 || huge_words == NULL || buddy_nr_free() < 3 * huge_nr()) {
        ktest_skip("needs two CPUs, huge pages, memory");
    } else {
        EXPECT_EQ(sched_set_affinity(current, (cpumask_t){ 1 }), 0);
        EXPECT_EQ(mm_madvise(mm, va, size, MADV_HUGEPAGE), 0);
        split_in_one_round(mm, va);
        EXPECT_EQ(sched_set_affinity(current, (cpumask_t){ ~0UL }), 0);
        EXPECT_EQ(test_check(mm), 0);
    }
    test_mm_leave();
}

KTEST(tlb, gather_without_memory_for_a_batch)
{
    struct mm *mm = test_mm_enter();
    vaddr_t va = test_map(100 * PAGE_SIZE, RW, ANON);

    for (unsigned int i = 0; i < 100; i++)
        EXPECT(test_write(va + i * PAGE_SIZE, i));
    fail_set_nth(current, 1);
    EXPECT_EQ(mm_munmap(mm, va, 100 * PAGE_SIZE), 0);
    fail_set_nth(current, 0);
    EXPECT_EQ(mm_rss(mm), 0);
    EXPECT_EQ(test_check(mm), 0);
    test_mm_leave();
}

/*
 * Threads of one address space change neighbouring pages at random, each knowing what its own must
 * hold; forks share and unshare them meanwhile. A stale translation, a lost flush or a page freed
 * too early shows as a wrong value.
 */
#define STORM_THREADS 4
#define STORM_PAGES   16
#define STORM_ROUNDS  400

struct storm {
    struct mm *mm;
    vaddr_t base;
    unsigned int id;
    u64 seed;
    u64 value[STORM_PAGES]; /* what a read shows; ~0: nothing mapped, or not readable */
    bool writable[STORM_PAGES];
    unsigned int wrong;
    bool done;
};

static unsigned int storm_random(struct storm *s, unsigned int below)
{
    s->seed = s->seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned int)(s->seed >> 33) % below;
}

/* The pages of the threads are interleaved, so that they share page tables and areas. */
static vaddr_t storm_va(const struct storm *s, unsigned int page)
{
    return s->base + (page * STORM_THREADS + s->id) * PAGE_SIZE;
}

static void storm_expect(struct storm *s, bool ok)
{
    s->wrong += !ok;
}

static void storm_map(struct storm *s, unsigned int page)
{
    struct mmap_request r = {
        .addr = storm_va(s, page), .len = PAGE_SIZE, .prot = RW, .flags = ANON | MAP_FIXED};

    storm_expect(s, mm_mmap(s->mm, &r) == (long)r.addr);
    s->value[page] = 0;
    s->writable[page] = true;
}

static void storm_step(struct storm *s)
{
    unsigned int page = storm_random(s, STORM_PAGES), what = storm_random(s, 12);
    vaddr_t va = storm_va(s, page);
    bool mapped = s->value[page] != ~0ULL;
    struct mm *child;

    switch (what) {
    case 0:
        storm_expect(s, mm_munmap(s->mm, va, PAGE_SIZE) == 0);
        s->value[page] = ~0ULL;
        s->writable[page] = false;
        break;
    case 1:
        storm_map(s, page);
        break;
    case 2:
    case 3:
        if (mapped)
            storm_expect(s, mm_mprotect(s->mm, va, PAGE_SIZE, what == 2 ? PROT_READ : RW) == 0);
        s->writable[page] = mapped && what == 3;
        break;
    case 4:
        child = storm_random(s, 4) == 0 ? mm_fork(s->mm) : NULL;
        if (child != NULL && !IS_ERR(child))
            mm_put(child);
        break;
    case 5:
    case 6:
    case 7:
        storm_expect(s, test_read(va) == s->value[page]);
        break;
    default:
        storm_expect(s, test_write(va, s->seed >> 1) == s->writable[page]);
        if (s->writable[page])
            s->value[page] = s->seed >> 1;
    }
}

static int storm_main(void *arg)
{
    struct storm *s = arg;

    mm_get(s->mm);
    mm_set_current(s->mm);
    for (unsigned int i = 0; i < STORM_PAGES; i++)
        storm_map(s, i);
    for (unsigned int i = 0; i < STORM_ROUNDS; i++)
        storm_step(s);
    for (unsigned int i = 0; i < STORM_PAGES; i++)
        storm_expect(s, test_read(storm_va(s, i)) == s->value[i]);
    mm_set_current(NULL);
    smp_store_release(&s->done, true);
    return 0;
}

KTEST(tlb, storm)
{
    static struct storm storms[STORM_THREADS];
    struct mm *mm = test_mm_enter();

    for (unsigned int i = 0; i < STORM_THREADS; i++) {
        storms[i] = (struct storm){
            .mm = mm, .base = 100 * pt_size(1) - 20 * PAGE_SIZE, .id = i, .seed = i + 1};
        EXPECT(!IS_ERR(kernel_thread(storm_main, &storms[i], "storm")));
    }
    for (unsigned int i = 0; i < STORM_THREADS; i++) {
        while (!smp_load_acquire(&storms[i].done))
            sched_yield_current();
        EXPECT_EQ(storms[i].wrong, 0);
    }
    EXPECT_EQ(test_check(mm), 0);
    test_mm_leave();
}
