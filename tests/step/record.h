/* SPDX-License-Identifier: MIT */
/*
 * record.h - publishers and subscribers that keep an outside record of what was acknowledged and
 * what was delivered, and break the case when the two do not agree. Used on the harness side and
 * in children.
 */
#ifndef STEP_RECORD_H
#define STEP_RECORD_H

#include "../../libshm/shmq.h"
#include "world.h"

#define TOPIC "step"

/* Once, before the first case is forked. */
void record_init(void);

/* Message `sequence` of a writer: a line of exactly `bytes` bytes (24 or more) without its '\n'. */
/* A writer whose messages come in any order: what a group's consumers make of its messages. */
#define W_ANY_ORDER (WRITERS - 1)
#define MESSAGE_MIN 24
#define MESSAGE_MAX (600u << 10)
void message_make(char *to, unsigned writer, unsigned sequence, size_t bytes);

/* Which one it is; breaks the case when it is none, or not whole. */
void message_parse(const char *where, const struct shmq_message *m, unsigned *writer, unsigned *sequence);

/* One session with at most one publisher. */
struct peer {
	shmq *q;
	shmq_pub *pub;
	unsigned writer;
	const char *made; /* messages made ahead, back to back; NULL: made when sent */
};

shmq *session_open(void);
void peer_open(struct peer *p, unsigned writer, unsigned pub_flags);
void peer_close(struct peer *p);

/* Sends and flushes one message. Returns 0 (acked), or SHMQ_FULL (it is not there). Any other
 * result breaks the case. */
int peer_send(struct peer *p, size_t bytes);

/* The same where the topic may be over: SHMQ_OK, or SHMQ_GONE (it is not there). */
int peer_try(struct peer *p, size_t bytes);

/* The same, but one call each: a child's operation. */
int peer_accept(struct peer *p, size_t bytes); /* shmq_pub_send() */
int peer_flush(struct peer *p);                /* acks what was accepted */
void peer_idle(struct peer *p);

/* Makes the next `count` messages ahead, so that a child's operation is the library's work alone. */
void peer_make(struct peer *p, unsigned count, size_t bytes);

/* The message that was handed over last is not there: so the result of the library said. */
void peer_refused(const struct peer *p);
void peer_acked(const struct peer *p);

/* A whole life: attach, publish, idle, detach. */
void one_shot(unsigned writer, size_t bytes);

/* A subscriber and what it has seen. */
struct view {
	shmq *q;
	shmq_sub *sub;
	const char *name;
	bool may_miss;   /* overrun is allowed, and counted */
	bool began;
	uint64_t next;   /* offset */
	uint64_t missed;
	uint32_t sequence[WRITERS]; /* next of each */
	bool knows[WRITERS];        /* that it has seen one, or all from the first on */
};

/* From the beginning; `complete`: from the first message of the topic on. */
void view_open(struct view *v, const char *name, unsigned sub_flags, bool complete);
void view_close(struct view *v);

/* Takes frames until there is nothing more; at most `frames`. Each message is compared with the
 * records. Returns how many messages came. */
unsigned view_take(struct view *v, unsigned frames);
#define ALL_FRAMES 1000000u

/* The same in two steps for a child's operation: the library's work alone, copying what came;
 * then the comparing. */
void view_fetch(struct view *v, unsigned frames);
void view_check_fetched(struct view *v);

/* Takes everything and checks that nothing acked is missing. */
void view_settle(struct view *v);

#endif
