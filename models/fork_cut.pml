/* SPDX-License-Identifier: MIT */
/*
 * fork_cut.pml: page tables of private memory of files that fork shares (mm/pt_share_fork.c) against truncation, which takes
 * leaves out of tables without mmap_lock (mm/rmap_file.c).
 *
 * One table of a file's area with one leaf, of a page of the file; a parent and its two children, which may have links to it. A parent
 * forks under its mmap_lock: its own table becomes a shared one under the mapping's vmas_lock for writing, the child's link needs
 * no such lock. Who changes something leaves a shared table with a copy, under mmap_lock. Truncation looks for links under
 * vmas_lock for reading; while there are some, it lets an owner leave, under his mmap_lock; when it has found none it takes the
 * leaves out of all own tables, still under vmas_lock. An area is on the list before it gets a table. A child may be dying: then
 * its links are passed by. Checked: after a truncation nobody who lives maps the page; nobody takes a leaf out of a table with
 * links; everything ends.
 *
 *   NO_LOCK      fork shares a table without vmas_lock                            must fail
 *   DROP_LOCK    truncation drops vmas_lock between the last look and the zap     must fail
 *   LOOK_ONCE    it lets those leave that it found at first, and looks no more    must fail
 *   ZAP_FIRST    it takes leaves out before the users leave                       must fail
 *   COPY_LINKED  who copies a table does so without mmap_lock                     must fail
 *   NO_MARK      forks share also while a truncation is under way, some forks     must pass
 */
#define N 3 /* 0: the parent; 1 and 2: its children; 2 only lives */
#define NONE 0
#define OWN 1
#define LINK 2

byte table[N];      /* what the slot of each has */
bool leaf[N];       /* in a table of his own: is the page mapped? */
bool on_list[N];    /* the area is on the mapping's list */
bool alive[N];      /* it has users */
bool born[N];
bool common = true; /* the same in the table that has links */
bool mmap_locked[N];
byte readers, writer;
bool cuts;

inline lock(m)
{
    atomic {
        !mmap_locked[m] -> mmap_locked[m] = true
    }
}
inline unlock(m)
{
    mmap_locked[m] = false
}

/* mmap_lock held. The last one takes the table over: the same to all others as a copy. */
inline leave(m)
{
    if
    :: table[m] == LINK ->
        copy = common;
        atomic {
            table[m] = OWN;
            leaf[m] = copy
        }
    :: else
    fi
}

inline do_fork(m, child)
{
    lock(m);
    alive[child] = true;
    mmap_locked[child] = true;
    on_list[child] = true; /* under vmas_lock, which nothing here depends on */
#ifndef NO_MARK
    if
    :: cuts -> leave(m)
    :: else
    fi;
#endif
    if
    :: table[m] == OWN ->
#ifndef NO_LOCK
        atomic {
            readers == 0 && writer == 0 -> writer = 1
        }
#endif
        if
#ifdef NO_MARK
        :: true
#else
        :: cuts
        :: !cuts
#endif
            -> common = leaf[m];
               table[m] = LINK
        fi;
#ifndef NO_LOCK
        writer = 0
#endif
    :: else
    fi;
    if
    :: table[m] == LINK -> table[child] = LINK
    :: table[m] == OWN -> /* entries are copied under the table's lock */
        atomic {
            table[child] = OWN;
            leaf[child] = leaf[m]
        }
    fi;
    born[child] = true;
    unlock(child);
    unlock(m)
}

/* Leaves, by a write fault, perhaps; then dies, perhaps. */
inline go_on(m)
{
    if
    :: true ->
#ifndef COPY_LINKED
        lock(m);
#endif
        leave(m);
#ifndef COPY_LINKED
        unlock(m)
#endif
    :: true
    fi;
    if
    :: m != 0 -> atomic {
            alive[m] = false
        }
        table[m] = NONE;
        on_list[m] = false
    :: true
    fi
}

proctype parent()
{
    bool copy;

    do_fork(0, 1);
    if
    :: true -> do_fork(0, 2)
    :: true
    fi;
    go_on(0)
}

proctype child()
{
    bool copy;

    born[1] -> go_on(1)
}

inline find()
{
    found = N;
    i = 0;
    do
    :: i == N -> break
    :: else ->
        if
        :: found == N && on_list[i] && table[i] == LINK && alive[i] -> found = i
        :: else
        fi;
        i++
    od
}

inline zap()
{
    i = 0;
    do
    :: i == N -> break
    :: else ->
        atomic {
            if
            :: on_list[i] && table[i] == OWN -> leaf[i] = false
            :: else
            fi
        };
        i++
    od
}

proctype truncation()
{
    bool copy;
    byte i, found;

    atomic {
        writer == 0 -> readers++
    }
#ifdef ZAP_FIRST
    zap();
#endif
    find();
    do
    :: found == N -> break
    :: else ->
        cuts = true;
        readers--;
        lock(found);
        leave(found);
        unlock(found);
        atomic {
            writer == 0 -> readers++
        }
#ifdef LOOK_ONCE
        break;
#endif
        find()
    od;
#ifdef DROP_LOCK
    readers--;
    atomic {
        writer == 0 -> readers++
    }
#endif
#ifndef ZAP_FIRST
    zap();
#endif
    readers--;
    cuts = false
}

init {
    atomic {
        table[0] = OWN;
        leaf[0] = true;
        on_list[0] = true;
        alive[0] = true;
        run parent();
        run child();
        run truncation()
    }
    /* Nothing is running any more: what does anybody map? */
    _nr_pr == 1;
    byte k;
    for (k : 0 .. N - 1) {
        assert(!(alive[k] && table[k] == OWN && leaf[k]));
        assert(!(alive[k] && table[k] == LINK && common))
    }
}
