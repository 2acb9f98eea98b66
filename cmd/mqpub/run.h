/* SPDX-License-Identifier: MIT */
/*
 * run.h - one run of mqpub: what its ways of publishing share, and how it can end.
 */
#ifndef RUN_H
#define RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "input.h"
#include "progress.h"
#include "record.h"
#include "settings.h"
#include "shmq.h"
#include "tee.h"

struct run {
	struct settings *set;
	shmq *q;
	shmq_pub *pub;
	struct input in;
	struct tee tee;
	bool each;        /* flush each record */
	uint64_t taken;   /* records of the input that were dealt with, the present one included */
	uint64_t begin;   /* the byte of the input where the present one begins */
	uint64_t refused; /* by the library, with -a none */
	struct headers merged;
	struct progress progress;
	bool over;  /* nothing more is to be read or published */
	bool stuck; /* there is no room for what was accepted: it is not tried again */
	int status; /* EX_OK, or of the first thing that went wrong */
};

/* Ends the program when the run cannot begin. (start.c) */
void run_open(struct run *run, struct settings *set);
/* Flushes, tells what -a none dropped and what -v wants; the exit status. A signal to stop, and
 * a reader of -T that left, end the program as they should. */
int run_close(struct run *run);

/* Something went wrong: a line on stderr, and the run is over. */
void run_fail(struct run *run, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Looks at what a call of the library said. True: done. False: the run is over, told, or
 * (SHMQ_FULL with -a none) what was to be published is dropped. */
bool run_done(struct run *run, int rc);

/* A record can never be published, as it is larger than a message may be. */
void run_too_large(struct run *run, uint64_t number);

/* "record N (byte B of the input)", where it is the present one, with the FILE when there are
 * several. Valid until the next call. */
const char *run_record(const struct run *run, uint64_t number);

/* Links what was accepted, and copies for -T what is linked. False: the run is over. */
bool run_flush(struct run *run);
/* Likewise, and gives the memory back: before anything that may take long. */
bool run_idle(struct run *run);

/* Waits until the input has something, in no way that holds up others. False: the run is over. */
bool run_wait_input(struct run *run);

/* The ways of publishing; each for a whole run. */
void publish_lines(struct run *run);   /* lines.c: delimited by one byte, read into place */
void publish_records(struct run *run); /* records.c: any other input, and -m */
void publish_atomic(struct run *run);  /* atomic.c: likewise, as one batch */

/* The records of -m or of the input, each with what -k -H -p add; take says whether it wants
 * another. (records.c) */
void run_each_record(struct run *run,
		     bool (*take)(struct run *run, const struct record *record, void *context),
		     void *context);

#endif
