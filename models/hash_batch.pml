/* SPDX-License-Identifier: MIT */
/*
 * hash_batch.pml: entries that leave the POWER hash table in a batch (arch/ppc64/mm/hpt.c), against an insertion of the same
 * translation on another CPU.
 *
 * One slot. What the kernel remembers of it is 0, THERE, or LEAVING: in somebody's batch, who calls the hypervisor and then
 * forgets it, both without the lock of the slot's pair. Who finds the translation under the lock (lock_pair) waits while it is
 * leaving; otherwise he may take it out himself (an update). Checked: the hypervisor is asked to remove only what is in its table,
 * and to enter only where nothing is. Mutants:
 *
 *   TWICE      found by one look at the word, leaving by another; 0 counts as not leaving     must fail
 *   FORGET     the batch forgets the entry before the hypervisor is called                    must fail
 *   NOMARK     an entry in a batch is not marked                                              must fail
 */
#define THERE   1
#define LEAVING 2

byte word;    /* what is remembered */
bool table;   /* the hypervisor's table */
bool locked;

inline lock()
{
    atomic { !locked -> locked = true }
}

inline unlock()
{
    locked = false
}

inline remove_from_table()
{
    atomic { assert(table); table = false }
}

/* lock_pair(): locked afterwards; found says whether the translation is there. */
inline lock_pair()
{
    do
    ::  lock();
        w = word;                       /* find() */
        if
        :: w == 0 -> found = false; break
        :: else
        fi;
        w = word;
        if
#ifdef TWICE
        :: w != LEAVING -> found = true; break
        :: w == LEAVING -> unlock()
#else
        :: w == THERE -> found = true; break
        :: w != THERE -> unlock()
#endif
        fi
    od
}

/* hpt_batch_add() and hpt_batch_end() */
proctype flusher()
{
    byte w, rounds = 2;
    bool found;

end:
    do
    :: rounds > 0 ->
        rounds--;
        lock_pair();
#ifndef NOMARK
        if
        :: found -> word = LEAVING
        :: else
        fi;
#endif
        unlock();
        if
        :: found ->
#ifdef FORGET
            word = 0;
            remove_from_table()
#else
            remove_from_table();
            word = 0
#endif
        :: else
        fi
    :: rounds == 0 -> break
    od
}

/* insert_any() */
proctype refill()
{
    byte w, rounds = 2;
    bool found;

end:
    do
    :: rounds > 0 ->
        rounds--;
        lock_pair();
        if
        :: found -> remove_from_table(); word = 0
        :: else
        fi;
        atomic { assert(!table); table = true };
        word = THERE;
        unlock()
    :: rounds == 0 -> break
    od
}

init
{
    atomic {
        run flusher();
        run refill();
        run refill()
    }
}
