/* SPDX-License-Identifier: MIT */
/*
 * share_ktest.c: page tables that objects own: who finds which table, what one user's changes leave
 * to the others, what changes of the object reach, what neighbours in a span do, and races of all
 * of it. After each test pt_share_check counts all links there are.
 */
#include "../team.h"
#include "pt_test.h"
#include <kernel/time.h>
#include <kernel/vfs.h>
#include <linux/falloc.h>
#include <mm/gup.h>
#include <mm/hugetlb.h>
#include <mm/page_cache.h>
#include <mm/pt_share.h>

#define NR_TOUCH 24u
#define PRIVATE  (MAP_PRIVATE | MAP_NORESERVE) /* a segment is larger than the machine */

/* The smallest span that is shared: 2 MiB, or a segment of the hash MMU. */
static vaddr_t span(void)
{
    return pt_size((mmu_has(MMU_LINK_ANY) ? 0u : 1u) + 1);
}

/* A place with room on both sides. */
static vaddr_t place(unsigned int n)
{
    return (1UL << 40) + n * 16 * span();
}

static struct file *new_object(size_t size)
{
    struct file *f = shmem_file_create("share_ktest", size, VM_NORESERVE);

    BUG_ON(IS_ERR(f));
    return f;
}

/* The shared table around @va, or NULL. */
static struct page *table_at(struct mm *mm, vaddr_t va)
{
    pte_t *base = mm->root;

    for (unsigned int level = pt_top_level(); level > 0; level--) {
        pte_t e = pte_load(base + pt_index(va, level));

        if (!pte_is_table(e, level))
            return NULL;
        base = pt_link_table(e, level);
        if (pt_is_shared(pt_table_page(base)))
            return pt_table_page(base);
    }
    return NULL;
}

static vaddr_t map_at(struct mm *mm, vaddr_t at, size_t len, unsigned long prot, struct file *f,
                      u64 pgoff)
{
    struct mmap_request r = {.addr = at,
                             .len = len,
                             .prot = prot,
                             .pgoff = pgoff,
                             .file = f,
                             .flags = MAP_SHARED | MAP_FIXED | MAP_NORESERVE};
    long va = mm_mmap(mm, &r);

    EXPECT_EQ(va, at);
    return at;
}

static bool remote(struct mm *mm, vaddr_t va, u64 *value, bool write)
{
    return mm_access_remote(mm, va, value, sizeof(*value), write) == sizeof(*value);
}

static u64 get(struct mm *mm, vaddr_t va)
{
    u64 value = 0;

    return remote(mm, va, &value, false) ? value : ~0ULL;
}

static bool put(struct mm *mm, vaddr_t va, u64 value)
{
    return remote(mm, va, &value, true);
}

static void live_in(struct mm *mm)
{
    mm_get(mm);
    mm_set_current(mm);
}

/* @n address spaces that map @len bytes of @f at @at, each with pages touched; the first wrote. */
static void make_users(struct mm **mm, unsigned int n, vaddr_t at, size_t len, struct file *f)
{
    for (unsigned int i = 0; i < n; i++) {
        mm[i] = mm_alloc();
        EXPECT_OR_RETURN(mm[i] != NULL);
        map_at(mm[i], at, len, RW, f, 0);
        for (unsigned int p = 0; p < NR_TOUCH; p++)
            if (i == 0)
                EXPECT(put(mm[i], at + p * PAGE_SIZE, 100 + p));
            else
                EXPECT_EQ(get(mm[i], at + p * PAGE_SIZE), 100 + p);
    }
}

static void drop_users(struct mm **mm, unsigned int n)
{
    for (unsigned int i = 0; i < n; i++)
        mm_put(mm[i]);
}

/* ---- who finds what ---- */

KTEST(share, all_users_have_one_table)
{
    u64 made = vmstat_sum(VMSTAT_pt_share_alloc);
    struct file *f = new_object(span());
    vaddr_t at = place(0);
    struct mm *mm[8];
    long rss[2];

    make_users(mm, 8, at, span(), f);
    for (unsigned int i = 0; i < 8; i++) {
        struct pt_share_usage u;

        EXPECT(table_at(mm[i], at) != NULL);
        EXPECT(table_at(mm[i], at) == table_at(mm[0], at));
        EXPECT_EQ(atomic_long_read(&mm[i]->rss[MM_SHMEM]), 0);
        pt_share_usage(mm[i], &u);
        EXPECT_EQ(u.rss[MM_SHMEM], NR_TOUCH); /* whoever faulted */
    }
    rss[0] = (long)table_at(mm[0], at)->pt_shared;
    EXPECT_EQ(rss[0], 8);
    EXPECT(vmstat_sum(VMSTAT_pt_share_alloc) - made <= 2); /* a segment has a table below */
    EXPECT_EQ(test_page(mm[0], at)->mapcount, 1);
    drop_users(mm, 8);
    file_put(f);
}

/* The second user's first access links the table; after it no access faults. */
KTEST(share, others_do_not_fault)
{
    struct file *f = new_object(span());
    vaddr_t at = place(0);
    struct mm *mm[2];
    u64 faults;

    make_users(mm, 1, at, span(), f);
    mm[1] = mm_alloc();
    EXPECT_OR_RETURN(mm[1] != NULL);
    map_at(mm[1], at, span(), RW, f, 0);
    live_in(mm[1]);
    faults = vmstat_sum(VMSTAT_pgfault);
    for (unsigned int p = 0; p < NR_TOUCH; p++)
        EXPECT_EQ(test_read(at + p * PAGE_SIZE), 100 + p);
    EXPECT_EQ(vmstat_sum(VMSTAT_pgfault) - faults, 1);
    test_mm_leave();
    drop_users(mm, 2);
    file_put(f);
}

/* T17, T18: another address, less permission. One table where links carry it. */
KTEST(share, reader_elsewhere_cannot_write)
{
    struct file *f = new_object(span());
    vaddr_t at = place(0), there = place(3);
    struct page *pinned;
    struct mm *mm[2];

    make_users(mm, 1, at, span(), f);
    mm[1] = mm_alloc();
    EXPECT_OR_RETURN(mm[1] != NULL);
    map_at(mm[1], there, span(), PROT_READ, f, 0);
    live_in(mm[1]);
    for (unsigned int p = 0; p < NR_TOUCH; p++) {
        EXPECT_EQ(test_read(there + p * PAGE_SIZE), 100 + p);
        EXPECT(!test_write(there + p * PAGE_SIZE, 1));
    }
    EXPECT_EQ(table_at(mm[1], there) == table_at(mm[0], at), mmu_has(MMU_LINK_WRITE));
    EXPECT_EQ(pin_user_pages_fast(there, 1, GUP_WRITE, &pinned), -EFAULT);
    EXPECT_EQ(pin_user_pages_fast(there, 1, 0, &pinned), 1);
    unpin_user_pages(&pinned, 1, false);
    EXPECT(put(mm[0], at, 7));
    EXPECT_EQ(test_read(there), 7);
    EXPECT_EQ(mm_mprotect(mm[1], there, span(), RW), 0);
    EXPECT(test_write(there + PAGE_SIZE, 8));
    EXPECT_EQ(get(mm[0], at + PAGE_SIZE), 8);
    test_mm_leave();
    drop_users(mm, 2);
    file_put(f);
}

/* mprotect of a whole span by one user changes his link, and his CPU's translations, and nothing
 * else; where links carry no permission he leaves the table. */
KTEST(share, protection_changes_in_the_link)
{
    bool carry = mmu_has(MMU_LINK_WRITE) && mmu_has(MMU_LINK_EXEC);
    struct file *f = new_object(2 * span());
    vaddr_t at = place(0);
    u64 kept = vmstat_sum(VMSTAT_pt_share_protect);
    struct page *table;
    struct mm *mm[2];

    make_users(mm, 2, at, 2 * span(), f);
    table = table_at(mm[1], at);
    live_in(mm[1]);
    EXPECT(test_write(at, 1)); /* the CPU has a translation that allows it */
    EXPECT(test_write(at + span(), 1));
    for (unsigned int i = 0; i < 3; i++) {
        EXPECT_EQ(mm_mprotect(mm[1], at, span(), PROT_READ), 0);
        EXPECT_EQ(table_at(mm[1], at) == table, carry);
        EXPECT(!test_write(at, 2));
        EXPECT_EQ(test_read(at), i == 0 ? 1 : 3);
        EXPECT(test_write(at + span(), 4)); /* not his neighbour */
        EXPECT(put(mm[0], at + PAGE_SIZE, 5));
        EXPECT_EQ(test_read(at + PAGE_SIZE), 5);
        EXPECT_EQ(test_check(mm[1]), 0);
        EXPECT_EQ(mm_mprotect(mm[1], at, span(), RW), 0);
        EXPECT(test_write(at, 3));
        EXPECT(!carry || table_at(mm[1], at) == table_at(mm[0], at));
    }
    EXPECT_EQ(mm_mprotect(mm[1], at, span(), PROT_NONE), 0);
    EXPECT_EQ(table_at(mm[1], at), NULL);
    EXPECT_EQ(test_read(at), ~0ULL);
    EXPECT_EQ(vmstat_sum(VMSTAT_pt_share_protect) - kept, carry ? 6 : 0);
    test_mm_leave();
    drop_users(mm, 2);
    file_put(f);
}

/* T6, bug 4: a private mapping shares while it is read-only and was never written. */
KTEST(share, private_mappings)
{
    struct file *f = new_object(span());
    vaddr_t at = place(0), there = place(3);
    struct mm *mm[2], *child;

    make_users(mm, 1, at, span(), f);
    mm[1] = test_mm_enter();
    mm_get(mm[1]);
    EXPECT_EQ(test_map_file(there, span(), PROT_READ, PRIVATE, f), there);
    EXPECT_EQ(test_read(there), 100);
    EXPECT(table_at(mm[1], there) != NULL);
    EXPECT_EQ(mm_mprotect(mm[1], there, span(), RW), 0);
    EXPECT(table_at(mm[1], there) == NULL);
    EXPECT(test_write(there, 1));
    EXPECT_EQ(get(mm[0], at), 100);
    EXPECT_EQ(mm_mprotect(mm[1], there, span(), PROT_READ), 0);
    EXPECT_EQ(test_read(there + PAGE_SIZE), 101);
    EXPECT(table_at(mm[1], there) == NULL);
    EXPECT(put(mm[0], at, 5)); /* nor is it found */
    EXPECT_EQ(test_read(there), 1);
    child = mm_fork(mm[1]);
    EXPECT_OR_RETURN(!IS_ERR(child));
    EXPECT_EQ(get(child, there), 1);
    EXPECT_EQ(get(child, there + PAGE_SIZE), 101);
    mm_put(child);
    test_mm_leave();
    drop_users(mm, 2);
    file_put(f);
}

/* A pin for long gets a page of the mapping's own, and so not in the object's table. */
KTEST(share, longterm_pin_of_private_mapping)
{
    struct file *f = new_object(span());
    vaddr_t at = place(0), there = place(3);
    struct page *page;
    struct mm *mm[2], *child;

    make_users(mm, 1, at, span(), f);
    mm[1] = test_mm_enter();
    mm_get(mm[1]);
    EXPECT_EQ(test_map_file(there, span(), PROT_READ, PRIVATE, f), there);
    EXPECT_EQ(test_read(there + PAGE_SIZE), 101);
    EXPECT(table_at(mm[1], there) != NULL);
    EXPECT_EQ(pin_user_pages_fast(there, 1, GUP_LONGTERM, &page), 1);
    EXPECT(table_at(mm[1], there) == NULL);
    EXPECT_EQ(page->kind, PAGE_ANON);
    EXPECT(put(mm[0], at, 5));
    EXPECT_EQ(test_read(there), 100);
    EXPECT_EQ(get(mm[0], at), 5);
    child = mm_fork(mm[1]);
    EXPECT_OR_RETURN(!IS_ERR(child));
    EXPECT_EQ(get(child, there), 100);
    mm_put(child);
    unpin_user_pages(&page, 1, false);
    test_mm_leave();
    drop_users(mm, 2);
    file_put(f);
}

KTEST(share, switches)
{
    struct file *f = new_object(span());
    vaddr_t at = place(0);
    struct mm *mm[2];

    make_users(mm, 2, at, span(), f);
    EXPECT_EQ(mm_madvise(mm[1], at, span(), MADV_NOSHAREPT), 0);
    EXPECT(table_at(mm[1], at) == NULL);
    EXPECT_EQ(get(mm[1], at), 100);
    EXPECT(table_at(mm[1], at) == NULL && table_at(mm[0], at)->pt_shared == 1);
    EXPECT_EQ(mm_madvise(mm[1], at, span(), MADV_SHAREPT), 0);
    EXPECT_EQ(mm_madvise(mm[1], at, span(), MADV_DONTNEED), 0);
    EXPECT_EQ(get(mm[1], at + PAGE_SIZE), 101);
    EXPECT(table_at(mm[1], at) == NULL); /* a table of its own is there */
    drop_users(mm + 1, 1);
    mm[1] = mm_alloc();
    EXPECT_OR_RETURN(mm[1] != NULL);
    mm[1]->share_off = PT_SHARE_OBJECTS;
    map_at(mm[1], at, span(), RW, f, 0);
    EXPECT_EQ(get(mm[1], at), 100);
    EXPECT(table_at(mm[1], at) == NULL);
    drop_users(mm, 2);
    file_put(f);
}

/* ---- one user's changes ---- */

/* T3: two unmap the middle, map private memory there and write: nobody sees another's. */
KTEST(share, private_memory_in_the_middle)
{
    size_t len = 3 * span();
    struct file *f = new_object(len);
    vaddr_t at = place(0), middle = at + span();
    struct mm *mm[4];

    make_users(mm, 4, at, len, f);
    for (unsigned int i = 0; i < 4; i++)
        EXPECT(put(mm[i], middle, 50 + i) && put(mm[i], at + 2 * span(), 1));
    for (unsigned int i = 0; i < 2; i++) {
        struct mmap_request r = {
            .addr = middle, .len = span(), .prot = RW, .flags = ANON | MAP_FIXED | MAP_NORESERVE};

        EXPECT_EQ(mm_munmap(mm[i], middle, span()), 0);
        EXPECT_EQ(mm_mmap(mm[i], &r), middle);
        EXPECT(put(mm[i], middle, 200 + i));
    }
    for (unsigned int i = 0; i < 4; i++) {
        EXPECT_EQ(get(mm[i], middle), i < 2 ? 200 + i : 53);
        EXPECT_EQ(get(mm[i], at), 100);
        EXPECT_EQ(get(mm[i], at + 2 * span()), 1);
        EXPECT(table_at(mm[i], at) == table_at(mm[0], at));
    }
    drop_users(mm, 4);
    file_put(f);
}

/* T4: ranges that begin and end a page beside each border of a table. */
KTEST(share, borders)
{
    size_t len = 4 * span();
    struct file *f = new_object(len);
    vaddr_t at = place(0);
    struct mm *mm[2];

    for (int what = 0; what < 3; what++)
        for (int first = -1; first <= 1; first++)
            for (int last = -1; last <= 1; last++) {
                vaddr_t from = at + span() + first * (long)PAGE_SIZE;
                vaddr_t to = at + 3 * span() + last * (long)PAGE_SIZE;

                make_users(mm, 2, at, len, f);
                for (unsigned int i = 0; i < 2; i++)
                    for (unsigned int s = 1; s < 4; s++)
                        EXPECT(put(mm[i], at + s * span() - PAGE_SIZE, s) &&
                               put(mm[i], at + s * span(), 10 + s));
                if (what == 0)
                    EXPECT_EQ(mm_munmap(mm[1], from, to - from), 0);
                else if (what == 1)
                    EXPECT_EQ(mm_mprotect(mm[1], from, to - from, PROT_READ), 0);
                else
                    EXPECT_EQ(mm_madvise(mm[1], from, to - from, MADV_DONTNEED), 0);
                for (unsigned int s = 1; s < 4; s++) {
                    vaddr_t a = at + s * span() - PAGE_SIZE, b = at + s * span();

                    EXPECT_EQ(get(mm[0], a), s);
                    EXPECT_EQ(get(mm[0], b), 10 + s);
                    EXPECT_EQ(get(mm[1], a), what == 0 && a >= from && a < to ? ~0ULL : s);
                    EXPECT_EQ(put(mm[1], b, 10 + s), what == 2 || b < from || b >= to);
                    EXPECT(put(mm[0], a, s));
                }
                EXPECT_EQ(test_check(mm[0]) + test_check(mm[1]), 0);
                drop_users(mm, 2);
            }
    file_put(f);
}

/* A process on its own takes the table over: its changes cost it no fault. */
KTEST(share, the_only_user_keeps_its_entries)
{
    struct file *f = new_object(span());
    u64 adopted = vmstat_sum(VMSTAT_pt_share_adopt);
    vaddr_t at = place(0);
    struct mm *mm;

    make_users(&mm, 1, at, span(), f);
    EXPECT(table_at(mm, at) != NULL);
    EXPECT_EQ(mm_mprotect(mm, at, PAGE_SIZE, PROT_READ), 0);
    EXPECT_EQ(vmstat_sum(VMSTAT_pt_share_adopt) - adopted, 1);
    EXPECT(table_at(mm, at) == NULL);
    EXPECT_EQ(test_rss(mm, MM_SHMEM), NR_TOUCH);
    for (unsigned int p = 0; p < NR_TOUCH; p++)
        EXPECT(test_page(mm, at + p * PAGE_SIZE) != NULL);
    EXPECT(!put(mm, at, 1));
    EXPECT(put(mm, at + PAGE_SIZE, 1));
    live_in(mm);
    current->pagefault_disabled++; /* what is still writable is so without a fault */
    EXPECT(mmu_has(MMU_WALKS_TREE) ? test_write(at + 2 * PAGE_SIZE, 3) : true);
    current->pagefault_disabled--;
    test_mm_leave();
    EXPECT_EQ(test_check(mm), 0);
    mm_put(mm);
    file_put(f);
}

/* T15 */
KTEST(share, mremap_moves_one_user)
{
    struct file *f = new_object(2 * span());
    vaddr_t at = place(0), there = place(3);
    struct mm *mm[2];

    for (unsigned int n = 1; n <= 2; n++) {
        struct mremap_request r = {.addr = at,
                                   .old_len = 2 * span(),
                                   .new_len = 2 * span(),
                                   .flags = MREMAP_MAYMOVE | MREMAP_FIXED,
                                   .new_addr = there};

        make_users(mm, n, at, 2 * span(), f);
        EXPECT_EQ(mm_mremap(mm[0], &r), there);
        EXPECT_EQ(get(mm[0], at), ~0ULL);
        for (unsigned int p = 0; p < NR_TOUCH; p++) {
            EXPECT_EQ(get(mm[0], there + p * PAGE_SIZE), 100 + p);
            EXPECT_EQ(get(mm[n - 1], (n == 1 ? there : at) + p * PAGE_SIZE), 100 + p);
        }
        EXPECT(put(mm[0], there, 9) && get(mm[n - 1], n == 1 ? there : at) == 9);
        EXPECT_EQ(test_check(mm[0]), 0);
        drop_users(mm, n);
    }
    file_put(f);
}

/* What is locked has tables of its own; the other user may do what he likes. */
KTEST(share, locked_memory)
{
    struct file *f = new_object(span());
    vaddr_t at = place(0);
    struct mm *mm[2];

    make_users(mm, 2, at, span(), f);
    EXPECT_EQ(mm_mlock(mm[1], at, NR_TOUCH * PAGE_SIZE, VM_LOCKED), 0);
    EXPECT(table_at(mm[1], at) == NULL && table_at(mm[0], at) != NULL);
    EXPECT_EQ(mm_madvise(mm[0], at, span(), MADV_DONTNEED), 0);
    for (unsigned int p = 0; p < NR_TOUCH; p++)
        EXPECT(test_page(mm[1], at + p * PAGE_SIZE) != NULL);
    EXPECT_EQ(mm_munlock(mm[1], at, span()), 0);
    EXPECT_EQ(test_check(mm[1]), 0);
    drop_users(mm, 2);
    file_put(f);
}

/* The whole area is locked, so nothing is cut. */
KTEST(share, locked_on_fault)
{
    struct file *f = new_object(span());
    vaddr_t at = place(0);
    struct mm *mm[2];

    make_users(mm, 2, at, span(), f);
    EXPECT_EQ(mm_mlock(mm[1], at, span(), VM_LOCKED | VM_LOCKONFAULT), 0);
    EXPECT(table_at(mm[1], at) == NULL && table_at(mm[0], at)->pt_shared == 1);
    EXPECT_EQ(get(mm[1], at), 100);
    EXPECT(table_at(mm[1], at) == NULL);
    drop_users(mm, 2);
    file_put(f);
}

/* ---- neighbours ---- */

/* An area that has a span for itself shares it with those who have as much of it; a newcomer in the
 * span ends that (T5, bugs 3 and 17). */
KTEST(share, part_of_a_span)
{
    size_t part = span() / 4;
    struct file *f = new_object(span());
    vaddr_t at = place(0) + span() / 4;
    struct mm *mm[3], *other;

    make_users(mm, 3, at, part, f);
    EXPECT(table_at(mm[0], at) != NULL && table_at(mm[0], at) == table_at(mm[2], at));
    other = mm_alloc();
    EXPECT_OR_RETURN(other != NULL);
    map_at(other, at, 2 * part, RW, f, 0); /* more of the span: not the same table */
    EXPECT(put(other, at + part, 1) && get(other, at) == 100);
    EXPECT(table_at(other, at) != NULL && table_at(other, at) != table_at(mm[0], at));
    EXPECT_EQ(get(mm[0], at + part), ~0ULL);
    mm_put(other);
    live_in(mm[0]);
    EXPECT_EQ(test_map_file(at + part, PAGE_SIZE, RW, ANON, NULL), at + part);
    EXPECT(table_at(mm[0], at) == NULL);
    EXPECT(test_write(at + part, 77));
    EXPECT_EQ(test_read(at), 100);
    EXPECT(table_at(mm[0], at) == NULL);
    test_mm_leave();
    live_in(mm[1]); /* grows */
    EXPECT_EQ(mm_mremap(mm[1],
                        &(struct mremap_request){.addr = at, .old_len = part, .new_len = 2 * part}),
              at);
    EXPECT(test_write(at + part, 78));
    EXPECT_EQ(test_read(at), 100);
    test_mm_leave();
    EXPECT_EQ(get(mm[0], at + part), 77);
    EXPECT_EQ(get(mm[2], at + part), ~0ULL);
    EXPECT_EQ(get(mm[2], at), 100);
    for (unsigned int i = 0; i < 3; i++)
        EXPECT_EQ(test_check(mm[i]), 0);
    drop_users(mm, 3);
    file_put(f);
}

/* What is left of an area after munmap: a whole span, and alone in the next a part that begins with
 * it. */
KTEST(share, whole_span_and_part_of_the_next)
{
    struct file *f = new_object(2 * span());
    size_t len = span() + span() / 2;
    vaddr_t at = place(0), last = at + span();
    struct mm *mm[2];

    make_users(mm, 2, at, len, f);
    for (unsigned int i = 0; i < 2; i++)
        EXPECT(put(mm[i], last + i * PAGE_SIZE, i));
    EXPECT(table_at(mm[0], at) != NULL && table_at(mm[0], at) == table_at(mm[1], at));
    EXPECT(table_at(mm[0], last) != NULL && table_at(mm[0], last) == table_at(mm[1], last));
    for (unsigned int i = 0; i < 2; i++)
        EXPECT_EQ(test_check(mm[i]), 0);
    drop_users(mm, 2);
    file_put(f);
}

KTEST(share, stack_grows_into_a_span)
{
    struct file *f = new_object(span());
    unsigned long flags = VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_GROWSDOWN;
    vaddr_t at = place(0), stack = at + span();
    size_t part = span() / 4;
    struct mm *mm[2];

    make_users(mm, 2, at, part, f);
    live_in(mm[0]);
    EXPECT_EQ(mm_map_anon_fixed(mm[0], stack, 4 * PAGE_SIZE, flags), 0);
    EXPECT(table_at(mm[0], at) != NULL); /* it ends where the stack begins */
    if (span() - part > STACK_GUARD_GAP + PAGE_SIZE) {
        EXPECT(test_write(stack - PAGE_SIZE, 4));
        EXPECT(table_at(mm[0], at) == NULL);
        EXPECT_EQ(test_read(stack - PAGE_SIZE), 4);
    }
    EXPECT_EQ(test_read(at), 100);
    EXPECT_EQ(get(mm[1], at), 100);
    EXPECT_EQ(get(mm[1], stack - PAGE_SIZE), ~0ULL);
    test_mm_leave();
    drop_users(mm, 2);
    file_put(f);
}

/* ---- the object's changes ---- */

static long cut(struct file *f, u64 from, u64 len)
{
    return f->op->fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (loff_t)from,
                            (loff_t)len);
}

/* One round, whatever the number of users; and pages are gone for all. */
KTEST(share, hole_reaches_all_users)
{
    struct file *f = new_object(2 * span());
    vaddr_t at = place(0);
    struct mm *mm[16];
    u64 rounds;

    make_users(mm, 16, at, 2 * span(), f);
    EXPECT(put(mm[0], at + span(), 5));
    rounds = vmstat_sum(VMSTAT_pt_share_flush);
    EXPECT_EQ(cut(f, 4 * PAGE_SIZE, 4 * PAGE_SIZE), 0);
    EXPECT_EQ(vmstat_sum(VMSTAT_pt_share_flush) - rounds, 1);
    for (unsigned int i = 0; i < 16; i++)
        for (unsigned int p = 0; p < NR_TOUCH; p++)
            EXPECT_EQ(get(mm[i], at + p * PAGE_SIZE), p >= 4 && p < 8 ? 0 : 100 + p);
    EXPECT_EQ(get(mm[9], at + span()), 5);
    EXPECT_EQ(cut(f, 0, 2 * span()), 0);
    for (unsigned int i = 0; i < 16; i++)
        EXPECT_EQ(get(mm[i], at + span()), 0);
    EXPECT_EQ(cut(f, 0, 2 * span()), 0);
    EXPECT_EQ(mapping_nr_pages(f->mapping), 0);
    drop_users(mm, 16);
    file_put(f);
}

/* Entries at odd places: the object does not begin at a border of a span. */
KTEST(share, object_begins_inside_a_span)
{
    size_t len = 2 * span() + span() / 2;
    struct file *f = new_object(len);
    vaddr_t at = place(0) + span() / 2;
    struct mm *mm[2];

    make_users(mm, 2, at, len, f);
    for (vaddr_t off = 0; off < len; off += span() / 2)
        EXPECT(put(mm[0], at + off + 30 * PAGE_SIZE, off + 1));
    EXPECT(table_at(mm[0], at) == table_at(mm[1], at) && table_at(mm[1], at) != NULL);
    for (vaddr_t off = 0; off < len; off += span() / 2) {
        EXPECT_EQ(get(mm[1], at + off + 30 * PAGE_SIZE), off + 1);
        EXPECT_EQ(cut(f, off + 30 * PAGE_SIZE, PAGE_SIZE), 0);
        EXPECT_EQ(get(mm[1], at + off + 30 * PAGE_SIZE), 0);
        EXPECT_EQ(get(mm[1], at + 5 * PAGE_SIZE), 105);
    }
    drop_users(mm, 2);
    file_put(f);
}

/* ---- larger tables, larger leaves ---- */

/* Level-1 tables: two links for 1 GiB. One who changes a page keeps the other tables. */
KTEST(share, level_1)
{
    vaddr_t size = pt_size(2), at = 1UL << 40;
    struct mm *mm[2];
    struct file *f;

    if (!mmu_has(MMU_LINK_ANY)) {
        ktest_skip("the MMU shares level-1 tables only, as the other tests do");
        return;
    }
    f = new_object(size);
    make_users(mm, 2, at, size, f);
    EXPECT(put(mm[0], at + size - PAGE_SIZE, 3));
    EXPECT_EQ(table_at(mm[0], at)->level, 1);
    EXPECT(table_at(mm[0], at) == table_at(mm[1], at));
    EXPECT_EQ(get(mm[1], at + size - PAGE_SIZE), 3);
    EXPECT_EQ(mm_munmap(mm[1], at + size / 2, PAGE_SIZE), 0);
    EXPECT(table_at(mm[1], at) == NULL);
    EXPECT_EQ(get(mm[1], at), 100); /* links the table of level 0 that is there */
    EXPECT_EQ(table_at(mm[1], at)->level, 0);
    EXPECT_EQ(table_at(mm[1], at)->pt_shared, 2);
    EXPECT_EQ(mm_munmap(mm[0], at + size / 2, PAGE_SIZE), 0);
    EXPECT(table_at(mm[0], at) == table_at(mm[1], at)); /* taken over from the level above */
    EXPECT_EQ(cut(f, 0, PAGE_SIZE), 0);
    EXPECT_EQ(get(mm[0], at) | get(mm[1], at), 0);
    EXPECT_EQ(get(mm[0], at + PAGE_SIZE), 101);
    EXPECT_EQ(test_check(mm[0]) + test_check(mm[1]), 0);
    drop_users(mm, 2);
    file_put(f);
}

KTEST(share, huge_pages_of_a_pool)
{
    struct huge_pool *pool = huge_pool_by_size(0);
    vaddr_t at = 1UL << 40;
    struct mm *mm[3];
    struct file *f;
    size_t size, len;

    if (pool == NULL) {
        ktest_skip("no huge pages on this MMU");
        return;
    }
    size = huge_size(pool);
    len = pt_size(2);
    huge_pool_resize(pool, 2);
    if (huge_pool_counts(pool).nr != 2) {
        huge_pool_resize(pool, 0);
        ktest_skip("no memory for the pool");
        return;
    }
    len = max(len / 16, 2 * size); /* a part of the span */
    f = hugetlb_file_create("share_ktest", pool, 2 * size, true);
    EXPECT_OR_RETURN(!IS_ERR(f));
    for (unsigned int i = 0; i < 3; i++) {
        mm[i] = mm_alloc();
        EXPECT_OR_RETURN(mm[i] != NULL);
        map_at(mm[i], at, len, RW, f, 0);
        EXPECT(i == 0 ? put(mm[i], at + size, 8) : get(mm[i], at + size) == 8);
        EXPECT(table_at(mm[i], at) != NULL && table_at(mm[i], at) == table_at(mm[0], at));
    }
    EXPECT_EQ(mm_munmap(mm[1], at, size), 0);
    EXPECT_EQ(get(mm[1], at + size), 8);
    EXPECT_EQ(mm_mprotect(mm[2], at, size, PROT_READ), 0);
    EXPECT(put(mm[2], at + size, 9) && !put(mm[2], at, 9));
    EXPECT_EQ(cut(f, size, size), 0);
    for (unsigned int i = 0; i < 3; i++)
        EXPECT_EQ(get(mm[i], at + size), 0);
    for (unsigned int i = 0; i < 3; i++)
        EXPECT_EQ(test_check(mm[i]), 0);
    drop_users(mm, 3);
    file_put(f);
    huge_pool_resize(pool, 0);
    EXPECT_EQ(huge_pool_counts(pool).nr, 0);
}

/* ---- no memory ---- */

/* T16: whatever allocation fails, the fault ends in a table or in nothing. */
KTEST(share, no_memory)
{
    struct file *f = new_object(span());
    vaddr_t at = place(0);
    bool failed = true;

    for (long n = 1; failed && n < 40; n++) {
        struct mm *mm = test_mm_enter();

        EXPECT_EQ(test_map_file(at, span(), RW, MAP_SHARED, f), at);
        fail_set_nth(current, n);
        (void)test_write(at, 5);
        failed = current->fail_nth == 0;
        fail_set_nth(current, 0);
        EXPECT_EQ(test_check(mm), 0);
        EXPECT(test_write(at, 6));
        test_mm_leave();
        EXPECT_EQ(cut(f, 0, span()), 0);
    }
    EXPECT(!failed);
    file_put(f);
}

/* ---- races ---- */

struct race {
    struct file *f;
    vaddr_t at;
    struct mm *mm[4];
};

#define RACE_PAGES 8u

/* Pages hold their number, or nothing: any other value is another's memory. */
static bool is_right(u64 value, unsigned int page)
{
    return value == 0 || value == ~0ULL || value == 7000 + page;
}

static void one_step(struct race *r, struct mm *mm, u64 *seed)
{
    unsigned int what = test_random(seed) % 12, page = test_random(seed) % RACE_PAGES;
    vaddr_t part = span() / 2, va = r->at + (page & 3) * part + page * PAGE_SIZE;
    struct mmap_request q = {.addr = va, .len = PAGE_SIZE, .prot = RW, .flags = ANON | MAP_FIXED};

    switch (what) {
    case 0: (void)mm_munmap(mm, va, PAGE_SIZE); break;
    case 1: (void)mm_munmap(mm, r->at, 2 * span()); break;
    case 2:
    case 3: /* not MAP_FIXED over what others of this address space do: as a program may */
        q = (struct mmap_request){.addr = r->at,
                                  .len = 2 * span(),
                                  .prot = RW,
                                  .file = r->f,
                                  .flags = MAP_SHARED | MAP_FIXED};
        (void)mm_mmap(mm, &q);
        break;
    case 4: (void)mm_mprotect(mm, va, PAGE_SIZE, PROT_READ); break;
    case 5: (void)mm_madvise(mm, r->at, span(), MADV_DONTNEED); break;
    case 6: EXPECT_EQ(cut(r->f, va - r->at, PAGE_SIZE), 0); break;
    case 7: EXPECT_EQ(cut(r->f, 0, 2 * span()), 0); break;
    case 8: {
        struct mm *child = mm_fork(mm);

        if (!IS_ERR(child)) {
            EXPECT(is_right(get(child, va), page));
            mm_put(child);
        }
        break;
    }
    default:
        (void)test_write(va, 7000 + page);
        EXPECT(is_right(test_read(va), page));
        break;
    }
}

static void race_member(struct team *team, unsigned int nr)
{
    struct race *r = team->arg;
    struct mm *mm = r->mm[nr % 4];
    u64 seed = 77 + nr;

    live_in(mm);
    while (team_round(team, nr, 3000))
        one_step(r, mm, &seed);
    test_mm_leave();
}

/* Two threads in each of four address spaces; all change what they map, and the object changes. */
KTEST(share, races)
{
    struct race r = {.f = new_object(2 * span()), .at = place(0)};
    struct team team = {.arg = &r};

    make_users(r.mm, 4, r.at, 2 * span(), r.f);
    EXPECT_EQ(cut(r.f, 0, 2 * span()), 0);
    team_run(&team, 8, race_member, false);
    for (unsigned int i = 0; i < 4; i++)
        EXPECT_EQ(test_check(r.mm[i]), 0);
    drop_users(r.mm, 4);
    file_put(r.f);
}

/* T9, H4: the last users leave at once, while others come. */
static void come_and_go(struct team *team, unsigned int nr)
{
    struct race *r = team->arg;

    while (team_round(team, nr, 400)) {
        struct mm *mm = mm_alloc();

        EXPECT_OR_RETURN(mm != NULL);
        map_at(mm, r->at, span(), RW, r->f, 0);
        for (unsigned int p = 0; p < 4; p++) {
            EXPECT(is_right(get(mm, r->at + p * PAGE_SIZE), p));
            EXPECT(put(mm, r->at + p * PAGE_SIZE, 7000 + p));
        }
        mm_put(mm);
    }
}

KTEST(share, last_users_leave_at_once)
{
    struct race r = {.f = new_object(span()), .at = place(0)};
    struct team team = {.arg = &r};

    team_run(&team, 4, come_and_go, true);
    file_put(r.f);
}

/* T7: while one user reads, the object loses the page: no read sees the frame's next contents. */
static void read_on(struct team *team, unsigned int nr)
{
    struct race *r = team->arg;

    live_in(r->mm[nr]);
    while (!team_stopped(team)) {
        u64 value = test_read(r->at + PAGE_SIZE);

        team->rounds[nr]++;
        EXPECT(is_right(value, 1));
    }
    test_mm_leave();
}

KTEST(share, readers_against_holes)
{
    struct race r = {.f = new_object(span()), .at = place(0)};
    struct team team = {.arg = &r};
    u64 end;

    make_users(r.mm, 3, r.at, span(), r.f);
    EXPECT_EQ(cut(r.f, 0, span()), 0);
    team_start(&team, 3, read_on, true);
    for (end = clock_monotonic_ns() + TEAM_NS; clock_monotonic_ns() < end;) {
        struct mm *scratch = mm_alloc(); /* takes freed frames and fills them */

        EXPECT(put(r.mm[0], r.at + PAGE_SIZE, 7001));
        EXPECT_EQ(cut(r.f, 0, span()), 0);
        EXPECT_OR_RETURN(scratch != NULL);
        mm_put(scratch);
    }
    WRITE_ONCE(team.stop, true);
    team_join(&team);
    drop_users(r.mm, 3);
    file_put(r.f);
}
