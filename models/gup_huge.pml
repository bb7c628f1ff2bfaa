/* SPDX-License-Identifier: MIT */
/*
 * gup_huge.pml: pins without a lock of parts of a huge page (mm/gup.c) against fork, which shares the whole or splits it
 * (mm/thp_range.c), writes that copy (mm/thp.c), and the split (mm/split.c).
 *
 * One huge page of two parts, a parent's; gup_fork.pml has small pages. What differs: a pin is counted in its part's own word and
 * noted in the head's flags (PG_HAD_PINS), PG_EXCLUSIVE is the head's and speaks for all parts, fork takes the right to write away
 * first, and what is pinned is split, so that its parts are copied or shared one by one. Steps as in gup.c: F2 entry, note, F3
 * pin, F4 entry again, F5 PG_EXCLUSIVE. Checked: a pinned part stays mapped in the parent and is its own: no child maps it, no write
 * moves the parent away from it; a part is freed once, by nobody who is pinned. Variants:
 *
 *   NO_NOTE        the pin is not noted, so fork does not look at the parts      must fail
 *   LATE_NOTE      the pin is noted behind F5                                    must fail
 *   NO_BIT         F5 left out                                                   must fail
 *   BIT_FIRST      F5's look before F3's pin                                     must fail
 *   FORK_FIRST     fork looks for pins before it clears PG_EXCLUSIVE             must fail
 *   SHARE_PINNED   fork shares the whole although a part is pinned               must fail
 *   NO_RESTORE     fork leaves a pinned page without PG_EXCLUSIVE                must fail
 *   SPLIT_FORGETS  the split does not hand PG_EXCLUSIVE to the parts             must fail
 *   NO_RECHECK     F4 left out                                                   must fail
 *   COPY_EXCLUSIVE a write copies a page that is the parent's own                must fail
 *   KEEP_WRITE     fork leaves the parent the right to write                     must fail
 */
#define N 2

#define NONE  0
#define LEAF  1
#define TABLE 2

byte leaf = LEAF;               /* the parent's */
bool writable = true;           /* of the leaf, or by part of small entries */
bool part_writable[N], part_here[N];
bool child_leaf = false, child_part[N];

byte pins[N], held[N];          /* counted; of those, given to a caller */
bool exclusive = true, part_exclusive[N], is_huge = true;
bool noted = false;             /* PG_HAD_PINS */
bool foreign[N];                /* the part was freed, and somebody else has it */
bool pt_lock = false, mmap_lock = false;
byte done = 0;

inline lock(l)
{
    atomic { !l -> l = true }
}

/* What a pin promises, at any time. */
inline check(i)
{
    atomic {
        assert(!foreign[i] || held[i] == 0);
        assert(held[i] == 0 || !(child_leaf || child_part[i]) || pt_lock);
        assert(held[i] == 0 || pt_lock || leaf == NONE || leaf == LEAF || part_here[i])
    }
}

/* F5: is the page, or the whole that it is part of, the parent's own? */
inline own(i, ok)
{
    atomic { ok = foreign[i] || (is_huge && exclusive) || (!is_huge && part_exclusive[i]) }
}

inline reuse(i)
{
    atomic {
        if
        :: pins[i] == 0 && !child_leaf && !child_part[i] -> foreign[i] = true
        :: else
        fi
    }
}

proctype gup(byte i; bool to_write)
{
    byte l;
    bool ok, w, mine = true, same = true;

    l = leaf;                                            /* F2 */
    if
    :: l == LEAF -> atomic { w = writable; ok = w || !to_write }
    :: l == TABLE -> atomic { w = part_writable[i]; ok = part_here[i] && (w || !to_write) }
    :: else -> ok = false
    fi;
    if
    :: ok ->
#ifdef BIT_FIRST
       own(i, mine);
#endif
#if !defined(NO_NOTE) && !defined(LATE_NOTE)
       if
       :: is_huge -> noted = true
       :: else
       fi;
#endif
       pins[i]++;                                        /* F3 */
#ifndef NO_RECHECK
       if                                             /* F4 */
       :: l == LEAF -> atomic { same = leaf == LEAF && writable == w }
       :: l == TABLE -> atomic { same = leaf == TABLE && part_here[i] && part_writable[i] == w }
       fi;
#endif
#if !defined(NO_BIT) && !defined(BIT_FIRST)
       own(i, mine);                                  /* F5 */
#endif
#ifdef LATE_NOTE
       noted = true;
#endif
       if
       :: same && mine ->
          held[i]++;
          check(i);
          check(i);                                   /* DMA, for any time */
          held[i]--
       :: else
       fi;
       atomic { assert(pins[i] > 0); pins[i]-- }
    :: else
    fi;
    done++
}

/* With the table's lock. Every part gets what the whole was; the leaf is invalid for a moment. */
inline split_leaf()
{
    leaf = NONE;
#ifdef SPLIT_FORGETS
    atomic { is_huge = false; part_exclusive[0] = false; part_exclusive[1] = false };
#else
    atomic { is_huge = false; part_exclusive[0] = exclusive; part_exclusive[1] = exclusive };
#endif
    atomic {
        part_here[0] = true;
        part_here[1] = true;
        part_writable[0] = writable;
        part_writable[1] = writable;
        leaf = TABLE
    }
}

/* gup_fork.pml's page_try_share, for a part that is a small page now. */
inline share_part(i, pinned)
{
#ifndef KEEP_WRITE
    part_writable[i] = false;
#endif
    if
    :: part_exclusive[i] ->
       part_exclusive[i] = false;
       pinned = pins[i] != 0;
       if
       :: pinned -> part_exclusive[i] = true             /* copied for the child */
       :: else -> child_part[i] = true
       fi
    :: else -> child_part[i] = true
    fi
}

proctype fork()
{
    bool pinned = false;

    lock(mmap_lock);
    lock(pt_lock);
    if
    :: leaf == LEAF ->
#ifndef KEEP_WRITE
       writable = false;
#endif
#ifdef FORK_FIRST
       pinned = noted && (pins[0] != 0 || pins[1] != 0);
       exclusive = pinned;
#else
       exclusive = false;
       if
       :: noted ->
          pinned = pins[0] != 0;
          pinned = pinned || pins[1] != 0
       :: else
       fi;
#ifndef NO_RESTORE
       if
       :: pinned -> exclusive = true
       :: else
       fi;
#endif
#endif
#ifdef SHARE_PINNED
       pinned = false;
#endif
       if
       :: !pinned -> child_leaf = true
       :: else ->
          split_leaf();
          share_part(0, pinned);
          share_part(1, pinned)
       fi
    :: leaf == TABLE -> share_part(0, pinned); share_part(1, pinned)
    :: else
    fi;
    pt_lock = false;
    mmap_lock = false;
    check(0);
    check(1);
    /* The child ends. */
    atomic { child_leaf = false; child_part[0] = false; child_part[1] = false };
    done++
}

/* The parent writes part 0: it goes on with its own page, or with a copy of a shared one. */
proctype write()
{
    lock(pt_lock);
    if
    :: leaf == LEAF && !writable ->
       if
#ifdef COPY_EXCLUSIVE
       :: true ->
#else
       :: exclusive -> writable = true
       :: !exclusive ->
#endif
          /* The leaf goes; the child, or nobody, has the page. */
          leaf = NONE;
          check(0);
          check(1);
          atomic { assert(held[0] == 0 && held[1] == 0) };
          reuse(0);
          reuse(1)
       fi
    :: leaf == TABLE && part_here[0] && !part_writable[0] ->
       if
#ifdef COPY_EXCLUSIVE
       :: true ->
#else
       :: part_exclusive[0] -> part_writable[0] = true
       :: !part_exclusive[0] ->
#endif
          part_here[0] = false;
          atomic { assert(held[0] == 0) };
          reuse(0)
       fi
    :: leaf == LEAF && writable -> atomic { assert(exclusive && !child_leaf) }
    :: leaf == TABLE && part_here[0] && part_writable[0] -> atomic { assert(part_exclusive[0] && !child_part[0]) }
    :: else
    fi;
    pt_lock = false;
    done++
}

proctype splitter()
{
    lock(pt_lock);
    if
    :: leaf == LEAF -> split_leaf()
    :: else
    fi;
    pt_lock = false;
    done++
}

init
{
    atomic {
        run gup(0, true);
        run gup(1, false);
        run fork();
        run write();
        run splitter()
    };
    (done == 5);
    assert(pins[0] == 0 && pins[1] == 0)
}
