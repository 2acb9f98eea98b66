/* SPDX-License-Identifier: MIT */
/* names.c - the names of topics or of the groups of a topic, in order. */
#include "names.h"

#include <stdlib.h>
#include <string.h>

#include "tool.h"

void names_add(struct names *names, const char *name)
{
	char *copy = strdup(name);

	if (names->n == names->room) {
		names->room = names->room ? 2 * names->room : 64;
		names->at = reallocarray(names->at, names->room, sizeof(*names->at));
	}
	if (!copy || !names->at)
		die(EX_OSERR, "no memory for a list of names");
	names->at[names->n++] = copy;
}

void names_free(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->at[i]);
	free(names->at);
	*names = (struct names){0};
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort(struct names *names)
{
	if (names->n)
		qsort(names->at, names->n, sizeof(*names->at), compare);
}

static int add_topic(void *context, const char *name, uint64_t number)
{
	(void)number;
	names_add(context, name);
	return 0;
}

static int add_group(void *context, const char *name)
{
	names_add(context, name);
	return 0;
}

int names_of_topics(shmq *q, struct names *names)
{
	int rc = shmq_topic_list(q, add_topic, names);

	sort(names);
	return rc;
}

int names_of_groups(shmq *q, const char *topic, struct names *names)
{
	int rc = shmq_group_list(q, topic, add_group, names);

	sort(names);
	return rc;
}

int names_width(const struct names *names, const char *heading)
{
	size_t width = strlen(heading);

	for (size_t i = 0; i < names->n; i++)
		if (strlen(names->at[i]) > width)
			width = strlen(names->at[i]);
	return (int)width;
}
