/* SPDX-License-Identifier: MIT */
/*
 * base64.c - see base64.h.
 */
#include "base64.h"

#include <stdint.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_encode(char *to, const void *from, size_t n)
{
	const unsigned char *in = from;
	char *out = to;

	for (; n >= 3; n -= 3, in += 3) {
		uint32_t v = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];

		*out++ = alphabet[v >> 18];
		*out++ = alphabet[v >> 12 & 63];
		*out++ = alphabet[v >> 6 & 63];
		*out++ = alphabet[v & 63];
	}
	if (n > 0) {
		uint32_t v = (uint32_t)in[0] << 16 | (n == 2 ? (uint32_t)in[1] << 8 : 0);

		*out++ = alphabet[v >> 18];
		*out++ = alphabet[v >> 12 & 63];
		*out++ = n == 2 ? alphabet[v >> 6 & 63] : '=';
		*out++ = '=';
	}
	return (size_t)(out - to);
}

/* 0-63, or -1 for a byte that is not in the alphabet. */
static int digit_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

size_t base64_decode(void *to, const char *from, size_t n)
{
	unsigned char *out = to;
	size_t padding = 0;

	if (n % 4 != 0)
		return (size_t)-1;
	while (padding < 2 && padding < n && from[n - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; i < n; i += 4) {
		size_t digits = i + 4 == n ? 4 - padding : 4;
		uint32_t v = 0;

		for (size_t j = 0; j < 4; j++) {
			int d = j < digits ? digit_of(from[i + j]) : 0;

			if (d < 0)
				return (size_t)-1;
			v = v << 6 | (uint32_t)d;
		}
		if ((digits == 2 && (v & 0xffff) != 0) || (digits == 3 && (v & 0xff) != 0))
			return (size_t)-1;
		*out++ = (unsigned char)(v >> 16);
		if (digits > 2)
			*out++ = (unsigned char)(v >> 8);
		if (digits > 3)
			*out++ = (unsigned char)v;
	}
	return (size_t)(out - (unsigned char *)to);
}
