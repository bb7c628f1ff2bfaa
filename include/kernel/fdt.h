/* SPDX-License-Identifier: MIT */
/*
 * fdt.h: a reader of flattened device trees. A node is the offset of its first token in the
 * structure block; the reader holds no state but the borders of the blob.
 */
#pragma once
#include <kernel/types.h>

struct fdt {
    const u8 *base;
    u32 structs, structs_end; /* offsets from base */
    u32 strings, strings_end;
    u32 reserved;             /* of the memory reservation block */
    u32 total;
    u32 boot_cpu;             /* the id of the CPU that runs the loader */
};

#define FDT_NONE (-1)

/* Is there a tree in the @max bytes at @blob? Checks magic, version and that all blocks lie inside.
 */
bool fdt_open(struct fdt *f, const void *blob, size_t max);
int fdt_root(const struct fdt *f);
/* A node's first child, and its next sibling; FDT_NONE behind the last one. */
int fdt_first_child(const struct fdt *f, int node);
int fdt_next_sibling(const struct fdt *f, int node);
/* Without the path; "" for the root. Terminated inside the blob. */
const char *fdt_name(const struct fdt *f, int node);
/* The child whose name is @name, or @name and an @unit. */
int fdt_child(const struct fdt *f, int node, const char *name);
/* Value of a property and its length in bytes; NULL when the node has none of this name. */
const void *fdt_property(const struct fdt *f, int node, const char *name, u32 *len);
/* Cell number @index of a property, 0 when it is too short or missing: then *@ok is cleared. @ok
 * may be NULL. */
u32 fdt_u32(const struct fdt *f, int node, const char *name, u32 index, bool *ok);
/* A terminated string property, or NULL. */
const char *fdt_string(const struct fdt *f, int node, const char *name);
/* @cells big-endian cells at @p as one number; 0 to 2 cells. */
u64 fdt_cells(const void *p, u32 cells);
/* Entry @index of the memory reservation block; false at its end. */
bool fdt_reserved(const struct fdt *f, u32 index, u64 *base, u64 *len);
