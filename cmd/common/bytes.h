/* SPDX-License-Identifier: MIT */
/* bytes.h - a byte string that grows. */
#ifndef BYTES_H
#define BYTES_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes { /* all 0: empty */
	char *data;
	size_t len, room;
};

/* Makes room for more bytes behind the end. Ends the program when there is no memory. */
void bytes_grow(struct bytes *b, size_t more);
void bytes_free(struct bytes *b);

static inline char *bytes_reserve(struct bytes *b, size_t more)
{
	if (b->room - b->len < more)
		bytes_grow(b, more);
	return b->data + b->len;
}

static inline void bytes_add(struct bytes *b, const void *data, size_t len)
{
	if (len == 0) /* data may be NULL then */
		return;
	memcpy(bytes_reserve(b, len), data, len);
	b->len += len;
}

static inline void bytes_byte(struct bytes *b, unsigned char c)
{
	*bytes_reserve(b, 1) = (char)c;
	b->len++;
}

static inline void bytes_text(struct bytes *b, const char *text)
{
	bytes_add(b, text, strlen(text));
}

/* Appends n in decimal: many times faster than bytes_printf(). */
void bytes_decimal(struct bytes *b, uint64_t n);

/* Appends data as hexadecimal digits, as base64. */
void bytes_hex(struct bytes *b, const void *data, size_t len);
void bytes_base64(struct bytes *b, const void *data, size_t len);

void bytes_printf(struct bytes *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void bytes_vprintf(struct bytes *b, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

#endif
