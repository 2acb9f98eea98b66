/* SPDX-License-Identifier: MIT */
/* utf8.h - is it UTF-8? */
#ifndef UTF8_H
#define UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Length of the character (1 .. 4) that begins at p, of which left bytes are there; 0 when
 * none does: RFC 3629, so no surrogates, no overlong forms, nothing above U+10FFFF. */
size_t utf8_length(const unsigned char *p, size_t left);

bool utf8_valid(const void *data, size_t len);

#endif
