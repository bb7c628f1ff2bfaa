/* SPDX-License-Identifier: MIT */
/*
 * vfs_init.c: the order in which the file layer comes up, and the root file system as it is before
 * the initramfs: a tmpfs with /dev/console and /root, as Linux's default initramfs has. Read next:
 * mount.c.
 */
#include "internal.h"
#include "names.h"
#include <kernel/devices.h>
#include <kernel/devpts.h>

static void must(int error, const char *what)
{
    if (error)
        panic("vfs_init: %s: error %d", what, -error);
}

void vfs_init(void)
{
    mount_init();
    file_init();
    epoll_init();
    tmpfs_init();
    devfs_init();
    procfs_init();
    sysfs_init();
    devpts_init();
    hugetlbfs_init();
    msharefs_init();
    mem_devices_init();
    page_huge_init();
    experiment_init();
    dmatest_init();
    gup_test_init();
    tty_init();
    must(mount_fs(&tmpfs_type, "rootfs", NULL, 0, "mode=755"), "root file system");
    must(name_mkdir(AT_FDCWD, "/dev", 0755), "/dev");
    must(name_mkdir(AT_FDCWD, "/root", 0700), "/root");
    must(name_mknod(AT_FDCWD, "/dev/console", S_IFCHR | 0600, MKDEV(5, 1)), "/dev/console");
}

static void mount_default(const struct fs_type *t, const char *at)
{
    struct path p;
    int ret = name_mkdir(AT_FDCWD, at, 0755);

    if (ret == 0 || ret == -EEXIST)
        ret = walk_path(AT_FDCWD, at, WALK_FOLLOW | WALK_DIRECTORY, &p);
    if (ret == 0) {
        ret = mount_fs(t, t->name, &p, 0, "");
        path_put(&p);
    }
    if (ret)
        pr_err("mounting %s on %s: error %d\n", t->name, at, -ret);
}

void vfs_mount_defaults(void)
{
    mount_default(&devtmpfs_type, "/dev");
    mount_default(&proc_type, "/proc");
    mount_default(&sysfs_type, "/sys");
    mount_default(&devpts_type, "/dev/pts");
}
