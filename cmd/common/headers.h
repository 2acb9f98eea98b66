/* SPDX-License-Identifier: MIT */
/* headers.h - the headers of a message, as a list that grows. */
#ifndef HEADERS_H
#define HEADERS_H

#include <stddef.h>

#include "shmq.h"

struct headers { /* all 0: empty */
	struct shmq_header *items;
	size_t count, room;
};

/* Adds one; name and value are not copied. Ends the program when there is no memory. */
void headers_add(struct headers *list, const struct shmq_header *header);
void headers_free(struct headers *list);

/* Makes them the headers of a message. */
static inline void headers_set(const struct headers *list, struct shmq_message *m)
{
	m->headers = list->items;
	m->header_count = list->count;
}

#endif
