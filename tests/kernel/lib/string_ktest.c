/* SPDX-License-Identifier: MIT */
/*
 * string_ktest.c: lib/string.c and the machine's memcpy, memmove, memset, against loops that copy
 * byte by byte.
 */
#include <asm/errno.h>
#include <kernel/ktest.h>
#include <kernel/string.h>

#define LEN 64

static u8 a[LEN + 16], b[LEN + 16];

static void fill(void)
{
    for (unsigned int i = 0; i < sizeof(a); i++) {
        a[i] = (u8)(i * 7 + 1);
        b[i] = (u8)(i * 7 + 1);
    }
}

/*
 * Every length and every pair of offsets: a is moved by memmove, b by a loop that goes the right
 * way.
 */
KTEST(string, memmove_overlap)
{
    for (size_t n = 0; n <= 40; n++) {
        for (size_t from = 0; from < 12; from++) {
            for (size_t to = 0; to < 12; to++) {
                fill();
                memmove(a + to, a + from, n);
                for (size_t i = 0; i < n; i++) {
                    size_t k = to > from ? n - 1 - i : i;

                    b[to + k] = b[from + k];
                }
                EXPECT_OR_RETURN(memcmp(a, b, sizeof(a)) == 0);
            }
        }
    }
}

KTEST(string, memset_borders)
{
    for (size_t n = 0; n <= 40; n++) {
        for (size_t at = 1; at < 9; at++) {
            fill();
            memset(a + at, 0x1a5, n);
            for (size_t i = 0; i < sizeof(a); i++)
                EXPECT_OR_RETURN(a[i] == (i >= at && i < at + n ? 0xa5 : b[i]));
        }
    }
}

/* Each length and alignment, each byte wrong; what lies outside does not count. */
KTEST(string, memchr_inv_finds_the_first)
{
    static u8 s[160];

    for (size_t at = 1; at < 9; at++) {
        for (size_t n = 0; n <= 150; n += n < 20 ? 1 : 13) {
            memset(s, 0x11, sizeof(s));
            memset(s + at, 0xa5, n);
            EXPECT_OR_RETURN(memchr_inv(s + at, 0x1a5, n) == NULL);
            for (size_t i = n; i-- > 0;) {
                s[at + i] ^= 0x80;
                EXPECT_OR_RETURN(memchr_inv(s + at, 0xa5, n) == s + at + i);
            }
        }
    }
}

KTEST(string, memcmp_order)
{
    for (size_t i = 0; i < 24; i++) {
        fill();
        a[i] = 200, b[i] = 100; /* bytes are unsigned */
        EXPECT(memcmp(a, b, 24) > 0);
        EXPECT(memcmp(b, a, 24) < 0);
        EXPECT(memcmp(a, b, i) == 0);
    }
}

KTEST(string, search)
{
    EXPECT(strcmp("abc", "abc") == 0 && strcmp("abc", "abd") < 0 && strcmp("b", "abc") > 0);
    EXPECT(strncmp("abcx", "abcy", 3) == 0 && strncmp("ab", "abc", 3) < 0);
    EXPECT(strlen("") == 0 && strnlen("abcdef", 3) == 3);
    EXPECT(*strchr("a=b=c", '=') == '=' && strchr("abc", 'x') == NULL && *strchr("abc", 0) == 0);
    EXPECT_EQ(strrchr("a=b=c", '=')[1], 'c');
    EXPECT(strstr("hello", "ll") != NULL && strstr("hello", "lx") == NULL);
    EXPECT(memchr("abc", 'd', 3) == NULL);
}

KTEST(string, strscpy_truncates)
{
    char d[4];

    EXPECT_EQ(strscpy(d, "abc", sizeof(d)), 3);
    EXPECT_EQ(strscpy(d, "abcd", sizeof(d)), -E2BIG);
    EXPECT(strcmp(d, "abc") == 0);
    EXPECT_EQ(strscpy(d, "", 0), -E2BIG);
}

KTEST(string, numbers)
{
    const char *end;

    EXPECT_EQ(parse_u64("0x1fG", &end), 31);
    EXPECT_EQ(*end, 'G');
    EXPECT_EQ(parse_u64("017", NULL), 15);
    EXPECT_EQ(parse_u64("0", NULL), 0);
    EXPECT_EQ(parse_u64("x", &end), 0);
    EXPECT_EQ(*end, 'x');
    EXPECT_EQ(parse_size("3M,", &end), 3 << 20);
    EXPECT_EQ(*end, ',');
}
