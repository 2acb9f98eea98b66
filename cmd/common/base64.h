/* SPDX-License-Identifier: MIT */
/*
 * base64.h - bytes as text and back: RFC 4648 section 4, with padding, without line breaks.
 */
#ifndef BASE64_H
#define BASE64_H

#include <stddef.h>

/* Bytes of text for n bytes, without a terminator. */
#define BASE64_BYTES(n) (((n) + 2) / 3 * 4)

/* Writes BASE64_BYTES(n) bytes to `to`, which must not overlap `from`; returns that number. */
size_t base64_encode(char *to, const void *from, size_t n);

/* Writes at most n / 4 * 3 bytes to `to`, which may be `from` itself. Returns how many, or
 * (size_t)-1 when the text is not base64: a wrong length or byte, padding anywhere but at the
 * end, or bits behind the last byte that are not 0 (so one sequence of bytes has one text). */
size_t base64_decode(void *to, const char *from, size_t n);

#endif
