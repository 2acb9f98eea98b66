/* SPDX-License-Identifier: MIT */
/* names.h - the names of topics or of the groups of a topic, in order. */
#ifndef NAMES_H
#define NAMES_H

#include <stddef.h>

#include "shmq.h"

struct names { /* all 0: empty */
	char **at;
	size_t n, room;
};

/* A copy of name, behind the others. Ends the program when there is no memory. */
void names_add(struct names *names, const char *name);
void names_free(struct names *names);

/* Adds those that are there, and sorts all. 0 or an error. */
int names_of_topics(shmq *q, struct names *names);
int names_of_groups(shmq *q, const char *topic, struct names *names);

/* The length of the longest one, and at least that of heading. */
int names_width(const struct names *names, const char *heading);

#endif
