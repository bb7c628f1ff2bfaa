/* SPDX-License-Identifier: MIT */
/* crash.h: dying on request, see kernel/crash.c. */
#pragma once

/* Dies when `crash=` was given; returns otherwise. */
void crash_if_asked(void);
