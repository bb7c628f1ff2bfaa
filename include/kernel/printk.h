/* SPDX-License-Identifier: MIT */
/*
 * printk.h: the kernel's log and its death.
 */
#pragma once
#include <kernel/types.h>
#include <stdarg.h>

enum log_level { LOG_ERR = 3, LOG_WARNING = 4, LOG_INFO = 6, LOG_DEBUG = 7 };

/* Any context. Conversions of C plus %pS (symbol+offset). */
void printk(enum log_level level, const char *fmt, ...) __printf(2, 3);
#define pr_err(...)   printk(LOG_ERR, __VA_ARGS__)
#define pr_warn(...)  printk(LOG_WARNING, __VA_ARGS__)
#define pr_info(...)  printk(LOG_INFO, __VA_ARGS__)
#define pr_debug(...) printk(LOG_DEBUG, __VA_ARGS__)

/* Bytes straight to the console, no log entry, no time stamp (KTAP output, tty echo). */
void console_write(const char *s, size_t n);

/*
 * Reads log bytes from *@pos on; returns the count, advances *@pos; 0 at the end. Lost bytes are
 * skipped.
 */
size_t printk_read(u64 *pos, char *buf, size_t n);
/* How many records of LOG_WARNING and more serious there were since boot. */
u64 printk_nr_warnings(void);

int snprintf(char *buf, size_t n, const char *fmt, ...) __printf(3, 4);
int vsnprintf(char *buf, size_t n, const char *fmt, va_list ap);
/* Returns the number of bytes that are in buf. */
int scnprintf(char *buf, size_t n, const char *fmt, ...) __printf(3, 4);

__noreturn void panic(const char *fmt, ...) __printf(1, 2);
#define BUG() panic("BUG at %s:%d", __FILE__, __LINE__)
#define BUG_ON(c)                                                                                 \
    do {                                                                                          \
        if (unlikely(c))                                                                          \
            panic("BUG at %s:%d: %s", __FILE__, __LINE__, #c);                                    \
    } while (0)
#define WARN_ON_ONCE(c)                                                                           \
    ({                                                                                            \
        static bool warned_;                                                                      \
        bool c_ = (c);                                                                            \
        if (unlikely(c_) && !warned_) {                                                           \
            warned_ = true;                                                                       \
            pr_err("WARNING at %s:%d: %s\n", __FILE__, __LINE__, #c);                             \
        }                                                                                         \
        c_;                                                                                       \
    })
/* Checks that cost something: present in debug kernels only. */
#ifdef CONFIG_DEBUG
#define ASSERT(c) BUG_ON(!(c))
#else
#define ASSERT(c) ((void)sizeof(c))
#endif
