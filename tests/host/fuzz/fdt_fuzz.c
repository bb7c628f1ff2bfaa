/* SPDX-License-Identifier: MIT */
/*
 * fdt_fuzz.c: the reader of device trees on any bytes: it must end, and read nothing outside the
 * input (the copy is exactly as long, so that the sanitizer sees one byte too much). Half of the
 * inputs get a header that makes sense, or the reader would turn nearly all away at its first look.
 */
#include <boot/ppc64/boot.h>
#include <kernel/fdt.h>
#include <kernel/string.h>
#include <stdlib.h>
#include "host.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define HEADER_BYTES 40

static void put32(u8 *p, u32 v)
{
    p[0] = (u8)(v >> 24), p[1] = (u8)(v >> 16), p[2] = (u8)(v >> 8), p[3] = (u8)v;
}

/* The structure block behind the header, its last quarter is the strings. */
static void make_header(u8 *p, size_t size)
{
    u32 structs = ((u32)size - HEADER_BYTES) / 4 * 3 & ~3u;

    put32(p, 0xd00dfeed);
    put32(p + 4, (u32)size);
    put32(p + 8, HEADER_BYTES);
    put32(p + 12, HEADER_BYTES + structs);
    put32(p + 16, HEADER_BYTES);
    put32(p + 20, 17);
    put32(p + 24, 16);
    put32(p + 32, (u32)size - HEADER_BYTES - structs);
    put32(p + 36, structs);
}

static bool inside(const struct fdt *f, const void *p, u32 len)
{
    return (const u8 *)p >= f->base && (const u8 *)p + len <= f->base + f->total;
}

/* Depth is bounded here, since the walk of the test is recursive. */
static void walk(const struct fdt *f, int node, unsigned int depth)
{
    static const char *const names[] = {"", "reg", "a"};

    REQUIRE(inside(f, fdt_name(f, node), (u32)strlen(fdt_name(f, node)) + 1));
    for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
        u32 len;
        const void *p = fdt_property(f, node, names[i], &len);

        REQUIRE(p ? inside(f, p, len) : len == 0);
        (void)fdt_u32(f, node, names[i], 1, NULL);
        (void)fdt_string(f, node, names[i]);
    }
    if (depth == 8)
        return;
    for (int n = fdt_first_child(f, node); n != FDT_NONE; n = fdt_next_sibling(f, n)) {
        REQUIRE(n > node);
        walk(f, n, depth + 1);
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    u8 *copy = __builtin_malloc(size ? size : 1);
    struct bootinfo bi = {0};
    u64 base, len;
    struct fdt f;

    memcpy(copy, data, size);
    if (size > HEADER_BYTES + 16 && (data[0] & 1))
        make_header(copy, size);
    if (fdt_open(&f, copy, size)) {
        walk(&f, fdt_root(&f), 0);
        for (u32 i = 0; fdt_reserved(&f, i, &base, &len); i++)
            REQUIRE(i < size / 16);
        (void)platform_parse(&bi, &f, 0);
    }
    __builtin_free(copy);
    return 0;
}
