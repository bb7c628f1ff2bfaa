/* SPDX-License-Identifier: MIT */
/* vsnprintf_ktest.c: lib/vsnprintf.c against ISO C's rules, and the symbol lookup behind %pS. */
#include <kernel/kallsyms.h>
#include <kernel/ktest.h>
#include <kernel/printk.h>
#include <kernel/string.h>

static char buf[64];

#define EXPECT_TEXT(want, ...)                                                                    \
    do {                                                                                          \
        int n_ = snprintf(buf, sizeof(buf), __VA_ARGS__);                                         \
        EXPECT(strcmp(buf, want) == 0);                                                           \
        EXPECT_EQ(n_, strlen(want));                                                              \
    } while (0)

KTEST(vsnprintf, integers)
{
    EXPECT_TEXT("-1 0 2147483647", "%d %d %d", -1, 0, 2147483647);
    EXPECT_TEXT("-9223372036854775808", "%lld", (long long)(1ULL << 63));
    EXPECT_TEXT("18446744073709551615", "%lu", ~0UL);
    EXPECT_TEXT("ff FF 0xff 0XFF 0377", "%x %X %#x %#X %#o", 255, 255, 255, 255, 255);
    EXPECT_TEXT("-1 255", "%hhd %hhu", 255, 255);
    EXPECT_TEXT("0", "%#x", 0);
}

KTEST(vsnprintf, width_and_precision)
{
    EXPECT_TEXT("[   42][42   ][00042]", "[%5d][%-5d][%05d]", 42, 42, 42);
    EXPECT_TEXT("[-0042][+42][ 42]", "[%05d][%+d][% d]", -42, 42, 42);
    EXPECT_TEXT("[  007][  ][0x00ff]", "[%5.3d][%2.0d][%#06x]", 7, 0, 255);
    EXPECT_TEXT("[  abc][abc  ][ab]", "[%5s][%-5s][%.2s]", "abc", "abc", "abc");
    EXPECT_TEXT("[   7][7   ]", "[%*d][%*d]", 4, 7, -4, 7);
}

KTEST(vsnprintf, others)
{
    const char *volatile none = NULL; /* the compiler would refuse a plain NULL */

    EXPECT_TEXT("a%b (null)", "%c%%b %s", 'a', none);
}

KTEST(vsnprintf, truncation)
{
    EXPECT_EQ(snprintf(buf, 4, "abcdef"), 6);
    EXPECT(strcmp(buf, "abc") == 0);
    EXPECT_EQ(scnprintf(buf, 4, "abcdef"), 3);
    EXPECT_EQ(snprintf(NULL, 0, "abc"), 3);
    EXPECT_EQ(scnprintf(buf, 0, "abc"), 0);
}

KTEST(vsnprintf, symbols)
{
    unsigned long addr = kallsyms_address("vsnprintf"), offset, size;
    const char *name = kallsyms_lookup(addr + 5, &offset, &size);

    EXPECT_EQ(addr, (unsigned long)vsnprintf);
    EXPECT_OR_RETURN(name);
    EXPECT(strcmp(name, "vsnprintf") == 0);
    EXPECT_EQ(offset, 5);
    EXPECT(kallsyms_lookup(0x1000, &offset, &size) == NULL);
    snprintf(buf, sizeof(buf), "%pS", (void *)(addr + 5));
    EXPECT(strncmp(buf, "vsnprintf+0x5/", 14) == 0);
}
