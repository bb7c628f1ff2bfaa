/* SPDX-License-Identifier: MIT */
/*
 * split.pml: the words of a huge frame (include/mm/huge.h): pins on single pages, references to the whole, split, free, promotion.
 *
 * Each of the N pages has a word {TAIL, count}; the frame has one word {HUGE or SMALL, BUSY, W}. W counts references to the whole:
 * leaf entries, gathers that still have to flush, pins of the whole. A put of a page never looks at the frame. Splitting takes the
 * leaf entries' share out of W in the step that makes the frame SMALL, and gives what W was to every page in the step that clears
 * TAIL. Then all leaves become invalid, one flush reaches every address space, and each leaf becomes a table. It stays BUSY until
 * the last leaf is replaced; with no leaf there is nothing that would keep the frame from being used
 * anew meanwhile, and nobody who waits.
 *
 * Checked: a page or frame is freed once, never while somebody holds or maps it or a TLB may translate to it, and everything is
 * freed in the end; a pin that passed its second look is on the page that was mapped. Variants:
 *
 *   BUG_TWOSTEP    split reads the count, then writes it without TAIL             must fail
 *   BUG_GATHER     unmapping puts the leaf's reference before the flush           must fail
 *   BUG_NOZERO     split does not free a page whose count it completes to 0       must fail
 *   BUG_NORECHECK  a lockless pin does not look at the entry again                must fail
 *   BUG_ZEROGET    a lockless pin takes a count from 0                            must fail
 *   BUG_NOLOCK     unmapping does not make the frame BUSY                         must fail
 *   BUG_WHOLE      a put of the whole reads the state after its count             must fail
 *   BUG_LATECAP    split reads W before the step that makes the frame SMALL       must fail
 *   BUG_PROMOTE    promotion although references to the former whole are out      must fail
 *   BUG_NOWAIT     a fault gives a leaf its permissions back while a split waits  must fail
 *   BUG_NOINVALID  split flushes leaves that the hardware may still use           must fail
 *   BUG_ONEFLUSH   split's one flush leaves out an address space                  must fail
 *   TOUCH          the program uses the leaf all the time, instead of pins        must pass
 *   PROMOTE        no fork, but a promotion in place behind the split             must pass
 *   TWO_SPLIT      a second splitter instead of the fork                          must pass
 */
#define N 2

#ifdef BUG_PROMOTE
#define PROMOTE
#endif

#if defined(BUG_NOWAIT) || defined(BUG_NOINVALID) || defined(BUG_ONEFLUSH)
#define TOUCH
#endif

#define SMALL 0
#define HUGE  1

#define NONE  0
#define LEAF  1
#define TABLE 2

short cnt[N];                   /* may be below 0 for a moment while TAIL is set */
bool tail[N], freed[N];
byte st = HUGE, w = 1;
bool busy = false;              /* somebody changes the list of leaf entries */
byte m = 1;                     /* its length */

byte leaf[2];                   /* the entry in address space 0 and 1 */
bool ptl[2];                    /* lock of its table */
bool inv[2];                    /* it is there, without permissions: a split is at work */
bool tlb[2];                    /* a huge translation may be cached */
bool pte0[N], pte1[N];          /* small entries, once leaf is TABLE */
byte gen = 0;                   /* the frame was given away and used again */
byte done = 0, started = 0;

/* A frame goes back: nobody translates to it through a huge entry any more. */
inline free_page(i)
{
    atomic {
        assert(!freed[i] && cnt[i] == 0 && !tail[i]);
        assert(gen != 0 || !(tlb[0] && leaf[0] == NONE));
        assert(gen != 0 || !(tlb[1] && leaf[1] == NONE));
        assert(gen != 0 || (leaf[0] != LEAF && leaf[1] != LEAF));
        freed[i] = true
    }
}

inline put_page(i)
{
    atomic { assert(!freed[i]); cnt[i]--; z = cnt[i] == 0 && !tail[i] };
    if
    :: z -> free_page(i)
    :: else
    fi
}

inline alive(i)
{
    assert(!freed[i])
}

/* Last reference to the whole: what is not pinned goes back, what is lives on as a small page. */
inline dissolve()
{
    st = SMALL;
    q = 0;
    do
    :: q < N ->
       atomic { tail[q] = false; z = cnt[q] == 0 };
       if
       :: z -> free_page(q)
       :: else
       fi;
       q++
    :: else -> break
    od
}

inline put_whole()
{
#ifdef BUG_WHOLE
    s = st;
    atomic { assert(w > 0); w--; last = w == 0 };
#else
    atomic { assert(w > 0); w--; last = w == 0; s = st };
#endif
    if
    :: s == HUGE && last -> dissolve()
    :: s == HUGE && !last
    :: else ->
       r = 0;
       do
       :: r < N -> put_page(r); r++
       :: else -> break
       od
    fi
}

/* Lockless: the entry, the count, the entry again. */
proctype gup(byte i)
{
    bool z, ok = false;
    byte snap, g;

    snap = leaf[0];
    if
    :: snap == LEAF || (snap == TABLE && pte0[i]) ->
       atomic {
           if
#ifdef BUG_ZEROGET
           :: true -> cnt[i]++; ok = true
#else
           :: tail[i] || cnt[i] != 0 -> cnt[i]++; ok = true
           :: else
#endif
           fi
       };
       if
       :: ok ->
#ifndef BUG_NORECHECK
          if
          :: leaf[0] == snap && (snap == LEAF || pte0[i]) ->
#endif
             atomic { alive(i); assert(gen == 0); g = gen };
             /* one more reference, and back: needs no look at anything */
             atomic { alive(i); cnt[i]++ };
             put_page(i);
             atomic { alive(i); assert(gen == g) }
#ifndef BUG_NORECHECK
          :: else
          fi
#endif
          ;
          put_page(i)
       :: else
       fi
    :: else
    fi;
    done++
}

proctype whole_pin()
{
    bool z, ok = false, last;
    byte s, q, r;

    if
    :: leaf[0] == LEAF ->
       atomic { if :: st == HUGE && w > 0 -> w++; ok = true :: else fi };
       if
       :: ok ->
          if
          :: leaf[0] == LEAF ->
             atomic { assert(gen == 0); assert(!freed[0] && !freed[1]) };
             /* DMA */
             atomic { assert(gen == 0); assert(!freed[0] && !freed[1]) }
          :: else
          fi;
          put_whole()
       :: else
       fi
    :: else
    fi;
    done++
}

/* What the walker does with a leaf that is in the way of a split: wait without the table's lock. */
inline lock_leaf(a)
{
    do
    :: atomic { !ptl[a] -> ptl[a] = true };
       if
       :: leaf[a] != LEAF -> break
       :: else ->
#ifdef BUG_NOLOCK
          break
#else
          ok = false;
          atomic { if :: st == HUGE && !busy -> busy = true; ok = true :: else fi };
          if
          :: ok -> break
          :: else -> ptl[a] = false; (leaf[a] != LEAF || (st == HUGE && !busy))
          fi
#endif
       fi
    od
}

inline unmap(a)
{
    lock_leaf(a);
    if
    :: leaf[a] == LEAF ->
       leaf[a] = NONE;
       atomic { m--; busy = false };
       ptl[a] = false;
#ifdef BUG_GATHER
       put_whole();
       tlb[a] = false
#else
       tlb[a] = false;          /* the gather's flush */
       put_whole()
#endif
    :: leaf[a] == TABLE ->
       k = 0;
       do
       :: k < N ->
          if
          :: a == 0 -> ok = pte0[k]; pte0[k] = false
          :: else -> ok = pte1[k]; pte1[k] = false
          fi;
          if
          :: ok -> put_page(k)
          :: else
          fi;
          k++
       :: else -> break
       od;
       leaf[a] = NONE;
       ptl[a] = false
    :: else -> ptl[a] = false
    fi
}

proctype unmapper()
{
    bool z, ok, last;
    byte s, q, r, k;

    unmap(0);
    done++
}

/* The child gets the leaf, and exits. */
proctype forker()
{
    bool z, ok, last;
    byte s, q, r, k;

    lock_leaf(0);
    if
    :: leaf[0] == LEAF ->
       atomic { w++; m++ };
       leaf[1] = LEAF;
       tlb[1] = true;
       busy = false;
       ptl[0] = false;
       unmap(1)
    :: else -> ptl[0] = false
    fi;
    done++
}

inline invalidate(a)
{
    atomic { !ptl[a] -> ptl[a] = true };
    if
#ifndef BUG_NOINVALID
    :: leaf[a] == LEAF -> inv[a] = true
#endif
    :: else
    fi;
    ptl[a] = false
}

inline publish(a)
{
    atomic { !ptl[a] -> ptl[a] = true };
    if
    :: leaf[a] == LEAF ->
       k = 0;
       do
       :: k < N ->
          if
          :: a == 0 -> pte0[k] = true
          :: else -> pte1[k] = true
          fi;
          k++
       :: else -> break
       od;
       atomic { assert(!tlb[a]); leaf[a] = TABLE; inv[a] = false }; /* never two sizes */
       m--;
       if
       :: m == 0 -> busy = false
       :: else
       fi
    :: else
    fi;
    ptl[a] = false
}

/* Step 3: all invalid, one flush, all tables. */
inline replace_leaves()
{
    invalidate(0);
    invalidate(1);
    tlb[0] = false;
#ifndef BUG_ONEFLUSH
    tlb[1] = false;
#endif
    publish(0);
    publish(1)
}

/* A program and its page faults: the hardware walks, or a fault looks at the leaf under its lock. */
proctype toucher(byte a)
{
    byte tries = 2;

    do
    :: tries > 0 ->
       tries--;
       if
       :: atomic { leaf[a] == LEAF && !inv[a] -> tlb[a] = true }
       :: atomic { !ptl[a] -> ptl[a] = true };
          if
#ifdef BUG_NOWAIT
          :: leaf[a] == LEAF && inv[a] -> inv[a] = false
#else
          :: leaf[a] == LEAF && inv[a] && !(busy && st == SMALL) -> inv[a] = false
#endif
          :: else
          fi;
          ptl[a] = false
       fi
    :: else -> break
    od;
    done++
}

/* The step after which the frame is small. */
inline take_whole()
{
    w = w - m;
    st = SMALL;
    busy = m > 0;
    mine = true
}

proctype splitter()
{
    bool z, mine = false;
    byte k, cap, i;
    short c;

#ifdef BUG_LATECAP
    cap = w;
    atomic {
        (!busy);
        if
        :: st == HUGE && w > 0 -> take_whole()
        :: else
        fi
    };
#else
    atomic {
        (!busy);
        if
        :: st == HUGE && w > 0 -> cap = w; take_whole()
        :: else
        fi
    };
#endif
    if
    :: mine ->
       i = 0;
       do
       :: i < N ->
#ifdef BUG_TWOSTEP
          c = cnt[i];
          atomic { cnt[i] = c + cap; tail[i] = false; z = cnt[i] == 0 };
#else
          atomic { cnt[i] = cnt[i] + cap; tail[i] = false; z = cnt[i] == 0 };
#endif
#ifndef BUG_NOZERO
          if
          :: z -> free_page(i)
          :: else
          fi;
#endif
          i++
       :: else -> break
       od;
       if
       :: busy -> replace_leaves()
       :: else
       fi
    :: else
    fi;
    done++
}

/* Back to a leaf, with pins outstanding: all pages mapped here, and no reference to the former whole. */
proctype promoter()
{
    byte i;

    atomic { !ptl[0] -> ptl[0] = true };
    if
#ifdef BUG_PROMOTE
    :: leaf[0] == TABLE && pte0[0] && pte0[1] && st == SMALL && !busy ->
#else
    :: leaf[0] == TABLE && pte0[0] && pte0[1] && st == SMALL && !busy && w == 0 ->
#endif
       busy = true;
       i = 0;
       do
       :: i < N ->
          atomic { alive(i); cnt[i]--; tail[i] = true };
          i++
       :: else -> break
       od;
       atomic { w++; m = 1 };
       st = HUGE;
       busy = false;
       pte0[0] = false;
       pte0[1] = false;
       leaf[0] = LEAF;
       tlb[0] = true
    :: else
    fi;
    ptl[0] = false;
    done++
}

/* The allocator gives the frame to somebody else, as one block. */
proctype reuse()
{
    bool z, last;
    byte s, q, r;

    atomic {
        (freed[0] && freed[1]);
        assert(!tail[0] && !tail[1] && cnt[0] == 0 && cnt[1] == 0 && w == 0 && st == SMALL && !busy);
        gen = 1;
        freed[0] = false;
        freed[1] = false;
        m = 0
    };
    tail[0] = true;
    tail[1] = true;
    atomic { w = 1; st = HUGE };
    put_whole();
    done++
}

init
{
    atomic {
        tail[0] = true;
        tail[1] = true;
        leaf[0] = LEAF;
        tlb[0] = true;
#ifdef TOUCH
        run toucher(0);
        run toucher(1);
#else
        run gup(1);
        run whole_pin();
#endif
        run splitter();
        run unmapper();
        run reuse();
        started = 5;
#ifdef PROMOTE
        run promoter();
        started++;
#else
#ifdef TWO_SPLIT
        run splitter();
        started++;
#else
        run forker();
        started++;
#endif
#endif
    };
    (done == started);
    assert(freed[0] && freed[1] && cnt[0] == 0 && cnt[1] == 0 && w == 0 && st == SMALL)
}
