/* SPDX-License-Identifier: MIT */
/*
 * cpio_fuzz.c: the reader of the initramfs on any bytes: it must end, and everything that it hands
 * out must lie inside the input (the copy is exactly as long, so that the sanitizer sees one byte
 * too much).
 */
#include <fs/cpio.h>
#include <stdlib.h>
#include <kernel/string.h>
#include "host.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void check_entry(const struct cpio_reader *r, const struct cpio_entry *e)
{
    const u8 *end = r->data + r->len;
    u32 sum = 0;

    REQUIRE((const u8 *)e->name >= r->data && (const u8 *)e->name + strlen(e->name) < end);
    REQUIRE(e->data >= r->data && e->data <= end && e->size <= (size_t)(end - e->data));
    REQUIRE(e->offset < r->len && r->pos <= r->len && e->offset < r->pos);
    for (u32 n = 0; n < e->size; n++)
        sum += e->data[n];
    (void)*(volatile u32 *)&sum;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct cpio_reader r;
    struct cpio_entry e;
    u8 *copy = __builtin_malloc(size ? size : 1);
    int got;

    memcpy(copy, data, size);
    cpio_begin(&r, copy, size);
    while ((got = cpio_next(&r, &e)) == 1)
        check_entry(&r, &e);
    REQUIRE(got == 0 || (r.error != NULL && r.error_pos <= size));
    __builtin_free(copy);
    return 0;
}
