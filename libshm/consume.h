/* SPDX-License-Identifier: MIT */
/* consume.h - a subscriber's insides, for consume.c, attach.c, seek.c and wait.c. */
#ifndef SHMQ_CONSUME_H
#define SHMQ_CONSUME_H

#include "frame.h"
#include "topic.h"

/* One partition as this subscriber sees it. */
struct track {
	struct log log; /* read-only; not attached until its publishers have made it */
	unsigned partition;
	uint64_t position;     /* of the next frame */
	struct words words;    /* what was seen of the slots from there on */
	uint64_t gate;         /* position our gate was last set to */
	uint64_t gate_bytes;   /* bytes of frames read since */
	uint64_t next_offset;  /* of the next message: what is missing when head has passed us */
	uint64_t from_offset;  /* messages before this are not handed out */
	uint64_t until_offset; /* nor from this on; UINT64_MAX: no limit */
	uint64_t until_position;
	bool ended, overrun;   /* overrun: publishers no longer wait for us here */
};

struct shmq_sub {
	shmq *q;
	struct topic topic;
	unsigned flags;
	struct reader reader; /* index 0 with SHMQ_SUB_BROWSE, or when it was lost */
	struct track *tracks;
	unsigned track_count, turn;
	struct shmq_seek from, until;
	bool until_set;
	char *filter;
	struct copy copy;
	struct columns columns;
	struct track *current; /* the track the last batch came from */
	struct column headers; /* of the last message */
	uint64_t missed;
	unsigned relaxes;   /* how long to pause before looking again (wait.c); 0: not known */
	uint64_t linked_ns; /* CLOCK_MONOTONIC when the topic was last seen to have its files */
};

/* Opens the log of a track once it is made. 0, SHMQ_EMPTY, or an error. */
int track_open(struct shmq_sub *s, struct track *t);

/* Tells publishers how far this track has come; always, when `now`. */
void track_raise(struct shmq_sub *s, struct track *t, bool now);

/* Sets position and limits of a track whose log is open (seek.c). base: first position that cannot
 * vanish. 0 or an error. */
int track_seek(struct shmq_sub *s, struct track *t, uint64_t base);

/* The same for a log that is not made yet: it begins later, if at all. */
void track_seek_absent(struct shmq_sub *s, struct track *t);

/* Claims a reader word and sets all tracks (attach.c). */
int sub_attach(struct shmq_sub *s);

#endif
