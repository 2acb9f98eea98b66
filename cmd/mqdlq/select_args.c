/* SPDX-License-Identifier: MIT */
/* select_args.c - the options that say which dead letters are meant. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bytes.h"
#include "group_values.h"
#include "select.h"
#include "status_text.h"
#include "tool.h"

void selector_key(struct selector *s, const struct opt_tool *tool, int id, const char *arg)
{
	s->pattern = group_pattern(tool, id, arg);
}

/* ---- lists, split by commas ---- */

/* The next part of a list, NULL at its end. *rest begins as the whole list. Valid until the next
 * call. */
static const char *next_part(const char **rest)
{
	static struct bytes part;
	size_t n;

	if (!*rest)
		return NULL;
	n = strcspn(*rest, ",");
	part.len = 0;
	bytes_add(&part, *rest, n);
	bytes_byte(&part, 0);
	*rest = (*rest)[n] ? *rest + n + 1 : NULL;
	return part.data;
}

static unsigned reason_bit(const char *word)
{
	for (int r = SHMQ_REASON_MAX_DELIVER; r <= SHMQ_REASON_EXPIRED; r++)
		if (strcmp(word, shmq_reason_text((enum shmq_reason)r)) == 0)
			return 1u << r;
	return 0;
}

void selector_reasons(struct selector *s, const struct opt_tool *tool, int id, const char *arg)
{
	const char *word, *rest = arg;

	s->reasons = 0;
	while ((word = next_part(&rest))) {
		unsigned bit = reason_bit(word);

		if (!bit)
			opt_bad_value(tool, id, word,
				      "a reason: expired, rejected, max-deliver or timeout");
		s->reasons |= bit;
	}
}

void selector_status(struct selector *s, const struct opt_tool *tool, int id, const char *arg)
{
	const char *word, *rest = arg;

	s->by_status = true;
	memset(s->status, 0, sizeof(s->status));
	while ((word = next_part(&rest))) {
		int status = status_parse(word);

		if (status < 0)
			opt_bad_value(tool, id, word,
				      "an exit status (0 to 255) or a signal (as SIGKILL)");
		s->status[status] = true;
	}
}

void selector_partitions(struct selector *s, const struct opt_tool *tool, int id, const char *arg)
{
	const char *word, *rest = arg;

	s->by_partition = true;
	memset(s->partition, 0, sizeof(s->partition));
	while ((word = next_part(&rest)))
		s->partition[opt_number(tool, id, word, 0, SHMQ_PARTITIONS_MAX - 1)] = true;
}

void selector_ids(struct selector *s, const struct opt_tool *tool, int id, const char *arg)
{
	const char *word, *rest = arg;

	s->id_count = 0;
	while ((word = next_part(&rest))) {
		uint64_t n = opt_number(tool, id, word, 0, UINT64_MAX);

		s->ids = reallocarray(s->ids, s->id_count + 1, sizeof(*s->ids));
		if (!s->ids)
			die(EX_OSERR, "no memory for %zu ids", s->id_count + 1);
		s->ids[s->id_count++] = n;
	}
}

/* ---- ranges, times, expressions ---- */

struct range selector_range(const struct opt_tool *tool, int id, const char *arg)
{
	struct range r = {0, UINT64_MAX};
	size_t n = strcspn(arg, ":");
	struct bytes from = {0};

	bytes_add(&from, arg, n);
	bytes_byte(&from, 0);
	if (!arg[n]) {
		r.from = opt_number(tool, id, arg, 0, UINT64_MAX - 1);
		r.until = r.from + 1;
	} else if (n == 0 && !arg[1]) {
		opt_bad_value(tool, id, arg, "a number or a range A:B");
	} else {
		if (n > 0)
			r.from = opt_number(tool, id, from.data, 0, UINT64_MAX - 1);
		if (arg[n + 1])
			r.until = opt_number(tool, id, arg + n + 1, r.from, UINT64_MAX - 1);
	}
	bytes_free(&from);
	return r;
}

uint64_t selector_time(const struct opt_tool *tool, int id, const char *arg)
{
	struct timespec t;
	uint64_t ns;

	clock_gettime(CLOCK_REALTIME, &t);
	if (shmq_parse_time(arg, (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec,
			    &ns) != SHMQ_OK)
		opt_bad_value(tool, id, arg, "a time (as 2026-01-31T12:00:00Z, @1769860800, @-5m)");
	return ns;
}

void selector_grep(struct selector *s, const struct opt_tool *tool, int id, const char *arg)
{
	char why[128], wanted[192];
	int rc;

	if (s->by_value)
		regfree(&s->value);
	/* lines are matched as grep does: ^ and $ are the ends of each */
	rc = regcomp(&s->value, arg, REG_EXTENDED | REG_NEWLINE);
	s->by_value = rc == 0;
	if (rc == 0)
		return;
	regerror(rc, &s->value, why, sizeof(why));
	snprintf(wanted, sizeof(wanted), "a regular expression: %s", why);
	opt_bad_value(tool, id, arg, wanted);
}
