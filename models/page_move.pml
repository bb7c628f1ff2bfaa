/* SPDX-License-Identifier: MIT */
/*
 * page_move.pml: a page of an object moves to another frame (mapping_replace in mm/page_cache.c, mm/migrate.c) against lookups
 * without a lock, readers and writers with a reference, and truncation; the frame that became free comes back as the target of
 * the next move, so a lookup may hold a pointer to its earlier life.
 *
 * One slot of the tree, two frames. The mover: a reference, both pages' locks, the tree's lock; the old word goes from 2 to 0; the
 * contents; PG_UPTODATE of the new page, then its mapping; the slot; the old word becomes the mover's. A lookup: slot, reference
 * unless the word is 0, mapping; where one of them says no it looks again under the tree's lock, where every page in the tree has a
 * word that is not 0. Checked: who finds a page finds what was written last before it looked; no write is lost; no page is left
 * behind a truncation; counts end at 0. Variants:
 *
 *   EARLY_MAPPING   the new page has its mapping and flags before the old word is 0   must fail
 *   FLAG_FIRST      mapping and PG_UPTODATE, then the contents                        must fail
 *   NO_RECHECK      a lookup does not look at the mapping behind its reference        must fail
 *   NO_ZERO         the old word stays what it is during the copy                     must fail
 *   IGNORE_REFS     the mover does not ask who else has references                    must fail
 *   SLOW_UNLOCKED   the second look goes without the tree's lock                      must fail
 *   TRUST_LOCK      truncation does not look at the mapping under the page's lock     must pass
 *   SPIN            the lookup begins again instead of taking the lock                must pass
 *   MAPPING_FIRST   mapping, contents, PG_UPTODATE: who finds it waits for its lock   must pass
 *
 * TRUST_LOCK: truncation has a reference, so what it found cannot move; the look is for a second truncation.
 */
#define NO      255
#define GARBAGE 0

byte slot = 0;
byte word[2];
bool has_mapping[2], uptodate[2], locked[2];
byte val[2];
byte latest = 1;                /* what was written last */
bool tree_lock = false, truncated = false;
byte done = 0;

inline lock(l)
{
    atomic { !l -> l = true }
}

inline put(f, n)
{
    atomic {
        assert(word[f] >= n);
        word[f] = word[f] - n;
        assert(word[f] > 0 || slot != f)
    }
}

/* mapping_find_get: @f with a reference, or NO. */
inline find(f, ok)
{
#ifdef SPIN
    do
    ::
#endif
       f = slot;
       ok = false;
       if
       :: f == NO -> ok = true
       :: else ->
          atomic { if :: word[f] > 0 -> word[f]++; ok = true :: else fi };
#ifndef NO_RECHECK
          if
          :: ok && !has_mapping[f] -> put(f, 1); ok = false
          :: else
          fi
#endif
       fi;
#ifdef SPIN
       if
       :: ok -> break
       :: else
       fi
    od;
#else
    if
    :: ok
    :: else ->
#ifndef SLOW_UNLOCKED
       lock(tree_lock);
#endif
       f = slot;
       if
       :: f != NO -> assert(word[f] > 0); word[f]++
       :: else
       fi;
#ifndef SLOW_UNLOCKED
       tree_lock = false
#endif
    fi;
#endif
    skip
}

/* Reads, then writes, what it finds, as read(2) and write(2) of tmpfs: with a reference, without the page's lock. */
proctype user()
{
    byte f, before, round = 0;
    bool ok;

    do
    :: round < 2 ->
       before = latest;
       find(f, ok);
       if
       :: f != NO ->
          if
          :: uptodate[f]
          :: else -> lock(locked[f]); assert(uptodate[f] || !has_mapping[f]); locked[f] = false
          fi;
          if
          :: uptodate[f] ->
             assert(val[f] >= before);
             atomic { latest++; val[f] = latest }
          :: else
          fi;
          put(f, 1)
       :: else -> assert(truncated)
       fi;
       round++
    :: else -> break
    od;
    done++
}

/* mapping_truncate, one page. */
proctype truncate()
{
    byte f;
    bool ok;

    truncated = true;
    find(f, ok);
    if
    :: f != NO ->
       lock(locked[f]);
#ifndef TRUST_LOCK
       if
       :: has_mapping[f] ->
#endif
          lock(tree_lock);
          assert(slot == f);
          atomic { slot = NO; has_mapping[f] = false };
          tree_lock = false;
          locked[f] = false;
          put(f, 2)
#ifndef TRUST_LOCK
       :: else -> locked[f] = false; put(f, 1)
       fi
#endif
    :: else
    fi;
    assert(slot == NO);
    done++
}

inline expose(f)
{
#ifdef MAPPING_FIRST
    has_mapping[f] = true;
#endif
#ifdef FLAG_FIRST
    uptodate[f] = true;
    has_mapping[f] = true;
#endif
    skip
}

inline replace(old, new)
{
#ifdef EARLY_MAPPING
    uptodate[new] = true;
    has_mapping[new] = true;
#endif
    lock(tree_lock);
    ok = false;
#if defined(IGNORE_REFS)
    atomic { word[old] = word[old] - 2; ok = true };
#elif defined(NO_ZERO)
    atomic { if :: word[old] == 2 -> ok = true :: else fi };
#else
    atomic { if :: word[old] == 2 -> word[old] = 0; ok = true :: else fi };
#endif
    if
    :: ok ->
       expose(new);
       copy = val[old];
       val[new] = copy;
       word[new]++;
       uptodate[new] = true;
       has_mapping[new] = true;
       slot = new;
       has_mapping[old] = false;
#ifdef NO_ZERO
       atomic { word[old]-- }
#else
       atomic { word[old] = word[old] + 1 }
#endif
    :: else -> has_mapping[new] = false
    fi;
    tree_lock = false
}

/* Found by its number, moved to the other frame when that is free, and back. */
proctype mover()
{
    byte from, to, copy, round = 0;
    bool ok;

    do
    :: round < 2 ->
       from = slot;
       ok = false;
       if
       :: from != NO -> atomic { if :: word[from] > 0 -> word[from]++; ok = true :: else fi }
       :: else
       fi;
       if
       :: ok ->
          to = 1 - from;
          ok = false;
          atomic {
              if
              :: word[to] == 0 -> word[to] = 1; uptodate[to] = false; val[to] = GARBAGE; ok = true
              :: else
              fi
          };
          if
          :: ok ->
             assert(!has_mapping[to]);
             atomic { ok = !locked[from]; locked[from] = true };
             if
             :: ok ->
                atomic { ok = !locked[to]; locked[to] = true };
                if
                :: ok ->
                   if
                   :: has_mapping[from] && uptodate[from] -> replace(from, to)
                   :: else
                   fi;
                   locked[to] = false
                :: else
                fi;
                locked[from] = false
             :: else
             fi;
             put(to, 1)
          :: else
          fi;
          put(from, 1)
       :: else
       fi;
       round++
    :: else -> break
    od;
    done++
}

init
{
    atomic {
        word[0] = 1;
        has_mapping[0] = true;
        uptodate[0] = true;
        val[0] = 1;
        run user();
        run truncate();
        run mover()
    };
    (done == 3);
    assert(slot == NO && word[0] == 0 && word[1] == 0)
}
