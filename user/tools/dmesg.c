/* SPDX-License-Identifier: MIT */
/* dmesg: the kernel's messages, from syslog(2). */
#include "lib.h"

#include <err.h>
#include <sys/klog.h>
#include <unistd.h>

#define SYSLOG_READ_ALL    3
#define SYSLOG_SIZE_BUFFER 10

int main(void)
{
    int size = klogctl(SYSLOG_SIZE_BUFFER, NULL, 0);
    char *buf;
    int len;

    if (size < 0)
        err(1, "syslog");
    buf = xmalloc((size_t)size);
    len = klogctl(SYSLOG_READ_ALL, buf, size);
    if (len < 0)
        err(1, "syslog");
    return write_all(STDOUT_FILENO, buf, (size_t)len) < 0;
}
