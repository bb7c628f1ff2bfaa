/* SPDX-License-Identifier: MIT */
/*
 * meminfo.c: memory of the whole machine: meminfo, vmstat, buddyinfo, zoneinfo, slabinfo, and the
 * two arrays by frame, kpagecount and kpageflags. Numbers are read one by one while they change. No
 * locks of its own. Source: proc(5); Linux Documentation/admin-guide/mm/pagemap.rst. Read next:
 * mm/buddy.c, mm/vmstat.c.
 */
#include "procfs.h"
#include <arch/mmu.h>
#include <linux/kernel-page-flags.h>
#include <mm/huge.h>
#include <mm/hugetlb.h>
#include <mm/page.h>
#include <mm/page_cache.h>
#include <mm/thp.h>

static void line(struct seq *s, const char *name, u64 pages)
{
    seq_printf(s, "%-16s%8llu kB\n", name, (unsigned long long)(pages << (PAGE_SHIFT - 10)));
}

/* The default pool's pages; all pools' memory. */
static void show_pools(struct seq *s)
{
    struct huge_pool *pool = huge_pool_by_size(0);
    struct huge_counts c = {0};
    u64 frames = 0;

    for (unsigned int level = 1; level < PT_MAX_LEVELS; level++) {
        struct huge_pool *each = huge_pool_by_level(level);

        if (each)
            frames += huge_pool_counts(each).nr << each->order;
    }
    if (pool)
        c = huge_pool_counts(pool);
    seq_printf(s, "HugePages_Total:   %5llu\n", (unsigned long long)c.nr);
    seq_printf(s, "HugePages_Free:    %5llu\n", (unsigned long long)c.nr_free);
    seq_printf(s, "HugePages_Rsvd:    %5llu\n", (unsigned long long)c.nr_reserved);
    seq_printf(s, "HugePages_Surp:    %5llu\n", (unsigned long long)c.nr_surplus);
    line(s, "Hugepagesize:", pool ? 1UL << pool->order : 0);
    line(s, "Hugetlb:", frames);
}

static int show_meminfo(struct seq *s, void *arg)
{
    u64 left = buddy_nr_free(), cached = page_cache_nr_pages(), shmem = page_cache_nr_shmem(),
        slab = slab_nr_pages();
    u64 anon = page_nr_kind(PAGE_ANON);

    line(s, "MemTotal:", buddy_nr_total());
    line(s, "MemFree:", left);
    line(s, "MemAvailable:", left + cached - shmem);
    line(s, "Buffers:", 0);
    line(s, "Cached:", cached);
    line(s, "SwapCached:", 0);
    line(s, "Active:", anon + cached);
    line(s, "Inactive:", 0);
    line(s, "Active(anon):", anon + shmem);
    line(s, "Inactive(anon):", 0);
    line(s, "Active(file):", cached - shmem);
    line(s, "Inactive(file):", 0);
    line(s, "Unevictable:", 0);
    line(s, "Mlocked:", 0);
    line(s, "SwapTotal:", 0);
    line(s, "SwapFree:", 0);
    line(s, "Dirty:", 0);
    line(s, "Writeback:", 0);
    line(s, "AnonPages:", anon);
    line(s, "Mapped:", 0);
    line(s, "Shmem:", shmem);
    line(s, "KReclaimable:", 0);
    line(s, "Slab:", slab);
    line(s, "SReclaimable:", 0);
    line(s, "SUnreclaim:", slab);
    line(s, "KernelStack:", (u64)READ_ONCE(nr_tasks) * (KSTACK_SIZE >> PAGE_SHIFT));
    line(s, "PageTables:", page_nr_kind(PAGE_TABLE));
    line(s, "NFS_Unstable:", 0);
    line(s, "Bounce:", 0);
    line(s, "WritebackTmp:", 0);
    line(s, "CommitLimit:", vm_commit_limit());
    line(s, "Committed_AS:", vm_committed());
    line(s, "VmallocTotal:", (VMALLOC_END - VMALLOC_START) >> PAGE_SHIFT);
    line(s, "VmallocUsed:", 0);
    line(s, "VmallocChunk:", 0);
    line(s, "Percpu:", 0);
    line(s, "AnonHugePages:", thp_nr_mapped());
    line(s, "ShmemHugePages:", 0);
    line(s, "ShmemPmdMapped:", 0);
    line(s, "FileHugePages:", 0);
    line(s, "FilePmdMapped:", 0);
    show_pools(s);
    return 0;
}

static int show_vmstat(struct seq *s, void *arg)
{
    seq_printf(s, "nr_free_pages %llu\n", (unsigned long long)buddy_nr_free());
    seq_printf(s, "nr_anon_pages %llu\n", (unsigned long long)page_nr_kind(PAGE_ANON));
    seq_printf(s, "nr_file_pages %llu\n", (unsigned long long)page_cache_nr_pages());
    seq_printf(s, "nr_shmem %llu\n", (unsigned long long)page_cache_nr_shmem());
    seq_printf(s, "nr_slab_unreclaimable %llu\n", (unsigned long long)slab_nr_pages());
    seq_printf(s, "nr_page_table_pages %llu\n", (unsigned long long)page_nr_kind(PAGE_TABLE));
    for (unsigned int n = 0; n < NR_VMSTAT; n++)
        seq_printf(s, "%s %llu\n", vmstat_names[n],
                   (unsigned long long)vmstat_sum((enum vmstat_item)n));
    return 0;
}

static int show_buddyinfo(struct seq *s, void *arg)
{
    seq_puts(s, "Node 0, zone   Normal");
    for (unsigned int order = 0; order <= BUDDY_MAX_ORDER; order++)
        seq_printf(s, " %6llu", (unsigned long long)buddy_nr_free_order(order));
    seq_puts(s, "\n");
    return 0;
}

static int show_zoneinfo(struct seq *s, void *arg)
{
    seq_puts(s, "Node 0, zone   Normal\n");
    seq_printf(s, "  pages free     %llu\n", (unsigned long long)buddy_nr_free());
    seq_printf(s, "        spanned  %llu\n        present  %llu\n        managed  %llu\n",
               (unsigned long long)(mem_map_end - mem_map_first),
               (unsigned long long)buddy_nr_total(), (unsigned long long)buddy_nr_total());
    seq_printf(s, "  start_pfn:           %lu\n", mem_map_first);
    return 0;
}

static int show_slabinfo(struct seq *s, void *arg)
{
    unsigned int n = slab_stats(NULL, 0);
    struct slab_stat *st = kmalloc((n + 8) * sizeof(*st));

    if (!st)
        return -ENOMEM;
    n = min(slab_stats(st, n + 8), n + 8);
    seq_puts(s, "slabinfo - version: 2.1\n# name            <active_objs> <num_objs> <objsize> "
                "<objperslab> <pagesperslab>\n");
    for (unsigned int i = 0; i < n; i++) {
        u64 room = st[i].nr_pages * PAGE_SIZE / (st[i].object_size ? st[i].object_size : 1);

        seq_printf(s,
                   "%-17s %6llu %6llu %6zu %4llu %4u : tunables    0    0    0 : slabdata %6llu "
                   "%6llu      0\n",
                   st[i].name, (unsigned long long)st[i].nr_objects, (unsigned long long)room,
                   st[i].object_size,
                   (unsigned long long)(st[i].object_size ? PAGE_SIZE / st[i].object_size : 0), 1,
                   (unsigned long long)st[i].nr_pages, (unsigned long long)st[i].nr_pages);
    }
    kfree(st);
    return 0;
}

void proc_meminfo_init(void)
{
    proc_create("meminfo", 0444, show_meminfo, NULL, NULL);
    proc_create("vmstat", 0444, show_vmstat, NULL, NULL);
    proc_create("buddyinfo", 0444, show_buddyinfo, NULL, NULL);
    proc_create("zoneinfo", 0444, show_zoneinfo, NULL, NULL);
    proc_create("slabinfo", 0400, show_slabinfo, NULL, NULL);
}

/* ---- one 64-bit word per frame ---- */

static u64 count_word(const struct page *p)
{
    s32 maps = page_mapcount(page_whole(p));

    return maps > 0 && (p->kind == PAGE_ANON || p->kind == PAGE_FILE || p->kind == PAGE_HUGETLB)
               ? (u64)maps
               : 0;
}

#define KPF(name) (1ULL << KPF_##name)

static u64 flags_word(const struct page *p)
{
    u64 w = 0;

    switch (page_kind_now(p)) {
    case PAGE_FREE:
    case PAGE_PCP: return KPF(BUDDY);
    case PAGE_SLAB: return KPF(SLAB);
    case PAGE_TABLE: return KPF(PGTABLE);
    case PAGE_ZERO: return KPF(ZERO_PAGE);
    case PAGE_ANON: w = KPF(ANON) | KPF(SWAPBACKED) | KPF(LRU); break;
    case PAGE_FILE: w = KPF(LRU) | KPF(SWAPBACKED); break;
    case PAGE_HUGETLB:
        w = KPF(HUGE) | (p->word & PAGE_TAIL ? KPF(COMPOUND_TAIL) : KPF(COMPOUND_HEAD));
        w |= huge_is_private(page_head(p)) ? KPF(ANON) : 0;
        break;
    default: return 0;
    }
    if (huge_is(p)) {
        const struct page *head = huge_head(p);

        w |= KPF(THP) | (p == head ? KPF(COMPOUND_HEAD) : KPF(COMPOUND_TAIL));
        p = head;
    }
    w |= page_mapcount(p) > 0 ? KPF(MMAP) : 0;
    w |= page_test(p, PG_DIRTY) ? KPF(DIRTY) : 0;
    w |= page_test(p, PG_UPTODATE) ? KPF(UPTODATE) : 0;
    w |= page_test(p, PG_LOCKED) ? KPF(LOCKED) : 0;
    w |= page_test(p, PG_REFERENCED) ? KPF(REFERENCED) : 0;
    w |= page_test(p, PG_MLOCKED) ? KPF(UNEVICTABLE) : 0;
    return w;
}

static ssize_t read_words(struct iov_iter *to, loff_t *pos, u64 (*word)(const struct page *))
{
    size_t done = 0;

    if (*pos % sizeof(u64) || to->count % sizeof(u64))
        return -EINVAL;
    while (to->count) {
        pfn_t pfn = (pfn_t)((u64)*pos / sizeof(u64));
        u64 w;

        if (pfn >= mem_map_end)
            break;
        w = pfn_valid(pfn) ? word(pfn_to_page(pfn)) : word == flags_word ? KPF(NOPAGE) : 0;
        if (copy_to_iter(&w, sizeof(w), to) != sizeof(w))
            return done ? (ssize_t)done : -EFAULT;
        done += sizeof(w);
        *pos += sizeof(w);
    }
    return (ssize_t)done;
}

static ssize_t kpagecount_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
    return read_words(to, pos, count_word);
}

static ssize_t kpageflags_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
    return read_words(to, pos, flags_word);
}

void proc_kpage_init(void)
{
    static const struct file_ops count_fops = {.read = kpagecount_read},
                                 flags_fops = {.read = kpageflags_read};

    proc_create_ops("kpagecount", 0400, &count_fops, NULL);
    proc_create_ops("kpageflags", 0400, &flags_fops, NULL);
}
