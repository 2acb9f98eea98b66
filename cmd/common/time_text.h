/* SPDX-License-Identifier: MIT */
/* time_text.h - points in time as text. */
#ifndef TIME_TEXT_H
#define TIME_TEXT_H

#include <stdint.h>

#include "bytes.h"

/* Appends the time (ns since 1970) as RFC 3339 in UTC with all nine digits of the fraction, so
 * that the text, given to `-o @TIME`, means this very ns. */
void time_rfc3339(struct bytes *out, uint64_t ns);

/* Appends the time as strftime(3) writes it, in the zone of TZ. */
void time_strftime(struct bytes *out, const char *format, uint64_t ns);

#endif
