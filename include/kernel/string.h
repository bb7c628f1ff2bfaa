/* SPDX-License-Identifier: MIT */
/*
 * string.h: the C library's memory and string functions that the kernel uses. Source: ISO C 7.24.
 */
#pragma once
#include <kernel/types.h>

void *memcpy(void *d, const void *s, size_t n);
void *memmove(void *d, const void *s, size_t n);
void *memset(void *d, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int c, size_t n);
/* The first of @n bytes that is not @c, or NULL. Source: Linux's function of this name. */
void *memchr_inv(const void *s, int c, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t n);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
char *strstr(const char *s, const char *needle);
/* Copies with truncation, always terminates; returns the copied length or -E2BIG when truncated. */
ssize_t strscpy(char *d, const char *s, size_t n);
/* Number with base prefix as strtoull(base 0); *@end behind it. */
u64 parse_u64(const char *s, const char **end);
/* "64M", "1G": number with K M G suffix. */
u64 parse_size(const char *s, const char **end);

/* The compiler may expand calls with a small constant length in place. */
#define memcpy(d, s, n)  __builtin_memcpy(d, s, n)
#define memmove(d, s, n) __builtin_memmove(d, s, n)
#define memset(d, c, n)  __builtin_memset(d, c, n)
#define memcmp(a, b, n)  __builtin_memcmp(a, b, n)
#define strlen(s)        __builtin_strlen(s)
#define strcmp(a, b)     __builtin_strcmp(a, b)
