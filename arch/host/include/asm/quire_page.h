/* SPDX-License-Identifier: MIT */
/* quire_page.h: clearing and copying whole frames, by the C library's functions, which the
 * sanitizers watch. */
#pragma once
#include <kernel/string.h>
#include <kernel/types.h>

static inline void clear_page(void *page)
{
    memset(page, 0, PAGE_SIZE);
}

static inline void copy_page(void *to, const void *from)
{
    memcpy(to, from, PAGE_SIZE);
}
