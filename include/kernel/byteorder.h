/* SPDX-License-Identifier: MIT */
/*
 * byteorder.h: little-endian fields of devices and of what they read in memory, on CPUs of either
 * order. The types keep such a field from being used as a number by mistake.
 */
#pragma once
#include <kernel/types.h>

typedef struct {
    u16 v;
} le16;
typedef struct {
    u32 v;
} le32;
typedef struct {
    u64 v;
} le64;

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LE_SWAP(bits, v) (v)
#else
#define LE_SWAP(bits, v) __builtin_bswap##bits(v)
#endif

static inline u16 le16_to_cpu(le16 x)
{
    return LE_SWAP(16, x.v);
}
static inline u32 le32_to_cpu(le32 x)
{
    return LE_SWAP(32, x.v);
}
static inline u64 le64_to_cpu(le64 x)
{
    return LE_SWAP(64, x.v);
}
static inline le16 cpu_to_le16(u16 x)
{
    return (le16){LE_SWAP(16, x)};
}
static inline le32 cpu_to_le32(u32 x)
{
    return (le32){LE_SWAP(32, x)};
}
static inline le64 cpu_to_le64(u64 x)
{
    return (le64){LE_SWAP(64, x)};
}
