/* SPDX-License-Identifier: MIT */
/*
 * bits.c: bit counting that the compiler calls where the CPU has no sure instruction for it (its
 * libgcc is not linked).
 * Source: gcc internals, "The GCC low-level runtime library"; Warren, Hacker's Delight, 5-1. No
 * state.
 */
#include <kernel/types.h>

int __popcountdi2(u64 v);
int __popcountdi2(u64 v)
{
    v -= (v >> 1) & 0x5555555555555555ULL;
    v = (v & 0x3333333333333333ULL) + ((v >> 2) & 0x3333333333333333ULL);
    v = (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
    return (int)((v * 0x0101010101010101ULL) >> 56);
}
