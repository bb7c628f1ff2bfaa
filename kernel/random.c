/* SPDX-License-Identifier: MIT */
/*
 * random.c: the kernel's random numbers: ChaCha20 as a generator with fast key erasure. Each
 * request makes a key stream with the current key; the first 32 bytes of it become the next key at
 * once, so that a later look into memory cannot recover what was given out. Does not estimate
 * entropy. Sources: RFC 8439 2.3; Bernstein (2017), see random.h.
 *
 * Seed: the processor's random instruction where there is one, and always the cycle counter and the
 * clocks, read a few times. In an emulator without that instruction the numbers are only as good as
 * these.
 *
 * Locks: random_lock (LEAF) guards the key; the stream itself is computed without it.
 * Invariants: I1 a key is used for one request. Checked by tests/kernel/task/task_ktest.c (RFC
 * 8439's test vector).
 */
#include <arch/cpu.h>
#include <arch/task.h>
#include <kernel/random.h>
#include <kernel/spinlock.h>
#include <kernel/string.h>
#include <kernel/syscall.h>
#include <kernel/time.h>
#include <kernel/uaccess.h>
#include <kernel/signal.h>
#include <asm/errno.h>
#include <linux/random.h>

#define KEY_WORDS   8
#define BLOCK_WORDS 16

static spinlock_t random_lock = SPINLOCK_INIT(LOCK_LEAF);
static u32 key[KEY_WORDS];
static bool seeded;

/* ---- the cipher ------------------------------------------------------------------------------ */

static inline u32 rotl(u32 v, int n)
{
    return v << n | v >> (32 - n);
}

static inline void quarter_round(u32 *x, int a, int b, int c, int d)
{
    x[a] += x[b];
    x[d] = rotl(x[d] ^ x[a], 16);
    x[c] += x[d];
    x[b] = rotl(x[b] ^ x[c], 12);
    x[a] += x[b];
    x[d] = rotl(x[d] ^ x[a], 8);
    x[c] += x[d];
    x[b] = rotl(x[b] ^ x[c], 7);
}

void chacha20_block(u32 out[16], const u32 k[8], const u32 counter_nonce[4])
{
    u32 in[BLOCK_WORDS] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 }, x[BLOCK_WORDS];

    memcpy(in + 4, k, KEY_WORDS * sizeof(u32));
    memcpy(in + 12, counter_nonce, 4 * sizeof(u32));
    memcpy(x, in, sizeof(in));
    for (int i = 0; i < 10; i++) { /* without loops inside, so that x is registers */
        quarter_round(x, 0, 4, 8, 12);
        quarter_round(x, 1, 5, 9, 13);
        quarter_round(x, 2, 6, 10, 14);
        quarter_round(x, 3, 7, 11, 15);
        quarter_round(x, 0, 5, 10, 15);
        quarter_round(x, 1, 6, 11, 12);
        quarter_round(x, 2, 7, 8, 13);
        quarter_round(x, 3, 4, 9, 14);
    }
    for (int i = 0; i < BLOCK_WORDS; i++)
        out[i] = x[i] + in[i];
}

/* ---- the generator --------------------------------------------------------------------------- */

/* random_lock held. New key = first half of the block of (old key xor words). */
static void mix(const u32 *words, size_t n)
{
    static const u32 nonce[4] = { 0, 0x5155, 0x4952, 0x45 };
    u32 block[BLOCK_WORDS];

    for (size_t i = 0; i < n; i++)
        key[i % KEY_WORDS] ^= words[i];
    chacha20_block(block, key, nonce);
    memcpy(key, block, sizeof(key));
}

static void seed(void)
{
    for (int round = 0; round < 8; round++) {
        u64 w[4] = { cycle_counter(), clock_monotonic_ns(), clock_realtime_ns(), 0 };
        u32 words[KEY_WORDS];

        (void)arch_random_u64(&w[3]);
        memcpy(words, w, sizeof(words));
        mix(words, KEY_WORDS);
    }
    seeded = true;
}

/* A key for one request, which nobody else gets; leaves the next one behind. */
static void take_key(u32 k[KEY_WORDS])
{
    static const u32 zero[4];
    u32 block[BLOCK_WORDS];
    unsigned long flags = spin_lock_irqsave(&random_lock);

    if (unlikely(!seeded))
        seed();
    chacha20_block(block, key, zero);
    memcpy(key, block, sizeof(key));
    spin_unlock_irqrestore(&random_lock, flags);
    memcpy(k, block + KEY_WORDS, KEY_WORDS * sizeof(u32));
}

void random_bytes(void *buf, size_t n)
{
    u32 k[KEY_WORDS], counter[4] = { 1, 0, 0, 0 }, block[BLOCK_WORDS];
    u8 *p = buf;

    take_key(k);
    if (n <=
        sizeof(
            k)) { /* the usual small request: the key is random enough, and used for nothing else */
        memcpy(p, k, n);
        return;
    }
    while (n > 0) {
        size_t part = min(n, sizeof(block));

        chacha20_block(block, k, counter);
        memcpy(p, block, part);
        p += part;
        n -= part;
        if (++counter[0] == 0)
            counter[1]++;
    }
}

void random_add(const void *buf, size_t n)
{
    const u8 *p = buf;

    while (n > 0) {
        u32 words[KEY_WORDS] = { 0 };
        size_t part = min(n, sizeof(words));
        unsigned long flags;

        memcpy(words, p, part);
        flags = spin_lock_irqsave(&random_lock);
        mix(words, KEY_WORDS);
        spin_unlock_irqrestore(&random_lock, flags);
        p += part;
        n -= part;
    }
}

/* ---- getrandom ------------------------------------------------------------------------------- */

SYSCALL3(getrandom, u8 __user *, ubuf, size_t, n, unsigned int, flags)
{
    u8 chunk[256];
    size_t done = 0;

    if ((flags & ~(unsigned int)(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE)) != 0 ||
        (flags & (GRND_RANDOM | GRND_INSECURE)) == (GRND_RANDOM | GRND_INSECURE))
        return -EINVAL;
    n = min(n, (size_t)INT32_MAX);
    while (done < n) {
        size_t part = min(n - done, sizeof(chunk));

        random_bytes(chunk, part);
        if (copy_to_user(ubuf + done, chunk, part) != 0)
            return done != 0 ? (long)done : -EFAULT;
        done += part;
        if (signal_pending() && done >= PAGE_SIZE)
            break;
    }
    return (long)done;
}
