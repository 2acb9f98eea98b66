/* SPDX-License-Identifier: MIT */
/* group_values.c - values of the options that say how a group works. */
#include "group_values.h"

#include <string.h>

#define MILLISECOND_NS INT64_C(1000000)
#define DAY_NS         (INT64_C(86400) * 1000 * MILLISECOND_NS)
#define RETRIES_MAX    250
#define LEASE_MIN_NS   (100 * MILLISECOND_NS)
#define BACKOFF_MAX_NS (30 * DAY_NS)
#define CEILING_NS     (300 * 1000 * MILLISECOND_NS)

const char *group_name(const struct opt_tool *tool, int id, const char *arg)
{
	if (shmq_group_name_check(arg) != SHMQ_OK)
		opt_bad_value(tool, id, arg,
			      "a group's name: 1 to 249 of A-Z a-z 0-9 . _ -, not '.', '..' or"
			      " beginning with '-'");
	return arg;
}

bool pattern_is_sound(const char *pattern)
{
	for (const char *word = pattern;;) {
		size_t n = strcspn(word, ".");

		if (n > 1 && strcspn(word, "*#") < n)
			return false;
		if (word[n] == '\0')
			return true;
		word += n + 1;
	}
}

const char *group_pattern(const struct opt_tool *tool, int id, const char *arg)
{
	if (strlen(arg) > SHMQ_FILTER_MAX)
		opt_bad_value(tool, id, arg, "a pattern of at most 1023 bytes");
	if (!pattern_is_sound(arg))
		opt_bad_value(tool, id, arg,
			      "a pattern: * and # stand for whole words between dots");
	return arg;
}

uint32_t group_retries(const struct opt_tool *tool, int id, const char *arg)
{
	return (uint32_t)opt_number(tool, id, arg, 1, RETRIES_MAX);
}

int64_t group_lease(const struct opt_tool *tool, int id, const char *arg)
{
	int64_t ns = opt_duration(tool, id, arg);

	if (ns < LEASE_MIN_NS || ns > DAY_NS)
		opt_bad_value(tool, id, arg, "a duration from 100ms to 1d");
	return ns;
}

static bool backoff_part(const char *text, size_t len, int64_t *ns)
{
	char part[32];

	if (len >= sizeof part)
		return false;
	memcpy(part, text, len);
	part[len] = '\0';
	return shmq_parse_duration(part, ns) == SHMQ_OK && *ns >= MILLISECOND_NS &&
	       *ns <= BACKOFF_MAX_NS;
}

void group_backoff(const struct opt_tool *tool, int id, const char *arg,
		   struct shmq_group_options *options)
{
	size_t n = strcspn(arg, ",");
	int64_t base, max = 0;

	if (!backoff_part(arg, n, &base) ||
	    (arg[n] && (!backoff_part(arg + n + 1, strlen(arg + n + 1), &max) || max < base)))
		opt_bad_value(tool, id, arg,
			      "BASE or BASE,MAX: durations from 1ms to 30d, MAX not below BASE (as"
			      " 1s,5m)");
	options->backoff_ns = base;
	options->backoff_max_ns = max ? max : base > CEILING_NS ? base : CEILING_NS;
}
