/* SPDX-License-Identifier: MIT */
/*
 * msharefs.h: the calls of a file of msharefs, a shared space. For programs, too: includes Linux's
 * headers only. docs/SHARING.md says what they do.
 *
 * CREATE_MAPPING and UNMAP have the shape of the series that was posted for Linux. The others are
 * Quire's own.
 */
#pragma once
#include <linux/ioctl.h>
#include <linux/types.h>

/* Offsets and sizes are bytes of the space, multiples of the page size of what is mapped. */
struct mshare_create {
    __u64 region_offset; /* where in the space */
    __u64 size;
    __u64 offset; /* in the file */
    __u32 prot;   /* PROT_* */
    __u32 flags;  /* MAP_SHARED, and MAP_ANONYMOUS, MAP_FIXED, MAP_NORESERVE, MAP_HUGETLB | size */
    __s32 fd;     /* -1 with MAP_ANONYMOUS */
    __u32 zero;
};

struct mshare_unmap {
    __u64 region_offset;
    __u64 size;
};

struct mshare_change {
    __u64 region_offset;
    __u64 size;
    __u32 what; /* PROT_*; or MADV_* */
    __u32 zero;
};

#define MSHAREFS_CREATE_MAPPING _IOW('x', 0, struct mshare_create)
#define MSHAREFS_UNMAP          _IOW('x', 1, struct mshare_unmap)
#define MSHAREFS_PROTECT        _IOW('x', 0x51, struct mshare_change)
#define MSHAREFS_ADVISE         _IOW('x', 0x52, struct mshare_change)
