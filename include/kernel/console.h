/* SPDX-License-Identifier: MIT */
/*
 * console.h: where the log and the terminal's bytes go, and where typed bytes come from.
 */
#pragma once
#include <kernel/types.h>

struct console {
    const char *name;
    /*
     * Sends all bytes before it returns. Called with the log lock held and interrupts off, also
     * during a panic.
     */
    void (*write)(struct console *c, const char *s, size_t n);
    struct console *next;
};

/* Adds @c for good and sends it what the log already holds. */
void console_register(struct console *c);
/* A byte was typed; the terminal takes it. Interrupt context. */
void console_input(char c);
/* A panic: whoever holds the log lock will not give it back. Other CPUs are stopped. */
void console_break_lock(void);
