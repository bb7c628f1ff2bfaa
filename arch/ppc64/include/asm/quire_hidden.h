/* SPDX-License-Identifier: MIT */
/*
 * quire_hidden.h: in front of every file (arch.mk): all symbols are the image's own. So a call needs
 * no place for a linker to restore r2 in, and may be a jump where it is the last thing that a function
 * does. Source: OpenPOWER ELFv2 ABI 1.5, section 3.4.4 (visibility), 2.2.1 (r2 over calls).
 */
#pragma GCC visibility push(hidden)
