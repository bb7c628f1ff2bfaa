/* SPDX-License-Identifier: MIT */
/*
 * hash_refill.pml: the POWER hash MMU (arch/ppc64/mm/): refills and segment misses, which walk the tree without a lock, against a
 * flush, and segment numbers that are retired, swept and used again.
 *
 * Two tables, each a segment with one page. A CPU uses what its SLB and the hash table say, or walks (hash_walk_begin to
 * hash_walk_end, interrupts off). A flusher unmaps page 1 and frees it; a refill may give a segment a new number, as it does when
 * the page size changes; a sweeper gives retired numbers back (either of the two is at work), and a fork of another user of the
 * flusher's table retires its number and asks the CPUs later. Checked: no access reaches a freed page, or another segment's page.
 * Spin interleaves whole steps (sequential consistency); what a missing barrier would allow is two steps swapped:
 *
 *   ORDER      the flush before the wait for walks                           must fail
 *   NOROUND    CPUs do not compare their SLB after a number was retired      must fail
 *   NOASK      a flush that finds no number does not ask the CPUs            must fail
 *   NOFENCE    a walk reads the entry before its counter is seen odd         must fail
 *   NODROP     a sweep without emptying the SLBs                             must fail
 *   EARLY      numbers are free before their entries are removed             must fail
 *   NOWAIT     a sweep that does not wait for walks                          must pass
 *
 * The last one says that the sweep's round of calls waits for walks, too, since they run with interrupts off.
 */
#define CPUS     2
#define NUMBERS  4 /* 0: none */

bool walks[CPUS];              /* the counter is odd: the CPU walks */
byte slb[CPUS * 2];            /* number by CPU and table */
byte call[CPUS];               /* 1: compare the SLB with the tree, 2: empty it */
byte pte[2], seg[2];           /* the tree: page and number of each table */
byte hpt[NUMBERS];             /* the hash table: page by number */
bool used[NUMBERS], dead[NUMBERS], sweeping[NUMBERS];
bool freed[3];
bool changed = false;          /* one change of a page size is enough */

inline alloc(n)
{
    atomic {
        if
        :: !used[1] -> n = 1; used[1] = true
        :: else ->
            if
            :: !used[2] -> n = 2; used[2] = true
            :: else ->
                if
                :: !used[3] -> n = 3; used[3] = true
                :: else -> n = 0
                fi
            fi
        fi
    }
}

inline serve(c)
{
    atomic {
    if
    :: call[c] == 2 -> slb[c * 2] = 0; slb[c * 2 + 1] = 0
    :: call[c] == 1 ->
        if
        :: slb[c * 2] != seg[0] -> slb[c * 2] = 0
        :: else
        fi;
        if
        :: slb[c * 2 + 1] != seg[1] -> slb[c * 2 + 1] = 0
        :: else
        fi
    fi;
    call[c] = 0
    }
}

inline refill(c, t)
{
#ifdef NOFENCE
    e = pte[t];
    walks[c] = true;
#else
    walks[c] = true;
    e = pte[t];
#endif
    n = seg[t];
    if
    :: e == 0 || (n != 0 && changed) -> skip
    :: e != 0 && (n == 0 || !changed) ->                      /* segment_word() */
        alloc(new);
        if
        :: new != 0 ->
            atomic {
                if
                :: seg[t] == n ->
                    seg[t] = new;
                    if
                    :: n != 0 -> dead[n] = true; changed = true
                    :: else
                    fi;
                    n = new
                :: else -> dead[new] = true; n = 0
                fi
            }
        :: else
        fi;
        new = 0
    :: e != 0 && n != 0 -> skip
    fi;
    if
    :: e != 0 && n != 0 ->
        hpt[n] = e;
        slb[c * 2 + t] = n
    :: else
    fi;
    atomic { walks[c] = false; n = 0; e = 0 }
}

inline access(c, t)
{
    if
    :: slb[c * 2 + t] == 0 ->                                 /* ppc_slb_miss() */
        atomic { walks[c] = true; n = seg[t] };
        atomic { slb[c * 2 + t] = n; walks[c] = false; n = 0 }
    :: else
    fi;
    atomic {
        e = hpt[slb[c * 2 + t]];
        if
        :: e != 0 -> assert(e == t + 1 && !freed[e])
        :: else
        fi
    }
    if
    :: e == 0 -> refill(c, t)
    :: else
    fi
}

proctype cpu(byte c; byte left)
{
    byte n, e, new;

endcpu:
    do
    :: call[c] != 0 -> serve(c)
    :: left > 0 -> left--; access(c, 0)
    :: left > 0 -> left--; access(c, 1)
    od
}

/* The code does not wait for a walk that begins meanwhile; waiting for it, too, changes nothing. */
inline quiesce()
{
    !walks[0];
    !walks[1]
}

inline round(c, what)
{
    for (c : 0 .. CPUS - 1) {
        call[c] = what;
        call[c] == 0
    }
}

/* What hash_flush_range() does with the segment: remove the entry, or retire the number. */
inline flush(n)
{
    n = seg[0];
    if
    :: n == 0
    :: n != 0 -> hpt[n] = 0
    :: n != 0 ->
        atomic {
            if
            :: seg[0] == n -> seg[0] = 0; dead[n] = true
            :: else
            fi
        }
    fi;
    if
    :: n == 0 ->
#ifndef NOASK
        round(c, 1)
#else
        skip
#endif
    :: n != 0 ->
#ifndef NOROUND
        round(c, 1)
#else
        skip
#endif
    fi
}

/* hash_flush_mm() of a user of the same table */
inline fork(c, n)
{
    atomic {
        n = seg[0];
        if
        :: n != 0 -> seg[0] = 0; dead[n] = true
        :: else
        fi
    };
    round(c, 1)
}

/* A page is unmapped and freed. */
inline unmap(c, n)
{
    pte[0] = 0;
#ifdef ORDER
    flush(n);
    quiesce();
#else
    quiesce();
    flush(n);
#endif
    freed[1] = true
}

/* seg_sweep() */
inline sweep(c, n)
{
    atomic {
        for (n : 1 .. NUMBERS - 1) {
            sweeping[n] = dead[n];
            dead[n] = false
        }
    };
#ifndef NOWAIT
    quiesce();
#endif
#ifndef NODROP
    round(c, 2);
#endif
    for (n : 1 .. NUMBERS - 1) {
        if
        :: sweeping[n] ->
#ifdef EARLY
            used[n] = false;
            hpt[n] = 0;
#else
            hpt[n] = 0;
            used[n] = false;
#endif
            sweeping[n] = false
        :: else
        fi
    }
}

mtype = { SWEEPS, UNMAPS, FORKS };

proctype kernel(mtype what)
{
    byte c, n;

    if
    :: what == SWEEPS -> sweep(c, n)
    :: what == UNMAPS -> unmap(c, n)
    :: what == FORKS -> fork(c, n)
    fi
}

init
{
    atomic {
        pte[0] = 1;
        pte[1] = 2;
        seg[0] = 1;
        used[1] = true;
        run cpu(0, 2);
        run cpu(1, 2);
        if
        :: run kernel(SWEEPS)
        :: run kernel(UNMAPS)
        :: run kernel(UNMAPS); run kernel(FORKS)
        fi
    }
}
