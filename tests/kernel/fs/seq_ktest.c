/* SPDX-License-Identifier: MIT */
/* seq_ktest.c: text that grows, and text read as a file in pieces. */
#include "fs/internal.h"
#include <kernel/ktest.h>

KTEST(seq, grows)
{
    struct seq s = { 0 };
    size_t want = 0;
    char word[16];

    for (unsigned int n = 0; n < 30000; n++) {
        seq_printf(&s, "%u,", n);
        want += (size_t)scnprintf(word, sizeof(word), "%u,", n);
    }
    EXPECT(!s.failed);
    EXPECT_EQ(s.len, want);
    EXPECT(s.len > KIB(64) && memcmp(s.buf, "0,1,2,", 6) == 0);
    EXPECT_EQ(memcmp(s.buf + s.len - 12, "29998,29999,", 12), 0);
    seq_free(&s);
    EXPECT(s.buf == NULL && s.len == 0);
}

KTEST(seq, one_long_line)
{
    struct seq s = { 0 };
    char *line = kmalloc(5000);

    EXPECT_OR_RETURN(line);
    memset(line, 'x', 4999);
    line[4999] = '\0';
    seq_puts(&s, "begin ");
    seq_printf(&s, "<%s>", line); /* longer than what was reserved for it */
    EXPECT_EQ(s.len, 6 + 4999 + 2);
    EXPECT(s.buf[6] == '<' && s.buf[s.len - 1] == '>');
    seq_free(&s);
    kfree(line);
}

static unsigned int nr_made;

static int show_moment(struct seq *s, void *arg)
{
    nr_made++;
    for (int n = 0; n < 100; n++)
        seq_printf(s, "%u\n", nr_made);
    return 0;
}

static struct pseudo_file moment = { .show = show_moment };

/* Pieces of one reading belong together; a reading from the start is new. */
KTEST(seq, pieces)
{
    struct inode *i = anon_inode_alloc(S_IFREG | 0444);
    struct file *f;
    char buf[8];
    loff_t pos = 0;

    EXPECT_OR_RETURN(i);
    i->private = &moment;
    nr_made = 0;
    f = file_on_anon(i, "kt", &seq_fops, O_RDONLY, NULL);
    EXPECT_OR_RETURN(!IS_ERR(f));
    for (;;) {
        ssize_t n = kernel_read(f, buf, 7, pos);

        if (n == 0)
            break;
        EXPECT_OR_RETURN(n > 0);
        for (ssize_t k = 0; k < n; k++)
            EXPECT_EQ(buf[k], (pos + k) % 2 ? '\n' : '1');
        pos += n;
    }
    EXPECT_EQ(pos, 200);
    EXPECT_EQ(nr_made, 1);
    EXPECT_EQ(kernel_read(f, buf, 2, 0), 2);
    EXPECT_EQ(buf[0], '2');
    EXPECT_EQ(kernel_read(f, buf, 2, 1000), 0);
    EXPECT_EQ(nr_made, 2);
    file_put(f);
}
