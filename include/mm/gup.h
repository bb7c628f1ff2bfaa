/* SPDX-License-Identifier: MIT */
/*
 * gup.h: the pages behind user addresses, held for somebody who is not that user: a device that
 * will read or write them, a pipe, another process.
 *
 * A reference (get) keeps the frame. A pin holds a reference too and says that the bytes matter:
 * while an anonymous page is pinned it stays its process' own, so that fork copies it at once for
 * the child and no write moves the process to another frame. What the holder writes the process
 * sees, and the other way round, as long as the process keeps the mapping; after munmap,
 * MADV_DONTNEED or exit the frame lives on for the holder alone.
 *
 * What each needs: to write memory, GUP_WRITE (copy-on-write is broken first). To read it: a pin
 * makes the page the process' own if it is shared copy-on-write; a mere reference shows the
 * contents of this moment. GUP_LONGTERM: the holder keeps the page for as long as it likes, so that
 * in a private mapping also the zero page and an object's page are replaced by a copy.
 */
#pragma once
#include <mm/mm.h>
#include <mm/page.h>

#define GUP_WRITE    1u
#define GUP_LONGTERM 2u

/*
 * @nr pages from @start (its offset within the page does not matter) of @mm, whose user count the
 * caller holds. Faults are made as the process itself would make them; a stack grows. Returns how
 * many were got, in order from the first, or, when that would be 0: -EFAULT (no mapping, no right,
 * device memory, beyond the end of the object), -ENOMEM (also: too many references already),
 * -EINTR (fatal signal). Takes mmap_lock; may sleep. Give back with unpin_user_pages.
 */
long __must_check pin_user_pages(struct mm *mm, vaddr_t start, unsigned long nr, unsigned int flags,
                                 struct page **pages);
/* A reference each, no pin: give back with put_user_page. */
long __must_check get_user_pages(struct mm *mm, vaddr_t start, unsigned long nr, unsigned int flags,
                                 struct page **pages);
/* The same for the current task's memory, without any lock as far as the page tables allow it. */
long __must_check pin_user_pages_fast(vaddr_t start, unsigned long nr, unsigned int flags,
                                      struct page **pages);
long __must_check get_user_pages_fast(vaddr_t start, unsigned long nr, unsigned int flags,
                                      struct page **pages);
/* The lock-free part alone: how many pages it got before it met something that needs a fault or a
 * lock. Any context in which the current task's memory makes sense; never sleeps. */
unsigned long gup_fast_only(vaddr_t start, unsigned long nr, unsigned int flags,
                            struct page **pages, bool pin);
static inline void put_user_page(struct page *p)
{
    page_put(page_head(p));
}
/* Gives pins back; @dirty: the holder has written to the pages. Any context. */
void unpin_user_pages(struct page **pages, unsigned long nr, bool dirty);

/* One more pin on a page that the caller has pinned; each is given back for itself. */
static inline void pin_user_page_again(struct page *p)
{
    page_pin(p);
    vmstat_inc(VMSTAT_nr_foll_pin_acquired);
}
static inline void unpin_user_page(struct page *p)
{
    vmstat_inc(VMSTAT_nr_foll_pin_released);
    page_unpin(p);
}

/* More references to one page than this are refused: the count has 31 bits. */
#define GUP_REFS_MAX (1u << 30)

/*
 * Fork's half of the agreement with lock-free pins: from now on the anonymous page may be shared
 * copy-on-write, unless it is pinned, which is seen by the result false (and it stays exclusive).
 * The bit is cleared before the pins are read; a lock-free pin is counted before the bit is read:
 * so at least one side sees the other (models/gup_fork.pml). The page table is locked.
 */
static inline bool page_try_share(struct page *p)
{
    (void)__atomic_fetch_and(&p->flags, ~PG_EXCLUSIVE, __ATOMIC_SEQ_CST);
    if (likely(__atomic_load_n(&p->word, __ATOMIC_SEQ_CST) >> 32 == 0))
        return true;
    page_set(p, PG_EXCLUSIVE);
    return false;
}
