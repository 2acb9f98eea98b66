/* SPDX-License-Identifier: MIT */
/* json_number.c - JSON numbers that no machine number can hold. */
#include "json_number.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

/* Does the number not fit? By the rule that jansson has. */
static bool too_large(const char *number, size_t len)
{
	char *end;

	if (memchr(number, '.', len) || memchr(number, 'e', len) || memchr(number, 'E', len))
		return isinf(strtod(number, &end));
	errno = 0;
	(void)strtoll(number, &end, 10);
	return errno == ERANGE;
}

static void bound(char *number, size_t len)
{
	if (!too_large(number, len))
		return;
	memset(number, ' ', len);
	memcpy(number, "-1", 2); /* one that is too large has more than two characters */
}

void json_number_bounds(struct bytes *out, const char *text, size_t len)
{
	bool string = false;

	out->len = 0;
	bytes_add(out, text, len);
	bytes_byte(out, 0); /* where strtod() ends at the latest */
	for (char *at = out->data, *end = at + len; at < end; at++) {
		size_t n = string ? 0 : strspn(at, "+-.0123456789eE");

		if (n > 2 && strchr("-0123456789", *at))
			bound(at, n);
		if (n > 1)
			at += n - 1;
		if (string && *at == '\\' && at + 1 < end)
			at++;
		else if (*at == '"')
			string = !string;
	}
}
