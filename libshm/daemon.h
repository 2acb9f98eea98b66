/* SPDX-License-Identifier: MIT */
/*
 * daemon.h - mqd as others see it: whether it runs, where its store is, how to call it, how to wait for it.
 */
#ifndef SHMQ_DAEMON_H
#define SHMQ_DAEMON_H

#include "bell.h"
#include "session.h"
#include "store_read.h"

/* Of one broker handle; opened when it is first needed. */
struct daemon {
	const struct session_place *sessions;
	const char *dir; /* the runtime directory, for sentences */
	int dirfd;
	struct map map;  /* of DIR/daemon, read-only; at NULL: this broker has no store, as far as is known */
	const struct daemon_file *file;
	int storefd;     /* -1: not opened yet */
};
#define DAEMON_NONE ((struct daemon){.dirfd = -1, .map = MAP_NONE, .storefd = -1})

/* Maps DIR/daemon: 0, SHMQ_ENOENT: this broker has no store; or an error. */
int daemon_open(struct error *e, struct daemon *d);
void daemon_close(struct daemon *d, bool forked);

/* Whether a store that goes with this runtime directory is there, and mqd was not started since memory was lost: the one
 * of MQ_STORE, or the default one of a default directory. */
bool daemon_store_waits(const struct daemon *d);

/* The default store of a runtime directory: of /run/shmq /var/lib/shmq, of others that of the user. False: too long. */
bool daemon_default_store(const char *dir, char *path, size_t bytes);

/* Where the store is, opened. 0, SHMQ_EACCESS, SHMQ_ENOENT, ... */
int daemon_store(struct error *e, struct daemon *d, struct store_place *out);

/* False: it does not run. (It may be stopped, or the disk stand still: daemon_describe().) */
bool daemon_runs(const struct daemon *d);

/* Waits a while for one that is still reading its store. False: it is yet, or has ended meanwhile. */
bool daemon_is_ready(const struct daemon *d);

/* What it is, or does, in words, for who waits for it: "mqd (pid 17), which is stopped". True: it is told at once, for nothing
 * comes by itself. */
bool daemon_describe(const struct daemon *d, char *text, size_t bytes);

/* SHMQ_EDAEMON with the sentence that says how to start it. */
int daemon_absent(struct error *e, const struct daemon *d, const char *what);

/* Behind a link, or a change of a group's words: mqd shall look at this topic. A few loads, mostly. */
static inline void topic_mark(struct broker_file *b, struct topic_bits *bits, uint64_t number)
{
	uint64_t bit = number % TOPIC_BITS, word = bit / 64;

	/* Each step again, whoever finds the one before done: who did it may have died behind it. */
	if ((load_seq(&bits->bit[word]) >> (bit % 64) & 1) == 0) /* mark pairs look */
		fetch_or_seq(&bits->bit[word], 1ULL << (bit % 64));
	if ((load_seq(&bits->top[word / 64]) >> (word % 64) & 1) == 0)
		fetch_or_seq(&bits->top[word / 64], 1ULL << (word % 64));
	bell_ring(&b->work);
}

#endif
