/* SPDX-License-Identifier: MIT */
/*
 * gib.pml: a leaf over a table of huge leaves (mm/gib.c), which is the table's link in another form: promoted, put back, and what
 * happens below it meanwhile.
 *
 * A table of N entries, each a huge leaf of its own frame. Promotion puts a leaf in the place of the table's link, when all
 * entries are leaves with permissions; the table stays below it, with its entries. Whoever changes an entry of the table has its
 * lock, and puts the link back first: the leaf without permissions, a flush, the link. A split of a part (models/split.pml) does
 * that within its own three steps: both leaves lose their permissions, one flush, both are replaced. Another CPU may put the link
 * back in between.
 *
 * The machine is the stricter one: a TLB must not hold two sizes for one address, and what drops the translations of one size
 * leaves those of another. Checked besides: a frame goes when no TLB translates to it; a lockless pin that passed its second look
 * is on the frame that was mapped; nobody finds the entry empty; in the end the entry is right. Variants:
 *
 *   BUG_NODEMOTE   who changes an entry leaves the leaf above it                  must fail
 *   BUG_NOFLUSH    the link takes the leaf's place without a flush                must fail
 *   BUG_PROFLUSH   the leaf takes the link's place without a flush                must fail
 *   BUG_NARROW     the split of a part flushes that part only                     must fail
 *   BUG_LINKFIRST  the split of a part puts the link back before its flush        must fail
 *   BUG_EMPTY      the entry is empty while the flush goes on                     must fail
 *   BUG_INVALID    promotion takes a leaf without permissions for one             must fail
 *   BUG_UNLOCKED   the link is put back without the table's lock                  must fail
 *   BUG_NORECHECK  a lockless pin does not look at the entry again                must fail
 *   SPLITTING      promotion over a frame that a split has made small already     must pass
 *   TWO_SPLIT      both parts are split                                           must pass
 *   PIN            a lockless pin instead of the program that uses the memory     must pass
 */
#define N 2

#ifdef BUG_NORECHECK
#define PIN
#endif

#define LINK    0
#define LEAF    1
#define INVALID 2
#define EMPTY   3
#define SMALL   4               /* an entry: the table of small entries */

byte top = LINK;                /* the entry above the table */
bool flag = false;              /* a leaf stands in its place; the table's lock */
byte e[N];
bool ptl = false;
bool small[N];                  /* a split has made the frame small */
bool tlb_top = false, tlb_leaf[N], tlb_small[N];
byte cnt[N];                    /* the leaf's reference, pins */
bool reused[N];
byte done = 0, started = 0;

inline lock() { atomic { !ptl -> ptl = true } }
inline unlock() { ptl = false }

inline flush_all()
{
    atomic { tlb_top = false; tlb_leaf[0] = false; tlb_leaf[1] = false; tlb_small[0] = false; tlb_small[1] = false }
}

inline two_sizes()
{
    assert(!(tlb_top && (tlb_leaf[0] || tlb_leaf[1] || tlb_small[0] || tlb_small[1])));
    assert(!(tlb_leaf[0] && tlb_small[0]) && !(tlb_leaf[1] && tlb_small[1]))
}

inline put(i)
{
    atomic {
        assert(cnt[i] > 0);
        cnt[i]--;
        if
        :: cnt[i] == 0 -> /* the frame goes, and is somebody else's at once */
           assert(!tlb_top && !tlb_leaf[i] && !tlb_small[i] && top != LEAF);
           cnt[i] = 1;
           reused[i] = true
        :: else
        fi
    }
}

/* The table is locked. */
inline demote()
{
    if
#ifdef BUG_NODEMOTE
    :: false
#else
    :: flag ->
#ifdef BUG_EMPTY
       top = EMPTY;
#else
       top = INVALID;
#endif
#ifndef BUG_NOFLUSH
       flush_all();
#endif
       flag = false;
       top = LINK
#endif
    :: else
    fi
}

proctype promoter()
{
    bool fit;

    lock();
    fit = top == LINK;
    if
#ifdef BUG_INVALID
    :: fit && (e[0] == LEAF || e[0] == INVALID) && (e[1] == LEAF || e[1] == INVALID) ->
#else
#ifdef SPLITTING
    :: fit && e[0] == LEAF && e[1] == LEAF ->
#else
    :: fit && e[0] == LEAF && e[1] == LEAF && !small[0] && !small[1] ->
#endif
#endif
       flag = true;
       top = INVALID;
#ifndef BUG_PROFLUSH
       flush_all();
#endif
       top = LEAF
    :: else
    fi;
    unlock();
    done++
}

/* Takes a part away: a zap, or the copy that a write makes. */
proctype zapper(byte i)
{
    bool go;

    do
    ::
#ifdef BUG_UNLOCKED
       demote();
       lock();
#else
       lock();
       demote();
#endif
       go = false;
       if
       :: atomic { e[i] == LEAF && !small[i] -> e[i] = EMPTY }; go = true /* BUSY keeps the split out */
       :: e[i] == SMALL -> e[i] = EMPTY; go = true
       :: else
       fi;
       unlock();
       if
       :: go -> break
       :: else -> (e[i] == SMALL || !small[i]) /* huge_wait */
       fi
    od;
    atomic { tlb_leaf[i] = false; tlb_small[i] = false }; /* the gather's flush: of the sizes that it changed */
    put(i);
    done++
}

proctype splitter(byte i)
{
    bool mine = false, whole = false;

    atomic { if :: e[i] == LEAF && !small[i] -> small[i] = true; mine = true :: else fi };
    if
    :: mine ->
       lock();
       if
#ifndef BUG_NODEMOTE
       :: flag -> whole = true;
#ifdef BUG_LINKFIRST
          flag = false; top = LINK
#else
          top = INVALID
#endif
#endif
       :: else
       fi;
       e[i] = INVALID;
       unlock();
       if
#ifndef BUG_NARROW
       :: whole -> flush_all()
#endif
       :: else -> atomic { tlb_leaf[i] = false; tlb_small[i] = false }
       fi;
       lock();
       assert(e[i] == INVALID);
       e[i] = SMALL;
       if
       :: flag -> flag = false; top = LINK
       :: else
       fi;
       unlock()
    :: else
    fi;
    done++
}

/* A program: the hardware walks. */
proctype toucher(byte i)
{
    byte tries = 3;

    do
    :: tries > 0 ->
       tries--;
       atomic {
           if
           :: top == LEAF -> tlb_top = true
           :: top == LINK && e[i] == LEAF -> tlb_leaf[i] = true
           :: top == LINK && e[i] == SMALL -> tlb_small[i] = true
           :: top == EMPTY -> assert(false) /* a fault would make a second table */
           :: else
           fi;
           two_sizes()
       }
    :: else -> break
    od;
    done++
}

/* gup.c: the entry, the count, the entry again. */
proctype gup(byte i)
{
    byte t, l;

    t = top;
    l = e[i];
    if
    :: t == LEAF || (t == LINK && (l == LEAF || l == SMALL)) ->
       cnt[i]++;
       if
#ifdef BUG_NORECHECK
       :: true ->
#else
       :: top == t && (t == LEAF || e[i] == l) ->
#endif
          assert(!reused[i]);
          put(i)
       :: else -> put(i)
       fi
    :: else
    fi;
    done++
}

init
{
    atomic {
        e[0] = LEAF;
        e[1] = LEAF;
        cnt[0] = 1;
        cnt[1] = 1;
        run promoter();
        run zapper(0);
        run splitter(1);
        started = 3;
#ifdef TWO_SPLIT
        run splitter(0);
        started++;
#endif
#ifdef PIN
        run gup(0);
        started++;
#else
        run toucher(0);
        run toucher(1);
        started = started + 2;
#endif
#ifndef TWO_SPLIT
        run zapper(1);
        started++;
#endif
    };
    (done == started);
    assert(top == (flag -> LEAF : LINK) && !ptl)
}
