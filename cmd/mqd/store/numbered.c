/* SPDX-License-Identifier: MIT */
/* numbered.c - things that begin with their number, by number. */
#include "numbered.h"

#include <string.h>

static uint64_t number_of(const void *array, size_t at)
{
	const void *item;
	uint64_t number;

	memcpy(&item, (const char *)array + at * sizeof item, sizeof item);
	memcpy(&number, item, sizeof number);
	return number;
}

size_t numbered_place(const void *array, size_t count, uint64_t number, size_t *last)
{
	size_t low = 0, high = count;

	for (size_t at = *last; at < count && at <= *last + 1; at++)
		if (number_of(array, at) == number)
			return *last = at;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (number_of(array, middle) < number)
			low = middle + 1;
		else
			high = middle;
	}
	return *last = low;
}

bool numbered_is(const void *array, size_t count, uint64_t number, size_t at)
{
	return at < count && number_of(array, at) == number;
}
