/* SPDX-License-Identifier: MIT */
/*
 * space_ktest.c: shared spaces: whose tables users link and who counts the links, what stays when
 * it is unmapped inside, rounds of a change, failed allocations, and races of faults, changes
 * inside, changes of one user, and exit. After each test pt_space_check counts all links there are.
 */
#include "../team.h"
#include "pt_test.h"
#include <kernel/string.h>
#include <mm/gup.h>
#include <mm/hugetlb.h>
#include <mm/migrate.h>
#include <mm/pt_space.h>
#include <mm/slab.h>

/* What a file of msharefs is to the space: its size. */
static struct inode owner;
static struct pt_space *space;

static int file_mmap(struct file *f, struct vma *v)
{
    (void)f;
    return pt_space_setup(v, space);
}

static unsigned int file_level(struct file *f, size_t *len)
{
    (void)f, (void)len;
    return SPACE_LEVEL + 1;
}

static const struct file_ops file_fops = {.mmap = file_mmap, .map_level = file_level};

static void begin(unsigned int spans)
{
    memset(&owner, 0, sizeof(owner));
    owner.size = spans * SPACE_SPAN;
    space = pt_space_create(&owner, VM_WRITE);
    BUG_ON(!space);
}

static void end(void)
{
    pt_space_destroy(space);
    space = NULL;
}

static vaddr_t place(unsigned int n)
{
    return (1UL << 40) + n * 4 * SPACE_SPAN;
}

static long map_prot(struct mm *mm, vaddr_t at, unsigned int spans, unsigned long prot)
{
    struct file *f = file_alloc_anon("space_ktest", &file_fops, O_RDWR, NULL);
    struct mmap_request r = {.addr = at,
                             .len = spans * SPACE_SPAN,
                             .prot = prot,
                             .flags = MAP_SHARED | MAP_FIXED,
                             .file = f};
    long ret;

    if (IS_ERR(f))
        return PTR_ERR(f);
    f->mapping = &space->users;
    ret = mm_mmap(mm, &r);
    file_put(f);
    return ret;
}

static void map_at(struct mm *mm, vaddr_t at, unsigned int spans)
{
    EXPECT_EQ(map_prot(mm, at, spans, RW), (long)at);
}

static int memory(u64 from, u64 len)
{
    struct pt_space_map m = {.from = from, .len = len, .prot = RW};

    return pt_space_map(space, &m);
}

static u64 get(struct mm *mm, vaddr_t va)
{
    u64 value = 0;

    return mm_access_remote(mm, va, &value, sizeof(value), false) == sizeof(value) ? value : ~0ULL;
}

static bool put(struct mm *mm, vaddr_t va, u64 value)
{
    return mm_access_remote(mm, va, &value, sizeof(value), true) == sizeof(value);
}

/* Makes the link, which a pin does not need. */
static bool touch(struct mm *mm, vaddr_t va)
{
    struct vma *v;
    bool ok;

    mmap_read_lock(mm);
    v = vma_lookup(mm, va);
    ok = v && mm_handle_fault(v, va, FAULT_WRITE) == FAULT_OK;
    mmap_read_unlock(mm);
    return ok;
}

/* The table that the span of @va leads to, or NULL. */
static struct page *table_at(struct mm *mm, vaddr_t va)
{
    struct page *table;
    unsigned int level;
    pte_t *slot = pt_find_slot(mm, va, SPACE_LEVEL + 1, &table, &level);

    if (slot == NULL || !pte_is_table(pte_load(slot), level))
        return NULL;
    return pt_table_page(pt_link_table(pte_load(slot), level));
}

static u32 links(u64 off)
{
    struct page *table = table_at(space->host, SPACE_BASE + off);

    return table ? table->pt_shared : 0;
}

/* ---- links ---- */

KTEST(space, all_users_link_the_hosts_table)
{
    struct mm *mm[3];

    begin(2);
    EXPECT_EQ(memory(0, 8 * PAGE_SIZE), 0);
    for (unsigned int i = 0; i < 3; i++) {
        mm[i] = mm_alloc();
        EXPECT_OR_RETURN(mm[i] != NULL);
        map_at(mm[i], place(i), 2);
        EXPECT_EQ(table_at(mm[i], place(i)), NULL);
        EXPECT(touch(mm[i], place(i) + i * PAGE_SIZE));
        EXPECT_EQ(links(0), i + 1);
        EXPECT_EQ(table_at(mm[i], place(i)), table_at(space->host, SPACE_BASE));
        EXPECT_EQ(atomic_long_read(&mm[i]->nr_shared), 1);
        EXPECT_EQ(mm_rss(mm[i]), 0); /* the pages are the host's */
    }
    EXPECT(put(mm[0], place(0), 77));
    EXPECT_EQ(get(mm[2], place(2)), 77);
    EXPECT_EQ(mm_rss(space->host), 3);
    EXPECT_EQ(mm_munmap(mm[1], place(1), 2 * SPACE_SPAN), 0);
    EXPECT_EQ(links(0), 2);
    mm_put(mm[0]);
    EXPECT_EQ(links(0), 1);
    EXPECT_EQ(get(mm[2], place(2)), 77);
    mm_put(mm[1]);
    mm_put(mm[2]);
    end();
}

KTEST(space, usage_counts_what_is_behind_links)
{
    struct pt_share_usage u;
    struct mm *mm = mm_alloc();

    EXPECT_OR_RETURN(mm != NULL);
    begin(1);
    map_at(mm, place(0), 1);
    EXPECT_EQ(memory(0, 8 * PAGE_SIZE), 0);
    for (unsigned int i = 0; i < 5; i++)
        EXPECT(touch(mm, place(0) + i * PAGE_SIZE));
    mmap_read_lock(mm);
    pt_share_usage(mm, &u);
    mmap_read_unlock(mm);
    EXPECT_EQ(u.rss[MM_SHMEM], 5);
    EXPECT_EQ(u.tables, (1UL << pt_table_order(0)) + (1UL << pt_table_order(1)));
    mm_put(mm);
    end();
}

/* Nothing below a table with links is freed; without, all goes. */
KTEST(space, linked_tables_stay)
{
    struct mm *mm = mm_alloc(), *host;
    struct page *table;
    long tables;

    EXPECT_OR_RETURN(mm != NULL);
    begin(2);
    host = space->host;
    tables = atomic_long_read(&host->pt_pages);
    map_at(mm, place(0), 2);
    EXPECT_EQ(memory(0, 8 * PAGE_SIZE), 0);
    EXPECT_EQ(memory(SPACE_SPAN, 8 * PAGE_SIZE), 0);
    EXPECT(touch(mm, place(0)) && touch(mm, place(0) + SPACE_SPAN));
    table = table_at(mm, place(0));
    EXPECT_EQ(pt_space_unmap(space, 0, 2 * SPACE_SPAN), 0);
    EXPECT_EQ(table_at(host, SPACE_BASE), table);
    EXPECT_EQ(get(mm, place(0)), ~0ULL);
    EXPECT_EQ(memory(0, PAGE_SIZE), 0);
    EXPECT(put(mm, place(0), 5)); /* through the old table */
    EXPECT_EQ(table_at(mm, place(0)), table);
    mm_put(mm);
    EXPECT_EQ(pt_space_unmap(space, 0, SPACE_SPAN), 0);
    EXPECT_EQ(memory(SPACE_SPAN, PAGE_SIZE), 0);
    EXPECT_EQ(pt_space_unmap(space, SPACE_SPAN, SPACE_SPAN), 0);
    EXPECT_EQ(atomic_long_read(&host->pt_pages), tables);
    end();
}

KTEST(space, tables_left_behind_go_with_the_space)
{
    struct mm *mm = mm_alloc();

    EXPECT_OR_RETURN(mm != NULL);
    begin(2);
    map_at(mm, place(0), 2);
    EXPECT_EQ(memory(SPACE_SPAN, 8 * PAGE_SIZE), 0);
    EXPECT(touch(mm, place(0) + SPACE_SPAN));
    EXPECT_EQ(pt_space_unmap(space, SPACE_SPAN, SPACE_SPAN), 0);
    mm_put(mm);
    EXPECT_EQ(memory(0, PAGE_SIZE), 0); /* another span, whose end takes tables that both need */
    EXPECT_EQ(pt_space_unmap(space, 0, SPACE_SPAN), 0);
    end();
}

/* A change inside is one round, whatever the number of users. */
KTEST(space, one_round_for_all)
{
    struct mm *mm[8];
    u64 rounds;

    begin(1);
    EXPECT_EQ(memory(0, 64 * PAGE_SIZE), 0);
    for (unsigned int i = 0; i < ARRAY_SIZE(mm); i++) {
        mm[i] = mm_alloc();
        EXPECT_OR_RETURN(mm[i] != NULL);
        map_at(mm[i], place(0), 1);
        for (unsigned int p = 0; p < 64; p++)
            EXPECT(touch(mm[i], place(0) + p * PAGE_SIZE));
    }
    rounds = vmstat_sum(VMSTAT_pt_share_flush);
    EXPECT_EQ(pt_space_protect_all(space, 0, 64 * PAGE_SIZE, PROT_READ), 0);
    EXPECT_EQ(vmstat_sum(VMSTAT_pt_share_flush), rounds + 1);
    EXPECT(!put(mm[7], place(0), 1));
    EXPECT_EQ(get(mm[7], place(0)), 0);
    EXPECT_EQ(pt_space_protect_all(space, 0, 64 * PAGE_SIZE, RW), 0); /* nothing shrinks */
    EXPECT(put(mm[7], place(0), 1));
    rounds = vmstat_sum(VMSTAT_pt_share_flush);
    EXPECT_EQ(pt_space_unmap(space, 0, 64 * PAGE_SIZE), 0);
    EXPECT(vmstat_sum(VMSTAT_pt_share_flush) - rounds <= 2); /* entries; tables, if any go */
    for (unsigned int i = 0; i < ARRAY_SIZE(mm); i++)
        mm_put(mm[i]);
    end();
}

/* Objects that are mapped inside keep out of each other's page tables, and truncation finds them.
 */
KTEST(space, truncation_of_what_is_inside)
{
    struct file *f = shmem_file_create("space_ktest", SPACE_SPAN, VM_NORESERVE);
    struct pt_space_map m = {.len = SPACE_SPAN, .file = f, .prot = RW};
    struct mm *mm = mm_alloc();

    EXPECT_OR_RETURN(mm != NULL && !IS_ERR(f));
    begin(1);
    map_at(mm, place(0), 1);
    EXPECT_EQ(pt_space_map(space, &m), 0);
    EXPECT(touch(mm, place(0)) && touch(mm, place(0) + 9 * PAGE_SIZE));
    EXPECT(put(mm, place(0) + 9 * PAGE_SIZE, 3));
    EXPECT(!pt_is_shared(table_at(space->host, SPACE_BASE)));
    (void)mapping_truncate(f->mapping, 4, ~0ULL);
    EXPECT(test_page(mm, place(0)) != NULL);
    EXPECT_EQ(test_page(mm, place(0) + 9 * PAGE_SIZE), NULL);
    EXPECT_EQ(get(mm, place(0) + 9 * PAGE_SIZE), 0);
    mm_put(mm);
    end();
    file_put(f);
}

KTEST(space, what_may_not_be_inside)
{
    static const struct file_ops device_ops = {.mmap = file_mmap};
    struct file *f = file_alloc_anon("space_ktest", &device_ops, O_RDWR, NULL);
    struct pt_space_map m = {.len = SPACE_SPAN, .prot = RW, .file = f};
    struct file *self = file_alloc_anon("space_ktest", &file_fops, O_RDWR, NULL);

    EXPECT_OR_RETURN(!IS_ERR(f) && !IS_ERR(self));
    begin(1);
    EXPECT_EQ(pt_space_map(space, &m), -ENODEV);
    m.file = self;
    EXPECT(pt_space_map(space, &m) < 0);
    m.file = NULL;
    m.prot = RW | PROT_EXEC;
    EXPECT_EQ(pt_space_map(space, &m), -EACCES);
    end();
    file_put(f);
    file_put(self);
}

/* Less for one user is a matter of links. */
KTEST(space, one_users_protection)
{
    bool carry = mmu_has(MMU_LINK_WRITE) && mmu_has(MMU_LINK_EXEC);
    struct mm *mm = mm_alloc();
    struct page *table;

    EXPECT_OR_RETURN(mm != NULL);
    begin(2);
    EXPECT_EQ(memory(0, PAGE_SIZE), 0);
    EXPECT_EQ(map_prot(mm, place(1), 1, PROT_READ), carry ? (long)place(1) : -EOPNOTSUPP);
    EXPECT_EQ(map_prot(mm, place(2), 1, RW | PROT_EXEC), -EACCES);
    map_at(mm, place(0), 2);
    EXPECT(touch(mm, place(0)));
    table = table_at(mm, place(0));
    EXPECT_EQ(mm_mprotect(mm, place(0), PAGE_SIZE, PROT_NONE), -EINVAL);
    EXPECT_EQ(mm_mprotect(mm, place(0), SPACE_SPAN, PROT_READ), carry ? 0 : -EOPNOTSUPP);
    EXPECT_EQ(table_at(mm, place(0)), table); /* the link is where it was */
    EXPECT_EQ(put(mm, place(0), 1), !carry);
    EXPECT_EQ(mm_mprotect(mm, place(0), SPACE_SPAN, PROT_NONE), 0);
    EXPECT_EQ(table_at(mm, place(0)), NULL);
    EXPECT_EQ(links(0), 0);
    EXPECT_EQ(get(mm, place(0)), ~0ULL);
    EXPECT_EQ(mm_mprotect(mm, place(0), SPACE_SPAN, RW), 0);
    EXPECT(touch(mm, place(0)) && put(mm, place(0), 2));
    mm_put(mm);
    end();
}

static void live_in(struct mm *mm)
{
    mm_get(mm);
    mm_set_current(mm);
}

/* Through the CPU's own translations: what it had must not outlive the change. */
KTEST(space, stale_translations)
{
    struct mm *mm = mm_alloc();

    EXPECT_OR_RETURN(mm != NULL);
    begin(1);
    map_at(mm, place(0), 1);
    EXPECT_EQ(memory(0, 4 * PAGE_SIZE), 0);
    live_in(mm);
    EXPECT(test_write(place(0), 1));
    EXPECT_EQ(pt_space_protect_all(space, 0, PAGE_SIZE, PROT_READ), 0);
    EXPECT(!test_write(place(0), 2));
    EXPECT_EQ(test_read(place(0)), 1);
    EXPECT_EQ(pt_space_unmap(space, 0, PAGE_SIZE), 0);
    EXPECT_EQ(test_read(place(0)), ~0ULL);
    EXPECT_EQ(memory(0, PAGE_SIZE), 0);
    EXPECT_EQ(test_read(place(0)), 0);
    EXPECT(test_write(place(0), 3));
    EXPECT_EQ(pt_space_advise(space, 0, PAGE_SIZE, MADV_DONTNEED), 0);
    EXPECT_EQ(test_read(place(0)), 3);
    EXPECT(test_write(place(0), 4));
    if (mmu_has(MMU_LINK_WRITE)) { /* less for this user alone */
        EXPECT_EQ(mm_mprotect(mm, place(0), SPACE_SPAN, PROT_READ), 0);
        EXPECT(!test_write(place(0), 5));
        EXPECT_EQ(test_read(place(0)), 4);
        EXPECT_EQ(mm_mprotect(mm, place(0), SPACE_SPAN, RW), 0);
        EXPECT(test_write(place(0), 6));
    }
    EXPECT_EQ(mm_munmap(mm, place(0), SPACE_SPAN), 0);
    EXPECT_EQ(test_read(place(0)), ~0ULL);
    mm_set_current(NULL);
    mm_put(mm);
    end();
}

/* A page that is pinned through a user survives all that happens to the mapping. */
KTEST(space, pins)
{
    struct mm *mm = mm_alloc();
    struct page *p = NULL;

    EXPECT_OR_RETURN(mm != NULL);
    begin(1);
    map_at(mm, place(0), 1);
    EXPECT_EQ(memory(0, 4 * PAGE_SIZE), 0);
    EXPECT(put(mm, place(0), 11));
    EXPECT_EQ(pin_user_pages(mm, place(0), 1, GUP_WRITE | GUP_LONGTERM, &p), 1);
    EXPECT_EQ(*(u64 *)page_to_virt(p), 11);
    EXPECT_EQ(pt_space_protect_all(space, 0, PAGE_SIZE, PROT_READ), 0);
    EXPECT_EQ(get(mm, place(0)), 11);
    EXPECT_EQ(pt_space_unmap(space, 0, PAGE_SIZE), 0);
    mm_put(mm);
    end();
    EXPECT_EQ(*(u64 *)page_to_virt(p), 11);
    unpin_user_pages(&p, 1, true);
}

/* What is inside moves to other frames, small pages and huge ones: users follow. */
KTEST(space, pages_move_under_users)
{
    struct huge_pool *pool = huge_pool_by_size(0);
    size_t huge = pool ? huge_size(pool) : 0;
    struct mm *mm = mm_alloc(), *other = mm_alloc();
    struct page *before;

    EXPECT_OR_RETURN(mm != NULL && other != NULL);
    begin(1);
    map_at(mm, place(0), 1);
    map_at(other, place(1), 1);
    EXPECT_EQ(memory(0, 4 * PAGE_SIZE), 0);
    live_in(mm);
    for (unsigned int i = 0; i < 4; i++)
        EXPECT(test_write(place(0) + i * PAGE_SIZE, 20 + i));
    EXPECT(touch(other, place(1)));
    before = test_page(mm, place(0));
    EXPECT_EQ(migrate_range(mm, place(0), place(0) + 4 * PAGE_SIZE), 4);
    for (unsigned int i = 0; i < 4; i++) {
        EXPECT_EQ(test_read(place(0) + i * PAGE_SIZE), 20 + i);
        EXPECT(test_write(place(0) + i * PAGE_SIZE, 30 + i));
        EXPECT_EQ(get(other, place(1) + i * PAGE_SIZE), 30 + i);
    }
    EXPECT(test_page(mm, place(0)) != before);
    if (pool)
        huge_pool_resize(pool, 2);
    if (pool && huge_pool_counts(pool).nr_free == 2) {
        struct file *f = hugetlb_file_create("space_ktest", pool, huge, false);
        struct pt_space_map m = {.from = huge, .len = huge, .file = f, .prot = RW};

        EXPECT_OR_RETURN(!IS_ERR(f));
        EXPECT_EQ(pt_space_map(space, &m), 0);
        file_put(f);
        EXPECT(test_write(place(0) + huge, 40));
        before = test_page(mm, place(0) + huge);
        EXPECT_EQ(migrate_range(mm, place(0) + huge, place(0) + 2 * huge), huge >> PAGE_SHIFT);
        EXPECT_EQ(test_read(place(0) + huge), 40);
        EXPECT(test_page(mm, place(0) + huge) != before);
    }
    mm_set_current(NULL);
    mm_put(mm);
    mm_put(other);
    end();
    if (pool)
        huge_pool_resize(pool, 0);
}

/* ---- out of memory ---- */

KTEST(space, failed_allocations_leave_nothing)
{
    bool done = false;

    for (unsigned int n = 1; n < 64 && !done; n++) {
        struct mm *mm = mm_alloc();
        bool ok;

        EXPECT_OR_RETURN(mm != NULL);
        begin(1);
        map_at(mm, place(0), 1);
        fail_set_nth(current, n);
        ok = memory(0, 4 * PAGE_SIZE) == 0;
        ok = ok && touch(mm, place(0));
        done = current->fail_nth != 0;
        fail_set_nth(current, 0);
        EXPECT(ok || !done);
        EXPECT_EQ(test_check(mm) + test_check(space->host), 0);
        mm_put(mm);
        end();
    }
    EXPECT(done);
}

/* ---- races ---- */

#define NR_RACERS 4u
#define PAGES     16u

static struct mm *racers[NR_RACERS];

/* One member changes the inside. */
static void change_inside(struct team *team)
{
    for (unsigned int i = 0; team_round(team, 0, ~0UL); i++) {
        u64 off = i / 4 % PAGES * PAGE_SIZE;

        switch (i % 4) {
        case 0: EXPECT(pt_space_protect_all(space, 0, off + PAGE_SIZE, PROT_READ) <= 0); break;
        case 1: EXPECT_EQ(pt_space_unmap(space, off, PAGE_SIZE), 0); break;
        case 2: EXPECT_EQ(memory(off, PAGE_SIZE), 0); break;
        default: EXPECT_EQ(pt_space_protect_all(space, 0, PAGES * PAGE_SIZE, RW), 0);
        }
    }
}

/* The others use it, each in an address space of his own, drop their links and leave. What is read,
 * somebody has written there. */
static void race(struct team *team, unsigned int nr)
{
    struct mm *mm = racers[nr];

    if (nr == 0) {
        change_inside(team);
        return;
    }
    for (unsigned int i = 0; team_round(team, nr, ~0UL); i++) {
        u64 page = (i * 7 + nr) % PAGES, value;
        vaddr_t at = place(0) + page * PAGE_SIZE;

        (void)touch(mm, at);
        (void)put(mm, at, 1000 + page);
        value = get(mm, at);
        EXPECT(value == ~0ULL || value == 0 || value == 1000 + page);
        if (i % 5 == nr)
            EXPECT_EQ(mm_madvise(mm, place(0), SPACE_SPAN, MADV_DONTNEED), 0);
        if (i % 16 == 8 + nr) {
            mm_put(mm);
            mm = racers[nr] = mm_alloc();
            BUG_ON(!mm);
            map_at(mm, place(0), 1);
        }
    }
}

KTEST(space, race_of_faults_changes_and_leaving)
{
    struct team team;

    begin(1);
    EXPECT_EQ(memory(0, PAGES * PAGE_SIZE), 0);
    for (unsigned int i = 0; i < NR_RACERS; i++) {
        racers[i] = mm_alloc();
        EXPECT_OR_RETURN(racers[i] != NULL);
        map_at(racers[i], place(0), 1);
    }
    team_run(&team, NR_RACERS, race, false);
    for (unsigned int i = 0; i < NR_RACERS; i++)
        mm_put(racers[i]);
    EXPECT_EQ(links(0), 0);
    end();
}
