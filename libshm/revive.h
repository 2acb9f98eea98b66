/* SPDX-License-Identifier: MIT */
/*
 * revive.h - topics and groups made anew in empty memory, from what the store knows: with the numbers that they had,
 * for these stand in stored frames. For mqd, before anybody else finds them: a name is entered last.
 */
#ifndef SHMQ_REVIVE_H
#define SHMQ_REVIVE_H

#include "group_name.h"

/* Where one log goes on. */
struct revive_log {
	struct log_base base;           /* position, offset and so on of the next frame */
	uint64_t low_position, low_offset;
	const struct offset_gap *gaps;
	size_t gap_count;
	const struct stored_entry *table;
	size_t table_count;
	bool has_frames;                /* its file is made: readers look for it */
};

struct revive_topic {
	uint64_t number;
	const char *name;
	struct shmq_topic_options options;
	uint64_t created_ns, first_offset, groups; /* groups: numbers up to this one may have been given out */
	const struct revive_log *logs; /* by partition */
};

/* Makes the files of a topic and opens it. Its name does not stand for it yet. 0 or an error. */
int topic_revive(shmq *q, const struct revive_topic *r, struct topic *out);

/* Makes a group of it, with the incarnation that it had, and opens it. places: where its windows begin, and what is done
 * beyond, by partition; returned: the same of its return log. 0 or an error. g->topic is open. */
int group_revive(struct group *g, const char *name, uint64_t number, uint64_t incarnation, bool paused,
                 const struct group_config *config, const struct window_place *places, const struct revive_log *returns,
                 const struct window_place *returned);

/* The group can be found now. False: it cannot (its word was taken for a dead maker's): make it again. */
bool group_revive_end(struct group *g);

/* What mqd says of a log in shared memory: lines, gaps and tables; mqd only. m: writable. 0 or SHMQ_ENOSPACE. */
int durable_show(struct error *e, const struct map *m, unsigned partitions, unsigned partition, const struct revive_log *l);

/* Frames below a position, messages below an offset, are durable now. Behind durable_show(). */
void durable_raise(const struct map *m, unsigned partition, uint64_t position, uint64_t offset);

#endif
