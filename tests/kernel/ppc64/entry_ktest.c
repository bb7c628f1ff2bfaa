/* SPDX-License-Identifier: MIT */
/*
 * entry_ktest.c: what exception entry keeps and answers in the kernel: registers over interrupts,
 * accesses to addresses that nobody has. What programs see is in tests/user/ppc64/cpu_test.c.
 */
#include "tests/kernel/team.h"
#include <arch/cpu.h>
#include <kernel/uaccess.h>
#include <kernel/preempt.h>
#include <kernel/time.h>

#define ROUNDS     5
#define INTERRUPTS 3

/* r3 to r12, r14 to r28, then CTR, LR, XER's flags, CR without the field that the loop uses. */
#define NR_GPRS    25
#define NR_VALUES  (NR_GPRS + 4)
#define XER_FLAGS  0xe0000000UL
#define CR_FIELDS  0xfffffff0UL

struct ticker {
    struct timer timer;
    bool stop;
};

static void tick(struct timer *t)
{
    if (!READ_ONCE(container_of(t, struct ticker, timer)->stop))
        timer_start(t, clock_monotonic_ns() + NSEC_PER_MSEC);
}

/*
 * Loads @want into the registers, waits until *@count has reached @end, and stores them to @got.
 * r29 and r30 hold addresses, r0 and CR7 are the loop's; r1, r2, r13 and r31 are the kernel's.
 */
static void hold_registers(const u64 *want, u64 *got, const u64 *count, u64 end)
{
    const u64 args[] = {(u64)want, (u64)got, (u64)count, end};
    register const u64 *at __asm__("r29") = args;

    __asm__ volatile(
        "ld 30, 0(29)\n\t"
        ".set n, 14\n"
        ".rept 15\n"
        "ld n, 80 + 8 * (n - 14)(30)\n"
        ".set n, n + 1\n"
        ".endr\n\t"
        "ld 0, 200(30); mtctr 0; ld 0, 208(30); mtlr 0\n\t"
        "ld 0, 216(30); mtxer 0; ld 0, 224(30); mtcr 0\n\t"
        ".set n, 3\n"
        ".rept 10\n"
        "ld n, 8 * (n - 3)(30)\n"
        ".set n, n + 1\n"
        ".endr\n\t"
        "1: ld 30, 16(29)\n\t"
        "ld 30, 0(30)\n\t"
        "ld 0, 24(29)\n\t"
        "cmpld 7, 30, 0\n\t"
        "blt 7, 1b\n\t"
        "ld 30, 8(29)\n\t"
        ".set n, 3\n"
        ".rept 10\n"
        "std n, 8 * (n - 3)(30)\n"
        ".set n, n + 1\n"
        ".endr\n\t"
        ".set n, 14\n"
        ".rept 15\n"
        "std n, 80 + 8 * (n - 14)(30)\n"
        ".set n, n + 1\n"
        ".endr\n\t"
        "mfctr 0; std 0, 200(30); mflr 0; std 0, 208(30)\n\t"
        "mfxer 0; std 0, 216(30); mfcr 0; std 0, 224(30)"
        : "+r"(at)
        :
        : "r0", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "r14", "r15", "r16",
          "r17", "r18", "r19", "r20", "r21", "r22", "r23", "r24", "r25", "r26", "r27", "r28", "r30",
          "ctr", "lr", "xer", "cr0", "cr1", "cr2", "cr3", "cr4", "cr5", "cr6", "cr7",
          "memory");
}

KTEST(ppc_entry, interrupts_keep_registers)
{
    struct ticker t = {.stop = false};
    u64 want[NR_VALUES], got[NR_VALUES];

    timer_init(&t.timer, tick);
    preempt_disable(); /* the count is this CPU's, and so is the timer */
    timer_start(&t.timer, clock_monotonic_ns() + NSEC_PER_MSEC);
    for (u64 round = 1; round <= ROUNDS; round++) {
        const u64 *count = &this_cpu()->irq_count;

        for (u64 i = 0; i < NR_VALUES; i++)
            want[i] = (0x0101010101010101UL * (i + 1)) ^ (round << 56);
        want[NR_GPRS + 2] = round % 2 ? XER_FLAGS : 0;
        want[NR_GPRS + 3] = 0x5a5a5a50UL * round & CR_FIELDS;
        hold_registers(want, got, count, READ_ONCE(*count) + INTERRUPTS);
        got[NR_GPRS + 2] &= XER_FLAGS;
        got[NR_GPRS + 3] &= CR_FIELDS;
        for (u64 i = 0; i < NR_VALUES; i++)
            EXPECT_EQ(got[i], want[i]);
    }
    preempt_enable();
    WRITE_ONCE(t.stop, true);
    timer_cancel(&t.timer);
}

/* Segments that do not exist, of every kind that an address can name, at their borders and inside;
 * each is a segment fault first, on either MMU, and comes back as "no". */
KTEST(ppc_entry, addresses_that_nobody_has)
{
    static const u64 bad[] = {
        1UL << 52,           (1UL << 60) - 8,     1UL << 60,           0x5fffffffffffff00UL,
        0x8000000000000000UL, 0xa000000000000000UL, 0xafffffffffffff00UL, 0xd000100000000000UL,
        0xe000000000000000UL, 0xf000000000000000UL, 0xfffffffffffffff0UL,
    };
    unsigned long v;

    for (unsigned int round = 0; round < 3; round++)
        for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
            if (kernel_peek((void *)bad[i], &v))
                ktest_fail(__FILE__, __LINE__, "an address that nobody has", (long)bad[i], 0);
    EXPECT(kernel_peek(&v, &v)); /* and the kernel's own are as they were */
}
