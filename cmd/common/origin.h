/* SPDX-License-Identifier: MIT */
/* origin.h - what is printed with a message and is not its own: who gave it to whom. */
#ifndef ORIGIN_H
#define ORIGIN_H

#include <stdint.h>

struct origin {
	const char *topic;
	const char *group; /* NULL: an ephemeral subscriber, which is in none */
	uint32_t attempt;  /* to deliver it: from 1 */
};

#endif
