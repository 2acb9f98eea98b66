/* SPDX-License-Identifier: MIT */
/* bytes.c - a byte string that grows. */
#include "bytes.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "base64.h"
#include "tool.h"

void bytes_grow(struct bytes *b, size_t more)
{
	size_t room = b->room < 64 ? 64 : b->room;

	if (more > SIZE_MAX / 2 - b->len)
		die(EX_OSERR, "no memory for %zu more bytes", more);
	while (room - b->len < more)
		room *= 2;
	char *data = realloc(b->data, room);
	if (!data)
		die(EX_OSERR, "no memory for a buffer of %zu bytes", room);
	b->data = data;
	b->room = room;
}

void bytes_free(struct bytes *b)
{
	free(b->data);
	*b = (struct bytes){0};
}

void bytes_decimal(struct bytes *b, uint64_t n)
{
	char digits[20]; /* 2^64 - 1 has 20 */
	size_t at = sizeof digits;

	do
		digits[--at] = (char)('0' + n % 10);
	while (n /= 10);
	bytes_add(b, digits + at, sizeof digits - at);
}

void bytes_hex(struct bytes *b, const void *data, size_t len)
{
	const unsigned char *p = data;
	char *to = bytes_reserve(b, 2 * len);

	for (size_t i = 0; i < len; i++) {
		*to++ = "0123456789abcdef"[p[i] >> 4];
		*to++ = "0123456789abcdef"[p[i] & 15];
	}
	b->len += 2 * len;
}

void bytes_base64(struct bytes *b, const void *data, size_t len)
{
	if (len > 0) /* data may be NULL then */
		b->len += base64_encode(bytes_reserve(b, BASE64_BYTES(len)), data, len);
}

void bytes_vprintf(struct bytes *b, const char *format, va_list args)
{
	va_list again;

	va_copy(again, args);
	int n = vsnprintf(NULL, 0, format, args);
	if (n > 0) {
		/* vsnprintf ends with a NUL, which is not kept */
		vsnprintf(bytes_reserve(b, (size_t)n + 1), (size_t)n + 1, format, again);
		b->len += (size_t)n;
	}
	va_end(again);
}

void bytes_printf(struct bytes *b, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	bytes_vprintf(b, format, args);
	va_end(args);
}
