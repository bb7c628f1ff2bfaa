/* SPDX-License-Identifier: MIT */
/* quire_thread.h: on the host a thread's registers are the host's business. */
#pragma once

struct arch_thread {
    unsigned long unused;
};
