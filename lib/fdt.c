/* SPDX-License-Identifier: MIT */
/*
 * fdt.c: reads a flattened device tree where it lies, without allocating and without trusting it.
 *
 * Every access is preceded by a check against the block that it must lie in; a malformed tree looks
 * like one that ends there. Nothing is cached, so a lookup walks; a machine has a few hundred
 * nodes and the kernel asks a few dozen times. Depth is counted, not recursed.
 * No locks: the blob does not change.
 * I1: no byte outside [base, base + total) is read. I2: every loop moves forward by at least one
 * token.
 * Checked by tests/host/lib/fdt_test.c and tests/host/fuzz/fdt_fuzz.c. Source: Devicetree
 * Specification 0.3, chapter 5. Read next: boot/ppc64/platform.c.
 */
#include <kernel/fdt.h>
#include <kernel/string.h>

#define FDT_MAGIC 0xd00dfeedu
#define HEADER_BYTES 40
#define LAST_COMPATIBLE_VERSION 17

enum { BEGIN_NODE = 1, END_NODE = 2, PROP = 3, NOP = 4, END = 9 };

static u32 be32(const u8 *p)
{
    return (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3];
}

u64 fdt_cells(const void *p, u32 cells)
{
    u64 v = 0;

    for (u32 i = 0; i < cells && i < 2; i++)
        v = v << 32 | be32((const u8 *)p + 4 * i);
    return v;
}

/* Is [at, at + len) inside [0, end)? */
static bool inside(u32 at, u32 len, u32 end)
{
    return at <= end && len <= end - at;
}

bool fdt_open(struct fdt *f, const void *blob, size_t max)
{
    const u8 *p = blob;
    u32 size_structs, size_strings;

    if (max < HEADER_BYTES || be32(p) != FDT_MAGIC)
        return false;
    f->base = p;
    f->total = be32(p + 4);
    f->structs = be32(p + 8);
    f->strings = be32(p + 12);
    f->reserved = be32(p + 16);
    f->boot_cpu = be32(p + 28);
    size_strings = be32(p + 32);
    size_structs = be32(p + 36);
    if (be32(p + 20) < LAST_COMPATIBLE_VERSION || be32(p + 24) > LAST_COMPATIBLE_VERSION)
        return false;
    if (f->total < HEADER_BYTES || f->total > max || !IS_ALIGNED(f->structs, 4))
        return false;
    if (!inside(f->structs, size_structs, f->total) || !inside(f->strings, size_strings, f->total))
        return false;
    f->structs_end = f->structs + size_structs;
    f->strings_end = f->strings + size_strings;
    return fdt_root(f) != FDT_NONE;
}

/* Length of the terminated string at @at, which must end before @end; -1 when it does not. */
static long string_length(const struct fdt *f, u32 at, u32 end)
{
    for (u32 i = at; i < end; i++)
        if (f->base[i] == 0)
            return (long)(i - at);
    return -1;
}

/* One token of the structure block. */
struct token {
    u32 kind;       /* END also for everything malformed */
    u32 at, next;   /* where it begins, where the next one does */
    u32 data, len;  /* PROP: value; BEGIN_NODE: name */
    u32 name;       /* PROP: offset of its name from base */
};

static struct token end_token(u32 at)
{
    return (struct token){ .kind = END, .at = at, .next = at };
}

static struct token read_property(const struct fdt *f, struct token t)
{
    u32 name;

    if (!inside(t.data, 8, f->structs_end))
        return end_token(t.at);
    t.len = be32(f->base + t.data);
    name = be32(f->base + t.data + 4);
    t.data += 8;
    if (!inside(t.data, t.len, f->structs_end) || name >= f->strings_end - f->strings)
        return end_token(t.at);
    t.name = f->strings + name;
    if (string_length(f, t.name, f->strings_end) < 0)
        return end_token(t.at);
    t.next = ALIGN_UP(t.data + t.len, 4);
    return t;
}

static struct token read_token(const struct fdt *f, u32 at)
{
    struct token t = { .at = at, .data = at + 4, .next = at + 4 };
    long len;

    if (at < f->structs || !inside(at, 4, f->structs_end))
        return end_token(at);
    t.kind = be32(f->base + at);
    switch (t.kind) {
    case BEGIN_NODE:
        len = string_length(f, t.data, f->structs_end);
        if (len < 0)
            return end_token(at);
        t.len = (u32)len;
        t.next = ALIGN_UP(t.data + t.len + 1, 4);
        return t;
    case PROP:
        return read_property(f, t);
    case END_NODE:
    case NOP:
        return t;
    default:
        return end_token(at);
    }
}

/* The first token from @at on that is not a NOP. */
static struct token next_token(const struct fdt *f, u32 at)
{
    struct token t = read_token(f, at);

    while (t.kind == NOP)
        t = read_token(f, t.next);
    return t;
}

/* The first token behind the node's properties. */
static struct token behind_properties(const struct fdt *f, int node)
{
    struct token t = next_token(f, read_token(f, (u32)node).next);

    while (t.kind == PROP)
        t = next_token(f, t.next);
    return t;
}

static int node_of(struct token t)
{
    return t.kind == BEGIN_NODE ? (int)t.at : FDT_NONE;
}

int fdt_root(const struct fdt *f)
{
    return node_of(next_token(f, f->structs));
}

int fdt_first_child(const struct fdt *f, int node)
{
    return node_of(behind_properties(f, node));
}

int fdt_next_sibling(const struct fdt *f, int node)
{
    struct token t = behind_properties(f, node);

    for (u32 depth = 1; depth > 0; t = next_token(f, t.next)) {
        if (t.kind == BEGIN_NODE)
            depth++;
        else if (t.kind == END_NODE)
            depth--;
        else if (t.kind == END)
            return FDT_NONE;
    }
    return node_of(t);
}

const char *fdt_name(const struct fdt *f, int node)
{
    return (const char *)f->base + read_token(f, (u32)node).data;
}

int fdt_child(const struct fdt *f, int node, const char *name)
{
    size_t len = strlen(name);

    for (int n = fdt_first_child(f, node); n != FDT_NONE; n = fdt_next_sibling(f, n)) {
        const char *have = fdt_name(f, n);

        if (strncmp(have, name, len) == 0 && (have[len] == '\0' || have[len] == '@'))
            return n;
    }
    return FDT_NONE;
}

const void *fdt_property(const struct fdt *f, int node, const char *name, u32 *len)
{
    struct token t;

    *len = 0;
    if (node == FDT_NONE)
        return NULL;
    t = next_token(f, read_token(f, (u32)node).next);
    for (; t.kind == PROP; t = next_token(f, t.next)) {
        if (strcmp((const char *)f->base + t.name, name) == 0) {
            *len = t.len;
            return f->base + t.data;
        }
    }
    return NULL;
}

u32 fdt_u32(const struct fdt *f, int node, const char *name, u32 index, bool *ok)
{
    u32 len;
    const u8 *p = fdt_property(f, node, name, &len);

    if (p && index < len / 4)
        return be32(p + 4 * index);
    if (ok)
        *ok = false;
    return 0;
}

const char *fdt_string(const struct fdt *f, int node, const char *name)
{
    u32 len;
    const char *p = fdt_property(f, node, name, &len);

    return p && len > 0 && p[len - 1] == '\0' ? p : NULL;
}

bool fdt_reserved(const struct fdt *f, u32 index, u64 *base, u64 *len)
{
    if (f->reserved > f->total || index >= (f->total - f->reserved) / 16)
        return false;
    const u8 *p = f->base + f->reserved + 16 * index;

    *base = fdt_cells(p, 2);
    *len = fdt_cells(p + 8, 2);
    return *base != 0 || *len != 0;
}
