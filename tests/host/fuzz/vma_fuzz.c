/* SPDX-License-Identifier: MIT */
/*
 * vma_fuzz.c: a byte string is a program of memory calls, run on an address space and on a table
 * with one row per page. After each call the areas say what the table says, page by page; contents
 * are compared through the page tables. Forks go on as the child; calls whose allocations fail must
 * leave the invariants whole, after which both sides start afresh.
 */
#include <asm/errno.h>
#include <kernel/string.h>
#include <mm/page_cache.h>
#include <mm/slab.h>
#include "host.h"
#include "mm/vma_internal.h"
#include "world.h"

#define BASE     0x200000000UL
#define NR_PAGES 48u
#define PG(n)    (BASE + (vaddr_t)(n) * PAGE_SIZE)

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

enum kind { NONE, ANON, SHARED, PRIVATE };

struct row {
    enum kind kind;
    u8 prot;
    bool locked, dontfork;
    u8 index;    /* SHARED, PRIVATE: page of the file */
    bool own;    /* PRIVATE: has its own copy */
    u8 value;    /* ANON, PRIVATE with a copy */
};

static struct row model[NR_PAGES];
static u8 file_value[256];
static struct file *file;
static struct mm *mm;

struct input {
    const u8 *p, *end;
};

static u8 next(struct input *in)
{
    return in->p < in->end ? *in->p++ : 0;
}

static u8 *value_of(struct row *r)
{
    return r->kind == SHARED || (r->kind == PRIVATE && !r->own) ? &file_value[r->index] : &r->value;
}

static void compare_areas(void)
{
    for (unsigned int i = 0; i < NR_PAGES; i++) {
        struct vma *v = vma_lookup(mm, PG(i));
        struct row *r = &model[i];

        REQUIRE((v != NULL) == (r->kind != NONE));
        if (!v)
            continue;
        REQUIRE((v->flags & VM_ACCESS_FLAGS) == r->prot);
        REQUIRE(((v->flags & VM_LOCKED) != 0) == r->locked);
        REQUIRE(((v->flags & VM_DONTCOPY) != 0) == r->dontfork);
        REQUIRE(((v->flags & VM_SHARED) != 0) == (r->kind == SHARED));
        REQUIRE((v->file == file) == (r->kind >= SHARED));
        if (v->file)
            REQUIRE(v->pgoff + ((PG(i) - v->start) >> PAGE_SHIFT) == r->index);
    }
}

static void compare_contents(void)
{
    for (unsigned int i = 0; i < NR_PAGES; i++) {
        struct row *r = &model[i];
        u8 b = 0;
        bool readable = r->kind != NONE && r->prot & PROT_READ;

        REQUIRE((mm_access_remote(mm, PG(i) + 7, &b, 1, false) == 1) == readable);
        if (readable)
            REQUIRE(b == *value_of(r));
    }
}

static void start(void)
{
    static bool booted;

    if (!booted)
        host_world_init(MIB(32));
    booted = true;
    memset(model, 0, sizeof(model));
    memset(file_value, 0, sizeof(file_value));
    file = host_file_create(256 * PAGE_SIZE, FMODE_READ | FMODE_WRITE);
    mm = mm_alloc();
    REQUIRE(!IS_ERR(file) && mm);
}

static void stop(void)
{
    mm_put(mm);
    file_put(file);
    rcu_barrier();
    REQUIRE(host_nr_files == 0 && vm_committed() == 0);
}

/* A range of the region: at least one page. */
static void range(struct input *in, unsigned int *first, unsigned int *nr)
{
    *first = next(in) % NR_PAGES;
    *nr = 1 + next(in) % min(12u, NR_PAGES - *first);
}

static void op_map(struct input *in)
{
    unsigned int first, nr;
    u8 how = next(in), index = next(in) % 128;
    enum kind kind = 1 + how % 3;
    struct mmap_request r;

    range(in, &first, &nr);
    r = (struct mmap_request){
        .addr = PG(first), .len = nr * PAGE_SIZE, .prot = (how >> 2) & 3, .pgoff = index};
    r.flags = MAP_FIXED | (kind == SHARED ? MAP_SHARED : MAP_PRIVATE) |
              (kind == ANON ? MAP_ANONYMOUS : 0) | (how & 16 ? MAP_LOCKED : 0);
    r.file = kind == ANON ? NULL : file;
    REQUIRE(mm_mmap(mm, &r) == (long)PG(first));
    for (unsigned int i = 0; i < nr; i++)
        model[first + i] = (struct row){
            .kind = kind, .prot = (u8)r.prot, .index = (u8)(index + i), .locked = how & 16};
    /* faulted in: a private writable page is its own from now on */
    for (unsigned int i = 0; i < nr && how & 16; i++)
        if (kind == PRIVATE && r.prot & PROT_WRITE) {
            model[first + i].value = file_value[index + i];
            model[first + i].own = true;
        }
}

static void op_unmap(struct input *in)
{
    unsigned int first, nr;

    range(in, &first, &nr);
    REQUIRE(mm_munmap(mm, PG(first), nr * PAGE_SIZE) == 0);
    memset(&model[first], 0, nr * sizeof(model[0]));
}

/* Pages from @first on that are mapped, at most @nr. */
static unsigned int mapped_run(unsigned int first, unsigned int nr)
{
    unsigned int i = 0;

    while (i < nr && model[first + i].kind != NONE)
        i++;
    return i;
}

/* Locked private writable memory has its own pages: what populate does. */
static void own_pages(unsigned int first, unsigned int nr)
{
    for (unsigned int i = first; i < first + nr; i++) {
        struct row *r = &model[i];

        if (r->kind == PRIVATE && r->locked && r->prot & PROT_WRITE && !r->own) {
            r->value = file_value[r->index];
            r->own = true;
        }
    }
}

static void op_protect(struct input *in)
{
    unsigned int first, nr, done;
    u8 prot = next(in) & 3;
    bool populate = false;

    range(in, &first, &nr);
    done = mapped_run(first, nr);
    REQUIRE(mm_mprotect(mm, PG(first), nr * PAGE_SIZE, prot) == (done == nr ? 0 : -ENOMEM));
    for (unsigned int i = first; i < first + done; i++) {
        model[i].prot = prot;
        populate |= model[i].locked && prot & PROT_WRITE && model[i].kind != SHARED;
    }
    if (populate)
        own_pages(first, nr);
}

static void op_lock(struct input *in)
{
    unsigned int first, nr, done;
    bool lock = next(in) & 1;
    int err;

    range(in, &first, &nr);
    done = mapped_run(first, nr);
    err = lock ? mm_mlock(mm, PG(first), nr * PAGE_SIZE, VM_LOCKED)
               : mm_munlock(mm, PG(first), nr * PAGE_SIZE);
    for (unsigned int i = first; i < first + done; i++)
        model[i].locked = lock;
    if (done < nr) {
        REQUIRE(err == -ENOMEM);
        return;
    }
    for (done = 0; lock && done < nr && model[first + done].prot; done++)
        ;
    REQUIRE(err == (lock && done < nr ? -ENOMEM : 0)); /* nobody may touch it: not faulted in */
    own_pages(first, lock ? done : 0);
}

static void op_advise(struct input *in)
{
    unsigned int first, nr, done;
    u8 how = next(in) % 3;
    int err, want = 0;

    range(in, &first, &nr);
    err = mm_madvise(mm, PG(first), nr * PAGE_SIZE,
                     how == 0   ? MADV_DONTNEED
                     : how == 1 ? MADV_DONTFORK
                                : MADV_DOFORK);
    for (done = 0; done < nr; done++) {
        struct row *r = &model[first + done];

        if (r->kind == NONE) {
            want = -ENOMEM;
        } else if (how == 0 && r->locked) {
            want = -EINVAL;
            break;
        } else if (how == 0) {
            r->own = false;
            r->value = 0;
        } else {
            r->dontfork = how == 1;
        }
    }
    REQUIRE(err == want);
}

static void op_poke(struct input *in)
{
    unsigned int i = next(in) % NR_PAGES;
    struct row *r = &model[i];
    u8 b = next(in);
    bool writable = r->kind != NONE && r->prot & PROT_WRITE;

    REQUIRE((mm_access_remote(mm, PG(i) + 7, &b, 1, true) == 1) == writable);
    if (!writable)
        return;
    if (r->kind == PRIVATE)
        r->own = true;
    *value_of(r) = b;
}

static void op_move(struct input *in)
{
    unsigned int first, nr, to;
    u8 how = next(in);
    struct mremap_request q;
    struct row moved[NR_PAGES];
    long ret;

    range(in, &first, &nr);
    to = next(in) % (NR_PAGES - nr + 1);
    q = (struct mremap_request){.addr = PG(first),
                                .old_len = nr * PAGE_SIZE,
                                .new_len = nr * PAGE_SIZE,
                                .new_addr = PG(to)};
    q.flags = MREMAP_MAYMOVE | MREMAP_FIXED | (how & 1 ? MREMAP_DONTUNMAP : 0);
    ret = mm_mremap(mm, &q);
    if (ret < 0) {
        REQUIRE(ret == -EINVAL || ret == -EFAULT);
        /* leaves its area: the target is gone by then */
        if (ret == -EFAULT && model[first].kind != NONE)
            memset(&model[to], 0, nr * sizeof(model[0]));
        return;
    }
    REQUIRE(ret == (long)PG(to));
    memcpy(moved, &model[first], nr * sizeof(model[0]));
    memcpy(&model[to], moved, nr * sizeof(model[0]));
    for (unsigned int i = first; i < first + nr; i++) {
        if (!(how & 1)) {
            model[i] = (struct row){ 0 };
            continue;
        }
        model[i].locked = false;
        model[i].own = false;
        model[i].value = 0;
    }
}

static void op_fork(void)
{
    struct mm *child = mm_fork(mm);

    REQUIRE(!IS_ERR(child));
    REQUIRE(vma_check(mm) == 0);
    mm_put(mm);
    mm = child;
    for (unsigned int i = 0; i < NR_PAGES; i++) {
        model[i].locked = false;
        if (model[i].dontfork)
            model[i] = (struct row){ 0 };
    }
}

static void one_op(struct input *in)
{
    switch (next(in) % 8) {
    case 0:
        op_map(in);
        break;
    case 1:
        op_unmap(in);
        break;
    case 2:
        op_protect(in);
        break;
    case 3:
        op_lock(in);
        break;
    case 4:
        op_advise(in);
        break;
    case 5:
        op_poke(in);
        break;
    case 6:
        op_move(in);
        break;
    default:
        op_fork();
        break;
    }
}

/* The same kinds of calls with a failing allocation; nothing is known about their results but that
 * nothing broke. */
static void failing_ops(struct input *in)
{
    unsigned int first, nr;
    struct mm *child;

    range(in, &first, &nr);
    host_fail_nth(1 + next(in) % 8);
    (void)mm_mprotect(mm, PG(first), nr * PAGE_SIZE, next(in) & 3);
    (void)mm_mremap(
        mm, &(struct mremap_request){PG(first), PAGE_SIZE, 2 * PAGE_SIZE, MREMAP_MAYMOVE, 0});
    (void)mm_munmap(mm, PG(first), PAGE_SIZE);
    child = mm_fork(mm);
    host_fail_nth(0);
    if (!IS_ERR(child))
        mm_put(child);
}

static void check(void)
{
    REQUIRE(vma_check(mm) == 0);
    mmap_write_lock(mm);
    REQUIRE(pt_check(mm) == 0);
    mmap_write_unlock(mm);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct input in = { data, data + size };

    start();
    while (in.p < in.end) {
        if (*in.p == 0xff) {
            next(&in);
            failing_ops(&in);
            check();
            stop();
            start();
            continue;
        }
        one_op(&in);
        compare_areas();
        check();
        if (*data & 1)
            compare_contents();
    }
    compare_contents();
    check();
    stop();
    return 0;
}
