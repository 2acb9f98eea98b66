/* SPDX-License-Identifier: MIT */
/* select.c - is a dead letter one of those that are meant? */
#include "select.h"

#include <stdlib.h>

void selector_init(struct selector *s)
{
	static const struct range any = {0, UINT64_MAX};

	*s = (struct selector){.dead_ns = any, .attempts = any, .offsets = any};
}

void selector_free(struct selector *s)
{
	if (s->by_value)
		regfree(&s->value);
	free(s->ids);
	selector_init(s);
}

static bool within(const struct range *r, uint64_t n)
{
	return r->from <= n && n < r->until;
}

static bool id_matches(const struct selector *s, uint64_t id)
{
	for (size_t i = 0; i < s->id_count; i++)
		if (s->ids[i] == id)
			return true;
	return s->ids == NULL;
}

static bool status_matches(const struct selector *s, int status)
{
	return !s->by_status || (status >= 0 && status < STATUS_COUNT && s->status[status]);
}

static bool partition_matches(const struct selector *s, int partition)
{
	return !s->by_partition ||
	       (partition >= 0 && partition < SHMQ_PARTITIONS_MAX && s->partition[partition]);
}

/* A value may hold any byte, and no NUL ends it. */
static bool value_matches(const struct selector *s, const struct shmq_message *m)
{
	regmatch_t whole = {.rm_so = 0, .rm_eo = (regoff_t)m->value_len};

	return !s->by_value ||
	       regexec(&s->value, m->value_len ? m->value : "", 1, &whole, REG_STARTEND) == 0;
}

bool selector_matches(const struct selector *s, const struct shmq_dead_letter *letter)
{
	const struct shmq_message *m = &letter->message;

	return id_matches(s, letter->id) && (!s->reasons || s->reasons & 1u << letter->reason) &&
	       within(&s->dead_ns, letter->dead_ns) && within(&s->attempts, letter->attempts) &&
	       within(&s->offsets, m->offset) && status_matches(s, letter->status) &&
	       partition_matches(s, m->partition) &&
	       (!s->pattern || shmq_filter_match(s->pattern, m->key, m->key_len)) &&
	       value_matches(s, m);
}
