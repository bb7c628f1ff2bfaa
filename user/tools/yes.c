/* SPDX-License-Identifier: MIT */
/* yes [WORD]: the word, or "y", without end. */
#include "lib.h"

#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "y";
    struct strbuf sb = {0};

    while (sb.len < 4096) {
        strbuf_puts(&sb, word);
        strbuf_addc(&sb, '\n');
    }
    while (write_all(STDOUT_FILENO, sb.text, sb.len) == 0)
        ;
    return 1;
}
