/* SPDX-License-Identifier: MIT */
/* select.h - which dead letters are meant. */
#ifndef MQDLQ_SELECT_H
#define MQDLQ_SELECT_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "opt.h"
#include "shmq.h"

#define STATUS_COUNT (256 + 65) /* exit statuses, and signals, as in struct shmq_failure */

struct range { /* from <= n < until */
	uint64_t from, until;
};

struct selector {            /* all of it must hold */
	const char *pattern; /* of the key; NULL: any */
	unsigned reasons;    /* 1 << enum shmq_reason; 0: any */
	struct range dead_ns, attempts, offsets;
	bool by_status, by_partition, by_value;
	bool status[STATUS_COUNT];
	bool partition[SHMQ_PARTITIONS_MAX];
	regex_t value;
	uint64_t *ids; /* NULL: any */
	size_t id_count;
};

/* Everything. */
void selector_init(struct selector *s);
void selector_free(struct selector *s);

bool selector_matches(const struct selector *s, const struct shmq_dead_letter *letter);

/* Each reads the argument of an option; bad usage names it and exits 64. */
void selector_key(struct selector *s, const struct opt_tool *tool, int id, const char *arg);
void selector_reasons(struct selector *s, const struct opt_tool *tool, int id, const char *arg);
void selector_status(struct selector *s, const struct opt_tool *tool, int id, const char *arg);
void selector_grep(struct selector *s, const struct opt_tool *tool, int id, const char *arg);
void selector_partitions(struct selector *s, const struct opt_tool *tool, int id, const char *arg);
void selector_ids(struct selector *s, const struct opt_tool *tool, int id, const char *arg);
uint64_t selector_time(const struct opt_tool *tool, int id, const char *arg);
struct range selector_range(const struct opt_tool *tool, int id, const char *arg);

#endif
