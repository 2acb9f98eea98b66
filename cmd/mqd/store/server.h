/* SPDX-License-Identifier: MIT */
/*
 * server.h - mqd at work: brings the store's topics back into memory, then writes what is new until it is told to stop.
 */
#ifndef MQD_SERVER_H
#define MQD_SERVER_H

#include "clean.h"
#include "collect.h"
#include "journal_write.h"
#include "recover_files.h"

#include <signal.h>

enum say_level { SAY_DETAIL, SAY_NOTE, SAY_WARNING };

struct server_options {
	const char *dir;         /* runtime directory; NULL: as shmq_open() */
	const char *store;       /* directory; NULL: the default of the runtime directory */
	enum io_kind io;
	struct io *disk;         /* NULL, or the disk to be used instead of the directory's; freed with the server */
	uint64_t segment_bytes;  /* of a new store; 0: chosen by the size of the filesystem */
	bool never_sleep;        /* tests that go on step by step */
	uint64_t limit;          /* bytes of all segments; 0: what the filesystem has */
	volatile sig_atomic_t *stop;
	void (*say)(void *context, enum say_level level, const char *sentence);
	void (*ready)(void *context, const char *sentence); /* it serves; the line that says how */
	void *context;
	atomic_u32 **work; /* receives the bell that a signal handler is to ring; NULL when it is gone */
};

struct server {
	const struct server_options *o;
	struct error error;
	shmq *q;
	char store[STORE_DIR_MAX];
	int storefd, lockfd;
	struct io *io;
	bool direct;
	struct store_file identity;
	struct image image;
	struct live live;
	struct journal journal;
	struct collector collector;
	struct cleaner cleaner;
	struct map daemon_map;
	struct daemon_file *daemon;
	struct map runs_map; /* runs.S of the segment being written */
	uint64_t runs_segment;
	bool show_again;     /* readers of some topics could not be told: no memory */
	bool clean_more;     /* a segment was cleaned: others may be left to clean */
	bool filled;         /* the batch that is filled waits for room or for others */
	uint64_t troubled, troubled_ns; /* the topic that was complained of last */
	bool full_said;      /* that the store is full */
	bool unfinished;     /* it was told to stop, and could not write everything */
	bool rotten;         /* damage was found: nothing is used again before the next start */
	uint64_t round_ns, carried, carry_ns, snapshot_bytes, retained_ns, retained_at, retried_ns;
};

/* Until it is told to stop: 0, or an error with the sentence in s->error: SHMQ_ECONFIG (the runtime directory belongs to
 * another store, a name stands for something else), SHMQ_ESTALE, SHMQ_EFORMAT, SHMQ_ELIMIT (another mqd has the store), ... */
int server_run(struct server *s, const struct server_options *o);

/* The same in steps. server_begin(): as server_run() until it serves. server_turn(): one look at what is new and one at what the
 * disk has done; sleeps when there is nothing, unless o->never_sleep. server_finish(): what was there is written, in order.
 * server_end(): always, in the end; without server_finish() it leaves as if it had been killed. */
int server_begin(struct server *s, const struct server_options *o);
int server_turn(struct server *s);
void server_finish(struct server *s);

/* ---- start.c ------------------------------------------------------------------------ */

int server_start(struct server *s, struct recovered *found);
void server_end(struct server *s);

void server_say(const struct server *s, enum say_level level, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* ---- told.c ------------------------------------------------------------------------- */

/* What the journal calls. */
void told_durable(void *context, const struct batch *b);
void told_dropped(void *context);
void told_said(void *context, const char *sentence);
void told_run(void *context, const struct run_entry *run, uint64_t segment);
void told_trouble(void *context, uint64_t topic);
void told_again(struct server *s);
void told_end(struct server *s);
void told_state(struct server *s, enum daemon_state state);

/* ---- retain.c ----------------------------------------------------------------------- */

/* Lets go what is too old, too much, or acked by all; segments that nothing is left in become spares. Into the batch.
 * 0 or an error. */
int retain(struct server *s, struct batch *b);

/* Segments that are not needed any more become spares, once all of that is durable. */
int retain_segments(struct server *s);

#endif
