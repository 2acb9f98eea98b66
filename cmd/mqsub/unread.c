/* SPDX-License-Identifier: MIT */
/* unread.c - messages that were printed, in order, until they are acked. */
#include "unread.h"

#include <stdlib.h>

#include "tool.h"

static void grow(struct unread *u)
{
	size_t room = u->room ? 2 * u->room : 256;
	struct unread_one *ring = malloc(room * sizeof *ring);

	if (!ring)
		die(EX_OSERR, "no memory for %zu messages that are not read", room);
	for (size_t i = 0; i < u->count; i++)
		ring[i] = *unread_at(u, i);
	free(u->ring);
	u->ring = ring;
	u->room = room;
	u->first = 0;
}

struct unread_one *unread_add(struct unread *u)
{
	if (u->count == u->room)
		grow(u);
	return unread_at(u, u->count++);
}

void unread_remove_first(struct unread *u)
{
	u->first = (u->first + 1) & (u->room - 1);
	u->count--;
	u->started--;
}

void unread_free(struct unread *u)
{
	free(u->ring);
	*u = (struct unread){0};
}
