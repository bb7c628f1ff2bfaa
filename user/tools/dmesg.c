/* SPDX-License-Identifier: MIT */
/* dmesg: the kernel's messages, from syslog(2), without the "<level>" at the start of each line. */
#include "lib.h"

#include <err.h>
#include <string.h>
#include <sys/klog.h>

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
    for (char *line = buf, *end = buf + len; line < end;) {
        char *newline = memchr(line, '\n', (size_t)(end - line));
        char *next = newline ? newline + 1 : end;

        if (*line == '<' && memchr(line, '>', (size_t)(next - line)))
            line = (char *)memchr(line, '>', (size_t)(next - line)) + 1;
        fwrite(line, 1, (size_t)(next - line), stdout);
        line = next;
    }
    return fflush(stdout) != 0;
}
