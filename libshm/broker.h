/* SPDX-License-Identifier: MIT */
/* broker.h - the handle: one runtime directory, one session in it. */
#ifndef SHMQ_BROKER_H
#define SHMQ_BROKER_H

#include "daemon.h"
#include "error.h"
#include "session.h"

struct shmq {
	struct error error;
	char dir[4096];
	int dirfd, topics_dirfd;
	struct map map; /* of the broker file */
	struct broker_file *broker;
	struct session_place place;
	struct session session;
	struct daemon daemon;
	struct slot_counters *counters; /* NULL with SHMQ_OBSERVE */
	unsigned deletes; /* by this handle: not every one of many sweeps */
	bool observe;
	bool forked; /* set in a child of fork(): nothing here may be used any more */
	char program[32];
	void (*notice)(void *context, const char *sentence);
	void *context;
	struct shmq *next, *previous; /* all handles of this process, for fork() */
};

/* 0, or SHMQ_EFORKED with its sentence; `change`: also refuses SHMQ_OBSERVE handles. */
int broker_check(shmq *q, bool change);

/* Adds to one of the session's own counters. */
static inline void counter_add(atomic_u64 *counter, uint64_t n)
{
	store_relaxed(counter, load_relaxed(counter) + n); /* one writer: no read-modify-write needed */
}

#endif
