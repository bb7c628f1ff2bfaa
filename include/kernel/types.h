/* SPDX-License-Identifier: MIT */
/*
 * types.h: the words every file uses: integer kinds with a meaning, and a few helpers without
 * state.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;
typedef long ssize_t;
typedef long long loff_t;
typedef int pid_t;
typedef unsigned int uid_t;
typedef unsigned int gid_t;
typedef unsigned int mode_t;
typedef u64 dev_t;
typedef u64 ino_t;

typedef u64 paddr_t;       /* physical address, bytes */
typedef unsigned long vaddr_t; /* virtual address, bytes */
typedef unsigned long pfn_t;   /* physical frame number: paddr >> PAGE_SHIFT */

#define __user /* a pointer into user space: only the uaccess functions may dereference it */

#define likely(x)     __builtin_expect(!!(x), 1)
#define unlikely(x)   __builtin_expect(!!(x), 0)
#define __must_check  __attribute__((warn_unused_result))
#define __noreturn    __attribute__((noreturn))
#define __printf(f, a) __attribute__((format(printf, f, a)))
#define __packed      __attribute__((packed))
#define __aligned(n)  __attribute__((aligned(n)))
#define __used        __attribute__((used))
#define __unused      __attribute__((unused))
#define __noinline    __attribute__((noinline))
#undef __always_inline /* the C library of host tests has its own */
#define __always_inline inline __attribute__((always_inline))
#define __section(s)  __attribute__((section(s)))
#define __fallthrough __attribute__((fallthrough))
/*
 * Data written only until boot has finished; the section is mapped read-only before /init starts.
 */
#define __ro_after_init __section(".data.ro_after_init")

#define ARRAY_SIZE(a)      (sizeof(a) / sizeof((a)[0]))
#define BIT(n)             (1UL << (n))
#define ALIGN_DOWN(x, a)   ((x) & ~((__typeof__(x))(a) - 1))
#define ALIGN_UP(x, a)     ALIGN_DOWN((x) + (__typeof__(x))(a) - 1, a)
#define IS_ALIGNED(x, a)   (((x) & ((__typeof__(x))(a) - 1)) == 0)
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define min(a, b)          ({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); a_ < b_ ? a_ : b_; })
#define max(a, b)          ({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); a_ > b_ ? a_ : b_; })
#define container_of(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))

#define READ_ONCE(x)     (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))
#define barrier()        __asm__ volatile("" ::: "memory")

/* Pointers that carry a negative errno in the last page of the address space. */
#define MAX_ERRNO 4095
static inline void *ERR_PTR(long error)
{
    return (void *)error;
}
static inline long PTR_ERR(const void *p)
{
    return (long)p;
}
static inline bool IS_ERR(const void *p)
{
    return (unsigned long)p >= (unsigned long)-MAX_ERRNO;
}

#define PAGE_SHIFT 12
#define PAGE_SIZE  (1UL << PAGE_SHIFT)
#define PAGE_MASK  (~(PAGE_SIZE - 1))
#define PAGE_ALIGN(x) ALIGN_UP(x, PAGE_SIZE)

#define KIB(n) ((unsigned long)(n) << 10)
#define MIB(n) ((unsigned long)(n) << 20)
#define GIB(n) ((unsigned long)(n) << 30)

#define NSEC_PER_SEC  1000000000ULL
#define NSEC_PER_MSEC 1000000ULL
#define NSEC_PER_USEC 1000ULL

#define NR_CPUS 16
