/* SPDX-License-Identifier: MIT */
/*
 * What the tests of shared spaces have in common: a space without a name on a mount of its own, and
 * its calls. A kernel without msharefs skips.
 */
#ifndef TESTS_USER_MSHARE_H
#define TESTS_USER_MSHARE_H

#include "../../include/uapi/msharefs.h"
#include "share.h"

#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#ifndef O_TMPFILE
#define O_TMPFILE (020000000 | O_DIRECTORY)
#endif

#define MSHARE_DIR "/tmp/ktap-mshare"
#define MEMORY     (MAP_SHARED | MAP_ANONYMOUS)

static size_t span KTAP_UNUSED; /* what spaces are sized and mapped in */

/* Mounts msharefs, in the test's own process. */
KTAP_UNUSED static void mshare_mount(void)
{
    struct statfs st;

    mkdir("/tmp", 0777);
    mkdir(MSHARE_DIR, 0755);
    if (mount("none", MSHARE_DIR, "msharefs", 0, "") != 0)
        ktap_skip("msharefs: %s", strerror(errno));
    REQUIRE(statfs(MSHARE_DIR, &st) == 0);
    span = (size_t)st.f_bsize;
}

KTAP_UNUSED static void mshare_unmount(void)
{
    umount2(MSHARE_DIR, MNT_DETACH);
}

/* A new space of @spans without a name; its mount is gone, so nothing is left behind. */
KTAP_UNUSED static int mshare_new_mode(size_t spans, mode_t mode)
{
    int fd;

    mshare_mount();
    fd = open(MSHARE_DIR, O_TMPFILE | O_RDWR, mode);
    mshare_unmount();
    if (fd < 0 || ftruncate(fd, (off_t)(spans * span)) != 0) {
        ktap_note("a space of %zu spans: %s", spans, strerror(errno));
        fflush(stdout);
        _exit(KTAP_STATUS_FAIL);
    }
    return fd;
}

KTAP_UNUSED static int mshare_new(size_t spans)
{
    return mshare_new_mode(spans, 0600);
}

/* Pages [at, at + nr) of the space map @file from its page @pgoff on, or memory with file -1. */
KTAP_UNUSED static int mshare_create_at(int fd, size_t at, size_t nr, int prot, int file,
                                        size_t pgoff)
{
    struct mshare_create c = {.region_offset = at * page_size,
                              .size = nr * page_size,
                              .offset = pgoff * page_size,
                              .prot = (__u32)prot,
                              .flags = file < 0 ? MEMORY : MAP_SHARED,
                              .fd = file};

    return ioctl(fd, MSHAREFS_CREATE_MAPPING, &c);
}

KTAP_UNUSED static int mshare_memory(int fd, size_t at, size_t nr)
{
    return mshare_create_at(fd, at, nr, RW, -1, 0);
}

KTAP_UNUSED static int mshare_unmap_at(int fd, size_t at, size_t nr)
{
    struct mshare_unmap u = {at * page_size, nr * page_size};

    return ioctl(fd, MSHAREFS_UNMAP, &u);
}

KTAP_UNUSED static int mshare_protect_at(int fd, size_t at, size_t nr, int prot)
{
    struct mshare_change c = {at * page_size, nr * page_size, (__u32)prot, 0};

    return ioctl(fd, MSHAREFS_PROTECT, &c);
}

KTAP_UNUSED static int mshare_advise_at(int fd, size_t at, size_t nr, int advice)
{
    struct mshare_change c = {at * page_size, nr * page_size, (__u32)advice, 0};

    return ioctl(fd, MSHAREFS_ADVISE, &c);
}

/* The space, mapped from its span @first on where nothing else is. */
KTAP_UNUSED static char *mshare_map_prot(int fd, size_t first, size_t spans, int prot)
{
    return share_map(share_place(spans * span), spans * span, prot, MAP_SHARED, fd, first * span);
}

KTAP_UNUSED static char *mshare_map(int fd, size_t spans)
{
    return mshare_map_prot(fd, 0, spans, RW);
}

/* Can one user be given less than another? Asked by trying. */
KTAP_UNUSED static bool mshare_links_carry(int fd)
{
    char *p = mmap(share_place(span), span, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0);

    if (p == MAP_FAILED)
        return false;
    munmap(p, span);
    return true;
}

#endif
