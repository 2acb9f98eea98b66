/* SPDX-License-Identifier: MIT */
/* utf8.c - is it UTF-8? */
#include "utf8.h"

#include <stdint.h>
#include <string.h>

static bool tail(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* The table is that of RFC 3629 section 4: only the second byte's range depends on the first. */
size_t utf8_length(const unsigned char *p, size_t left)
{
	if (left == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4 || left < 2)
		return 0;
	unsigned char low = 0x80, high = 0xbf;
	if (p[0] == 0xe0)
		low = 0xa0; /* below: overlong */
	else if (p[0] == 0xed)
		high = 0x9f; /* above: surrogates */
	else if (p[0] == 0xf0)
		low = 0x90; /* below: overlong */
	else if (p[0] == 0xf4)
		high = 0x8f; /* above: beyond U+10FFFF */
	if (p[1] < low || p[1] > high)
		return 0;
	if (p[0] < 0xe0)
		return 2;
	if (left < 3 || !tail(p[2]))
		return 0;
	if (p[0] < 0xf0)
		return 3;
	return left >= 4 && tail(p[3]) ? 4 : 0;
}

bool utf8_valid(const void *data, size_t len)
{
	const unsigned char *p = data;

	while (len > 0) {
		uint64_t eight;
		if (len >= sizeof eight) { /* plain ASCII, eight at a time */
			memcpy(&eight, p, sizeof eight);
			if (!(eight & 0x8080808080808080u)) {
				p += sizeof eight;
				len -= sizeof eight;
				continue;
			}
		}
		size_t n = utf8_length(p, len);
		if (n == 0)
			return false;
		p += n;
		len -= n;
	}
	return true;
}
