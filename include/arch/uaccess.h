/* SPDX-License-Identifier: MIT */
/*
 * arch/uaccess.h: contract for single accesses to user memory. kernel/uaccess.c builds the
 * functions of <kernel/uaccess.h> on it; nobody else includes it. <asm/quire_uaccess.h> provides,
 * for @p that access_ok has seen (user_load: any address):
 *   user_load(type, v, p, err)    one load of a u8, u16, u32 or u64; @err, an int, becomes 0 or
 *                                 -EFAULT; behind a fault @v is 0
 *   user_store(type, v, p, err)   one store
 *   int user_cmpxchg(u32 *p, u32 old, u32 new, u32 *found)
 *                                 atomic, a full barrier; *found is what was there; 0 or -EFAULT
 *   unsigned int word_strlen(u64 v)
 *                                 bytes of @v, in memory order, before the first 0; 8: none is 0
 * Each instruction that takes a user address has an entry in the exception table.
 */
#pragma once
#include <kernel/types.h>
#include <asm/quire_uaccess.h>
