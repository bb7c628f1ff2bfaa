/* SPDX-License-Identifier: MIT */
/* What expand.c and expand_param.c share: characters with the attribute of where they came from. */
#ifndef USER_SH_EXPAND_H
#define USER_SH_EXPAND_H

#include "sh.h"

#define LITERAL    'l'
#define EXPANDED   'e'
#define QUOTED     'q'
#define BREAK      'b'
#define WEAK_BREAK 'w'
#define NULL_MARK  'n'

struct xbuf {
    struct arena *arena;
    char *chars, *attrs;
    size_t len, cap;
    bool empty_at; /* "$@" with no parameters was seen: the quotes make no field */
};

void xbuf_addc(struct xbuf *x, char c, char attr);
void xbuf_puts(struct xbuf *x, const char *text, char attr);
void expand_raw(struct xbuf *x, const char *text);
size_t expand_parameter(struct xbuf *x, const char *text, bool quoted);

#endif
