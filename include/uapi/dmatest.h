/* SPDX-License-Identifier: MIT */
/*
 * dmatest.h: the calls of /dev/dmatest, a device that pins memory and then uses it by physical
 * address, as hardware with DMA would. For programs, too: includes Linux's headers only.
 *
 * The device exists in the debug flavour and with the kernel parameter `dmatest`. A region of
 * memory is known by its number within the open file; closing the file gives all up. Pages are
 * pinned as long as the region exists, whatever becomes of the process that had them mapped; they
 * count against RLIMIT_MEMLOCK of the process that pinned them and are its VmPin.
 */
#pragma once
#include <linux/ioctl.h>
#include <linux/types.h>

#define DMATEST_MAX_REGIONS 64
#define DMATEST_MAX_BYTES   (256ULL << 20) /* of one region */

struct dmatest_pin {
    __u64 addr, len; /* any alignment */
    __u32 flags;     /* DMATEST_WRITE: the device may write it */
    __u32 region;    /* out */
};
#define DMATEST_WRITE 1u

/* The device moves bytes between a region and a buffer of the caller. */
struct dmatest_access {
    __u32 region;
    __u32 flags; /* DMATEST_WRITE: into the region */
    __u64 offset, len;
    __u64 buffer;
};

/* What the kernel knows of the page at an offset. */
struct dmatest_info {
    __u32 region;
    __u32 exclusive; /* out: anonymous and one process' own */
    __u64 offset;
    __u64 pfn;  /* out */
    __u32 refs, pins; /* out */
    __s32 mapcount;   /* out */
    __u32 reserved;   /* 0 */
};

/* The device starts to write by itself: a counter, 8 bytes at @word of every page of the region
 * (which begins at a page's start), the same for all in one pass, increasing from pass to pass. */
struct dmatest_engine {
    __u32 region;
    __u32 word; /* offset in the page, a multiple of 8 */
    __u64 last; /* DMATEST_STOP, out: what all pages hold now */
};

/*
 * The other way: nothing is pinned. The device has page tables of its own for a window of the
 * caller's address space, which follow those of the CPUs: what it reads and writes is what the
 * process has at the address in that moment, and an access that the process may not make is
 * refused.
 */
struct dmatest_window {
    __u64 addr, len; /* whole pages */
    __u32 window;    /* out */
    __u32 reserved;  /* 0 */
};

struct dmatest_io {
    __u32 window;
    __u32 flags;     /* DMATEST_WRITE: into the window */
    __u64 addr, len; /* of the process; at most a page, and within one */
    __u64 buffer;
};

struct dmatest_window_info {
    __u32 window;
    __u32 mapped;            /* out: pages that the device's tables have now */
    __u64 hits, misses;      /* out: accesses that found, and did not find, a translation */
    __u64 invalidated;       /* out: translations that went because the process' changed */
};

/*
 * PIN: EINVAL (len 0 or too long, flags), EFAULT (not all of it could be pinned; none is then),
 * ENOMEM (memory, RLIMIT_MEMLOCK), ENOSPC (too many regions). The others: EINVAL (no such region,
 * outside of it, flags), EFAULT (buffer), EACCES (not pinned for writing). START: EBUSY (runs
 * already). STOP: EINVAL when it does not run; the engine has ended when it returns.
 */
#define DMATEST_PIN    _IOWR('Q', 1, struct dmatest_pin)
#define DMATEST_UNPIN  _IO('Q', 2) /* argument: the region */
#define DMATEST_ACCESS _IOW('Q', 3, struct dmatest_access)
#define DMATEST_INFO   _IOWR('Q', 4, struct dmatest_info)
#define DMATEST_START  _IOW('Q', 5, struct dmatest_engine)
#define DMATEST_STOP   _IOWR('Q', 6, struct dmatest_engine)
/*
 * OPEN: EINVAL (no whole pages, len 0 or too long), ENOMEM, ENOSPC. IO: EINVAL (no such window,
 * outside of it, over a page's end, flags), EFAULT (buffer, or an access that the process may not
 * make), ESRCH (the address space is gone). Windows live until the file is closed.
 */
#define DMATEST_OPEN        _IOWR('Q', 7, struct dmatest_window)
#define DMATEST_IO          _IOW('Q', 8, struct dmatest_io)
#define DMATEST_WINDOW_INFO _IOWR('Q', 9, struct dmatest_window_info)
