/* SPDX-License-Identifier: MIT */
/* publish.h - a publisher's insides, for publish.c, lines.c and room.c. */
#ifndef SHMQ_PUBLISH_H
#define SHMQ_PUBLISH_H

#include "frame.h"
#include "reclaim.h"
#include "topic.h"

/* One wait for room: state over its loop, and over calls that a signal interrupts. */
struct wait {
	uint64_t start_ns, deadline_ns; /* CLOCK_BOOTTIME; 0: not started / no limit */
	uint64_t looked_ns, watched_ns; /* last look; time in which somebody looked */
	uint64_t expired_ns;            /* when it was last looked whether a group is idle; kept */
	struct reader_seen *seen;       /* readers at the start; NULL: no memory for it; kept */
	bool told;
};

/* One wait for the disk (sync.c): likewise. */
struct sync_wait {
	struct topic *topic;
	void *context;
	bool (*done)(struct sync_wait *w);
	void (*mark)(struct sync_wait *w); /* calls mqd */
	int64_t wait_ns;
	uint64_t start_ns; /* CLOCK_BOOTTIME; 0: a new wait */
	uint64_t round;    /* of acks */
	bool told;
};

/* One partition as this publisher sees it. */
struct pub_lane {
	struct log log; /* not attached until the first message for it */
	struct tail tail;
	uint64_t linked_to; /* behind our newest frame */
	struct hold hold; /* where the open frame stands */
	struct rows rows; /* rows.frame NULL: no open frame */
	struct wait wait;
};

/* Delimited input that is read straight into the log's memory (lines.c). An incomplete record is
 * carried: in the lane's extent, behind a header's place, or in private memory. */
struct lines {
	struct pub_lane *lane;      /* the carry and the room are in its extent; NULL: in private memory */
	struct column private_; /* used: bytes of the carry there */
	size_t stored;          /* bytes at the start of the room: carry, or pending records + carry */
	size_t pending;         /* complete records among them that could not be linked yet */
	uint64_t accepted;      /* records given to shmq_pub_send() and not known to be linked */
	size_t room;            /* bytes that may be added to the place that was handed out */
	int partition;
	unsigned char delim;
	bool skip;              /* the record that began was refused: drop it up to its delimiter */
};

/* Whether something of it is to be linked before anything else. */
static inline bool lines_waiting(const struct lines *in)
{
	return in->pending > 0 || in->accepted > 0;
}

struct shmq_pub {
	shmq *q;
	struct topic topic;
	unsigned flags;
	int64_t wait_ns;
	unsigned keep_extents;
	unsigned next_lane; /* for messages without a key */
	struct pub_lane *lanes; /* [options.partitions] */
	struct lines lines;
	struct sync_wait sync;
	uint64_t linked, dropped; /* messages */
	int (*keep)(void *context); /* NULL, or called while it waits for room: not 0 ends the wait with that */
	void *keep_context;
	uint64_t stamp_ns, stamp_ticks; /* the last time read, and when */
};

/* A lane with its log open. */
int lane_open(struct shmq_pub *p, unsigned partition, struct pub_lane **out);

/* Makes the lane hold at least `bytes` contiguous bytes, waiting as the topic says. No frame may be
 * open. 0, SHMQ_FULL, SHMQ_TIMEOUT, SHMQ_INTERRUPTED, SHMQ_GONE, or an error. */
int lane_room(struct shmq_pub *p, struct pub_lane *l, uint64_t bytes);

/* Waits once for a slot of the ring, as the topic says: 0: link again. The caller ends the wait. */
int lane_slot(struct shmq_pub *p, struct pub_lane *l);

/* Tells the readers, and mqd, of a frame that was linked, and counts it. */
void lane_count(struct shmq_pub *p, struct pub_lane *l, uint64_t messages, uint64_t value_bytes);

/* Which partition a message goes to; whether it can; the error when it is too large. */
unsigned pub_partition(struct shmq_pub *p, const struct shmq_message *m);
int pub_message_check(struct shmq_pub *p, const struct shmq_message *m);
int pub_too_large(struct shmq_pub *p, size_t cost);

/* Links a sealed frame that stands at the hold's end and tells the readers. Waits likewise. */
int lane_link(struct shmq_pub *p, struct pub_lane *l, struct frame *f);

/* Links the open frame, if any. After SHMQ_FULL it is dropped and counted. */
int lane_flush(struct shmq_pub *p, struct pub_lane *l);

/* Links all open frames: the result is the last one's that went wrong; SHMQ_FULL of one partition does
 * not keep the others from being linked. */
int lanes_flush(struct shmq_pub *p);

/* Gives the hold back; no frame may be open. */
void lane_leave(struct shmq_pub *p, struct pub_lane *l);

/* The partition for messages without a key, and one step on. */
unsigned pub_turn(struct shmq_pub *p);

uint64_t pub_now(struct shmq_pub *p);

/* Links what is pending of the delimited input; 0 when nothing is left to link. */
int lines_flush(struct shmq_pub *p, uint64_t *records);

/* Moves an incomplete record to private memory, so that the extent can be given back. */
int lines_to_private(struct shmq_pub *p);

/* The log is full (room.c). Waits a little for room, as the topic's policy says: 0: look again;
 * SHMQ_FULL, SHMQ_TIMEOUT, SHMQ_INTERRUPTED, SHMQ_GONE. drop_to: what drop-old must give up. */
int pub_wait(struct shmq_pub *p, struct pub_lane *l, const struct holder *holder, uint64_t drop_to);

/* The wait of this lane is over; a signal only interrupts it. */
static inline void wait_end(struct pub_lane *l, int result)
{
	if (result != SHMQ_INTERRUPTED)
		l->wait.start_ns = 0;
}

#endif
