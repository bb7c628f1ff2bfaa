/* SPDX-License-Identifier: MIT */
/*
 * sys_misc.c: calls about the system as a whole: its names, its memory, its log, its end.
 * Source: uname(2), sysinfo(2), syslog(2), reboot(2).
 *
 * Locks: utsname_lock (LEAF); the log has its own.
 * Invariants: none.
 * Read next: kernel/task/.
 */
#include <arch/task.h>
#include <kernel/printk.h>
#include <kernel/sched.h>
#include <kernel/string.h>
#include <kernel/syscall.h>
#include <kernel/task.h>
#include <kernel/time.h>
#include <kernel/uaccess.h>
#include <kernel/utsname.h>
#include <mm/buddy.h>
#include <mm/mm.h>
#include <mm/slab.h>
#include <asm/errno.h>
#include <linux/reboot.h>
#include <linux/sysinfo.h>

/* ---- names ----------------------------------------------------------------------------------- */

static spinlock_t utsname_lock = SPINLOCK_INIT(LOCK_LEAF);
/* Programs ask for the interface they may use, so the first two name Linux's. */
static struct new_utsname utsname = {
    .sysname = "Linux",
    .nodename = "quire",
    .release = "6.1.0-quire",
    .version = "Quire",
    .domainname = "(none)",
};

void utsname_get(struct new_utsname *out)
{
    unsigned long flags = spin_lock_irqsave(&utsname_lock);

    *out = utsname;
    spin_unlock_irqrestore(&utsname_lock, flags);
    strscpy(out->machine, arch_uname_machine(), sizeof(out->machine));
}

static void set_name(char *field, const char *name, size_t n)
{
    unsigned long flags = spin_lock_irqsave(&utsname_lock);

    n = min(n, (size_t)__NEW_UTS_LEN);
    memset(field, 0, __NEW_UTS_LEN + 1);
    memcpy(field, name, n);
    spin_unlock_irqrestore(&utsname_lock, flags);
}

void utsname_set_host(const char *name, size_t n)
{
    set_name(utsname.nodename, name, n);
}

SYSCALL1(uname, struct new_utsname __user *, uname)
{
    struct new_utsname u;

    utsname_get(&u);
    return copy_to_user(uname, &u, sizeof(u));
}

static long set_name_from_user(char *field, const char __user *uname, int len)
{
    char name[__NEW_UTS_LEN];

    if (!has_capability())
        return -EPERM;
    if (len < 0 || len > __NEW_UTS_LEN)
        return -EINVAL;
    if (copy_from_user(name, uname, (size_t)len) != 0)
        return -EFAULT;
    set_name(field, name, (size_t)len);
    return 0;
}

SYSCALL2(sethostname, const char __user *, name, int, len)
{
    return set_name_from_user(utsname.nodename, name, len);
}

SYSCALL2(setdomainname, const char __user *, name, int, len)
{
    return set_name_from_user(utsname.domainname, name, len);
}

/* ---- memory and load ------------------------------------------------------------------------- */

SYSCALL1(sysinfo, struct sysinfo __user *, uinfo)
{
    struct sysinfo info = { 0 };
    unsigned long load[3];

    sched_loadavg(load);
    info.uptime = (__kernel_long_t)(clock_monotonic_ns() / NSEC_PER_SEC);
    for (int i = 0; i < 3; i++)
        info.loads[i] = load[i] << (SI_LOAD_SHIFT - 11);
    info.totalram = buddy_nr_total() << PAGE_SHIFT;
    info.freeram = buddy_nr_free() << PAGE_SHIFT;
    info.procs = (__u16)min(READ_ONCE(nr_tasks), 65535);
    info.mem_unit = 1;
    return copy_to_user(uinfo, &info, sizeof(info));
}

/* ---- the log --------------------------------------------------------------------------------- */

enum {
    LOG_CLOSE,
    LOG_OPEN,
    LOG_READ,
    LOG_READ_ALL,
    LOG_READ_CLEAR,
    LOG_CLEAR,
    LOG_CONSOLE_OFF,
    LOG_CONSOLE_ON,
    LOG_CONSOLE_LEVEL,
    LOG_SIZE_UNREAD,
    LOG_SIZE_BUFFER
};

static u64 log_read_pos,
    log_clear_pos; /* of LOG_READ and LOG_CLEAR; a race only repeats or skips a line */

/* Bytes from @pos to the end. */
static size_t log_length(u64 pos)
{
    char buf[256];
    size_t n, all = 0;

    while ((n = printk_read(&pos, buf, sizeof(buf))) != 0)
        all += n;
    return all;
}

/* Up to @len bytes from *@pos on, to the user. */
static long log_copy(u64 *pos, char __user *ubuf, size_t len)
{
    char buf[256];
    size_t n, done = 0;

    while (done < len && (n = printk_read(pos, buf, min(len - done, sizeof(buf)))) != 0) {
        if (copy_to_user(ubuf + done, buf, n) != 0)
            return -EFAULT;
        done += n;
    }
    return (long)done;
}

/* The last @len bytes since the log was cleared. */
static long log_read_all(char __user *ubuf, size_t len, bool clear)
{
    u64 pos = log_clear_pos;
    size_t all = log_length(pos);
    char buf[256];
    long done;

    while (all > len) {
        size_t n = printk_read(&pos, buf, min(all - len, sizeof(buf)));

        if (n == 0)
            break;
        all -= n;
    }
    done = log_copy(&pos, ubuf, len);
    if (clear && done >= 0)
        log_clear_pos = pos;
    return done;
}

static long log_wait_and_read(char __user *ubuf, size_t len)
{
    while (log_length(log_read_pos) == 0) {
        /* Nobody wakes readers of the log, for it must work in any context: they look now and then.
         */
        if (nanosleep_until(clock_monotonic_ns() + 100 * NSEC_PER_MSEC, true, NULL) != 0)
            return -ERESTARTSYS;
    }
    return log_copy(&log_read_pos, ubuf, len);
}

SYSCALL3(syslog, int, type, char __user *, buf, int, len)
{
    u64 end = log_clear_pos;
    bool reads = type == LOG_READ || type == LOG_READ_ALL || type == LOG_READ_CLEAR;

    if (type != LOG_READ_ALL && type != LOG_SIZE_BUFFER && !has_capability())
        return -EPERM;
    if (reads && (buf == NULL || len < 0))
        return -EINVAL;
    if (reads && len == 0)
        return 0;
    switch (type) {
    case LOG_CLOSE:
    case LOG_OPEN:
    case LOG_CONSOLE_OFF:
    case LOG_CONSOLE_ON: return 0;
    case LOG_READ: return log_wait_and_read(buf, (size_t)len);
    case LOG_READ_ALL:
    case LOG_READ_CLEAR: return log_read_all(buf, (size_t)len, type == LOG_READ_CLEAR);
    case LOG_CLEAR:
        for (char skipped[256]; printk_read(&end, skipped, sizeof(skipped)) != 0;)
            continue;
        log_clear_pos = end;
        return 0;
    case LOG_CONSOLE_LEVEL: return len < 1 || len > 8 ? -EINVAL : 0;
    case LOG_SIZE_UNREAD: return (long)log_length(log_read_pos);
    case LOG_SIZE_BUFFER: return (long)KIB(64);
    default: return -EINVAL;
    }
}

/* ---- the end --------------------------------------------------------------------------------- */

/* "exit=N": the status with which a test run ends the emulator. */
static int exit_status(const char *command)
{
    const char *end;

    if (strncmp(command, "exit=", 5) != 0)
        return 0;
    return (int)(parse_u64(command + 5, &end) & 0xff);
}

static long restart_with_command(const char __user *arg)
{
    char command[256] = { 0 };
    ssize_t n = strncpy_from_user(command, arg, sizeof(command) - 1);

    if (n < 0 && n != -ENAMETOOLONG)
        return n;
    pr_info("Restarting with command \"%s\"\n", command);
    if (strncmp(command, "exit=", 5) == 0)
        arch_poweroff(exit_status(command));
    arch_restart();
}

SYSCALL4(reboot, int, magic1, int, magic2, unsigned int, cmd, void __user *, arg)
{
    if (!has_capability())
        return -EPERM;
    if ((unsigned int)magic1 != LINUX_REBOOT_MAGIC1 ||
        (magic2 != LINUX_REBOOT_MAGIC2 && magic2 != LINUX_REBOOT_MAGIC2A &&
         magic2 != LINUX_REBOOT_MAGIC2B && magic2 != LINUX_REBOOT_MAGIC2C))
        return -EINVAL;
    switch (cmd) {
    case LINUX_REBOOT_CMD_CAD_ON:
    case LINUX_REBOOT_CMD_CAD_OFF: return 0;
    case LINUX_REBOOT_CMD_HALT: pr_info("System halted\n"); arch_poweroff(0);
    case LINUX_REBOOT_CMD_POWER_OFF: arch_poweroff(0);
    case LINUX_REBOOT_CMD_RESTART: arch_restart();
    case LINUX_REBOOT_CMD_RESTART2: return restart_with_command(arg);
    default: return -EINVAL;
    }
}
