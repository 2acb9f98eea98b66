/* SPDX-License-Identifier: MIT */
/* spans.h - a set of offsets that grows from below: a floor, and what is in it above that. */
#ifndef MQD_SPANS_H
#define MQD_SPANS_H

#include "layout.h"

#include <stdbool.h>
#include <stddef.h>

struct spans {
	uint64_t floor; /* everything below is in the set; */
	bool bare;      /* or it is not: then it is only where records of the set count from */
	struct done_span *at; /* sorted; apart from each other and from the floor */
	size_t count, capacity;
};

void spans_free(struct spans *s);

/* 0 or -1: no memory, nothing changed. */
int spans_add(struct spans *s, uint64_t from, uint64_t to);

/* Everything below `floor` is in it, too. */
void spans_raise(struct spans *s, uint64_t floor);

bool spans_have(const struct spans *s, uint64_t offset);

#endif
