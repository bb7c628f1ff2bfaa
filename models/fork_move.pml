/* SPDX-License-Identifier: MIT */
/*
 * fork_move.pml: the leaf of a page table that fork shares is changed in place, for all who have the table: its page moves to another
 * frame (mm/migrate.c, rmap_flush_family in mm/rmap_anon.c). Against users that leave the table by a copy, take it over, drop it, fork,
 * write, read by hardware or by a walk without a lock (mm/gup.c).
 *
 * One table with one entry and two or three processes, which are a family. A process' walks keep flushes of its address space
 * waiting; hardware keeps what it has walked until it is flushed. A frame has contents. Checked: nobody reads a frame that is free, or
 * other contents than what his process wrote last; counts never fall below zero; a pinned page stays mapped; no freed table is read;
 * everything ends.
 *
 *   ONLY_OWN      only the address space through which the mover came is flushed                       must fail
 *   ONLY_LINKED   only those whose link leads to the table are: who has cleared his has not flushed    must fail
 *   ONLY_BEFORE   who joined the family after the mover had taken the table's lock is not              must pass
 *   FLUSH_FIRST   the flush comes before the entry is cleared                                          must fail
 *   NO_LOCK       the table's lock is not held while the page moves                                    must fail
 *   NO_TRY        nor the lock of an address space that has a link                                     must fail
 *   NO_LOOK       the mover does not look who holds the page: a page in such a table is nobody's       must pass
 *   UNCOUNT_FIRST a link is uncounted before its address space is flushed                              must fail
 *   HASH          who leaves by a copy keeps what hardware has walked, unless a page moved meanwhile   must pass
 *   HASH_KEEP     he keeps it also then: what was walked between the copy and the new link is wrong    must fail
 */
#define NP   3
#define NT   4
#define NF   6
#define NONE 9

byte entry[NT], links[NT], moves[NT];
bool used[NT], ptl[NT], leaf_w[NT];
byte refs[NF], val[NF];
bool exclusive[NF];
byte link[NP];                   /* the table that the process' link leads to */
bool link_w[NP], mmap_lock[NP], member[NP];
byte walking[NP], cached[NP];    /* cached: the frame that hardware knows */
byte want[NP];                   /* what the process wrote last, or inherited */

inline lock(l)
{
    atomic { !l -> l = true }
}

inline flush(p)
{
    atomic { walking[p] == 0 -> cached[p] = NONE }
}

inline get_frame(f, v)
{
    atomic {
        f = 0;
        do
        :: refs[f] != 0 -> f++
        :: else -> break
        od;
        refs[f] = 1; val[f] = v; exclusive[f] = true
    }
}

inline put_frame(f)
{
    atomic { assert(refs[f] > 0); refs[f]-- }
}

inline get_table(t)
{
    atomic {
        t = 0;
        do
        :: used[t] -> t++
        :: else -> break
        od;
        used[t] = true; entry[t] = NONE; links[t] = 0; leaf_w[t] = false; moves[t] = 0
    }
}

/* The lock is waited for: who looks at the table under it has seen it alive. */
inline free_table(t)
{
    atomic {
        !ptl[t];
        assert(used[t]);
        if
        :: entry[t] != NONE -> put_frame(entry[t])
        :: else
        fi;
        used[t] = false
    }
}

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

/* A program reads, through what hardware has walked some time before. */
proctype reader(byte p)
{
    byte t, f;

    walking[p]++;
    t = link[p];
    if
    :: t != NONE -> atomic { assert(used[t]); f = entry[t] }
    :: else -> f = NONE
    fi;
    atomic {
        if
        :: f != NONE -> cached[p] = f
        :: else
        fi;
        walking[p]--
    };
    atomic {
        if
        :: cached[p] != NONE -> assert(refs[cached[p]] > 0 && val[cached[p]] == want[p])
        :: else
        fi
    }
}

/* A pin for writing, without a lock. */
proctype gup(byte p)
{
    byte t, f;
    bool w, same;

    walking[p]++;
    t = link[p];
    w = link_w[p];
    if
    :: t != NONE ->
        atomic { assert(used[t]); f = entry[t]; w = w && leaf_w[t] };
        if
        :: f != NONE ->                                      /* what the link says is looked at last, which is the worst */
            atomic {
                same = refs[f] != 0;
                if
                :: same -> refs[f]++
                :: else
                fi
            };
            if
            :: same ->
                atomic { assert(used[t]); same = w && entry[t] == f && link[p] == t && link_w[p] && exclusive[f] };
                walking[p]--;
                if
                :: same ->
                    atomic {
                        assert(link[p] == NONE || ptl[link[p]] || entry[link[p]] == f)
                    }
                :: else
                fi;
                put_frame(f)
            :: else -> walking[p]--
            fi
        :: else -> walking[p]--
        fi
    :: else -> walking[p]--
    fi
}

/* A table of its own, as fork copies one; or the shared one is taken over. mmap_lock held. */
inline leave(p, t, n, f, m)
{
    t = link[p];
    atomic {
        !ptl[t];
        assert(used[t]);
        if
        :: links[t] <= 1 -> links[t] = 0; link_w[p] = true; n = NONE
        :: else -> ptl[t] = true; get_table(n)
        fi
    };
    if
    :: n == NONE
    :: else ->
        m = moves[t];
        f = entry[t];
        assert(f != NONE);                                   /* a page is lost */
        atomic {
            exclusive[f] = false; leaf_w[t] = false; refs[f]++;
            entry[n] = f
        };
        ptl[t] = false;
        atomic { link[p] = n; link_w[p] = true };
#ifdef UNCOUNT_FIRST
        uncount(t);
        flush(p)
#elif defined(HASH)
        atomic { !ptl[t] -> m = (moves[t] != m) };
        atomic {
            walking[p] == 0;
            if
            :: m -> cached[p] = NONE
            :: else
            fi
        };
        uncount(t)
#elif defined(HASH_KEEP)
        walking[p] == 0;
        uncount(t)
#else
        flush(p);
        uncount(t)
#endif
    fi
}

proctype writer(byte p)
{
    byte t, n, f, m;

    lock(mmap_lock[p]);
    if
    :: link[p] != NONE ->
        leave(p, t, n, f, m);
        t = link[p];
        lock(ptl[t]);
        f = entry[t];
        if
        :: f == NONE
        :: f != NONE && (exclusive[f] || refs[f] == 1) ->
            atomic { exclusive[f] = true; leaf_w[t] = true; val[f] = p + 1; want[p] = p + 1 }
        :: else ->
            entry[t] = NONE;
            flush(p);
            get_frame(n, p + 1);
            atomic { entry[t] = n; leaf_w[t] = true; want[p] = p + 1 };
            put_frame(f)
        fi;
        ptl[t] = false
    :: else
    fi;
    mmap_lock[p] = false
}

proctype exit(byte p)
{
    byte t;

    lock(mmap_lock[p]);
    t = link[p];
    if
    :: t != NONE ->
        link[p] = NONE;
#ifdef UNCOUNT_FIRST
        if
        :: links[t] != 0 -> uncount(t); flush(p)
        :: else -> flush(p); free_table(t)
        fi
#else
        flush(p);
        if
        :: links[t] != 0 -> uncount(t)
        :: else -> free_table(t)
        fi
#endif
    :: else
    fi;
    mmap_lock[p] = false
}

/* @p, whose table is shared already, gets another child. */
proctype fork(byte p, q)
{
    byte t;

    lock(mmap_lock[p]);
    member[q] = true;
    t = link[p];
    if
    :: t != NONE && links[t] != 0 ->
        atomic { !ptl[t]; links[t]++ };
        atomic { link[q] = t; want[q] = want[p] };
        flush(p)
    :: else
    fi;
    mmap_lock[p] = false;
    if
    :: run reader(q)
    :: run exit(q)
    :: run writer(q)
    fi
}

inline flush_family(p, t, q)
{
    q = 0;
    do
    :: q == NP -> break
    :: else ->
        if
#if defined(ONLY_OWN)
        :: q == p -> flush(q)
#elif defined(ONLY_LINKED)
        :: link[q] == t -> flush(q)
#elif defined(ONLY_BEFORE)
        :: before[q] -> flush(q)
#else
        :: member[q] -> flush(q)
#endif
        :: else
        fi;
        q++
    od
}

/* The mover, through the address space @p. It has a reference to the page. */
proctype mover(byte p, f)
{
    byte t, q, to;
    bool held = false, ours;
#ifdef ONLY_BEFORE
    bool before[NP];
#endif

    atomic {
        if
#ifndef NO_TRY
        :: mmap_lock[p] -> ours = false
        :: else -> mmap_lock[p] = true; ours = true
#else
        :: true -> ours = true
#endif
        fi
    };
    if
    :: ours ->
        t = link[p];
        if
        :: t != NONE ->
#ifdef NO_LOCK
            ours = true;
#else
            lock(ptl[t]);
#endif
            assert(used[t]);
#ifdef ONLY_BEFORE
            atomic { before[0] = member[0]; before[1] = member[1]; before[2] = member[2] };
#endif
            if
            :: entry[t] == f ->
#ifdef FLUSH_FIRST
                flush_family(p, t, q);
#endif
                atomic { entry[t] = NONE; moves[t]++ };
#ifndef FLUSH_FIRST
                flush_family(p, t, q);
#endif
#ifndef NO_LOOK
                held = refs[f] != 2;
#endif
                if
                :: exclusive[f] && held -> entry[t] = f
                :: else ->
                    get_frame(to, val[f]);
                    atomic { exclusive[to] = exclusive[f]; entry[t] = to };
                    put_frame(f)
                fi
            :: else
            fi;
#ifndef NO_LOCK
            ptl[t] = false
#endif
        :: else
        fi;
#ifndef NO_TRY
        mmap_lock[p] = false
#endif
    :: else
    fi;
    put_frame(f)
}

init
{
    atomic {
        used[0] = true; links[0] = 2; leaf_w[0] = true;
        refs[0] = 2;                                         /* the leaf's, the mover's */
        exclusive[0] = true;
        link[0] = 0; link[1] = 0; link[2] = NONE;
        member[0] = true; member[1] = true;
        cached[0] = NONE; cached[1] = NONE; cached[2] = NONE;
        run mover(0, 0);
        run reader(1);
        if
        :: run writer(1)
        :: run exit(1)
        :: run fork(1, 2)
        :: run gup(1)
        fi;
        if
        :: run writer(0)
        :: run exit(0)
        :: run gup(0)
        fi
    }
}
