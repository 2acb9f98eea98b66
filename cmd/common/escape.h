/* SPDX-License-Identifier: MIT */
/* escape.h - backslash escapes: of the command line into bytes, of bytes for a terminal. */
#ifndef ESCAPE_H
#define ESCAPE_H

#include <stddef.h>

#include "bytes.h"

/* The escape that begins with the backslash at text: \n \t \r \\ \0 \e or \xHH. Stores the byte
 * that it stands for; returns the length of the escape, 0 when it is none of these. */
size_t escape_parse(const char *text, unsigned char *byte);

/* Appends what text of the command line stands for. Returns NULL, or where in text the first
 * escape stands that is none. */
const char *escape_text(struct bytes *out, const char *text);

/* Appends data with every byte replaced that a terminal might obey: C0 and C1 control characters,
 * DEL and what is not UTF-8, in the notation of escape_parse(). */
void escape_for_terminal(struct bytes *out, const void *data, size_t len);

#endif
