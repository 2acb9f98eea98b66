/* SPDX-License-Identifier: MIT */
/* text.h - hostile input: words of the command line, filters, records. */
#ifndef TEXT_H
#define TEXT_H

#include <stdint.h>

struct text_plan {
	uint64_t seed;
	unsigned milliseconds, cases;
};

void text_fuzz(const struct text_plan *plan);

#endif
