/* SPDX-License-Identifier: MIT */
/*
 * memchr_inv.c: is memory filled with one byte? Debug kernels ask it of every frame and every slab
 * object that is handed out, so it goes by words, eight at a time, and is a file of its own that
 * UBSan leaves alone.
 *
 * No locks, no state. Checked by tests/kernel/lib/string_ktest.c. Read next: mm/page_poison.c.
 */
#include <kernel/string.h>

void *memchr_inv(const void *s, int c, size_t n)
{
    const u64 word = 0x0101010101010101ULL * (u8)c;
    const u8 *p = s, *end = p + n;

    for (; p < end && (unsigned long)p % sizeof(word) != 0; p++)
        if (*p != (u8)c)
            return (void *)p;
    for (; end - p >= 8 * (ssize_t)sizeof(word); p += 8 * sizeof(word)) {
        const u64 *w = (const u64 *)p;

        if (((w[0] ^ word) | (w[1] ^ word) | (w[2] ^ word) | (w[3] ^ word) | (w[4] ^ word) |
             (w[5] ^ word) | (w[6] ^ word) | (w[7] ^ word)) != 0)
            break;
    }
    for (; end - p >= (ssize_t)sizeof(word) && *(const u64 *)p == word; p += sizeof(word))
        ;
    for (; p < end; p++)
        if (*p != (u8)c)
            return (void *)p;
    return NULL;
}
