/* SPDX-License-Identifier: MIT */
/*
 * gup_fork.pml: pins without a lock (mm/gup.c) against fork (page_try_share), copy-on-write, munmap, and the reuse of frames.
 *
 * One page of a parent. Step names are those of the head of mm/gup.c. Checked: a page that is pinned is not free, belongs to the
 * parent, and is the one that the parent's entry maps, if that maps anything, until it is unpinned; no freed table is read; no
 * count falls below zero; everything ends. Spin interleaves whole steps (sequential consistency); what a missing barrier would
 * allow is modelled as its two steps swapped:
 *
 *   FORK_FIRST     fork reads the pins before it clears PG_EXCLUSIVE    must fail
 *   NOFENCE_ENTRY  F4's second look before F3's pin                     must fail
 *   NOFENCE_BIT    F5's look at PG_EXCLUSIVE before F3's pin            must fail
 *   NO_RECHECK     F4 left out                                          must fail
 *   NO_BIT         F5 left out                                          must fail
 *   PIN_FREE       F3 pins a frame whose word is 0                      must fail
 *   NO_DRAIN       a table is freed without waiting for walkers         must fail
 *   FREE_FIRST     the frame is given back before its entry is cleared  must fail
 *   NO_RESTORE     fork leaves a pinned page without PG_EXCLUSIVE       must fail
 *   REUSE_SHARED   a write reuses a page that others reference          must fail
 *   TWO_STEPS      F3's reference and pin are two steps                 must pass
 *   NO_RECHECK_DRAINED  F4 left out, but frames wait for walkers, too   must pass
 *
 * Frames are given back here without waiting for walkers, only tables with: so F4 is needed, and no path that frees pages has to
 * reach a CPU that walks. TWO_STEPS holds here because the reference comes first and fork looks at the pins alone.
 */
#ifndef GUPS
#define GUPS 2
#endif
#ifdef NO_RECHECK_DRAINED
#define NO_RECHECK
#endif
#define FRAMES 4
#define NONE   FRAMES

/* Owners of a frame's contents. */
#define NOBODY 0
#define PARENT 1
#define CHILD  2
#define OTHER  3

byte refs[FRAMES], pins[FRAMES], owner[FRAMES];
bool exclusive[FRAMES], in_use[FRAMES]; /* not in_use: the allocator has it */

/* The parent's entry and its table; the child's entry. */
byte entry = 0, child_entry = NONE;
bool writable = true, linked = true, table_freed = false;
bool pt_lock = false, mmap_lock = false;
byte walking = 0;                /* CPUs with interrupts off in the walk */

inline lock(l)
{
    atomic { !l -> l = true }
}

inline get_frame(f, who)
{
    atomic {
        if
        :: !in_use[0] -> f = 0
        :: in_use[0] && !in_use[1] -> f = 1
        :: in_use[0] && in_use[1] && !in_use[2] -> f = 2
        :: in_use[0] && in_use[1] && in_use[2] && !in_use[3] -> f = 3
        fi;
        in_use[f] = true;
        refs[f] = 1;
        exclusive[f] = true;
        owner[f] = who
    }
}

inline last_put(f)
{
    if
    :: refs[f] == 0 ->
        assert(pins[f] == 0 && in_use[f]);
        in_use[f] = false;
        owner[f] = NOBODY
    :: else
    fi
}

inline put_frame(f)
{
    atomic {
        assert(refs[f] > 0);
        refs[f]--;
        last_put(f)
    }
}

inline put_pin(f)
{
    atomic {
        assert(pins[f] > 0 && refs[f] > 0);
        pins[f]--;
        refs[f]--;
        last_put(f)
    }
}

/* Before a frame is given back: only the variant waits. */
inline wait_for_walkers()
{
#ifdef NO_RECHECK_DRAINED
    walking == 0
#else
    skip
#endif
}

inline check_pinned(f)
{
    atomic {
        assert(refs[f] > 0 && pins[f] > 0);
        assert(owner[f] == PARENT);
        assert(entry == NONE || entry == f);
        assert(pt_lock || entry == NONE || exclusive[f]);    /* locked: fork is just looking */
        assert(pt_lock || child_entry != f)
    }
}

/* F3: false when the frame is free. */
inline grab(f, ok)
{
#ifdef TWO_STEPS
    atomic {
        ok = refs[f] != 0;
        if
        :: ok -> refs[f]++
        :: else
        fi
    };
    if
    :: ok -> pins[f]++
    :: else
    fi
#else
    atomic {
#ifdef PIN_FREE
        ok = true;
#else
        ok = refs[f] != 0;
#endif
        if
        :: ok -> refs[f]++; pins[f]++
        :: else
        fi
    }
#endif
}

proctype gup(bool write)
{
    byte f, seen;
    bool w, ok, same, own;

    walking++;                                               /* F1: interrupts off */
    if
    :: linked ->
        atomic { assert(!table_freed); f = entry; w = writable };   /* F2 */
        if
        :: f != NONE && (w || !write) ->
            same = true;
            own = true;
#ifdef NOFENCE_ENTRY
            atomic { assert(!table_freed); same = (entry == f && writable == w) };
#endif
#ifdef NOFENCE_BIT
            own = exclusive[f];
#endif
            grab(f, ok);                                     /* F3 */
            if
            :: ok ->
#if !defined(NOFENCE_ENTRY) && !defined(NO_RECHECK)
                atomic { assert(!table_freed); same = (entry == f && writable == w) };  /* F4 */
#endif
#if !defined(NOFENCE_BIT) && !defined(NO_BIT)
                own = exclusive[f];                          /* F5 */
#endif
                walking--;
                if                                           /* held for any time, then given back */
                :: same && own -> atomic { check_pinned(f); put_pin(f) }
                :: else -> put_pin(f)
                fi
            :: else -> walking--
            fi
        :: else -> walking--
        fi
    :: else -> walking--
    fi
}

/* One fork; the child ends some time later. */
proctype fork()
{
    byte f, new;
    bool pinned = false;

    lock(mmap_lock);
    lock(pt_lock);
    f = entry;
    if
    :: f != NONE && exclusive[f] ->
#ifdef FORK_FIRST
        pinned = pins[f] != 0;
        exclusive[f] = pinned;
#else
        exclusive[f] = false;
        pinned = pins[f] != 0;
#ifndef NO_RESTORE
        if
        :: pinned -> exclusive[f] = true
        :: else
        fi
#endif
#endif
        ;
        if
        :: pinned ->
            get_frame(new, CHILD);
            child_entry = new
        :: else ->
            refs[f]++;
            child_entry = f;
            writable = false
        fi
    :: f != NONE && !exclusive[f] ->                          /* shared already */
        refs[f]++;
        child_entry = f;
        writable = false
    :: else
    fi;
    pt_lock = false;
    mmap_lock = false;
    atomic { assert(pt_lock || child_entry == NONE || child_entry != entry || !writable) };
    if
    :: child_entry != NONE -> f = child_entry; child_entry = NONE; put_frame(f)
    :: else
    fi
}

/* The parent writes: a fault when the entry does not allow it. */
proctype write_fault()
{
    byte f, new;

    lock(pt_lock);
    f = entry;
    if
    :: f != NONE && !writable ->
#ifdef REUSE_SHARED
        if
        :: true -> exclusive[f] = true; writable = true
#else
        if
        :: exclusive[f] -> writable = true
        :: !exclusive[f] && refs[f] == 1 -> exclusive[f] = true; writable = true
#endif
#ifndef REUSE_SHARED
        :: else ->
            get_frame(new, PARENT);
            entry = NONE;
            wait_for_walkers();
            atomic { entry = new; writable = true };
            put_frame(f)
#endif
        fi
    :: else
    fi;
    pt_lock = false
}

proctype unmap()
{
    byte f;

    lock(mmap_lock);
    lock(pt_lock);
    f = entry;
#ifdef FREE_FIRST
    if
    :: f != NONE -> put_frame(f)
    :: else
    fi;
#endif
    entry = NONE;
    pt_lock = false;
    linked = false;
#ifndef FREE_FIRST
    wait_for_walkers();
    if
    :: f != NONE -> put_frame(f)
    :: else
    fi;
#endif
#ifndef NO_DRAIN
    walking == 0;                                            /* quiesce, flush */
#endif
    table_freed = true;
    mmap_lock = false
}

/* Somebody else needs memory for a while. */
proctype other()
{
    byte f;

    get_frame(f, OTHER);
    assert(owner[f] == OTHER);
    put_frame(f)
}

init
{
    byte i;

    atomic {
        refs[0] = 1;
        in_use[0] = true;
        exclusive[0] = true;
        owner[0] = PARENT;
        for (i : 1 .. GUPS) {
            run gup(i % 2 == 1)
        };
        run fork();
        run write_fault();
        run unmap();
        run other()
    }
}
