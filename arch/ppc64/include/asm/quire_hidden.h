/* SPDX-License-Identifier: MIT */
/*
 * quire_hidden.h: in front of every file (arch.mk): all symbols are the image's own, so the
 * compiler takes a variable's place from r2 by itself and leaves nothing for a linker to shorten.
 * Source: OpenPOWER ELFv2 ABI 1.5, section 2.3.1 (medium code model), 3.4.4 (visibility).
 */
#pragma GCC visibility push(hidden)
