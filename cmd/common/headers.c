/* SPDX-License-Identifier: MIT */
/* headers.c - the headers of a message, as a list that grows. */
#include "headers.h"

#include <stdlib.h>
#include <sysexits.h>

#include "tool.h"

void headers_add(struct headers *list, const struct shmq_header *header)
{
	if (list->count == list->room) {
		size_t room = list->room ? 2 * list->room : 8;

		list->items = reallocarray(list->items, room, sizeof(*list->items));
		if (!list->items)
			die(EX_OSERR, "no memory for %zu headers", room);
		list->room = room;
	}
	list->items[list->count++] = *header;
}

void headers_free(struct headers *list)
{
	free(list->items);
	*list = (struct headers){0};
}
