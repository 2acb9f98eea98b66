/* SPDX-License-Identifier: MIT */
/* json_number.h - JSON numbers that no machine number can hold. */
#ifndef JSON_NUMBER_H
#define JSON_NUMBER_H

#include <stddef.h>

#include "bytes.h"

/* Makes *out the JSON text with every number that is too large for long long or double replaced by
 * a -1 of the same length: JSON does not limit numbers, jansson does, and who ignores a member need
 * not refuse it for its size. */
void json_number_bounds(struct bytes *out, const char *text, size_t len);

#endif
