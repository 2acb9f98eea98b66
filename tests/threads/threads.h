/* SPDX-License-Identifier: MIT */
/* threads.h - the topics, writers and readers of the test, and what they have in common. */
#ifndef THREADS_H
#define THREADS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "rng.h"
#include "shmq.h"

#define WRITERS    8u
#define PARTITIONS 2u
#define DELIMITER  '\n'

enum topic_kind {
	STRICT, /* block: nothing is ever missed by who holds, nor by others unless they are told */
	DROP,   /* drop-old: overruns all the time */
	PURGED, /* block, and purged all the time */
	CHURN,  /* deleted, created and repaired all the time */
	TASKS,  /* worked on by a group, settled into DONE */
	DONE,
	TOPICS
};
extern const char *const topic_names[TOPICS];
extern const struct shmq_topic_options topic_options[TOPICS];

struct thread {
	unsigned number; /* of the writer, for writers */
	enum topic_kind topic;
	struct rng rng;
	shmq *q;
	unsigned reopen; /* the broker handle after so many uses */
	const char *_Atomic call; /* under way; NULL: this thread has ended */
	_Atomic uint64_t steps;
	char name[24];
};

extern char dir[];
extern atomic_bool stop;              /* writers finish, then readers */
extern atomic_uint writers_left;      /* of STRICT */
extern _Atomic uint64_t sent[WRITERS][PARTITIONS];
extern _Atomic uint64_t messages_sent, messages_read, messages_missed;

/* Ends the program. */
_Noreturn void wrong(const struct thread *t, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

/* A new broker handle, now and then. */
void broker_again(struct thread *t);

/* In CHURN a topic may be gone, or not there; any other error, and any elsewhere, is wrong. */
void topic_error(struct thread *t, int result);

/* Every call of the library: its name for the watchdog. */
static inline void calling(struct thread *t, const char *name)
{
	atomic_store(&t->call, name);
	atomic_fetch_add(&t->steps, 1);
}
#define LIB(t, function, ...) (calling(t, #function), function(__VA_ARGS__))

void writer_run(struct thread *t);
void reader_run(struct thread *t);  /* comes and goes */
void holder_run(struct thread *t);  /* sees all of STRICT */
void purger_run(struct thread *t);
void churner_run(struct thread *t);
void feeder_run(struct thread *t);  /* publishes to TASKS */
void worker_run(struct thread *t);  /* acks them, or settles them into DONE */
void digger_run(struct thread *t);  /* requeues what they bury */
void checker_run(struct thread *t); /* sees what comes out, and that each task ended once */
extern _Atomic uint64_t tasks_acked, tasks_settled, tasks_again, tasks_late, tasks_dug_up;
void pause_some(struct thread *t, unsigned milliseconds);

/* A message says who wrote it, and all its bytes follow from that. */
#define HEAD_BYTES 32u
void message_make(char *to, unsigned writer, unsigned partition, uint64_t sequence, unsigned bytes);
/* False: these bytes are no message. */
bool message_check(const void *value, size_t len, unsigned *writer, unsigned *partition,
                   uint64_t *sequence);

#endif
