/* SPDX-License-Identifier: MIT */
/* time_text.c - points in time as text. */
#include "time_text.h"

#include <time.h>

#define SECOND_NS UINT64_C(1000000000)
/* No strftime format of an option expands to more: ARG_MAX bounds the format itself. */
#define STRFTIME_MAX ((size_t)16 << 20)

void time_rfc3339(struct bytes *out, uint64_t ns)
{
	time_t seconds = (time_t)(ns / SECOND_NS);
	struct tm t;

	gmtime_r(&seconds, &t); /* cannot fail: 64 bits of ns end in the year 2554 */
	const unsigned field[] = {(unsigned)t.tm_year + 1900, (unsigned)t.tm_mon + 1,
				  (unsigned)t.tm_mday,        (unsigned)t.tm_hour,
				  (unsigned)t.tm_min,         (unsigned)t.tm_sec,
				  (unsigned)(ns % SECOND_NS)};
	const unsigned char width[] = {4, 2, 2, 2, 2, 2, 9};
	const char after[] = "--T::.Z";

	for (size_t i = 0; i < sizeof width; i++) {
		char *digits = bytes_reserve(out, (size_t)width[i] + 1);
		unsigned left = field[i];
		for (size_t k = width[i]; k-- > 0; left /= 10)
			digits[k] = (char)('0' + left % 10);
		digits[width[i]] = after[i];
		out->len += (size_t)width[i] + 1;
	}
}

void time_strftime(struct bytes *out, const char *format, uint64_t ns)
{
	time_t seconds = (time_t)(ns / SECOND_NS);
	struct bytes guarded = {0};
	struct tm t;

	/* strftime() says 0 both for "does not fit" and for a result that is empty: with a
	 * character in front the result is never empty */
	bytes_byte(&guarded, 'x');
	bytes_add(&guarded, format, strlen(format) + 1);
	localtime_r(&seconds, &t);
	for (size_t room = 256; room <= STRFTIME_MAX; room *= 16) {
		char *to = bytes_reserve(out, room);
		size_t n = strftime(to, room, guarded.data, &t);
		if (n > 0) {
			memmove(to, to + 1, n - 1);
			out->len += n - 1;
			break;
		}
	}
	bytes_free(&guarded);
}
