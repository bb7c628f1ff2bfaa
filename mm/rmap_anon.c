/* SPDX-License-Identifier: MIT */
/*
 * rmap_anon.c: families of address spaces, and the walk from an anonymous page to its leaves.
 *
 * <mm/rmap.h> says how. A fault pays one load and one store for it, fork one list insertion. A walk
 * costs as much as the family has members and they have areas; huge pages have a list of their own
 * (rmap_huge.c) and do not need it, but are found here, too.
 *
 * Locks: the family's list lock (MM_LIST), held for a step of the list only; mmap_lock for reading
 * and PT while one address space is looked at. A page holds no reference on its family: while it is
 * mapped, a member is there; who comes from a page looks under RCU and takes a reference only while
 * there are some.
 * Invariants: I1 an address space is a member from before its first anonymous page until its last
 * is gone; I2 page->family of a mapped anonymous page is the family of every address space that
 * maps it; I3 the walk finds mapcount leaves. Checked by rmap_check_anon.
 * Read next: rmap_huge.c.
 */
#include <kernel/ktest.h>
#include <kernel/printk.h>
#include <mm/huge.h>
#include <mm/pt_share.h>
#include <mm/rmap.h>
#include <mm/slab.h>

struct anon_family {
    spinlock_t lock;
    struct list_head mms; /* lock; through mm->family_link, parents before children */
    atomic_t refs;        /* members and walkers */
    struct rcu_head rcu;
};

static struct kmem_cache *cache;

void rmap_init(void)
{
    cache = kmem_cache_create("anon_family", sizeof(struct anon_family), 0, NULL);
    if (cache == NULL)
        panic("no memory for the cache of families of address spaces");
}

struct anon_family *rmap_family_alloc(void)
{
    struct anon_family *f = kmem_cache_alloc(cache, GFP_KERNEL);

    if (f == NULL)
        return NULL;
    spin_init(&f->lock, LOCK_MM_LIST);
    list_init(&f->mms);
    atomic_set(&f->refs, 1);
    return f;
}

static void free_rcu(struct rcu_head *head)
{
    struct anon_family *f = container_of(head, struct anon_family, rcu);

    ASSERT(list_empty(&f->mms) && atomic_read(&f->refs) == 0);
    kmem_cache_free(cache, f);
}

static void family_put(struct anon_family *f)
{
    ASSERT(atomic_read(&f->refs) > 0);
    if (atomic_dec_and_test(&f->refs))
        call_rcu(&f->rcu, free_rcu);
}

void rmap_family_free(struct anon_family *f)
{
    ASSERT(list_empty(&f->mms) && atomic_read(&f->refs) == 1);
    kmem_cache_free(cache, f);
}

void rmap_family_found(struct mm *mm, struct anon_family *f)
{
    ASSERT(mm->family == NULL && mm->first_vma == NULL); /* before its first page: I1 */
    mm->family = f;
    spin_lock(&f->lock);
    list_add_tail(&mm->family_link, &f->mms);
    spin_unlock(&f->lock);
}

void rmap_family_join(struct mm *mm, struct anon_family *f)
{
    ASSERT(atomic_read(&f->refs) > 0 && !list_empty(&f->mms)); /* the parent is in it */
    atomic_inc(&f->refs);
    rmap_family_found(mm, f);
}

void rmap_family_leave(struct mm *mm)
{
    struct anon_family *f = mm->family;

    ASSERT(mm->first_vma == NULL && atomic_long_read(&mm->rss[MM_ANON]) == 0); /* I1 */
    spin_lock(&f->lock);
    list_del(&mm->family_link);
    spin_unlock(&f->lock);
    mm->family = NULL;
    family_put(f);
}

/* The family of @p with a reference; NULL when @p is not mapped any more. */
static struct anon_family *family_get(const struct page *p)
{
    struct anon_family *f;

    rcu_read_lock();
    f = READ_ONCE(p->family);
    if (page_mapcount(p) <= 0 || f == NULL || !atomic_inc_not_zero(&f->refs))
        f = NULL;
    rcu_read_unlock();
    return f;
}

/* The member behind @prev, with a users reference; puts the one on @prev, with @trying so that
 * nothing is torn down here. */
static struct mm *next_member(struct anon_family *f, struct mm *prev, bool trying)
{
    struct mm *found = NULL;

    ASSERT(prev == NULL || prev->family == f);
    spin_lock(&f->lock);
    for (struct list_head *l = prev ? prev->family_link.next : f->mms.next; l != &f->mms;
         l = l->next) {
        struct mm *mm = list_entry(l, struct mm, family_link);

        if (atomic_inc_not_zero(&mm->users)) {
            found = mm;
            break;
        }
    }
    spin_unlock(&f->lock);
    if (prev && trying)
        mm_put_later(prev);
    else if (prev)
        mm_put(prev);
    return found;
}

struct walk {
    struct page *p;
    u64 index;
    void (*visit)(const struct rmap_place *at, void *arg);
    void *arg;
    unsigned int found;
    bool trying;
    u32 number; /* pt_fork_first_visit */
};

/* Does the entry at @va map the page? */
static void look_at(struct walk *w, struct vma *v, vaddr_t va)
{
    struct rmap_place at = {.mm = v->mm, .v = v, .va = va};
    pte_t e;

    lock_assert_held(&v->mm->mmap_lock);
    ASSERT(va >= v->start && va < v->end);
    at.slot = pt_look_locked(v->mm, va, &at.table, &at.level);
    if (at.slot == NULL)
        return;
    e = pte_load(at.slot);
    if (unlikely(pt_is_shared(at.table)) && !pt_fork_first_visit(at.table, &w->number)) {
        pt_unlock(at.table);
        return;
    }
    if (pte_is_leaf(e, at.level) &&
        (pte_paddr(e, at.level) | (va & (pt_size(at.level) - 1))) == page_to_phys(w->p)) {
        ASSERT(page_mapcount(page_whole(w->p)) > 0 || huge_is_splitting(huge_head(w->p)));
        w->found++;
        if (w->visit && at.level == HUGE_LEVEL && pt_is_gib(at.table))
            gib_demote(at.table, va); /* no sooner: another page may be mapped here */
        if (w->visit)
            w->visit(&at, w->arg);
    }
    pt_unlock(at.table);
}

static void walk_mm(struct walk *w, struct mm *mm)
{
    if (!w->trying)
        mmap_read_lock(mm);
    else if (!rwsem_read_trylock(&mm->mmap_lock))
        return;
    for_each_vma (v, mm)
        if (v->has_anon && w->index >= v->pgoff && w->index - v->pgoff < vma_pages(v))
            look_at(w, v, v->start + ((w->index - v->pgoff) << PAGE_SHIFT));
    mmap_read_unlock(mm);
}

static unsigned int walk(struct walk *w)
{
    struct page *p = w->p;
    const struct page *head = huge_is(p) ? huge_head(p) : p; /* it keeps index and family */
    struct anon_family *f = family_get(head);

    ASSERT(p->kind == PAGE_ANON && READ_ONCE(p->word) != 0); /* the caller's reference */
    w->index = head->index + (u64)(p - head);
    if (f == NULL)
        return 0;
    for (struct mm *mm = next_member(f, NULL, false); mm != NULL;
         mm = next_member(f, mm, w->trying))
        walk_mm(w, mm);
    family_put(f);
    return w->found;
}

unsigned int rmap_walk_anon(struct page *p, void (*visit)(const struct rmap_place *at, void *arg),
                            void *arg)
{
    struct walk w = {.p = p, .visit = visit, .arg = arg};

    return walk(&w);
}

unsigned int rmap_try_walk_anon(struct page *p,
                                void (*visit)(const struct rmap_place *at, void *arg), void *arg)
{
    struct walk w = {.p = p, .visit = visit, .arg = arg, .trying = true};

    return walk(&w);
}

/* Clients of members without users, which no CPU runs any more, until rmap_family_leave. */
static void notify_dying(struct anon_family *f, vaddr_t start, vaddr_t end)
{
    struct mm *mm;

    spin_lock(&f->lock);
    list_for_each_entry(mm, &f->mms, family_link)
        if (unlikely(READ_ONCE(mm->nr_notifiers) != 0) && atomic_read(&mm->users) == 0)
            mm_notify(mm, start, end);
    spin_unlock(&f->lock);
}

/*
 * Every member, whether it has the table or not: one that has cleared its link and not flushed yet
 * still has translations of it. Who joins meanwhile finds the changed leaves: links come under the
 * table's lock.
 */
void rmap_flush_family(struct mm *mm, vaddr_t start, vaddr_t end)
{
    struct tlb_batch b = TLB_BATCH_INIT;
    struct anon_family *f = mm->family;

    ASSERT(start < end && atomic_read(&mm->users) > 0);
    for (mm = next_member(f, NULL, true); mm != NULL; mm = next_member(f, mm, true))
        tlb_batch_add(&b, mm, start, end, 0);
    tlb_batch_end(&b);
    notify_dying(f, start, end);
}

/* Every mapped anonymous page, by its frame; nothing may change page tables meanwhile. */
static int rmap_check_anon(void)
{
    int bad = 0;

    for (pfn_t pfn = mem_map_first; pfn < mem_map_end; pfn++) {
        struct page *p = pfn_to_page(pfn);
        unsigned int found, mapped;
        bool kept;

        if (p->kind != PAGE_ANON || p->word == 0 || page_mapcount(p) == 0)
            continue;
        kept = page_try_get(p); /* somebody may be dying; a tail is kept by its head */
        if (!kept && READ_ONCE(p->word) == 0)
            continue;
        mapped = (unsigned int)page_mapcount(p);
        found = p->kind == PAGE_ANON ? rmap_walk_anon(p, NULL, NULL) : mapped;
        if (kept)
            page_put(p);
        if (found == mapped)
            continue;
        bad++;
        pr_err("rmap_check: frame 0x%lx is mapped %u times, the walk finds %u\n", pfn, mapped,
               found);
    }
    return bad;
}
KCHECK("rmap_check_anon", rmap_check_anon);
