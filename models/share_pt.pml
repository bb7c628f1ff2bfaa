/* SPDX-License-Identifier: MIT */
/*
 * share_pt.pml: page tables that an object owns and several address spaces link: share (link), unshare (unlink, adopt), faults,
 * changes by the object (truncation), walkers without a lock, hardware, and the free of the table.
 *
 * Two address spaces and one object with one page. Tables come from two frames, which are used again. A link is made under the
 * object's lock and that of the slot's table; it is dropped in the order: slot, walkers and TLB of this address space, count.
 * Who drops the last one takes the leaves out without another flush. The only user may take the table over as its own.
 * Truncation empties the tables of the object, flushes once whoever has links or unlinks that were not flushed, then goes through
 * private tables. Checked: nobody reads a freed table, by hardware or software; no page is freed while a TLB may translate to it;
 * a table is freed once, at count 0; everything is freed in the end. Variants:
 *
 *   FLUSH_LATE     the count drops before this address space is flushed                  must fail
 *   NO_DRAIN       walkers without a lock are not waited for                             must fail
 *   NO_RECHECK     a link is stored without a look whether the slot is still empty       must fail
 *   NO_UNDO        who loses the race for the slot leaves his count                      must fail
 *   TWO_STEPS      the count drops, and is looked at for 0 later                         must fail
 *   INDEX_STAYS    a table whose count is 0 can still be found                           must fail
 *   LINKS_ONLY     truncation does not flush those with unlinks in progress              must fail
 *   PUT_FIRST      truncation puts the page before its round                             must fail
 *   ADOPT_LATE     a table that was taken over is marked so after the object's lock      must fail
 *   ADOPT_SHARED   the table is taken over without a look at the count                   must fail
 *   NO_RCU         a table is freed while truncation may look at its mark                must fail
 *   THREADS        a second thread that faults and unlinks, instead of truncation        must pass
 *   NO_RECOUNT     a walker's pin is kept without a second look                          must pass
 *
 * NO_RECOUNT passes here because a page waits for every walker that could reach it: for its own by the drain, for others' by
 * the round. The second look stays for pages that are put without one.
 */
#define NONE 2

#if defined(NO_RECHECK) || defined(NO_UNDO)
#define THREADS
#endif

byte slot[2] = NONE;            /* the link in each address space */
byte links[2];                  /* by table: the count */
bool is_table[2], shared[2], leaf[2];
byte index = NONE;              /* what the object finds */
byte nr_shared[2];              /* by address space: links, and unlinks that were not flushed */

byte pwc[2] = NONE;             /* hardware: a link that may be cached, and a translation */
bool tlb[2];
byte walking[2];                /* CPUs of each address space with interrupts off in a walk */
byte rcu = 0;

bool share_lock = false, vmas_lock = false;
bool writer[2];                 /* lock of the area: faults, or who unlinks */
byte faults[2];

byte refs = 1;                  /* of the page: the file's, leaves', pins */
bool page_freed = false, truncated = false;
byte done = 0;

inline lock(l)
{
    atomic { !l -> l = true }
}

inline put_page()
{
    atomic {
        assert(refs > 0 && !page_freed);
        refs--;
        if
        :: refs == 0 ->
           assert(!tlb[0] && !tlb[1]);
           page_freed = true
        :: else
        fi
    }
}

inline flush(m)
{
    atomic { pwc[m] = NONE; tlb[m] = false }
}

inline free_table(t)
{
#ifndef NO_RCU
    rcu == 0;
#endif
    atomic {
        assert(is_table[t] && !leaf[t]);
        assert(pwc[0] != t && pwc[1] != t);
        is_table[t] = false
    }
}

/* The area's lock is held for reading. */
inline link(m, t)
{
    lock(share_lock);
    atomic {
        if
        :: index == NONE ->
           if
           :: !is_table[0] -> t = 0
           :: is_table[0] && !is_table[1] -> t = 1
           fi;
           is_table[t] = true;
           shared[t] = true;
           links[t] = 0;
           leaf[t] = false;
           index = t
        :: else -> t = index
        fi
    };
#ifdef NO_UNDO
    links[t]++;
    atomic {
        if
        :: slot[m] == NONE -> slot[m] = t; nr_shared[m]++
        :: else
        fi
    };
#else
    atomic {                                             /* PT of the slot's table */
        if
#ifdef NO_RECHECK
        :: true -> slot[m] = t; links[t]++; nr_shared[m]++
#else
        :: slot[m] == NONE -> slot[m] = t; links[t]++; nr_shared[m]++
        :: else
#endif
        fi
    };
#endif
    if
    :: links[t] == 0 -> index = NONE; free_table(t)      /* the other one's is a private table */
    :: else
    fi;
    share_lock = false
}

inline fault(m, t)
{
    atomic { !writer[m] -> faults[m]++ };
    if
    :: slot[m] == NONE -> link(m, t)
    :: else
    fi;
    atomic {                                             /* PT of the table */
        t = slot[m];
        assert(t != NONE && is_table[t]);
        if
        :: !leaf[t] && !truncated -> leaf[t] = true; refs++
        :: else
        fi
    };
    faults[m]--
}

inline zap(t)
{
    if
    :: leaf[t] -> leaf[t] = false; put_page()
    :: else
    fi
}

inline drain_and_flush(m)
{
#ifndef NO_DRAIN
    walking[m] == 0;
#endif
    atomic { flush(m); nr_shared[m]-- }
}

inline unlink(m, t, last)
{
    atomic { faults[m] == 0 && !writer[m] -> writer[m] = true };
    atomic { t = slot[m]; slot[m] = NONE };
    if
    :: t != NONE && shared[t] ->
#ifndef FLUSH_LATE
       drain_and_flush(m);
#endif
       lock(share_lock);
#ifdef TWO_STEPS
       atomic { assert(links[t] > 0); links[t]-- };
       share_lock = false;
       lock(share_lock);
       last = links[t] == 0;
#else
       atomic { assert(links[t] > 0); links[t]--; last = links[t] == 0 };
#endif
#ifndef INDEX_STAYS
       if
       :: last -> index = NONE
       :: else
       fi;
#endif
       share_lock = false;
#ifdef FLUSH_LATE
       drain_and_flush(m);
#endif
       if
       :: last ->
          zap(t);
          free_table(t)
#ifdef INDEX_STAYS
          ;
          lock(share_lock);
          if
          :: index == t -> index = NONE
          :: else
          fi;
          share_lock = false
#endif
       :: else
       fi
    :: t != NONE && !shared[t] ->
       walking[m] == 0;
       flush(m);
       lock(vmas_lock);
       zap(t);
       vmas_lock = false;
       free_table(t)
    :: else
    fi;
    writer[m] = false
}

/* Only one user is left: the table becomes its own. */
inline adopt(m, t)
{
    atomic { faults[m] == 0 && !writer[m] -> writer[m] = true };
    lock(share_lock);
    t = slot[m];
    if
#ifdef ADOPT_SHARED
    :: t != NONE && shared[t] ->
#else
    :: t != NONE && shared[t] && links[t] == 1 ->
#endif
       links[t] = 0;
       index = NONE;
#ifdef ADOPT_LATE
       share_lock = false;
#endif
       atomic { shared[t] = false; nr_shared[m]-- };
       flush(m)
    :: else
    fi;
    share_lock = false;
    writer[m] = false
}

/* An address space from its first fault to its end; a second thread faults beside it. */
proctype life(byte m; bool adopts)
{
    byte t = NONE;
    bool last = false;

    fault(m, t);
    if
    :: adopts -> adopt(m, t)
    :: else
    fi;
    unlink(m, t, last);
    done++
}

proctype thread(byte m)
{
    byte t = NONE;
    bool last = false;

    fault(m, t);
    unlink(m, t, last);
    done++
}

proctype hardware(byte m)
{
    pwc[m] = slot[m];
    atomic {
        if
        :: pwc[m] != NONE ->
           assert(is_table[pwc[m]]);
           tlb[m] = leaf[pwc[m]]
        :: else
        fi
    };
    atomic { assert(!tlb[m] || !page_freed) };
    done++
}

proctype walker(byte m)
{
    byte t;
    bool got = false, same = true;

    walking[m]++;
    t = slot[m];
    if
    :: t != NONE ->
       atomic { assert(is_table[t]); got = leaf[t] };
       if
       :: got -> atomic { got = refs != 0; if :: got -> refs++ :: else fi }
       :: else
       fi;
#ifndef NO_RECOUNT
       atomic { assert(is_table[t]); same = leaf[t] };
       same = same && slot[m] == t
#endif
    :: else
    fi;
    walking[m]--;
    if
    :: got ->
       atomic { assert(!same || !page_freed) };
       put_page()
    :: else
    fi;
    done++
}

proctype truncate()
{
    byte t, m;
    bool had = false, priv;

    truncated = true;
    lock(vmas_lock);
    lock(share_lock);
    t = index;
    if
    :: t != NONE -> atomic { had = leaf[t]; leaf[t] = false }
    :: else
    fi;
    share_lock = false;
#ifdef PUT_FIRST
    if
    :: had -> put_page()
    :: else
    fi;
    put_page();
#endif
    m = 0;
    do
    :: m < 2 ->
       atomic {                                          /* the interrupt, on a CPU of m */
           if
#ifdef LINKS_ONLY
           :: slot[m] != NONE -> flush(m)
#else
           :: nr_shared[m] != 0 -> flush(m)
#endif
           :: else
           fi
       };
       m++
    :: else -> break
    od;
#ifndef PUT_FIRST
    if
    :: had -> put_page()
    :: else
    fi;
#endif
    m = 0;
    do
    :: m < 2 ->
       rcu++;
       t = slot[m];
       if
       :: t != NONE ->
          atomic { assert(is_table[t]); priv = !shared[t] };
          if
          :: priv ->
             atomic { had = leaf[t]; leaf[t] = false };
             flush(m);
             if
             :: had -> put_page()
             :: else
             fi
          :: else
          fi
       :: else
       fi;
       rcu--;
       m++
    :: else -> break
    od;
    vmas_lock = false;
#ifndef PUT_FIRST
    put_page();                                          /* the file's */
#endif
    done++
}

init
{
    atomic {
        run life(0, false);
        run life(1, true);
        run hardware(0);
#ifdef THREADS
        run thread(0)
#else
        run walker(0);
        run truncate()
#endif
    };
#ifdef THREADS
    (done == 4);
    put_page();
#else
    (done == 5);
#endif
    assert(slot[0] == NONE && slot[1] == NONE && index == NONE);
    assert(!is_table[0] && !is_table[1] && page_freed && refs == 0)
}
