/* SPDX-License-Identifier: MIT */
/*
 * cpio.c: takes a newc cpio archive apart: 110 bytes of header in hexadecimal digits, the name, the
 * data, each padded to four bytes; "TRAILER!!!" ends it. Several archives may follow one another
 * with zero bytes between.
 *
 * Trusts nothing: every length is checked against what is left. It does not create files
 * (initramfs.c) and does not decompress; it names what a compressed archive is. No state but the
 * reader's. Checked by tests/kernel/fs/cpio_ktest.c and a fuzz target. Source: cpio(5) newc; Linux
 * Documentation/driver-api/early-userspace/buffer-format.rst.
 */
#include "cpio.h"
#include <kernel/string.h>

#define HEADER_LEN 110
#define TRAILER    "TRAILER!!!"

enum field {
    F_INO,
    F_MODE,
    F_UID,
    F_GID,
    F_NLINK,
    F_MTIME,
    F_SIZE,
    F_DEV_MAJOR,
    F_DEV_MINOR,
    F_RDEV_MAJOR,
    F_RDEV_MINOR,
    F_NAME_LEN,
    F_CHECK,
    NR_FIELDS
};

void cpio_begin(struct cpio_reader *r, const void *data, size_t len)
{
    *r = (struct cpio_reader){.data = data, .len = len};
}

static int malformed(struct cpio_reader *r, size_t pos, const char *what)
{
    r->error = what;
    r->error_pos = pos;
    return -1;
}

static int hex_digit(u8 c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool parse_hex8(const u8 *s, u32 *v)
{
    *v = 0;
    for (int n = 0; n < 8; n++) {
        int d = hex_digit(s[n]);

        if (d < 0)
            return false;
        *v = *v << 4 | (u32)d;
    }
    return true;
}

/* What a beginning that is not cpio's may be instead. */
static const char *foreign_kind(const u8 *d, size_t n)
{
    static const struct {
        const char *magic;
        size_t len;
        const char *what;
    } kinds[] = {
        {"\x1f\x8b", 2, "compressed, gunzip it first"},
        {"BZh", 3, "compressed, bunzip2 it first"},
        {"\xfd"
         "7zXZ",
         5, "compressed, unxz it first"},
        {"\x28\xb5\x2f\xfd", 4, "compressed, unzstd it first"},
        {"\x02\x21\x4c\x18", 4, "compressed, unlz4 it first"},
        {"\x89LZO", 4, "compressed, lzop -d it first"},
        {"070707", 6, "old portable cpio; make it with cpio -H newc"},
        {"\xc7\x71", 2, "old binary cpio; make it with cpio -H newc"},
        {"\x71\xc7", 2, "old binary cpio; make it with cpio -H newc"},
        {"\x7f"
         "ELF",
         4, "an ELF file, not a cpio archive"},
    };

    for (unsigned int k = 0; k < ARRAY_SIZE(kinds); k++)
        if (n >= kinds[k].len && memcmp(d, kinds[k].magic, kinds[k].len) == 0)
            return kinds[k].what;
    return "no cpio header here (wanted 070701)";
}

/* Passes over zero bytes between archives. False at the end of the data. */
static bool skip_zeros(struct cpio_reader *r)
{
    while (r->pos < r->len && r->data[r->pos] == 0)
        r->pos++;
    return r->pos < r->len;
}

static size_t padded(const struct cpio_reader *r, size_t pos)
{
    return r->base + ALIGN_UP(pos - r->base, 4);
}

static bool checksum_ok(const struct cpio_entry *e, u32 want)
{
    u32 sum = 0;

    for (u32 n = 0; n < e->size; n++)
        sum += e->data[n];
    return sum == want;
}

/* The header at r->pos, which is inside the data. */
static int parse_header(struct cpio_reader *r, u32 f[NR_FIELDS], bool *with_sum)
{
    const u8 *h = r->data + r->pos;

    if (r->len - r->pos < 6 || memcmp(h, "07070", 5) != 0 || (h[5] != '1' && h[5] != '2'))
        return malformed(r, r->pos, foreign_kind(h, r->len - r->pos));
    if (r->len - r->pos < HEADER_LEN)
        return malformed(r, r->pos, "truncated inside a header");
    *with_sum = h[5] == '2';
    for (int n = 0; n < NR_FIELDS; n++)
        if (!parse_hex8(h + 6 + 8 * n, &f[n]))
            return malformed(r, r->pos + 6 + 8 * (size_t)n, "a header field is not hexadecimal");
    return 0;
}

static int parse_entry(struct cpio_reader *r, struct cpio_entry *e)
{
    size_t name_at = r->pos + HEADER_LEN, data_at;
    u32 f[NR_FIELDS];
    bool with_sum;

    if (parse_header(r, f, &with_sum))
        return -1;
    if (f[F_NAME_LEN] == 0 || f[F_NAME_LEN] > 4096)
        return malformed(r, r->pos + 6 + 8 * F_NAME_LEN, "name length is 0 or more than 4096");
    if (f[F_NAME_LEN] > r->len - name_at)
        return malformed(r, name_at, "truncated inside a name");
    if (r->data[name_at + f[F_NAME_LEN] - 1] != '\0')
        return malformed(r, name_at, "name does not end with a NUL byte");
    data_at = padded(r, name_at + f[F_NAME_LEN]);
    if (data_at > r->len ? f[F_SIZE] != 0 : f[F_SIZE] > r->len - data_at)
        return malformed(r, min(data_at, r->len), "truncated inside a file's data");
    *e = (struct cpio_entry){
        .ino = f[F_INO],
        .mode = f[F_MODE],
        .uid = f[F_UID],
        .gid = f[F_GID],
        .nlink = f[F_NLINK],
        .mtime = f[F_MTIME],
        .size = f[F_SIZE],
        .dev_major = f[F_DEV_MAJOR],
        .dev_minor = f[F_DEV_MINOR],
        .rdev_major = f[F_RDEV_MAJOR],
        .rdev_minor = f[F_RDEV_MINOR],
        .name = (const char *)r->data + name_at,
        .data = r->data + min(data_at, r->len),
        .offset = r->pos,
    };
    if (with_sum && !checksum_ok(e, f[F_CHECK]))
        return malformed(r, r->pos, "checksum of the data is wrong");
    r->pos = min(padded(r, data_at + f[F_SIZE]), r->len);
    return 1;
}

int cpio_next(struct cpio_reader *r, struct cpio_entry *e)
{
    bool fresh = r->pos == 0;

    for (;;) {
        if (fresh) {
            if (!skip_zeros(r))
                return 0;
            r->base = r->pos;
        } else if (r->pos >= r->len) {
            return malformed(r, r->len, "truncated: no TRAILER!!! at the end");
        }
        if (parse_entry(r, e) < 0)
            return -1;
        e->new_archive = fresh;
        if (strcmp(e->name, TRAILER) != 0)
            return 1;
        fresh = true;
    }
}
