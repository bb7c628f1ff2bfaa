/* SPDX-License-Identifier: MIT */
/*
 * fork_share.pml: page tables that fork shares copy-on-write (mm/pt_share_fork.c): fork against pins without a lock (mm/gup.c),
 * against write faults of both sides, which copy the table or take it over, against their exits.
 *
 * One table with one entry. A table is its address space's own (links 0), or shared, and then links counts them. The permission
 * to write is that of link and leaf together. A process' walks, its hardware's included, keep flushes of its address space
 * waiting. Checked: a store meets a page that nobody else can see; a pinned page is its process' own, and what that maps, until it
 * is unpinned; no freed table is read, none freed twice; counts never fall below zero; everything ends. A missing barrier is its
 * two steps swapped.
 *
 *   NO_MARK        a pin does not mark the table                               must fail
 *   MARK_LATE      the mark is set after the second look at the link           must fail
 *   FORK_FIRST     fork looks at the mark before it takes W from the link      must fail
 *   NO_LINK_LOOK   the pin looks a second time at the entry only               must fail
 *   PIN_SHARED     a pin for reading needs no right to write in the link       must fail
 *   KEEP_LEAF_W    who copies a table leaves W in the leaves of the old one    must fail
 *   KEEP_BIT       who copies a table leaves PG_EXCLUSIVE to its pages         must fail
 *   UNCOUNT_FIRST  a link is uncounted before the flush                        must fail
 *   TAKE_TWO       a table is taken over although another link is left         must fail
 *   NO_FORK_FLUSH  fork does not flush the parent                              must fail
 *   CLEAR_MARK     a copy of all pages, none pinned, takes the mark away       must pass
 *   CLEAR_PINNED   a copy takes the mark away although a page is pinned        must fail
 *   HASH           translations stay in a table of the hardware's, under the process' own name, until it is flushed  must pass
 *   HASH_LEAF      such a translation may write when the leaf says so, whatever the link                  must fail
 *   HASH_EARLY     they go before the walks are waited for                                                must fail
 *   HASH_FORK      fork does not remove the parent's                                                      must fail
 *   HASH_COW       nor does a change of an entry behind a take-over or a copy                             must fail
 *   HASH_EXIT      nor does the end of a link                                                             must fail
 *   HASH_PINNED    nor does who leaves, though he got a copy of a page that looked pinned                 must fail
 *   RADIX          links say nothing: fork closes the table to pins and, when it has no mark, takes W from the leaves; who takes it
 *                  over opens it and gives W to those of exclusive pages. At first the leaf may write, or not
 *   RADIX_MODEL    that                                                                                   must pass
 *   RADIX_CLEAR    the same with CLEAR_MARK                                                               must pass
 *   RADIX_LAZY     a take-over leaves the leaves as they are                                              must pass
 *   RADIX_NO_PASS  fork takes W from no leaf                                                              must fail
 *   RADIX_LATE     it does so after the flush                                                             must fail
 *   RADIX_MARK     it looks at the mark before it closes the table                                        must fail
 *   RADIX_LEAF     nothing closes the table: pins look at the leaf only                                   must fail
 *   RADIX_LOOK     the pin does not look in F4 whether the table is closed                                must fail
 *   RADIX_GIVE     a take-over gives W to the leaf of any page                                            must fail
 *   RADIX_PINNED   fork takes W although the table turned out to be marked, and gives none back           must pass
 */
#if defined(RADIX_MODEL) || defined(RADIX_CLEAR) || defined(RADIX_LAZY) || defined(RADIX_NO_PASS) || defined(RADIX_LATE) || \
    defined(RADIX_MARK) || defined(RADIX_LEAF) || defined(RADIX_LOOK) || defined(RADIX_GIVE) || defined(RADIX_PINNED)
#define RADIX
#endif
#ifdef RADIX_CLEAR
#define CLEAR_MARK
#endif
#if defined(HASH_LEAF) || defined(HASH_EARLY) || defined(HASH_FORK) || defined(HASH_COW) || defined(HASH_EXIT) || defined(HASH_PINNED)
#define HASH
#endif
#ifdef HASH
#define CHILDLESS
#endif
#if defined(CLEAR_MARK) || defined(CLEAR_PINNED)
#define TWO_FORKS
#endif
#if defined(TWO_FORKS) || defined(NO_FORK_FLUSH)
#define CHILDLESS /* the child: fewer states */
#endif
#define NP     3 /* processes: a parent, its child, and the child of either */
#define NT     6
#define NF     6
#define NONE   9

byte entry[NT];
bool leaf_w[NT], used[NT], mark[NT], ptl[NT];
#ifdef RADIX
bool closed[NT];
#define LINK_W(p, t) (!closed[t])
#define SET_LINK_W(p, t, w) closed[t] = !(w)
#else
#define LINK_W(p, t) link_w[p]
#define SET_LINK_W(p, t, w) link_w[p] = w
#endif
byte links[NT];
byte refs[NF], pins[NF];
bool exclusive[NF];
byte table[NP];                  /* what the link of a process leads to */
bool link_w[NP], mmap_lock[NP];
byte walking[NP];                /* walks of its tables, by CPUs and by programs */

inline lock(l)
{
    atomic { !l -> l = true }
}

#ifdef HASH
byte cached[NP];                 /* the frame that the hardware's table has for a process */
bool cached_w[NP];

inline forget(p)
{
    atomic { cached[p] = NONE; cached_w[p] = false }
}
#endif

inline wait_for_walks(p)
{
    walking[p] == 0
}

inline flush(p)
{
#ifdef HASH_EARLY
    forget(p);
#endif
    wait_for_walks(p);
#if defined(HASH) && !defined(HASH_EARLY)
    forget(p)
#endif
}

#ifdef HASH_FORK
#define fork_flush wait_for_walks
#else
#define fork_flush flush
#endif
#ifdef HASH_COW
#define cow_flush wait_for_walks
#else
#define cow_flush flush
#endif
#ifdef HASH_EXIT
#define exit_flush wait_for_walks
#else
#define exit_flush flush
#endif

inline get_frame(f)
{
    atomic {
        f = 0;
        do
        :: refs[f] != 0 -> f++
        :: else -> break
        od;
        refs[f] = 1;
        exclusive[f] = true
    }
}

inline put_frame(f)
{
    atomic {
        assert(refs[f] > 0);
        refs[f]--;
        assert(refs[f] > 0 || pins[f] == 0)
    }
}

inline get_table(t)
{
    atomic {
        t = 0;
        do
        :: used[t] -> t++
        :: else -> break
        od;
        used[t] = true;
        entry[t] = NONE;
        mark[t] = false;
#ifdef RADIX
        closed[t] = false;
#endif
        links[t] = 0
    }
}

inline free_table(t)
{
    atomic {
        assert(used[t] && !ptl[t]);
        used[t] = false;
        put_frame(entry[t])
    }
}

/* Nobody but @p can see frame @f. */
inline assert_own(p, f)
{
    assert(p == 0 || table[0] == NONE || entry[table[0]] != f);
    assert(p == 1 || table[1] == NONE || entry[table[1]] != f);
    assert(p == 2 || table[2] == NONE || entry[table[2]] != f)
}

/* A pin without a lock, of process @p's page. */
proctype gup(byte p; bool write)
{
    byte t, f;
    bool w, lw, same, own;

    walking[p]++;                                            /* F1: interrupts off */
#ifdef RADIX
    t = table[p];
    lw = true;                                               /* as it must be in F4 */
#else
    atomic { t = table[p]; lw = link_w[p] };
#endif
    if
    :: t != NONE ->
        atomic { assert(used[t]); f = entry[t]; w = leaf_w[t] };
        if
#ifdef PIN_SHARED
        :: f != NONE && ((w && lw) || !write) ->
#else
        :: f != NONE && lw && (w || !write) ->               /* F2 */
#endif
#if !defined(NO_MARK) && !defined(MARK_LATE)
            mark[t] = true;
#endif
            atomic {                                         /* F3 */
                same = refs[f] != 0;
                if
                :: same -> refs[f]++; pins[f]++
                :: else
                fi
            };
            if
            :: same ->
                atomic { assert(used[t]); same = (entry[t] == f && leaf_w[t] == w) };   /* F4 */
#ifdef RADIX_LOOK
                same = same && table[p] == t;
#elif !defined(NO_LINK_LOOK)
                same = same && table[p] == t && LINK_W(p, t) == lw;
#endif
#ifdef MARK_LATE
                mark[t] = true;
#endif
                own = exclusive[f];                          /* F5 */
                walking[p]--;
                if
                :: same && own ->
                    atomic {                                 /* held for any time */
                        if
                        :: table[p] != NONE ->
                            assert(entry[table[p]] == f && (exclusive[f] || ptl[table[p]]));
                            assert(links[table[p]] == 0);
                            assert_own(p, f)
                        :: else
                        fi;
                        pins[f]--;
                        put_frame(f)
                    }
                :: else -> atomic { pins[f]--; put_frame(f) }
                fi
            :: else -> walking[p]--
            fi
        :: else -> walking[p]--
        fi
    :: else -> walking[p]--
    fi
}

#if defined(HASH_LEAF) || defined(RADIX)
#define MAY_WRITE(p, t) leaf_w[t]
#else
#define MAY_WRITE(p, t) (link_w[p] && leaf_w[t])
#endif
#ifdef RADIX
#define STORES(p, t) leaf_w[t]
#else
#define STORES(p, t) (link_w[p] && leaf_w[t])
#endif

/* A program writes, by what the tables say at one moment, a little later. */
proctype store(byte p)
{
    byte t, f;

    walking[p]++;
    atomic { t = table[p]; f = NONE;
        if
        :: t != NONE ->
            assert(used[t]);
            if
            :: STORES(p, t) -> f = entry[t]
            :: else
            fi
        :: else
        fi
    };
    atomic {
        if
        :: f != NONE -> assert_own(p, f)
        :: else
        fi;
        walking[p]--
    }
}

#ifdef HASH
/* The same through the hardware's table, which a refill's walk fills, at any time from then on. */
proctype store_cached(byte p)
{
    byte t, f = NONE;
    bool w;

    walking[p]++;
    atomic { t = table[p];
        if
        :: t != NONE -> assert(used[t]); f = entry[t]; w = MAY_WRITE(p, t)
        :: else
        fi
    };
    atomic {
        if
        :: f != NONE -> cached[p] = f; cached_w[p] = w
        :: else
        fi;
        walking[p]--
    };
    atomic {
        if
        :: cached[p] != NONE ->
            assert(refs[cached[p]] != 0);
            assert(mmap_lock[p] || (table[p] != NONE && entry[table[p]] == cached[p]));
            if
            :: cached_w[p] -> assert_own(p, cached[p])
            :: else
            fi
        :: else
        fi
    }
}
#endif

/* A link less. Pages of the last go with it. */
inline uncount(t)
{
    atomic {
        !ptl[t];
        assert(used[t] && links[t] > 0);
        links[t]--;
        if
        :: links[t] == 0 -> free_table(t)
        :: else
        fi
    }
}

/* The entry of @t goes into a new table @n, as fork does it; @t is locked. */
inline copy(t, n, f)
{
    atomic {
        get_table(n);
        f = entry[t];
        pinned = exclusive[f];
#ifndef KEEP_BIT
        exclusive[f] = false
#endif
    };
    atomic {
        pinned = pinned && pins[f] != 0;
        if
        :: pinned -> exclusive[f] = true; get_frame(entry[n])
        :: else ->
#ifndef KEEP_LEAF_W
            leaf_w[t] = false;
#endif
            refs[f]++;
            entry[n] = f
        fi;
        leaf_w[n] = false
    }
}

/* @p's table becomes its own. mmap_lock held. */
inline make_own(p, t, n, f)
{
    atomic {
        t = table[p];
        !ptl[t];
        if
        :: links[t] == 0 -> t = NONE
#ifdef TAKE_TWO
        :: links[t] > 0 -> links[t] = 0; t = NONE
#else
        :: links[t] == 1 -> links[t] = 0; t = NONE
        :: links[t] > 1 -> ptl[t] = true
#endif
        fi
    };
    if
    :: t == NONE ->
        SET_LINK_W(p, table[p], true);
#if defined(RADIX) && !defined(RADIX_LAZY)
        atomic {
            t = table[p];
            !ptl[t];
            if
#ifdef RADIX_GIVE
            :: true -> leaf_w[t] = true
#else
            :: exclusive[entry[t]] -> leaf_w[t] = true
            :: else
#endif
            fi
        }
#endif
    :: else ->
        copy(t, n, f);
        atomic { ptl[t] = false; table[p] = n; SET_LINK_W(p, n, true) };
#ifdef UNCOUNT_FIRST
        uncount(t);
        flush(p)
#elif defined(HASH)
        wait_for_walks(p);                                   /* what is there maps the same frame, and may not write */
#ifndef HASH_PINNED
        if
        :: pinned -> forget(p)
        :: else
        fi;
#endif
        uncount(t)
#else
        flush(p);
        uncount(t)
#endif
    fi
}

/* Copy-on-write of the page, after that of the table. */
inline make_writable(p, t, n, f)
{
    atomic {
        t = table[p];
        !ptl[t];
        f = entry[t];
        if
        :: leaf_w[t] -> f = NONE
        :: !leaf_w[t] && (exclusive[f] || refs[f] == 1) ->
            exclusive[f] = true;
            leaf_w[t] = true;
            f = NONE
        :: else -> ptl[t] = true; entry[t] = NONE; get_frame(n)
        fi
    };
    if
    :: f == NONE
    :: else ->
        cow_flush(p);
        atomic { entry[t] = n; leaf_w[t] = true; ptl[t] = false; put_frame(f) }
    fi
}

proctype writer(byte p)
{
    byte t, n, f;
    bool pinned;

    lock(mmap_lock[p]);
    if
    :: table[p] != NONE ->
        make_own(p, t, n, f);
        make_writable(p, t, n, f)
    :: else
    fi;
    mmap_lock[p] = false
}

proctype exit(byte p)
{
    byte t;

    lock(mmap_lock[p]);
    t = table[p];
    if
    :: t != NONE ->
        table[p] = NONE;
        if
        :: links[t] == 0 -> exit_flush(p); free_table(t)
#ifdef UNCOUNT_FIRST
        :: else -> uncount(t); exit_flush(p)
#else
        :: else -> exit_flush(p); uncount(t)
#endif
        fi
    :: else
    fi;
    mmap_lock[p] = false
}

inline take_leaf_w(t)
{
    atomic { !ptl[t] -> leaf_w[t] = false }
}

/* @p gets the child @q, which goes on when all is done. */
proctype fork(byte p, q)
{
    byte t, n, f, child = NONE;
    bool had_pins, pinned;

    lock(mmap_lock[p]);
    t = table[p];
    if
    :: t == NONE
    :: t != NONE && links[t] != 0 -> atomic { !ptl[t]; links[t]++; child = t }
    :: t != NONE && links[t] == 0 ->
#if defined(FORK_FIRST) || defined(RADIX_MARK)
        had_pins = mark[t];
        SET_LINK_W(p, t, false);
#elif defined(RADIX_LEAF)
        take_leaf_w(t);
        had_pins = mark[t];
#else
        SET_LINK_W(p, t, false);
#ifdef RADIX_PINNED
        take_leaf_w(t);
#endif
        had_pins = mark[t];
#endif
        if
        :: had_pins ->
            SET_LINK_W(p, t, true);
            lock(ptl[t]);
            copy(t, n, f);
            atomic {
#ifdef CLEAR_MARK
                if
                :: !pinned -> mark[t] = false
                :: else
                fi;
#endif
#ifdef CLEAR_PINNED
                mark[t] = false;
#endif
                ptl[t] = false;
                child = n
            }
        :: else ->
#if defined(RADIX) && !defined(RADIX_NO_PASS) && !defined(RADIX_LATE) && !defined(RADIX_LEAF)
            take_leaf_w(t);
#endif
            links[t] = 2;
            child = t
        fi
    fi;
#ifndef NO_FORK_FLUSH
    fork_flush(p);
#endif
#ifdef RADIX_LATE
    if
    :: child != NONE && links[child] != 0 -> take_leaf_w(child)
    :: else
    fi;
#endif
    atomic {
        table[q] = child;
        link_w[q] = (child != NONE && links[child] == 0);
        mmap_lock[p] = false
    };
    if
    :: child != NONE ->
        if
        :: run exit(q)
        :: run writer(q)
#ifdef HASH
        :: run store_cached(q); run writer(q)
        :: run store_cached(q); run exit(q)
#else
        :: run store(q); run writer(q)
#endif
        :: run gup(q, true); run writer(q)
#ifndef CHILDLESS
        :: q == 1 -> run fork(1, 2); run exit(1)
#endif
        fi
    :: else
    fi
}

/* Some of what may happen to the parent meanwhile, in any combination of two or three. */
init
{
    atomic {
        table[1] = NONE;
        table[2] = NONE;
        used[0] = true;
        refs[0] = 1;
        exclusive[0] = true;
        leaf_w[0] = true;
        link_w[0] = true;
#ifdef RADIX
        if
        :: leaf_w[0] = false
        :: true
        fi;
#endif
#ifdef HASH
        cached[0] = NONE; cached[1] = NONE; cached[2] = NONE;
        run store_cached(0);
#endif
        run fork(0, 1);
        if
        :: run gup(0, true)
        :: run gup(0, false)
        :: run store(0)
        fi;
        if
        :: run writer(0)
        :: run exit(0)
        :: run gup(0, true)
#ifdef TWO_FORKS
        :: run fork(0, 2)
#endif
        fi
    }
}
