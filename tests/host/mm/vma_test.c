/* SPDX-License-Identifier: MIT */
/*
 * vma_test.c: the set of areas against a list, holes against a search page by page, each way to
 * merge and split, and the calls built on them, with real page tables of the host's MMU below.
 */
#include <asm/errno.h>
#include <kernel/string.h>
#include <mm/page_cache.h>
#include <mm/slab.h>
#include "host.h"
#include "mm/vma_internal.h"
#include "world.h"

#define BASE 0x100000000UL
#define PG(n) (BASE + (vaddr_t)(n) * PAGE_SIZE)

static struct mm *mm;
static u64 free_before, objects_before;
static unsigned long committed_before;

static void begin(void)
{
    static bool booted;

    if (!booted) {
        host_world_init(MIB(64));
        vm_commit_unchecked(1000); /* so that giving back too much shows */
    }
    booted = true;
    mm = mm_alloc();
    mm_put(mm); /* fills caches, so that counts compare */
    rcu_barrier();
    free_before = buddy_nr_free();
    objects_before = slab_nr_objects();
    committed_before = vm_committed();
    mm = mm_alloc();
    REQUIRE(mm);
}

static void check(void)
{
    EXPECT_EQ(vma_check(mm), 0);
    mmap_write_lock(mm);
    EXPECT_EQ(pt_check(mm), 0);
    mmap_write_unlock(mm);
}

static void end(void)
{
    check();
    mm_put(mm);
    rcu_barrier();
    slab_shrink();
    EXPECT_EQ(slab_nr_objects(), objects_before);
    EXPECT_EQ(vm_committed(), committed_before);
    EXPECT_EQ(host_nr_files, 0);
}

static long map(unsigned int page, unsigned int nr, unsigned long prot, unsigned long flags)
{
    struct mmap_request r = {.addr = PG(page), .len = nr * PAGE_SIZE, .prot = prot, .flags = flags};

    return mm_mmap(mm, &r);
}

static void map_ok(unsigned int page, unsigned int nr, unsigned long prot)
{
    EXPECT_EQ(map(page, nr, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED), PG(page));
}

static long map_file(struct file *f, unsigned int page, unsigned int nr, unsigned long prot,
                     unsigned long flags)
{
    struct mmap_request r = {
        .addr = PG(page), .len = nr * PAGE_SIZE, .prot = prot, .flags = flags, .file = f};

    return mm_mmap(mm, &r);
}

static u8 peek(unsigned int page)
{
    u8 b = 0xee;

    (void)mm_access_remote(mm, PG(page), &b, 1, false);
    return b;
}

static bool poke(unsigned int page, u8 b)
{
    return mm_access_remote(mm, PG(page), &b, 1, true) == 1;
}

/* "0-3rw 4-5r": what is mapped from BASE on, in pages. */
static const char *layout(void)
{
    static char buf[512];
    size_t n = 0;
    char perms[5];

    buf[0] = '\0';
    for_each_vma(v, mm) {
        vma_perms(v, perms);
        n +=
            (size_t)snprintf(buf + n, sizeof(buf) - n, "%s%lu-%lu%s", n ? " " : "",
                             (v->start - BASE) >> PAGE_SHIFT, (v->end - BASE) >> PAGE_SHIFT, perms);
    }
    return buf;
}

#define EXPECT_LAYOUT(text)                                                                       \
    do {                                                                                          \
        if (strcmp(layout(), text) != 0) {                                                        \
            pr_err("layout is %s, wanted %s\n", layout(), text);                                  \
            EXPECT(!"layout");                                                                    \
        }                                                                                         \
        check();                                                                                  \
    } while (0)

HTEST(merge_new)
{
    begin();
    map_ok(2, 2, PROT_READ | PROT_WRITE);
    map_ok(6, 2, PROT_READ | PROT_WRITE);
    EXPECT_LAYOUT("2-4rw-p 6-8rw-p");
    map_ok(4, 1, PROT_READ | PROT_WRITE);
    EXPECT_LAYOUT("2-5rw-p 6-8rw-p");
    map_ok(5, 1, PROT_READ | PROT_WRITE);
    EXPECT_LAYOUT("2-8rw-p");
    map_ok(1, 1, PROT_READ | PROT_WRITE);
    EXPECT_LAYOUT("1-8rw-p");
    map_ok(8, 1, PROT_READ);
    EXPECT_LAYOUT("1-8rw-p 8-9r--p");
    EXPECT_EQ(mm->total_vm, 8);
    EXPECT_EQ(mm->data_vm, 7);
    end();
}

HTEST(mprotect_split_and_merge)
{
    begin();
    map_ok(0, 9, PROT_READ | PROT_WRITE);
    EXPECT_EQ(mm_mprotect(mm, PG(3), 3 * PAGE_SIZE, PROT_READ), 0);
    EXPECT_LAYOUT("0-3rw-p 3-6r--p 6-9rw-p");
    EXPECT_EQ(mm_mprotect(mm, PG(2), PAGE_SIZE, PROT_READ), 0); /* border moves down */
    EXPECT_LAYOUT("0-2rw-p 2-6r--p 6-9rw-p");
    /* and down from above */
    EXPECT_EQ(mm_mprotect(mm, PG(5), PAGE_SIZE, PROT_READ | PROT_WRITE), 0);
    EXPECT_LAYOUT("0-2rw-p 2-5r--p 5-9rw-p");
    EXPECT_EQ(mm_mprotect(mm, PG(5), PAGE_SIZE, PROT_READ), 0);
    EXPECT_LAYOUT("0-2rw-p 2-6r--p 6-9rw-p");
    EXPECT_EQ(mm_mprotect(mm, PG(0), 2 * PAGE_SIZE, PROT_READ), 0); /* whole area into the next */
    EXPECT_LAYOUT("0-6r--p 6-9rw-p");
    EXPECT_EQ(mm_mprotect(mm, PG(6), 3 * PAGE_SIZE, PROT_READ), 0); /* into the one below */
    EXPECT_LAYOUT("0-9r--p");
    EXPECT_EQ(mm_mprotect(mm, PG(4), PAGE_SIZE, PROT_NONE), 0);
    EXPECT_EQ(mm_mprotect(mm, PG(4), PAGE_SIZE, PROT_READ), 0); /* both sides */
    EXPECT_LAYOUT("0-9r--p");
    end();
}

HTEST(mprotect_partial)
{
    begin();
    map_ok(0, 2, PROT_READ | PROT_WRITE);
    map_ok(3, 1, PROT_READ | PROT_WRITE);
    EXPECT_EQ(mm_mprotect(mm, PG(0), 4 * PAGE_SIZE, PROT_READ), -ENOMEM);
    EXPECT_LAYOUT("0-2r--p 3-4rw-p"); /* what lay before the hole is changed */
    EXPECT_EQ(mm_mprotect(mm, PG(2), PAGE_SIZE, PROT_READ), -ENOMEM);
    EXPECT_EQ(mm_mprotect(mm, PG(0) + 1, PAGE_SIZE, PROT_READ), -EINVAL);
    EXPECT_EQ(mm_mprotect(mm, PG(0), 0, PROT_READ), 0);
    EXPECT_EQ(mm_mprotect(mm, PG(0), PAGE_SIZE, 0x40), -EINVAL);
    EXPECT_EQ(mm_mprotect(mm, PG(0), ~0UL - PAGE_SIZE, PROT_READ), -ENOMEM);
    EXPECT_EQ(mm_mprotect(mm, PG(0), PAGE_SIZE, PROT_READ | PROT_GROWSDOWN), -EINVAL);
    end();
}

HTEST(munmap_cuts)
{
    begin();
    map_ok(0, 8, PROT_READ | PROT_WRITE);
    EXPECT(poke(1, 11) && poke(3, 33) && poke(6, 66));
    EXPECT_EQ(mm_munmap(mm, PG(2), 2 * PAGE_SIZE), 0);
    EXPECT_LAYOUT("0-2rw-p 4-8rw-p");
    EXPECT_EQ(peek(1), 11);
    EXPECT_EQ(peek(6), 66);
    EXPECT(!poke(3, 1));
    EXPECT_EQ(mm_munmap(mm, PG(0), 5 * PAGE_SIZE), 0);
    EXPECT_LAYOUT("5-8rw-p");
    map_ok(0, 8, PROT_READ | PROT_WRITE);
    EXPECT_EQ(peek(6), 0); /* replaced */
    EXPECT_EQ(mm_munmap(mm, PG(20), PAGE_SIZE), 0);
    EXPECT_EQ(mm_munmap(mm, PG(0), 0), -EINVAL);
    EXPECT_EQ(mm_munmap(mm, PG(0) + 8, PAGE_SIZE), -EINVAL);
    EXPECT_EQ(mm_munmap(mm, user_top(), PAGE_SIZE), -EINVAL);
    sysctl_max_map_count = mm->nr_vmas;
    EXPECT_EQ(mm_munmap(mm, PG(3), PAGE_SIZE), -ENOMEM);
    EXPECT_EQ(mm_munmap(mm, PG(0), PAGE_SIZE), 0);
    EXPECT_EQ(mm_munmap(mm, PG(7), PAGE_SIZE), 0);
    sysctl_max_map_count = 65530;
    EXPECT_LAYOUT("1-7rw-p");
    end();
}

HTEST(mmap_errors)
{
    struct file *f, *ro, *wo;
    const unsigned long anon = MAP_PRIVATE | MAP_ANONYMOUS;

    begin();
    f = host_file_create(16 * PAGE_SIZE, FMODE_READ | FMODE_WRITE);
    ro = host_file_create(16 * PAGE_SIZE, FMODE_READ);
    wo = host_file_create(16 * PAGE_SIZE, FMODE_WRITE);
    EXPECT_EQ(map(0, 0, PROT_READ, anon), -EINVAL);
    EXPECT_EQ(map(0, 1, PROT_READ, MAP_ANONYMOUS), -EINVAL);
    EXPECT_EQ(map(0, 1, PROT_READ, MAP_ANONYMOUS | MAP_SHARED_VALIDATE), -EINVAL);
    EXPECT_EQ(map(0, 1, PROT_READ, MAP_ANONYMOUS | MAP_SHARED | MAP_GROWSDOWN), -EINVAL);
    EXPECT_EQ(map_file(ro, 0, 1, PROT_WRITE, MAP_SHARED), -EACCES);
    EXPECT_EQ(map_file(wo, 0, 1, PROT_WRITE, MAP_SHARED), -EACCES);
    EXPECT_EQ(map_file(wo, 0, 1, PROT_READ, MAP_PRIVATE), -EACCES);
    EXPECT_EQ(map_file(f, 0, 1, PROT_READ, MAP_PRIVATE | MAP_GROWSDOWN), -EINVAL);
    EXPECT_EQ(map_file(f, 0, 1, PROT_READ, MAP_SHARED_VALIDATE | MAP_SYNC), -EOPNOTSUPP);
    EXPECT_EQ(map_file(f, 0, 1, PROT_READ, MAP_SHARED_VALIDATE | MAP_FIXED), PG(0));
    EXPECT_EQ(map_file(ro, 1, 1, PROT_READ, MAP_SHARED | MAP_FIXED), PG(1));
    EXPECT_EQ(mm_mprotect(mm, PG(1), PAGE_SIZE, PROT_WRITE), -EACCES);
    EXPECT_EQ(map_file(ro, 1, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED), PG(1));
    EXPECT_EQ(map(1, 1, PROT_READ, anon | MAP_FIXED_NOREPLACE), -EEXIST);
    EXPECT_EQ(map(2, 1, PROT_READ, anon | MAP_FIXED_NOREPLACE), PG(2));
    struct mmap_request r = {
        .addr = PG(3) + 1, .len = 1, .prot = PROT_READ, .flags = anon | MAP_FIXED};
    EXPECT_EQ(mm_mmap(mm, &r), -EINVAL);
    r.addr = user_top() - PAGE_SIZE + PAGE_SIZE;
    EXPECT_EQ(mm_mmap(mm, &r), -ENOMEM);
    r.addr = 0;
    EXPECT_EQ(mm_mmap(mm, &r), 0); /* root may */
    host_process.euid = 1;
    r.addr = PAGE_SIZE;
    EXPECT_EQ(mm_mmap(mm, &r), -EPERM);
    host_process.rlim[RLIMIT_MEMLOCK].rlim_cur = 2 * PAGE_SIZE;
    EXPECT_EQ(map(8, 3, PROT_READ, anon | MAP_LOCKED), -EAGAIN);
    EXPECT_EQ(map(8, 2, PROT_READ, anon | MAP_LOCKED | MAP_FIXED), PG(8));
    host_process.rlim[RLIMIT_MEMLOCK].rlim_cur = 0;
    EXPECT_EQ(map(8, 1, PROT_READ, anon | MAP_LOCKED), -EPERM);
    host_process.rlim[RLIMIT_MEMLOCK].rlim_cur = RLIM_INFINITY;
    host_process.euid = 0;
    host_process.rlim[RLIMIT_AS].rlim_cur = (mm->total_vm + 2) * PAGE_SIZE;
    EXPECT_EQ(map(12, 3, PROT_READ, anon), -ENOMEM);
    EXPECT_EQ(map(12, 2, PROT_READ, anon | MAP_FIXED), PG(12));
    EXPECT_EQ(map(12, 2, PROT_READ, anon | MAP_FIXED), PG(12)); /* replaces as much as it adds */
    host_process.rlim[RLIMIT_AS].rlim_cur = RLIM_INFINITY;
    host_process.rlim[RLIMIT_DATA].rlim_cur = 0;
    EXPECT_EQ(map(16, 1, PROT_READ | PROT_WRITE, anon), -ENOMEM);
    EXPECT_EQ(mm_mprotect(mm, PG(12), PAGE_SIZE, PROT_WRITE), -ENOMEM);
    host_process.rlim[RLIMIT_DATA].rlim_cur = RLIM_INFINITY;
    r = (struct mmap_request){
        .len = 2 * PAGE_SIZE, .prot = PROT_READ, .flags = MAP_PRIVATE, .file = f, .pgoff = ~0UL};
    EXPECT_EQ(mm_mmap(mm, &r), -EOVERFLOW);
    r.pgoff = ~0UL >> 13;
    EXPECT_EQ(mm_mmap(mm, &r), -EOVERFLOW);
    EXPECT(!mapping_deny_writable(ro->mapping));
    EXPECT_EQ(mapping_deny_writable(f->mapping), -EBUSY); /* one shared mapping is there */
    EXPECT_EQ(mm_munmap(mm, PG(0), PAGE_SIZE), 0);
    EXPECT_EQ(mapping_deny_writable(f->mapping), 0);
    EXPECT_EQ(map_file(f, 0, 1, PROT_READ, MAP_SHARED), -EPERM); /* sealed */
    mapping_allow_writable(f->mapping);
    mapping_allow_writable(ro->mapping);
    file_put(f);
    file_put(ro);
    file_put(wo);
    end();
}

HTEST(overcommit)
{
    unsigned long limit;

    begin();
    sysctl_overcommit_memory = 0;
    EXPECT_EQ(map(0, (unsigned int)buddy_nr_total() + 1, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS),
              -ENOMEM);
    EXPECT(map(0, (unsigned int)buddy_nr_total() + 1, PROT_READ,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED) > 0);
    EXPECT_EQ(mm_mprotect(mm, PG(0), (buddy_nr_total() + 1) * PAGE_SIZE, PROT_WRITE), -ENOMEM);
    sysctl_overcommit_memory = 1;
    EXPECT_EQ(mm_mprotect(mm, PG(0), (buddy_nr_total() + 1) * PAGE_SIZE, PROT_WRITE), 0);
    EXPECT_EQ(vm_committed() - committed_before, buddy_nr_total() + 1);
    EXPECT_EQ(mm_munmap(mm, PG(0), (buddy_nr_total() + 1) * PAGE_SIZE), 0);
    sysctl_overcommit_memory = 2;
    limit = vm_commit_limit();
    EXPECT_EQ(map(0, (unsigned int)limit, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE),
              -ENOMEM);
    EXPECT(map(0, (unsigned int)limit / 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS) >
           0);
    EXPECT_EQ(
        map(0, (unsigned int)limit / 2 + 2, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS),
        -ENOMEM);
    sysctl_overcommit_memory = 0;
    end();
}

HTEST(file_areas)
{
    struct file *f;

    begin();
    f = host_file_create(8 * PAGE_SIZE, FMODE_READ | FMODE_WRITE);
    EXPECT_EQ(map_file(f, 0, 4, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED), PG(0));
    struct mmap_request r = { .addr = PG(4), .len = 6 * PAGE_SIZE, .prot = PROT_READ | PROT_WRITE,
                              .flags = MAP_SHARED | MAP_FIXED, .file = f, .pgoff = 4 };
    EXPECT_EQ(mm_mmap(mm, &r), PG(4));
    EXPECT_LAYOUT("0-10rw-s"); /* contiguous in the file: one area */
    EXPECT_EQ(mm_mprotect(mm, PG(3), PAGE_SIZE, PROT_READ), 0);
    EXPECT_EQ(mm_mprotect(mm, PG(3), PAGE_SIZE, PROT_READ | PROT_WRITE), 0);
    EXPECT_LAYOUT("0-10rw-s");
    r.addr = PG(41);
    r.len = PAGE_SIZE;
    EXPECT_EQ(mm_mmap(mm, &r), PG(41));
    r.addr = PG(40);
    EXPECT_EQ(mm_mmap(mm, &r), PG(40)); /* the same page of the file again */
    r.addr = PG(42);
    EXPECT_EQ(mm_mmap(mm, &r), PG(42));
    EXPECT_LAYOUT("0-10rw-s 40-41rw-s 41-42rw-s 42-43rw-s");
    r.addr = PG(12);
    r.flags = MAP_PRIVATE | MAP_FIXED;
    r.pgoff = 2;
    r.len = 3 * PAGE_SIZE;
    EXPECT_EQ(mm_mmap(mm, &r), PG(12));
    EXPECT(poke(2, 42));
    EXPECT_EQ(peek(12), 42);
    EXPECT(poke(12, 43) && poke(13, 44)); /* own copies */
    EXPECT_EQ(peek(2), 42);
    EXPECT(poke(4, 45));
    EXPECT_EQ(peek(14), 45);
    EXPECT(!poke(9, 1)); /* behind the end of the file */
    EXPECT_EQ(mm_madvise(mm, PG(2), PAGE_SIZE, MADV_REMOVE), 0);
    EXPECT_EQ(peek(2), 0);
    EXPECT_EQ(peek(12), 43); /* hole punching leaves private copies */
    check();
    host_file_truncate(f, 3 * PAGE_SIZE);
    EXPECT_EQ(peek(12), 43);
    EXPECT_EQ(peek(13), 0xee); /* truncation does not */
    EXPECT_EQ(peek(14), 0xee);
    EXPECT_EQ(peek(4), 0xee);
    check();
    file_put(f);
    end();
}

HTEST(mremap_cases)
{
    struct mremap_request q = { .addr = PG(0), .old_len = 2 * PAGE_SIZE, .new_len = 4 * PAGE_SIZE };

    begin();
    map_ok(0, 2, PROT_READ | PROT_WRITE);
    EXPECT(poke(0, 1) && poke(1, 2));
    EXPECT_EQ(mm_mremap(mm, &q), PG(0)); /* grows in place */
    EXPECT_LAYOUT("0-4rw-p");
    map_ok(4, 1, PROT_READ);
    q.old_len = 4 * PAGE_SIZE;
    q.new_len = 5 * PAGE_SIZE;
    EXPECT_EQ(mm_mremap(mm, &q), -ENOMEM);
    q.flags = MREMAP_MAYMOVE | MREMAP_FIXED;
    q.new_addr = PG(20);
    EXPECT_EQ(mm_mremap(mm, &q), PG(20));
    EXPECT_LAYOUT("4-5r--p 20-25rw-p");
    EXPECT_EQ(peek(20), 1);
    EXPECT_EQ(peek(21), 2);
    q = (struct mremap_request){ PG(20), 5 * PAGE_SIZE, 2 * PAGE_SIZE, 0, 0 };
    EXPECT_EQ(mm_mremap(mm, &q), PG(20));
    EXPECT_LAYOUT("4-5r--p 20-22rw-p");
    q = (struct mremap_request){PG(21), PAGE_SIZE, PAGE_SIZE,
                                MREMAP_MAYMOVE | MREMAP_DONTUNMAP | MREMAP_FIXED, PG(30)};
    EXPECT_EQ(mm_mremap(mm, &q), PG(30));
    EXPECT_LAYOUT("4-5r--p 20-22rw-p 30-31rw-p");
    EXPECT_EQ(peek(30), 2);
    EXPECT_EQ(peek(21), 0);
    EXPECT_EQ(peek(20), 1);
    q.new_addr = PG(21);
    EXPECT_EQ(mm_mremap(mm, &q), -EINVAL); /* overlap */
    q.new_addr = PG(33) + 1;
    EXPECT_EQ(mm_mremap(mm, &q), -EINVAL);
    q = (struct mremap_request){ PG(21), 2 * PAGE_SIZE, 3 * PAGE_SIZE, MREMAP_MAYMOVE, 0 };
    EXPECT_EQ(mm_mremap(mm, &q), -EFAULT); /* reaches out of the area */
    q = (struct mremap_request){ PG(50), PAGE_SIZE, 3 * PAGE_SIZE, MREMAP_MAYMOVE, 0 };
    EXPECT_EQ(mm_mremap(mm, &q), -EFAULT);
    q = (struct mremap_request){ PG(20), 0, PAGE_SIZE, MREMAP_MAYMOVE, 0 };
    EXPECT_EQ(mm_mremap(mm, &q), -EINVAL); /* private */
    q = (struct mremap_request){ PG(20), PAGE_SIZE, PAGE_SIZE, MREMAP_FIXED, PG(40) };
    EXPECT_EQ(mm_mremap(mm, &q), -EINVAL);
    q = (struct mremap_request){ PG(20), PAGE_SIZE, 0, 0, 0 };
    EXPECT_EQ(mm_mremap(mm, &q), -EINVAL);
    EXPECT_EQ(map(60, 2, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED), PG(60));
    q = (struct mremap_request){ PG(60), 0, 2 * PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, PG(70) };
    EXPECT_EQ(mm_mremap(mm, &q), PG(70)); /* a second view */
    EXPECT(poke(61, 9));
    EXPECT_EQ(peek(71), 9);
    end();
}

HTEST(fork_copies)
{
    struct mm *child, *parent;

    begin();
    map_ok(0, 2, PROT_READ | PROT_WRITE);
    map_ok(4, 1, PROT_READ | PROT_WRITE);
    map_ok(6, 1, PROT_READ | PROT_WRITE);
    map_ok(8, 1, PROT_READ | PROT_WRITE);
    EXPECT_EQ(map(10, 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED), PG(10));
    for (unsigned int i = 0; i <= 10; i += 2)
        (void)poke(i, (u8)(i + 1));
    EXPECT_EQ(mm_madvise(mm, PG(4), PAGE_SIZE, MADV_DONTFORK), 0);
    EXPECT_EQ(mm_madvise(mm, PG(6), PAGE_SIZE, MADV_WIPEONFORK), 0);
    EXPECT_EQ(mm_madvise(mm, PG(10), PAGE_SIZE, MADV_WIPEONFORK), -EINVAL);
    EXPECT_EQ(mm_mlock(mm, PG(8), PAGE_SIZE, VM_LOCKED), 0);
    child = mm_fork(mm);
    REQUIRE(!IS_ERR(child));
    parent = mm;
    mm = child;
    EXPECT_EQ(mm->locked_vm, 0);
    EXPECT_LAYOUT("0-2rw-p 6-7rw-p 8-9rw-p 10-11rw-s");
    EXPECT_EQ(peek(0), 1);
    EXPECT_EQ(peek(6), 0);
    EXPECT_EQ(peek(8), 9);
    EXPECT(poke(0, 77) && poke(10, 78));
    mm = parent;
    EXPECT_EQ(peek(0), 1);
    EXPECT_EQ(peek(6), 7);
    EXPECT_EQ(peek(10), 78);
    EXPECT(poke(0, 79));
    mm = child;
    EXPECT_EQ(peek(0), 77);
    check();
    mm_put(child);
    mm = parent;
    EXPECT_EQ(peek(0), 79);
    end();
}

HTEST(mlock_counts)
{
    begin();
    map_ok(0, 8, PROT_READ | PROT_WRITE);
    EXPECT_EQ(mm_mlock(mm, PG(2), 2 * PAGE_SIZE, VM_LOCKED), 0);
    EXPECT_EQ(mm->locked_vm, 2);
    EXPECT_EQ(mm_rss(mm), 2); /* faulted in */
    EXPECT_EQ(mm_madvise(mm, PG(2), PAGE_SIZE, MADV_DONTNEED), -EINVAL);
    EXPECT_EQ(mm_madvise(mm, PG(2), PAGE_SIZE, MADV_DONTNEED_LOCKED), 0);
    EXPECT_EQ(mm_rss(mm), 1);
    EXPECT_EQ(mm_mlock(mm, PG(3) + 5, 10, VM_LOCKED | VM_LOCKONFAULT), 0);
    EXPECT_EQ(mm->nr_vmas, 4);
    EXPECT_EQ(mm_munlock(mm, PG(0), 8 * PAGE_SIZE), 0);
    EXPECT_EQ(mm->locked_vm, 0);
    EXPECT_LAYOUT("0-8rw-p");
    EXPECT_EQ(mm_mlock(mm, PG(7), 2 * PAGE_SIZE, VM_LOCKED), -ENOMEM); /* reaches into a hole */
    EXPECT_EQ(mm->locked_vm, 1);
    EXPECT_EQ(mm_mlockall(mm, MCL_CURRENT | MCL_FUTURE), 0);
    EXPECT_EQ(mm->locked_vm, 8);
    map_ok(20, 2, PROT_READ | PROT_WRITE);
    EXPECT_EQ(mm->locked_vm, 10);
    EXPECT_EQ(mm_rss(mm), 10);
    EXPECT_EQ(mm_munlockall(mm), 0);
    EXPECT_EQ(mm->locked_vm, 0);
    EXPECT_EQ(mm_mlockall(mm, MCL_ONFAULT), -EINVAL);
    end();
}

HTEST(stack_grows)
{
    begin();
    EXPECT_EQ(mm_map_anon_fixed(mm, PG(2000), 4 * PAGE_SIZE,
                                VM_READ | VM_WRITE | VM_GROWSDOWN | VM_ACCOUNT),
              0);
    EXPECT_EQ(mm->stack_vm, 4);
    map_ok(1000, 1, PROT_READ | PROT_WRITE);
    EXPECT(poke(1990, 5)); /* access below the area makes it grow */
    EXPECT_EQ(mm->stack_vm, 14);
    EXPECT(poke(1257, 6));
    EXPECT(!poke(1256, 6)); /* 255 pages above the next mapping */
    check();
    host_process.rlim[RLIMIT_STACK].rlim_cur = 800 * PAGE_SIZE;
    EXPECT_EQ(mm_munmap(mm, PG(1000), PAGE_SIZE), 0);
    EXPECT_EQ(vma_grow_stack(mm, PG(1203)), -ENOMEM);
    EXPECT_EQ(vma_grow_stack(mm, PG(1204)), 0);
    host_process.rlim[RLIMIT_STACK].rlim_cur = RLIM_INFINITY;
    EXPECT_EQ(vma_grow_stack(mm, PG(3000)), -EFAULT);
    /* A hint into the guard gap is not taken. */
    EXPECT(map(1204 - 10, 1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS) != (long)PG(1204 - 10));
    EXPECT_EQ(map(1204 - 257, 1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS), PG(1204 - 257));
    end();
}

HTEST(brk_moves)
{
    begin();
    mm->start_brk = mm->brk = PG(0);
    EXPECT_EQ(mm_brk(mm, 0), PG(0));
    EXPECT_EQ(mm_brk(mm, PG(2) + 100), PG(2) + 100);
    EXPECT_LAYOUT("0-3rw-p");
    EXPECT_EQ(mm_brk(mm, PG(1) + 1), PG(1) + 1);
    EXPECT_LAYOUT("0-2rw-p");
    map_ok(6, 1, PROT_READ);
    EXPECT_EQ(mm_brk(mm, PG(6)), PG(1) + 1); /* the page behind must stay free */
    EXPECT_EQ(mm_brk(mm, PG(5)), PG(5));
    EXPECT_EQ(mm_brk(mm, PG(0) - 1), PG(5));
    host_process.rlim[RLIMIT_DATA].rlim_cur = 4 * PAGE_SIZE;
    EXPECT_EQ(mm_brk(mm, PG(5) + 1), PG(5));
    host_process.rlim[RLIMIT_DATA].rlim_cur = RLIM_INFINITY;
    EXPECT_LAYOUT("0-5rw-p 6-7r--p");
    end();
}

HTEST(madvise_rules)
{
    begin();
    map_ok(0, 4, PROT_READ | PROT_WRITE);
    map_ok(6, 1, PROT_READ);
    EXPECT(poke(0, 1) && poke(1, 2));
    EXPECT_EQ(mm_madvise(mm, PG(0), PAGE_SIZE, MADV_DONTNEED), 0);
    EXPECT_EQ(peek(0), 0);
    EXPECT_EQ(peek(1), 2);
    /* with a hole, but done */
    EXPECT_EQ(mm_madvise(mm, PG(1), 6 * PAGE_SIZE, MADV_DONTNEED), -ENOMEM);
    EXPECT_EQ(peek(1), 0);
    EXPECT_EQ(mm_madvise(mm, PG(0), PAGE_SIZE, 77), -EINVAL);
    EXPECT_EQ(mm_madvise(mm, PG(0), PAGE_SIZE, -1), -EINVAL);
    EXPECT_EQ(mm_madvise(mm, PG(0), PAGE_SIZE, MADV_HUGEPAGE), -EINVAL);
    EXPECT_EQ(mm_madvise(mm, PG(0), PAGE_SIZE, MADV_MERGEABLE), -EINVAL);
    EXPECT_EQ(mm_madvise(mm, PG(0) + 1, PAGE_SIZE, MADV_DONTNEED), -EINVAL);
    EXPECT_EQ(mm_madvise(mm, PG(0), 0, MADV_DONTNEED), 0);
    EXPECT_EQ(mm_madvise(mm, PG(0), ~0UL, MADV_DONTNEED), -EINVAL);
    EXPECT_EQ(mm_madvise(mm, PG(0), PAGE_SIZE, MADV_REMOVE), -EINVAL);
    EXPECT_EQ(mm_madvise(mm, PG(0), 4 * PAGE_SIZE, MADV_POPULATE_WRITE), 0);
    EXPECT_EQ(mm_rss(mm), 4);
    EXPECT_EQ(mm_madvise(mm, PG(0), 5 * PAGE_SIZE, MADV_POPULATE_READ), -ENOMEM);
    EXPECT_EQ(mm_madvise(mm, PG(6), PAGE_SIZE, MADV_POPULATE_WRITE), -EINVAL);
    EXPECT_EQ(mm_madvise(mm, PG(0), 2 * PAGE_SIZE, MADV_RANDOM), 0);
    EXPECT_LAYOUT("0-2rw-p 2-4rw-p 6-7r--p");
    EXPECT_EQ(mm_madvise(mm, PG(0), 2 * PAGE_SIZE, MADV_NORMAL), 0);
    EXPECT_LAYOUT("0-4rw-p 6-7r--p");
    end();
}

/* The tree's answers against a search along the list. */
static long slow_gap(size_t len, vaddr_t low, vaddr_t high, bool topdown)
{
    long best = -ENOMEM;
    struct vma *v = mm->first_vma;
    vaddr_t from = 0;

    for (;; v = v->next) {
        vaddr_t lo = max(from, low), hi = min(v ? vma_guarded_start(v) : ~0UL, high);

        if (hi >= lo && hi - lo >= len) {
            best = (long)(topdown ? hi - len : lo);
            if (!topdown)
                break;
        }
        if (!v)
            break;
        from = v->end;
    }
    return best;
}

static vaddr_t bound_of_root(void)
{
    return rb_entry(mm->vmas.node, struct vma, node)->gap_max;
}

/* A hole that shrinks page by page looks larger to its ancestors for a while, until somebody asks
 * for that much; one that grows is seen at once. */
HTEST(bounds_of_holes)
{
    const vaddr_t low = 16 * PAGE_SIZE;
    const unsigned int top = 4096;
    unsigned int rewritten = 0, p = 1;
    vaddr_t bound, hole;

    begin();
    EXPECT_EQ(mm_map_anon_fixed(mm, low, BASE - low, VM_READ | VM_NORESERVE), 0);
    EXPECT_EQ(mm_map_anon_fixed(mm, PG(top), PAGE_SIZE, VM_READ), 0);
    bound = bound_of_root();
    EXPECT_EQ(bound, top * PAGE_SIZE);
    for (; p < top / 2; p += 2) {
        EXPECT_EQ(mm_map_anon_fixed(mm, PG(p), PAGE_SIZE, VM_READ), 0);
        rewritten += bound_of_root() != bound;
        bound = bound_of_root();
    }
    EXPECT(rewritten != 0 && rewritten < 10);
    hole = PG(top) - PG(p - 1);
    EXPECT(bound > hole && bound - hole <= hole / 8);
    EXPECT_EQ(vma_check(mm), 0);
    EXPECT_EQ(vma_find_gap(mm, hole + PAGE_SIZE, 0, PG(top), true), -ENOMEM);
    EXPECT_EQ(bound_of_root(), hole);
    EXPECT_EQ(vma_find_gap(mm, hole, 0, PG(top), true), (long)PG(p - 1));
    EXPECT_EQ(mm_munmap(mm, PG(p - 2), PAGE_SIZE), 0);
    EXPECT_EQ(bound_of_root(), hole + 2 * PAGE_SIZE);
    end();
}

HTEST(random_tree)
{
    begin();
    for (unsigned int step = 0; step < 6000; step++) {
        unsigned int page = host_random_below(600) * 2, nr = 1 + host_random_below(9);

        if (host_random_below(3) != 0) {
            unsigned long prot = host_random_below(4);

            (void)map(page, nr, prot,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | (prot == 3 ? MAP_GROWSDOWN : 0));
        } else {
            EXPECT_EQ(mm_munmap(mm, PG(page), nr * PAGE_SIZE), 0);
        }
        for (unsigned int q = 0; q < 4; q++) {
            size_t len = (1 + host_random_below(12)) * PAGE_SIZE;
            vaddr_t low = PG(host_random_below(600)),
                    high = low + host_random_below(900) * PAGE_SIZE;

            EXPECT_EQ(vma_find_gap(mm, len, low, high, q & 1), slow_gap(len, low, high, q & 1));
        }
        if (step % 16 == 0)
            EXPECT_EQ(vma_check(mm), 0);
    }
    for (unsigned int n = 0; n < 3; n++) { /* fork builds the tree by itself */
        struct mm *child = mm_fork(mm);

        REQUIRE(!IS_ERR(child));
        mm_put(mm);
        mm = child;
        check();
    }
    end();
}

HTEST(build_any_size)
{
    begin();
    for (unsigned int n = 1; n < 70; n++) {
        struct mm *child;

        map_ok(2 * n, 1, PROT_READ);
        child = mm_fork(mm);
        REQUIRE(!IS_ERR(child));
        EXPECT_EQ(vma_check(child), 0);
        EXPECT_EQ(child->nr_vmas, n);
        mm_put(child);
    }
    end();
}

/* Everything that allocates, each allocation failing once: an error, nothing broken, nothing
 * lost. */
static void work_that_may_fail(void)
{
    struct mremap_request q = {PG(2), 2 * PAGE_SIZE, 4 * PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
                               PG(5000)};
    struct mm *child;

    (void)map(0, 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED);
    (void)map(20, 2, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED);
    for (unsigned int i = 0; i < 22; i++)
        (void)poke(i, (u8)i);
    (void)mm_mprotect(mm, PG(3), 2 * PAGE_SIZE, PROT_READ);
    (void)mm_mlock(mm, PG(1), PAGE_SIZE, VM_LOCKED);
    child = mm_fork(mm);
    if (!IS_ERR(child)) {
        EXPECT_EQ(vma_check(child), 0);
        mm_put(child);
    }
    (void)mm_mremap(mm, &q);
    q = (struct mremap_request){PG(20), 2 * PAGE_SIZE, 2 * PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
                                PG(9000)};
    (void)mm_mremap(mm, &q);
    (void)mm_munmap(mm, PG(1), PAGE_SIZE);
}

HTEST(each_allocation_fails)
{
    begin();
    for (unsigned long n = 1;; n++) {
        unsigned long asked;

        host_fail_nth(n);
        work_that_may_fail();
        asked = host_fail_asked();
        host_fail_nth(0);
        check();
        EXPECT_EQ(mm_munmap(mm, PG(0), 20000 * PAGE_SIZE), 0);
        if (n > asked)
            break;
    }
    end();
}

/* Faults through the area's own lock against changes of the set of areas. */
static void stress(void *arg, unsigned int cpu)
{
    struct task t = { .proc = &host_process };

    (void)arg;
    set_current_task(&t);
    for (unsigned int i = 0; i < 4000; i++) {
        unsigned int page = host_random_below(32);

        if (cpu == 0) {
            unsigned int nr = 1 + host_random_below(6);

            if (i & 1)
                (void)map(page, nr, PROT_READ | (i & 2 ? PROT_WRITE : 0),
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED);
            else
                (void)mm_munmap(mm, PG(page), nr * PAGE_SIZE);
            if (i % 64 == 0)
                synchronize_rcu();
        } else {
            struct vma *v = vma_lock_under_rcu(mm, PG(page));

            if (!v)
                continue;
            REQUIRE(v->start <= PG(page) && v->end > PG(page) && !v->detached);
            (void)mm_handle_fault(v, PG(page), i & 1 ? FAULT_WRITE : 0);
            cpu_relax();
            REQUIRE(v->start <= PG(page) && v->end > PG(page) && !v->detached);
            vma_read_unlock(v);
        }
    }
}

HTEST(lock_against_writers)
{
    begin();
    host_run_cpus(3, stress, NULL);
    set_current_task(&host_task);
    end();
}
