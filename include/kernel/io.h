/* SPDX-License-Identifier: MIT */
/*
 * io.h: registers of little-endian devices in memory (ioremap). A write comes after everything the
 * CPU did before it, and what follows a read comes after it: full barriers, since a weakly ordered
 * machine keeps memory and device accesses apart by nothing less.
 */
#pragma once
#include <kernel/atomic.h>
#include <kernel/byteorder.h>

static inline u8 mmio_read8(const volatile void *p)
{
    u8 v = *(const volatile u8 *)p;

    smp_mb();
    return v;
}
static inline u16 mmio_read16(const volatile void *p)
{
    le16 v = {*(const volatile u16 *)p};

    smp_mb();
    return le16_to_cpu(v);
}
static inline u32 mmio_read32(const volatile void *p)
{
    le32 v = {*(const volatile u32 *)p};

    smp_mb();
    return le32_to_cpu(v);
}
static inline void mmio_write8(volatile void *p, u8 v)
{
    smp_mb();
    *(volatile u8 *)p = v;
}
static inline void mmio_write16(volatile void *p, u16 v)
{
    smp_mb();
    *(volatile u16 *)p = cpu_to_le16(v).v;
}
static inline void mmio_write32(volatile void *p, u32 v)
{
    smp_mb();
    *(volatile u32 *)p = cpu_to_le32(v).v;
}
/* In halves, low one first: what every bus carries. */
static inline void mmio_write64(volatile void *p, u64 v)
{
    mmio_write32(p, (u32)v);
    mmio_write32((volatile u8 *)p + 4, (u32)(v >> 32));
}
