/* SPDX-License-Identifier: MIT */
/*
 * sys.c: /proc/sys: knobs of the kernel, most of them only to be read. Those of memory come from
 * mm/sysctl.c's table. Locks: none; each value is one word, names have their own lock. Source:
 * proc(5), /proc/sys. Read next: mm/sysctl.c.
 */
#include "procfs.h"
#include <kernel/random.h>
#include <kernel/utsname.h>

/* ---- names ---- */

enum { NAME_OSTYPE, NAME_RELEASE, NAME_VERSION, NAME_HOST, NAME_DOMAIN };

static int show_name(struct seq *s, void *arg)
{
    struct new_utsname u;
    const char *const names[] = {u.sysname, u.release, u.version, u.nodename, u.domainname};

    utsname_get(&u);
    seq_printf(s, "%s\n", names[(long)arg]);
    return 0;
}

static ssize_t store_hostname(const char *buf, size_t n, void *arg)
{
    size_t len = 0;

    if (!has_capability())
        return -EPERM;
    while (len < n && buf[len] != '\n' && buf[len] != '\0')
        len++;
    utsname_set_host(buf, len);
    return (ssize_t)n;
}

/* ---- numbers ---- */

static int show_int(struct seq *s, void *arg)
{
    seq_printf(s, "%d\n", READ_ONCE(*(int *)arg));
    return 0;
}

static int show_fixed(struct seq *s, void *arg)
{
    seq_printf(s, "%ld\n", (long)arg);
    return 0;
}

static int show_text(struct seq *s, void *arg)
{
    seq_printf(s, "%s\n", (const char *)arg);
    return 0;
}

static ssize_t parse_number(const char *buf, u64 max_value, u64 *v)
{
    const char *end;

    while (*buf == ' ' || *buf == '\t')
        buf++;
    *v = parse_u64(buf, &end);
    while (*end == '\n' || *end == ' ')
        end++;
    return end == buf || *end != '\0' || *v > max_value ? -EINVAL : 0;
}

static ssize_t store_randomize(const char *buf, size_t n, void *arg)
{
    u64 v;
    ssize_t ret = parse_number(buf, 2, &v);

    if (ret)
        return ret;
    WRITE_ONCE(sysctl_randomize_va_space, (int)v);
    return (ssize_t)n;
}

static ssize_t store_threads_max(const char *buf, size_t n, void *arg)
{
    u64 v;
    ssize_t ret = parse_number(buf, 32768, &v);

    if (ret || v < 20)
        return -EINVAL;
    WRITE_ONCE(sysctl_threads_max, (int)v);
    return (ssize_t)n;
}

/* A random UUID, version 4: new at each read, or made once. */
static void show_uuid_bytes(struct seq *s, const u8 *b)
{
    for (int n = 0; n < 16; n++)
        seq_printf(s, "%02x%s", b[n],
                   n == 3 || n == 5 || n == 7 || n == 9 ? "-"
                   : n == 15                            ? "\n"
                                                        : "");
}

static void make_uuid(u8 *b)
{
    random_bytes(b, 16);
    b[6] = (b[6] & 0x0f) | 0x40;
    b[8] = (b[8] & 0x3f) | 0x80;
}

static int show_uuid(struct seq *s, void *arg)
{
    u8 b[16];

    make_uuid(b);
    show_uuid_bytes(s, b);
    return 0;
}

static int show_boot_id(struct seq *s, void *arg)
{
    static u8 id[16];

    if (id[6] == 0)
        make_uuid(id);
    show_uuid_bytes(s, id);
    return 0;
}

/* ---- memory ---- */

static int show_vm(struct seq *s, void *arg)
{
    const struct vm_sysctl *k = arg;
    char buf[64];

    seq_write(s, buf, (size_t)k->show(buf, sizeof(buf)));
    return 0;
}

static ssize_t store_vm(const char *buf, size_t n, void *arg)
{
    const struct vm_sysctl *k = arg;
    int ret = k->store(buf);

    return ret ? ret : (ssize_t)n;
}

static void add_vm(void)
{
    for (const struct vm_sysctl *k = vm_sysctls; k->name; k++) {
        char path[64];

        (void)scnprintf(path, sizeof(path), "sys/vm/%s", k->name);
        proc_create(path, k->store ? 0644 : 0444, show_vm, k->store ? store_vm : NULL,
                    (void *)(unsigned long)k);
    }
}

void proc_sys_init(void)
{
    static char core[] = "core";

    proc_create("sys/kernel/ostype", 0444, show_name, NULL, (void *)NAME_OSTYPE);
    proc_create("sys/kernel/osrelease", 0444, show_name, NULL, (void *)NAME_RELEASE);
    proc_create("sys/kernel/version", 0444, show_name, NULL, (void *)NAME_VERSION);
    proc_create("sys/kernel/hostname", 0644, show_name, store_hostname, (void *)NAME_HOST);
    proc_create("sys/kernel/domainname", 0444, show_name, NULL, (void *)NAME_DOMAIN);
    proc_create("sys/kernel/pid_max", 0444, show_fixed, NULL, (void *)32768L);
    proc_create("sys/kernel/cap_last_cap", 0444, show_fixed, NULL, (void *)40L);
    proc_create("sys/kernel/ngroups_max", 0444, show_fixed, NULL, (void *)32L);
    proc_create("sys/kernel/threads-max", 0644, show_int, store_threads_max, &sysctl_threads_max);
    proc_create("sys/kernel/randomize_va_space", 0644, show_int, store_randomize,
                &sysctl_randomize_va_space);
    proc_create("sys/kernel/core_pattern", 0444, show_text, NULL, core);
    proc_create("sys/kernel/random/uuid", 0444, show_uuid, NULL, NULL);
    proc_create("sys/kernel/random/boot_id", 0444, show_boot_id, NULL, NULL);
    proc_create("sys/kernel/random/entropy_avail", 0444, show_fixed, NULL, (void *)256L);
    proc_create("sys/kernel/random/poolsize", 0444, show_fixed, NULL, (void *)256L);
    proc_create("sys/fs/nr_open", 0444, show_fixed, NULL, (void *)(1L << 20));
    proc_create("sys/fs/file-max", 0444, show_fixed, NULL, (void *)(1L << 20));
    proc_create("sys/fs/pipe-max-size", 0444, show_fixed, NULL, (void *)(1L << 20));
    add_vm();
}
