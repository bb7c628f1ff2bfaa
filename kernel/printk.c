/* SPDX-License-Identifier: MIT */
/*
 * printk.c: the kernel's log: a ring of the last 64 KiB of text, and the consoles it is sent to.
 *
 * Each record is one line, "<level>[seconds.microseconds] text". It works from the first C
 * instruction on (bytes wait in the ring until a console registers) and in any context. It does not
 * interpret text and does not sleep.
 * Lock: log_lock (LOCK_PRINTK), taken by hand rather than with spin_lock: the lock checker itself
 * reports through printk, and a fault inside a console driver must still be able to speak.
 * I1: printk_head - log_begin() <= LOG_SIZE; byte i of the log is printk_ring[i % LOG_SIZE].
 * I2: the CPU in log_owner, and no other, writes the ring.
 * Read next: panic.c, drivers/serial16550.c.
 */
#include <kernel/console.h>
#include <kernel/param.h>
#include <kernel/printk.h>
#include <kernel/spinlock.h>
#include <kernel/string.h>
#include <kernel/time.h>

#define LOG_SIZE 65536u
#define LINE_MAX 512
#define LEVEL_CHARS 3 /* "<6>" */

static char printk_ring[LOG_SIZE];
static u64 printk_head; /* bytes ever written */
static struct console *consoles;
static int console_level = LOG_INFO;
static u64 nr_warnings; /* records of LOG_WARNING and more serious */
static bool line_open; /* the last record did not end with a newline */

static u32 log_owner; /* CPU + 1 */
static unsigned int log_depth;

/* Returns the interrupt state. The owner may enter again: a fault while printing. */
static unsigned long log_lock(void)
{
    unsigned long flags = irq_save();
    u32 me = smp_processor_id() + 1, expected;

    if (READ_ONCE(log_owner) != me) {
        for (;;) {
            expected = 0;
            if (__atomic_compare_exchange_n(&log_owner, &expected, me, false, __ATOMIC_ACQUIRE,
                                            __ATOMIC_RELAXED))
                break;
            cpu_relax();
        }
    }
    log_depth++;
    return flags;
}

static void log_unlock(unsigned long flags)
{
    if (--log_depth == 0)
        __atomic_store_n(&log_owner, 0, __ATOMIC_RELEASE);
    irq_restore(flags);
}

void console_break_lock(void)
{
    u32 me = smp_processor_id() + 1;

    if (READ_ONCE(log_owner) != me) {
        log_depth = 0;
        __atomic_store_n(&log_owner, 0, __ATOMIC_RELEASE);
    }
    console_level = LOG_DEBUG;
}

static u64 log_begin(void)
{
    return printk_head > LOG_SIZE ? printk_head - LOG_SIZE : 0;
}

static void ring_append(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        printk_ring[printk_head++ % LOG_SIZE] = s[i];
}

static void consoles_write(const char *s, size_t n)
{
    for (struct console *c = consoles; c; c = c->next)
        c->write(c, s, n);
}

/* Text with line feeds only, to devices that want a carriage return too. */
static void consoles_write_text(const char *s, size_t n)
{
    size_t from = 0;

    for (size_t i = 0; i < n; i++) {
        if (s[i] != '\n')
            continue;
        consoles_write(s + from, i - from);
        consoles_write("\r\n", 2);
        from = i + 1;
    }
    consoles_write(s + from, n - from);
}

void console_write(const char *s, size_t n)
{
    unsigned long flags = log_lock();

    consoles_write(s, n);
    log_unlock(flags);
}

/*
 * The log so far as it would have been shown: without the levels, and without what is above the
 * console's.
 */
static void replay(struct console *c)
{
    bool line_start = true, shown = true;

    for (u64 i = log_begin(); i < printk_head; i++) {
        char ch = printk_ring[i % LOG_SIZE];

        if (line_start && ch == '<') {
            shown = printk_ring[(i + 1) % LOG_SIZE] - '0' <= console_level;
            i += LEVEL_CHARS - 1;
            line_start = false;
            continue;
        }
        line_start = ch == '\n';
        if (!shown)
            continue;
        if (line_start)
            c->write(c, "\r", 1);
        c->write(c, &ch, 1);
    }
}

void console_register(struct console *c)
{
    unsigned long flags = log_lock();

    c->next = consoles;
    WRITE_ONCE(consoles, c);
    replay(c);
    log_unlock(flags);
}

void printk(enum log_level level, const char *fmt, ...)
{
    char text[LINE_MAX], stamp[32];
    va_list ap;

    va_start(ap, fmt);
    int len = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    len = min(len, LINE_MAX - 1);

    u64 us = arch_clock_ns() / NSEC_PER_USEC;
    unsigned long flags = log_lock();

    nr_warnings += level <= LOG_WARNING;
    if (!line_open) {
        int n = scnprintf(stamp, sizeof(stamp), "<%d>[%5llu.%06llu] ", (int)level,
                          (unsigned long long)(us / 1000000), (unsigned long long)(us % 1000000));

        ring_append(stamp, (size_t)n);
        if ((int)level <= console_level)
            consoles_write(stamp + LEVEL_CHARS, (size_t)n - LEVEL_CHARS);
    }
    ring_append(text, (size_t)len);
    if ((int)level <= console_level)
        consoles_write_text(text, (size_t)len);
    line_open = len > 0 && text[len - 1] != '\n';
    log_unlock(flags);
}

u64 printk_nr_warnings(void)
{
    return READ_ONCE(nr_warnings);
}

size_t printk_read(u64 *pos, char *buf, size_t n)
{
    unsigned long flags = log_lock();
    size_t done = 0;

    if (*pos < log_begin())
        *pos = log_begin();
    while (done < n && *pos < printk_head)
        buf[done++] = printk_ring[(*pos)++ % LOG_SIZE];
    log_unlock(flags);
    return done;
}

static void set_loglevel(const char *value)
{
    console_level = (int)parse_u64(value, NULL);
}
KPARAM("loglevel", set_loglevel, "highest level on the console: 3 errors, 4 warnings, 6, 7 debug");

static void set_quiet(const char *value)
{
    console_level = LOG_WARNING;
}
KPARAM("quiet", set_quiet, "show only warnings and errors on the console");
