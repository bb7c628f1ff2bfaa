/* SPDX-License-Identifier: MIT */
/*
 * vma_lock.pml: the lock of one area (mm/vma_lock.c): readers that are page faults, writers that hold mmap_lock.
 *
 * Step names are those of the head of mm/vma_lock.c. Checked: while a reader is between R4 and R5 no writer changes the area and
 * the area is not freed; nobody sleeps for ever. Spin interleaves whole steps (sequential consistency); what a missing barrier
 * would allow is modelled as its two steps swapped:
 *
 *   NOFENCE_R  R3 loads before R1's increment is visible       must fail
 *   NOFENCE_W  W3 loads before W1's store is visible           must fail
 *   EARLY      W5 before W4 is finished                        must fail
 *   NORECHECK  R4 left out                                     must fail
 *   NOWAKE     R5 does not wake                                must fail
 *   NOMARK     W3 sleeps without the mark                      must fail
 *   NORCU      freed without a grace period                    must fail
 *   SEQ_ORDER  R3 reads mm->lock_seq before v->lock_seq        must pass
 *
 * The last one says that the order of R3's two loads does not matter: a writer that comes after R1 waits for the reader anyway.
 */
#ifndef READERS
#define READERS 2
#endif
#ifndef WRITERS
#define WRITERS 2
#endif

byte mm_seq = 1, v_seq = 0, readers = 0;
bool mark = false;              /* VMA_WRITER_WAITS, in the word of readers */
bool mmap_lock = false;
bool queued = false, woken = false; /* mm->vma_wait: one writer at most */
bool in_tree = true, detached = false, changing = false, freed = false;
byte in_rcu = 0, working = 0;

inline touch()                  /* any access to the area's memory */
{
    assert(!freed);
}

/* R5: one atomic step on the word, then perhaps a wake-up; the area itself is not touched any more. */
inline read_unlock()
{
    bool wake;

    atomic {
        touch();
        readers--;
        wake = mark && readers == 0;
    }
#ifndef NOWAKE
    if
    :: wake -> atomic { if :: queued -> woken = true :: else fi }
    :: else
    fi
#endif
}

proctype reader()
{
    byte seen_v, seen_mm;
    bool ok = false;

    in_rcu++;
    if
    :: in_tree ->
#ifdef NOFENCE_R
        atomic { touch(); seen_v = v_seq };
        seen_mm = mm_seq;
        atomic { touch(); readers++ };
#else
        atomic { touch(); readers++ };                       /* R1, R2 */
#ifdef SEQ_ORDER
        seen_mm = mm_seq;
        atomic { touch(); seen_v = v_seq };
#else
        atomic { touch(); seen_v = v_seq };                  /* R3 */
        seen_mm = mm_seq;
#endif
#endif
        if
#ifdef NORECHECK
        :: seen_v != seen_mm -> ok = true
#else
        :: seen_v != seen_mm && !detached -> ok = true       /* R4 */
#endif
        :: else -> read_unlock()
        fi
    :: else
    fi;
    in_rcu--;
    if
    :: ok ->
        working++;
        assert(!changing && !freed && !detached);
        working--;
        read_unlock()
    :: else
    fi
}

inline write_lock()
{
    byte seen;

    if
    :: v_seq == mm_seq                                       /* by this writer already */
    :: else ->
#ifdef NOFENCE_W
        seen = readers;
        v_seq = mm_seq;
#else
        v_seq = mm_seq;                                      /* W1, W2 */
        seen = readers;                                      /* W3 */
#endif
        if
        :: seen != 0 ->
#ifndef NOMARK
            mark = true;
#endif
            do
            :: queued = true;
               if
               :: readers == 0 -> break
               :: else ->
                   woken;                                    /* sleeps */
                   woken = false
               fi
            od;
            queued = false;
            woken = false;
            mark = false
        :: else
        fi
    fi
}

proctype writer(bool removes)
{
    atomic { !mmap_lock -> mmap_lock = true };
    if
    :: !detached ->
        write_lock();
        changing = true;                                     /* W4 */
#ifdef EARLY
        mm_seq++;
#endif
        assert(working == 0);
        if
        :: removes -> in_tree = false; detached = true
        :: else
        fi;
        changing = false;
#ifndef EARLY
        mm_seq++;                                            /* W5 */
#endif
        mmap_lock = false;
        if
        :: removes ->
#ifndef NORCU
            in_rcu == 0;
#endif
            freed = true
        :: else
        fi
    :: else -> mmap_lock = false
    fi
}

init
{
    byte i;

    atomic {
        for (i : 1 .. READERS) {
            run reader()
        };
        for (i : 1 .. WRITERS) {
            run writer(i == WRITERS)
        }
    }
}
