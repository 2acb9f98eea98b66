/* SPDX-License-Identifier: MIT */
/* unread.h - messages that were printed, in order, until they are acked. */
#ifndef MQSUB_UNREAD_H
#define MQSUB_UNREAD_H

#include <stddef.h>
#include <stdint.h>

#include "groups.h"

struct unread_one {
	struct given given;
	uint64_t begin, end; /* where it stands in the output */
};

struct unread { /* all 0: empty */
	struct unread_one *ring;
	size_t room; /* a power of two */
	size_t first, count;
	size_t started; /* of them, from the first on: counted as deliveries */
};

/* Room for one more at the end. Ends the program when there is no memory. */
struct unread_one *unread_add(struct unread *u);

/* The n-th of them. */
static inline struct unread_one *unread_at(const struct unread *u, size_t n)
{
	return &u->ring[(u->first + n) & (u->room - 1)];
}

void unread_remove_first(struct unread *u);
void unread_free(struct unread *u);

#endif
