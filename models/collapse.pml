/* SPDX-License-Identifier: MIT */
/*
 * collapse.pml: khugepaged puts small pages together (mm/collapse.c) against a program that goes on writing, faults, pins without
 * a lock (mm/gup.c), a split of the new page (mm/split.c) and munmap; and what becomes of the table: it holds the small entries,
 * waits beside the leaf, holds the parts' entries after a split, is freed with either.
 *
 * A span of two pages. Collapse holds the area's lock, so no fault is at work; hardware and lockless walkers are. Steps: the link
 * is taken, walkers are drained, the TLB is flushed, pins are looked for again, contents are copied, entries and old pages go, the
 * leaf is published. In place (PROMOTE) nothing is copied and pins may stay. Checked: no write is lost, whether by the program
 * or through a pin; nobody uses a freed page or table; the table is in one place at a time and freed once. Variants:
 *
 *   NO_FLUSH       the TLB is not flushed when the link is taken                must fail
 *   NO_DRAIN       walkers without a lock are not waited for                    must fail
 *   NO_SURVEY      pins are not looked for behind the flush                     must fail
 *   LATE_PIN       the next two at once                                         must fail
 *   NO_AREA_LOCK   collapse does not keep faults out                            must fail
 *   PUBLISH_EARLY  the leaf is there before the contents are                    must fail
 *   DROP_FIRST     old pages are put before the TLB is flushed                  must fail
 *   LINK_LOST      a collapse that finds pins leaves the link empty             must fail
 *   TABLE_FREED    the table is freed with the small entries                    must fail
 *   NO_BUSY        munmap takes the waiting table without BUSY                  must fail
 *   SURVEY_FIRST   the second look for pins comes before walkers are drained    must pass
 *   NO_RECHECK     a walker's pin is kept without a look at entry and link      must pass
 *   PROMOTE        the pages are one frame: nothing is copied                   must pass
 *   PROMOTE_UNDRAINED  in place, and walkers are not waited for                 must pass
 *
 * Each of the two looks makes up for the other: a pin that is made when the link is gone fails the walker's, and is seen by a look
 * behind the drain. In place the drain only serves the table's other lives: a pin made late is on the page that stays mapped.
 */
#ifdef LATE_PIN
#define SURVEY_FIRST
#define NO_RECHECK
#endif
#if defined(PROMOTE_UNDRAINED)
#define PROMOTE
#define NO_DRAIN
#endif

#define N  2
#define NO 255

#define EMPTY 0
#define TABLE 1
#define LEAF  2

/* Where the table is. */
#define TREE  0
#define WAITS 1
#define FREED 2

byte link = TABLE, table = TREE;
byte entry[N];
byte huge = NO;                 /* the huge page's first frame */
byte refs[2 * N], pins[2 * N];  /* by frame; 0: the allocator's */
byte val[2 * N], latest[N];     /* contents; what was written last */
byte tlb[N] = NO;
bool pt_lock = false, area_lock = false, busy = false, zapped = false;
byte faults = 0, walking = 0, done = 0;

inline lock(l)
{
    atomic { !l -> l = true }
}

inline flush()
{
    atomic { tlb[0] = NO; tlb[1] = NO }
}

inline put(f)
{
    atomic {
        assert(refs[f] > 0);
        refs[f]--;
        assert(refs[f] > 0 || (tlb[0] != f && tlb[1] != f))
    }
}

/* One store of the program; the hardware walks when the TLB has nothing. */
inline access(i)
{
    if
    :: atomic { tlb[i] == NO && link == TABLE && entry[i] != NO -> tlb[i] = entry[i] }
    :: atomic { tlb[i] == NO && link == LEAF -> tlb[i] = huge + i }
    :: atomic { tlb[i] == NO && (link == EMPTY || (link == TABLE && entry[i] == NO)) } ->
       atomic { !area_lock -> faults++ };
       lock(pt_lock);
       assert(zapped || link != EMPTY);                  /* or it would map a page of zeroes */
       pt_lock = false;
       faults--
    :: tlb[i] != NO
    fi;
    atomic {
        if
        :: tlb[i] != NO ->
           assert(refs[tlb[i]] > 0);
           assert(val[tlb[i]] == latest[i]);
           latest[i]++;
           val[tlb[i]] = latest[i]
        :: else
        fi
    }
}

proctype program()
{
    access(0);
    access(0);
    access(1);
    access(0);
    done++
}

/* gup.c: F1 to F4, then the device writes. */
proctype pinner()
{
    byte l, f = NO;
    bool ok = false;

    walking++;
    l = link;
    if
    :: l == TABLE -> atomic { assert(table != FREED); f = entry[0] }
    :: l == LEAF -> f = huge
    :: else
    fi;
    if
    :: f != NO -> atomic { if :: refs[f] > 0 -> refs[f]++; pins[f]++; ok = true :: else fi }
    :: else
    fi;
    if
    :: ok ->
#ifndef NO_RECHECK
       if
       :: l == TABLE -> atomic { assert(table != FREED); ok = entry[0] == f }
       :: else
       fi;
       ok = ok && link == l;
#endif
       walking--;
       if
       :: ok ->
          atomic {
              assert(zapped || val[f] == latest[0]);
              if
              :: !zapped -> latest[0]++; val[f] = latest[0]
              :: else
              fi
          }
       :: else
       fi;
       atomic { pins[f]--; put(f) }
    :: else -> walking--
    fi;
    done++
}

inline survey(found)
{
    atomic { found = refs[entry[0]] != 1 || refs[entry[1]] != 1 }
}

inline drain()
{
#ifndef NO_DRAIN
    walking == 0;
#endif
    skip
}

proctype collapse()
{
    bool pinned = false;

#ifndef NO_AREA_LOCK
    atomic { !area_lock && faults == 0 -> area_lock = true };
#else
    atomic { !area_lock -> skip };
#endif
    if
    :: link == TABLE ->
       lock(pt_lock);
       link = EMPTY;
#ifdef DROP_FIRST
       put(entry[0]);
#endif
#ifdef SURVEY_FIRST
       survey(pinned);
#endif
       drain();
#ifndef NO_FLUSH
       flush();
#endif
       pt_lock = false;
#ifdef PROMOTE
       entry[0] = NO;
       entry[1] = NO;
       huge = 0;
#else
#if !defined(NO_SURVEY) && !defined(SURVEY_FIRST) && !defined(DROP_FIRST)
       survey(pinned);
#endif
       if
       :: pinned ->
#ifndef LINK_LOST
          lock(pt_lock);
          link = TABLE;
          pt_lock = false;
#endif
          goto out
       :: else
       fi;
       atomic { refs[2] = 1; refs[3] = 1; huge = 2 };
#ifdef PUBLISH_EARLY
       table = WAITS;
       link = LEAF;
#endif
       val[2] = val[entry[0]];
       val[3] = val[entry[1]];
#ifndef DROP_FIRST
       atomic { put(entry[0]); entry[0] = NO };
#endif
       atomic { put(entry[1]); entry[1] = NO };
#endif
#ifdef TABLE_FREED
       table = FREED;
#else
       table = WAITS;
#endif
       lock(pt_lock);
       link = LEAF;
       pt_lock = false
    :: else
    fi;
out:
#ifndef NO_AREA_LOCK
    area_lock = false;
#endif
    done++
}

/* Of the new page, from anywhere: needs no lock but BUSY and, for the link, its table's. */
proctype split()
{
    if
    :: link == LEAF ->
       atomic { !busy -> busy = true };
       if
       :: link == LEAF ->                                /* the list is not empty */
          atomic { assert(table == WAITS); table = TREE };
          lock(pt_lock);
          assert(link == LEAF);
          link = EMPTY;
          flush();
          entry[0] = huge;
          entry[1] = huge + 1;
          link = TABLE;
          pt_lock = false
       :: else
       fi;
       busy = false
    :: else
    fi;
    done++
}

/* munmap: the area's lock, so it never meets collapse; it does meet the split. */
proctype unmap()
{
    byte f0, f1;

    atomic { !area_lock && faults == 0 -> area_lock = true; zapped = true };
    do
    :: lock(pt_lock);
       if
#ifdef NO_BUSY
       :: link == LEAF -> break
#else
       :: atomic { link == LEAF && !busy -> busy = true }; break
       :: link == LEAF && busy -> pt_lock = false; !busy
#endif
       :: link != LEAF -> break
       fi
    od;
    if
    :: link == LEAF ->
       atomic { f0 = huge; f1 = huge + 1; link = EMPTY };
       atomic { assert(table == WAITS); table = TREE };  /* out of the list: nobody else's */
       busy = false
    :: link == TABLE -> atomic { f0 = entry[0]; f1 = entry[1]; entry[0] = NO; entry[1] = NO; link = EMPTY }
    :: else -> f0 = NO; f1 = NO
    fi;
    pt_lock = false;
    walking == 0;
    flush();
    atomic { assert(table == TREE); table = FREED };
    put(f0);
    put(f1);
    area_lock = false;
    done++
}

init
{
    atomic {
        entry[1] = 1;
        refs[0] = 1;
        refs[1] = 1;
        run program();
        run pinner();
        run collapse();
        run split();
        run unmap()
    };
    (done == 5);
    assert(table == FREED && link == EMPTY);
    assert(refs[0] == 0 && refs[1] == 0 && refs[2] == 0 && refs[3] == 0)
}
