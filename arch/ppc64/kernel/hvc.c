/* SPDX-License-Identifier: MIT */
/*
 * hvc.c: the hypervisor's terminal as console: output by polling, input by interrupt.
 *
 * Sixteen characters go with one call, in two registers, the first one in the highest byte. Works
 * with and without translation and in a panic.
 * Lock: none of its own; output runs under the log's lock, input in the interrupt handler.
 * Source: LoPAR 16.2 (H_GET_TERM_CHAR, H_PUT_TERM_CHAR). Read next: kernel/printk.c, drivers/tty/.
 */
#include "internal.h"
#include <asm/errno.h>
#include <kernel/console.h>
#include <kernel/irq.h>
#include <kernel/string.h>

#define CHARS 16
#define MAX_TRIES 1000000 /* a terminal that hangs must not hang the kernel */

static void hvc_write(struct console *c, const char *s, size_t n)
{
    while (n > 0) {
        size_t len = min(n, (size_t)CHARS);
        u64 word[2] = { 0, 0 };

        memcpy(word, s, len);
        for (unsigned int i = 0; i < MAX_TRIES; i++)
            if (hcall(H_PUT_TERM_CHAR, ppc_platform.vty, len, word[0], word[1]) == H_SUCCESS)
                break;
        s += len;
        n -= len;
    }
}

static struct console hvc_console = { .name = "hvc0", .write = hvc_write };

void hvc_init(void)
{
    console_register(&hvc_console);
}

static void hvc_interrupt(void *arg)
{
    unsigned long a[8] = { ppc_platform.vty };

    while (hcall_args(H_GET_TERM_CHAR, a) == H_SUCCESS && a[0] > 0 && a[0] <= CHARS) {
        u64 word[2] = { a[1], a[2] };

        for (unsigned int i = 0; i < a[0]; i++)
            console_input(((const char *)word)[i]);
        a[0] = ppc_platform.vty;
    }
}

int hvc_start_input(void)
{
    int line = xics_line(ppc_platform.vty_irq), err;

    if (line < 0)
        return line;
    err = irq_register((unsigned int)line, hvc_interrupt, NULL, hvc_console.name);
    if (!err)
        hvc_interrupt(NULL); /* what was typed before */
    return err;
}
