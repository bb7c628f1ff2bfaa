/* SPDX-License-Identifier: MIT */
/*
 * random.h: random bytes from one ChaCha20 generator. Source: RFC 8439 (the block function); D. J.
 * Bernstein, "Fast-key-erasure random-number generators" (2017).
 */
#pragma once
#include <kernel/types.h>

/* Any context. Seeds itself at the first use. */
void random_bytes(void *buf, size_t n);
/* Mixes @n bytes of whatever quality into the state (writes to /dev/random, interrupt times). */
void random_add(const void *buf, size_t n);

/* The block function by itself, for its test: 16 words from 8 words of key and 4 of counter and
 * nonce. */
void chacha20_block(u32 out[16], const u32 k[8], const u32 counter_nonce[4]);
