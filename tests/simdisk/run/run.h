/* SPDX-License-Identifier: MIT */
/* run.h - one run of the store on the simulated disk: what all its parts share. */
#ifndef RUN_H
#define RUN_H

#include <setjmp.h>

#include "io_sim.h"
#include "account.h"
#include "rng.h"
#include "server.h"

#define CLIENTS 2u /* broker handles of clients */
#define HAND    12u /* deliveries in hand */
#define DEPTH   3u /* losses of power one after the other */
#define IMAGES_MOST 80u /* losses of power in a run */

/* What the seed decides about a run. */
struct plan {
	uint64_t seed;
	unsigned steps;
	unsigned gap;       /* operations between two crash points, about */
	unsigned images;    /* losses of power at each of them */
	bool big;           /* messages large enough to fill segments */
	bool kills;         /* mqd is killed now and then */
	bool io_fails, memory_fails;
	bool full;          /* the disk is small */
	bool jumps;         /* clocks jump */
	bool crowded;       /* hardly a topic may stay mapped */
	unsigned late_ops;
};

struct hand { /* a delivery that is not settled yet */
	bool used;
	unsigned client, group; /* the group in the record */
	struct shmq_delivery d;
	struct place at;
};

struct client {
	shmq *q;
	shmq_pub *pub[TOPICS_MADE];     /* by topic of the record; NULL: not opened */
	shmq_group *group[GROUPS_MADE]; /* by group of the record */
};

struct run {
	struct plan plan;
	struct rng rng;       /* of what is done */
	struct rng crash_rng; /* of when it crashes: apart, so that both can be changed alone */
	char base[64];        /* directories of all runs */
	char dir[128], store[128]; /* runtime directory and files of the disk, of this life */
	char trail[512];      /* how we came here */
	unsigned depth;       /* losses of power before */
	unsigned lives;       /* of directories, for their names */

	struct sim disk;
	struct io *io;        /* of the server: a mirror of sim's */
	struct server server;
	struct server_options options;
	bool serving;         /* server_begin() has returned 0 */
	bool in_server;       /* a crash now is one of mqd */
	bool faulty;          /* something failed on purpose in this life of mqd */
	bool rotten;          /* the newest snapshot was damaged on purpose */
	bool was_full;
	uint64_t memory_left; /* allocations of mqd until one fails */
	jmp_buf killed;
	uint64_t crash_at;    /* the next crash point, in operations of the disk */
	uint64_t images_most; /* losses of power, over all processes of all runs, after which there are no more in this one */
	uint64_t changes;     /* of the disk at the last one */
	struct account account;
	struct client client[CLIENTS];
	struct hand hand[HAND];
	unsigned long steps_done;
};

/* How much was done, over all processes of all runs. */
struct tally {
	_Atomic uint64_t runs, steps, images, recoveries, in_recovery, kills, stops, faults, published, acked, settled, read,
	        recycled, snapshots, trims, full, operations;
};
extern struct tally *tally;

/* The test has failed: says where and what, and ends this process. */
void failed(const struct run *r, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));
/* With --verbose: what happens. */
void note(const struct run *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
void trail_add(struct run *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
extern bool verbose;

/* ---- life.c: mqd and the disk -------------------------------------------------------- */

void life_first(struct run *r);
/* What mqd does next, until it is idle or `turns` are over. */
void life_turns(struct run *r, unsigned turns);
/* mqd writes all there is. */
void life_quiet(struct run *r);
void life_kill(struct run *r);
void life_stop(struct run *r);
/* After a loss of power: a new memory. The disk is set. */
void life_after_power(struct run *r);
void life_end(struct run *r);
/* Crash points are taken from here on. */
void life_next_crash(struct run *r);

/* ---- act.c: what clients do ----------------------------------------------------------- */

void act_begin(struct run *r);
void act(struct run *r);
void act_forget(struct run *r); /* memory is gone, handles with it */
shmq_pub *act_pub(struct run *r, unsigned client, unsigned topic);
shmq_group *act_group(struct run *r, unsigned client, unsigned group);

/* ---- verify.c: what must hold after a recovery ------------------------------------------ */

enum since { SINCE_POWER, SINCE_KILL, SINCE_STOP };
void verify(struct run *r, enum since since);
/* Everything that is there to be done is delivered, once. */
void verify_deliveries(struct run *r);

/* ---- clock.c -------------------------------------------------------------------------- */

extern int64_t clock_now_ns;          /* since the start */
extern int64_t clock_real_ns;         /* how far CLOCK_REALTIME has jumped */
extern struct run *clock_run;         /* whose mqd works when a client sleeps */
extern struct rng clock_salts;        /* what getrandom() gives */

/* ---- memory.c ------------------------------------------------------------------------- */

extern uint64_t memory_fail_at; /* allocations until one fails; 0: none */
extern bool memory_for_ever, memory_failed;

/* ---- mirror.c ------------------------------------------------------------------------- */

/* An io on the disk whose files are in a directory, too: for the library, which reads real ones. */
int mirror_open(struct sim *disk, const char *dir, struct io **out);
/* The directory once more as the disk is: late writes land there by themselves. */
void mirror_refresh(const struct sim *disk, const char *dir);

#endif
