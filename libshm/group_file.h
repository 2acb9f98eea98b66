/* SPDX-License-Identifier: MIT */
/*
 * group_file.h - the files of one group: its members, options, windows and return log.
 *
 *   group.L             made last of those that a new group needs; there as long as the group is
 *   group.L.config.K    options, version K: the next version is another file
 *   group.L.window.I    incarnation I: the next one (a seek) is another file
 *   group.L.returns     the return log
 */
#ifndef SHMQ_GROUP_FILE_H
#define SHMQ_GROUP_FILE_H

#include "search.h"
#include "topic.h"
#include "window.h"

/* Options as they stand in a config file; o.filter points to filter, or is NULL. */
struct group_config {
	uint64_t version;
	struct shmq_group_options o;
	char filter[SHMQ_FILTER_MAX + 1];
};

struct group {
	shmq *q;
	struct topic topic;
	char name[SHMQ_NAME_MAX + 1];
	uint64_t number;  /* L */
	unsigned reader;  /* index of its reader word */
	bool writable;
	struct map map;
	struct group_file *file;
	struct map windows_map;
	struct window_file *windows;
	uint64_t incarnation; /* of windows */
	uint64_t window_words, returns_words; /* W, as the files said when they were checked: they may be overwritten; */
	uint64_t window_spans, returns_spans; /* and how many done_span */
	struct group_config config;
	struct map durable_map; /* of topics on disk: of the return log */
	struct log returns;
	struct tail returns_tail;
	struct window returns_window;
	uint64_t returns_full_ms; /* CLOCK_BOOTTIME: until then it is taken for full */
};
#define GROUP_NONE ((struct group){.topic = TOPIC_NONE, .map = MAP_NONE, .windows_map = MAP_NONE, .durable_map = MAP_NONE, .returns = LOG_NONE})

/* Where a window begins in one partition. */
struct window_place {
	uint64_t offset;   /* its base */
	uint64_t position; /* of the frame with that message, */
	uint64_t row;      /* and which row of it */
	const struct done_span *done; /* what is done beyond it, where memory is made anew; sorted */
	size_t done_count;
};

/* Fills in defaults and checks ranges: 0 or SHMQ_EINVAL with a sentence. */
int group_options_check(struct error *e, const struct shmq_group_options *in, struct group_config *out);

/* Where a seek leads in a log of which nothing at or above `head` vanishes. */
struct window_place group_place(const struct log *l, uint64_t head, const struct shmq_seek *to);

/* Makes the files of group `number`, its windows first, group.L last; places: one per partition, and that of its return
 * log, by offset. 0, or an error: then some may be there. */
int group_files_make(struct group *g, const struct group_config *config, uint64_t incarnation,
                     const struct window_place *places, const struct window_place *returns);

/* Makes only group.L.window.I. 0, SHMQ_EEXIST, or an error. */
int group_windows_make(struct group *g, uint64_t incarnation, const struct window_place *places);

/* Makes group.L.config.K. 0, SHMQ_EEXIST, or an error. */
int group_config_make(struct group *g, const struct group_config *config);

/* Opens group.L of g->number in g->topic, and nothing else: 0, SHMQ_ENOENT (it is over), SHMQ_ECORRUPT, ... */
int group_file_open(struct group *g, bool writable);

/* Opens the rest: current windows, options, return log. SHMQ_ENOENT: it was deleted meanwhile. */
int group_rest_open(struct group *g);

/* Opens the windows or the options that are current now, where they are not those that are open. 0; 1: there
 * are others now; SHMQ_ENOENT: the group is over; or an error. */
int group_windows_refresh(struct group *g);
int group_config_refresh(struct group *g);

/* Opens the windows of one incarnation, whether it is current or not. 0, SHMQ_ENOENT, or an error. */
int group_windows_open(struct group *g, uint64_t incarnation);

/* The window of a partition in the open incarnation. */
void group_window(struct group *g, unsigned partition, struct window *out);

static inline struct window_line *group_window_line(const struct group *g, unsigned partition)
{
	return (struct window_line *)(void *)(g->windows + 1) + partition;
}

static inline bool group_live(const struct group *g)
{
	return (load_seq(&g->file->state) & 3) == GROUP_LIVE; /* state pairs attach */
}

/* The incarnation that counts now. */
static inline uint64_t group_current(const struct group *g)
{
	return load_seq(&g->file->current); /* current pairs seek; move pairs settle */
}

static inline bool group_paused(const struct group *g)
{
	return load_seq(&g->file->paused) != 0; /* sleep pairs tell: who pauses or goes on counts `returned` up */
}

/* The word in the topic's bell that holds for this group. */
static inline uint64_t group_reader_word(const struct group *g)
{
	return load_seq(&g->topic.bell->readers[g->reader]); /* head pairs attach (readers.c) */
}

/* Removes all files of a group of that number. */
void group_files_remove(struct topic *t, uint64_t number);

/* Removes windows of incarnations below `incarnation`, and options below `version` (0: none). */
void group_files_tidy(struct group *g, uint64_t incarnation, uint64_t version);

void group_close_files(struct group *g);

/* SHMQ_GONE with the sentence that says why. */
int group_gone(struct group *g);

#endif
