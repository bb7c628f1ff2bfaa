/* SPDX-License-Identifier: MIT */
/* tmpfs_ktest.c: sparse files, truncation, holes, limits, and one cache behind all ways in. */
#include "fs/internal.h"
#include "fs/names.h"
#include <kernel/fail.h>
#include <kernel/ktest.h>
#include <linux/falloc.h>
#include <mm/mm.h>
#include <mm/page_cache.h>

#define NAME "/kt_file"

static struct file *make(void)
{
    struct file *f = file_open(NAME, O_CREAT | O_RDWR | O_EXCL, 0600);

    return IS_ERR(f) ? NULL : f;
}

static void drop(struct file *f)
{
    EXPECT_EQ(page_cache_check(f->mapping), 0);
    file_put(f);
    EXPECT_EQ(name_unlink(AT_FDCWD, NAME, false), 0);
}

static bool all_bytes(struct file *f, loff_t from, size_t n, u8 want)
{
    u8 buf[64];

    while (n > 0) {
        size_t part = min(n, sizeof(buf));

        if (kernel_read(f, buf, part, from) != (ssize_t)part)
            return false;
        for (size_t i = 0; i < part; i++)
            if (buf[i] != want)
                return false;
        from += (loff_t)part;
        n -= part;
    }
    return true;
}

KTEST(tmpfs, sparse)
{
    struct file *f = make();
    u8 byte = 7;

    EXPECT_OR_RETURN(f);
    EXPECT_EQ(kernel_write(f, &byte, 1, (loff_t)GIB(8)), 1);
    EXPECT_EQ(f->inode->size, GIB(8) + 1);
    EXPECT_EQ(mapping_nr_pages(f->mapping), 1);
    EXPECT(all_bytes(f, (loff_t)GIB(1), 10000, 0));
    EXPECT_EQ(mapping_nr_pages(f->mapping), 1); /* reading a hole makes no page */
    EXPECT_EQ(kernel_read(f, &byte, 1, (loff_t)GIB(8) + 1), 0);
    EXPECT_EQ(file_llseek(f, 0, SEEK_DATA), (loff_t)GIB(8));
    EXPECT_EQ(file_llseek(f, (loff_t)GIB(8), SEEK_HOLE), (loff_t)GIB(8) + 1);
    EXPECT_EQ(file_llseek(f, 5, SEEK_HOLE), 5);
    EXPECT_EQ(file_llseek(f, (loff_t)GIB(9), SEEK_DATA), -ENXIO);
    EXPECT_EQ(file_llseek(f, -1, SEEK_SET), -EINVAL);
    drop(f);
}

KTEST(tmpfs, truncate_zeroes)
{
    struct file *f = make();
    u8 *page = kmalloc(PAGE_SIZE);

    EXPECT_OR_RETURN(f && page);
    memset(page, 0xaa, PAGE_SIZE);
    for (int n = 0; n < 4; n++)
        EXPECT_EQ(kernel_write(f, page, PAGE_SIZE, n * (loff_t)PAGE_SIZE), (ssize_t)PAGE_SIZE);
    EXPECT_EQ(truncate_inode(f->inode, PAGE_SIZE + 100), 0);
    EXPECT_EQ(mapping_nr_pages(f->mapping), 2);
    EXPECT_EQ(truncate_inode(f->inode, 4 * PAGE_SIZE), 0);
    EXPECT(all_bytes(f, 0, PAGE_SIZE + 100, 0xaa));
    EXPECT(all_bytes(f, (loff_t)PAGE_SIZE + 100, 3 * PAGE_SIZE - 100, 0));
    EXPECT_EQ(truncate_inode(f->inode, 0), 0);
    EXPECT_EQ(mapping_nr_pages(f->mapping), 0);
    kfree(page);
    drop(f);
}

KTEST(tmpfs, fallocate)
{
    struct file *f = make();
    const struct file_ops *op = f ? f->op : NULL;
    u8 *page = kmalloc(PAGE_SIZE);

    EXPECT_OR_RETURN(f && page);
    memset(page, 0x55, PAGE_SIZE);
    EXPECT_EQ(op->fallocate(f, 0, 0, 3 * (loff_t)PAGE_SIZE), 0);
    EXPECT_EQ(f->inode->size, 3 * PAGE_SIZE);
    EXPECT_EQ(mapping_nr_pages(f->mapping), 3);
    EXPECT_EQ(op->fallocate(f, FALLOC_FL_KEEP_SIZE, 3 * (loff_t)PAGE_SIZE, (loff_t)PAGE_SIZE), 0);
    EXPECT_EQ(f->inode->size, 3 * PAGE_SIZE);
    EXPECT_EQ(mapping_nr_pages(f->mapping), 4);
    for (int n = 0; n < 3; n++)
        EXPECT_EQ(kernel_write(f, page, PAGE_SIZE, n * (loff_t)PAGE_SIZE), (ssize_t)PAGE_SIZE);
    /* A hole from the middle of page 0 to the middle of page 2: page 1 goes, the edges are zeroed.
     */
    EXPECT_EQ(
        op->fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 2 * (loff_t)PAGE_SIZE),
        0);
    EXPECT_EQ(mapping_nr_pages(f->mapping), 3);
    EXPECT(all_bytes(f, 0, 100, 0x55));
    EXPECT(all_bytes(f, 100, 2 * PAGE_SIZE, 0));
    EXPECT(all_bytes(f, 100 + 2 * (loff_t)PAGE_SIZE, PAGE_SIZE - 100, 0x55));
    EXPECT_EQ(op->fallocate(f, FALLOC_FL_ZERO_RANGE, 10, 20), 0);
    EXPECT(all_bytes(f, 10, 20, 0));
    kfree(page);
    drop(f);
}

KTEST(tmpfs, limits)
{
    struct path at;
    struct file *f;
    u8 *page = kmalloc(PAGE_SIZE);
    unsigned long committed = vm_committed();

    EXPECT_OR_RETURN(page);
    memset(page, 1, PAGE_SIZE);
    EXPECT_EQ(name_mkdir(AT_FDCWD, "/kt", 0755), 0);
    EXPECT_OR_RETURN(walk_path(AT_FDCWD, "/kt", 0, &at) == 0);
    EXPECT_EQ(mount_fs(&tmpfs_type, "test", &at, 0, "size=x"), -EINVAL);
    EXPECT_EQ(mount_fs(&tmpfs_type, "test", &at, 0, "what=3"), -EINVAL);
    EXPECT_EQ(mount_fs(&tmpfs_type, "test", &at, 0, "size=8k,nr_inodes=3,mode=700"), 0);
    path_put(&at);
    f = file_open("/kt/a", O_CREAT | O_RDWR, 0600);
    EXPECT_OR_RETURN(!IS_ERR(f));
    EXPECT_EQ(kernel_write(f, page, PAGE_SIZE, 0), (ssize_t)PAGE_SIZE);
    EXPECT_EQ(kernel_write(f, page, 1, (loff_t)PAGE_SIZE), 1);
    EXPECT_EQ(kernel_write(f, page, 1, 2 * (loff_t)PAGE_SIZE), -ENOSPC);
    EXPECT_EQ(f->op->fallocate(f, 0, 0, 8 * (loff_t)PAGE_SIZE), -ENOSPC);
    EXPECT_EQ(mapping_nr_pages(f->mapping), 2);
    EXPECT_EQ(truncate_inode(f->inode, 1), 0);
    EXPECT_EQ(kernel_write(f, page, 1, (loff_t)PAGE_SIZE), 1);
    file_put(f);
    EXPECT_EQ(name_mkdir(AT_FDCWD, "/kt/b", 0755), 0);
    EXPECT_EQ(name_mkdir(AT_FDCWD, "/kt/c", 0755), -ENOSPC);
    EXPECT_EQ(name_unlink(AT_FDCWD, "/kt/a", false), 0);
    EXPECT_EQ(name_mkdir(AT_FDCWD, "/kt/c", 0755), 0);
    EXPECT_OR_RETURN(walk_path(AT_FDCWD, "/kt", 0, &at) == 0);
    EXPECT_EQ(atomic_long_read(&at.mnt->sb->used_blocks), 0);
    EXPECT_EQ(mount_remove(&at, 0), 0);
    path_put(&at); /* the last reference: what is left in it goes too */
    EXPECT_EQ(name_unlink(AT_FDCWD, "/kt", true), 0);
    EXPECT_EQ(vm_committed(), committed); /* what was refused was not charged */
    kfree(page);
}

/* Two open files and the mapping see the same bytes, also while the first is gone. */
KTEST(tmpfs, one_cache)
{
    struct file *f = make(), *g;
    struct page *p;
    u8 byte = 9;

    EXPECT_OR_RETURN(f);
    g = file_open(NAME, O_RDWR | O_APPEND, 0);
    EXPECT_OR_RETURN(!IS_ERR(g));
    EXPECT_EQ(kernel_write(f, &byte, 1, 5000), 1);
    EXPECT_EQ(kernel_write(g, &byte, 1, 0), 1); /* at the end, whatever the position */
    EXPECT_EQ(g->inode->size, 5002);
    p = mapping_find_get(g->mapping, 1);
    EXPECT_OR_RETURN(p);
    EXPECT_EQ(*((u8 *)page_to_virt(p) + 5001 - PAGE_SIZE), 9);
    *((u8 *)page_to_virt(p) + 5001 - PAGE_SIZE) = 8;
    page_put(p);
    EXPECT_EQ(kernel_read(f, &byte, 1, 5001), 1);
    EXPECT_EQ(byte, 8);
    EXPECT_EQ(name_unlink(AT_FDCWD, NAME, false), 0);
    file_put(f);
    EXPECT_EQ(kernel_read(g, &byte, 1, 5000), 1);
    EXPECT_EQ(byte, 9);
    file_put(g);
}

KTEST(tmpfs, seals)
{
    struct file *f = shmem_file_create("memfd:kt", 0, VM_NORESERVE);
    u8 byte = 1;

    EXPECT_OR_RETURN(!IS_ERR(f));
    EXPECT_EQ(truncate_inode(f->inode, 100), 0);
    f->inode->seals = F_SEAL_SHRINK | F_SEAL_GROW;
    EXPECT_EQ(truncate_inode(f->inode, 99), -EPERM);
    EXPECT_EQ(truncate_inode(f->inode, 101), -EPERM);
    EXPECT_EQ(kernel_write(f, &byte, 1, 100), -EPERM);
    EXPECT_EQ(kernel_write(f, &byte, 1, 99), 1);
    f->inode->seals = F_SEAL_WRITE;
    EXPECT_EQ(kernel_write(f, &byte, 1, 0), -EPERM);
    file_put(f);
}

/* Every allocation on the way fails once; nothing is lost and the file works afterwards. */
KTEST(tmpfs, injected_failure)
{
    bool came = true;

    for (long n = 1; came && n < 60; n++) {
        struct file *f;
        u8 byte = 3;

        fail_set_nth(current, n);
        f = file_open(NAME, O_CREAT | O_RDWR, 0600);
        if (!IS_ERR(f)) {
            (void)kernel_write(f, &byte, 1, 1 << 20);
            came = current->fail_nth == 0;
            fail_set_nth(current, 0);
            EXPECT_EQ(kernel_write(f, &byte, 1, 1 << 20), 1);
            file_put(f);
            EXPECT_EQ(name_unlink(AT_FDCWD, NAME, false), 0);
        } else {
            came = current->fail_nth == 0;
            fail_set_nth(current, 0);
            EXPECT_EQ(PTR_ERR(f), -ENOMEM);
            EXPECT_EQ(walk_path(AT_FDCWD, NAME, 0, &(struct path){0}), -ENOENT);
        }
    }
    EXPECT(!came);
}
