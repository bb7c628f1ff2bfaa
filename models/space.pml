/* SPDX-License-Identifier: MIT */
/*
 * space.pml: a space's table that two users link: faults that make links under the host's lock, users that drop theirs, one who
 * unmaps and maps inside, hardware that walks and caches links and translations.
 *
 * The host has one area, one level-1 table and one page. A link is made with the host locked for reading, counted before it is
 * stored; it is dropped in the order: slot, this user's TLB, count. Unmapping inside holds the host's lock for writing to the end:
 * leaf, one round for all who have links or unlinks that were not flushed, page; the table goes only when its count is 0.
 * Checked: nobody reads a table that was freed; no TLB translates to a page that was freed; links and counts agree in the end.
 *
 *   FREE_LINKED    the table goes without a look at the count                            must fail
 *   LINK_LATE      a fault lets the host's lock go before it links                       must fail
 *   UNCOUNT_FIRST  the count drops before the user is flushed                            must fail
 *   NO_ROUND       only the host is flushed, which no CPU runs                           must fail
 *   PUT_FIRST      the page is freed before the round                                    must fail
 *   DOWNGRADE      tables are freed with the host locked for reading only                must fail
 *   COUNT_LATE     a link is counted after it was stored                                 must pass
 *
 * COUNT_LATE passes because who counts links to decide something has the host to himself. The flush of other spaces and objects,
 * which this model leaves out, looks at nr_shared without that lock.
 */
#define USERS 2

bool area = true, leaf, table, page;  /* the host's */
byte count;                           /* of links: page->pt_shared */
byte readers, faults[USERS];
bool writer;

bool slot[USERS];                     /* each user's link */
byte nr_shared[USERS];
bool cached[USERS], tlb[USERS];       /* hardware: a link, a translation */
byte done;

inline walk(u)
{
    atomic { slot[u] -> assert(table); cached[u] = true }
}

/* Through a link that may be no longer there. */
inline translate(u)
{
    atomic { cached[u] -> assert(table); if :: leaf -> assert(page); tlb[u] = true :: else fi }
}

inline flush(u)
{
    atomic { cached[u] = false; tlb[u] = false }
}

inline count_link(u)
{
    atomic { count++; nr_shared[u]++ }
}

inline fault(u)
{
    atomic { !writer -> readers++ }
    if
    :: area ->
        atomic { if :: !table -> table = true :: else fi; if :: !leaf -> page = true; leaf = true :: else fi }
#ifdef LINK_LATE
        readers--;
#endif
        if
        :: !slot[u] ->
#ifdef COUNT_LATE
            slot[u] = true;
            count_link(u)
#else
            count_link(u);
            slot[u] = true
#endif
        :: else
        fi
#ifndef LINK_LATE
        ; readers--
#endif
    :: else -> readers--
    fi
}

inline unlink(u)
{
    if
    :: slot[u] ->
        slot[u] = false;
#ifdef UNCOUNT_FIRST
        atomic { count--; nr_shared[u]-- };
        flush(u)
#else
        flush(u);
        atomic { count--; nr_shared[u]-- }
#endif
    :: else
    fi
}

active [USERS] proctype user()
{
    byte u = _pid;

    do
    :: faults[u] < 2 -> faults[u]++; fault(u)
    :: faults[u] > 0 -> unlink(u)
    :: slot[u] -> atomic { slot[u] -> assert(table) } /* a reader of this user's tables */
    :: faults[u] == 2 -> break
    od;
    unlink(u);
    done++
}

active [USERS] proctype hardware()
{
    byte u = _pid - USERS;

    do
    :: walk(u)
    :: translate(u)
    :: atomic { tlb[u] -> assert(page) }
    :: done > USERS -> break
    od
}

inline round()
{
#ifndef NO_ROUND
    atomic { if :: nr_shared[0] > 0 -> flush(0) :: else fi }
    atomic { if :: nr_shared[1] > 0 -> flush(1) :: else fi }
#else
    skip
#endif
}

active proctype changer()
{
    byte times = 0;

    do
    :: times < 2 ->
        times++;
        atomic { !writer && readers == 0 -> writer = true }
        area = false;
        leaf = false;
#ifdef PUT_FIRST
        page = false;
        round();
#else
        round();
        page = false;
#endif
#ifdef DOWNGRADE
        area = true; /* another one in the table's span, which faults find */
        atomic { writer = false; readers++ }
#endif
        if
#ifdef FREE_LINKED
        :: table -> table = false
#else
        :: table && count == 0 ->
#ifdef DOWNGRADE
            skip;
#endif
            table = false
#endif
        :: else
        fi;
#ifdef DOWNGRADE
        readers--
#else
        area = true; /* something new is mapped there */
        writer = false
#endif
    :: times == 2 -> break
    od;
    done++;
    atomic { done == USERS + 1 -> assert(count == 0 && nr_shared[0] == 0 && nr_shared[1] == 0 && !tlb[0] && !tlb[1]) }
}
