/* SPDX-License-Identifier: MIT */
/*
 * group_crowd.h - consumers that keep an outside record of what a group told them, and the others of a
 * child that is one of them.
 *
 * The group GROUP is on the topic IN; its messages are numbered. What is settled goes to TOPIC, whose readers
 * and publishers are those of crowd.h.
 */
#ifndef STEP_GROUP_CROWD_H
#define STEP_GROUP_CROWD_H

#include "crowd.h"

#define IN    "in"
#define GROUP "group"
#define IN_SLOTS 16u
#define W_REPLACED (W_ANY_ORDER - 1) /* a dead letter with another content */

#define MS      UINT64_C(1000000)
#define SECOND  UINT64_C(1000000000)
#define LEASE   (4 * SECOND)

/* Of most groups. */
#define SMALL_GROUP                                                                                     \
	.lease_ns = (int64_t)LEASE, .window = 64, .returns_rows = 16, .returns_bytes = 1u << 20,        \
	.backoff_ns = 100 * (int64_t)MS, .backoff_max_ns = 2 * (int64_t)SECOND

/* What ended a message; or what a child is about to do with it. */
enum end {
	END_NONE = 0,
	END_ACK,
	END_SETTLE,
	END_DEAD,
	END_RETRY,   /* tried only: it may be its last delivery */
	END_DROP,
	END_MOVE,    /* a dead letter into TOPIC */
	END_REQUEUE, /* tried only */
	END_REPLACE, /* tried only */
};

#define HANDS_MAX 96

struct in_hand {
	struct shmq_delivery d;
	unsigned number;
};

/* A consumer and what it holds. */
struct hand {
	shmq *q;
	shmq_group *g;
	shmq_pub *out; /* on TOPIC; NULL: what it takes it acks */
	const char *name;
	unsigned flags;     /* enum shmq_consume_flags */
	bool operation;     /* a child in its operation: stopped there it may return with what is others' by then */
	bool may_be_late, may_be_gone;
	bool gone;
	int partition;      /* of TOPIC, that it settles into */
	unsigned count;
	struct in_hand held[HANDS_MAX];
};

extern struct hand keeper; /* lives all the time on the harness side */

/* setup: topic IN and the group, with the keeper in it; target: also TOPIC and its crowd, and the keeper
 * settles what it takes. The parts: */
void group_begin(bool target);
void inputs_create(unsigned partitions);

/* Publishes `count` messages as one frame; whoever is told that they are in. */
void inputs_send(unsigned count, size_t bytes);
void inputs_send_to(int partition, unsigned count, size_t bytes);
void inputs_stop(void); /* closes their publisher */

void hand_session(struct hand *h, const char *name);
bool hand_attach(struct hand *h, unsigned flags); /* whether it made the group */
void hand_open(struct hand *h, const char *name, unsigned flags);
void hand_output(struct hand *h); /* from now on it settles into TOPIC */
void hand_close(struct hand *h);

/* SHMQ_OK: one more is held. Breaks the case when it should not be given out, or with another attempt. */
int hand_next(struct hand *h);
void hand_must(struct hand *h, unsigned count); /* takes so many */
void hand_must_number(struct hand *h, unsigned number); /* the one that was taken last */

/* Each takes held[i] out of the hand. SHMQ_OK or SHMQ_LATE; SHMQ_FULL where it says so. */
int hand_end(struct hand *h, unsigned i, enum end how); /* ACK, SETTLE, DEAD (SHMQ_FULL: it waits) */
int hand_retry(struct hand *h, unsigned i, int64_t delay_ns);
int hand_release(struct hand *h, unsigned i);
int hand_start(struct hand *h, unsigned i); /* stays in the hand */
void hand_renew(struct hand *h);

/* What a consumer usually does with what it takes: acks, or settles. */
enum end hand_way(const struct hand *h);

/* Takes and ends everything that there is; how many. */
unsigned hand_drain(struct hand *h);

/* The rest of a child's life after its operation: ends what it holds, goes on for a while and leaves. */
void hand_goes_on(struct hand *h);

/* Time for consumers: the keeper keeps its lease. */
void group_time(uint64_t ns);

/* A process that takes `take` messages, acks `ack` of them, and dies. */
void group_dead_consumer(unsigned take, unsigned ack, unsigned flags);

/* A process that dies while it settles a message: before or after the frame is linked. */
enum link_stop { LINK_BEFORE = 1, LINK_AFTER };
void group_dead_settler(enum link_stop where, enum end how);

/* Calls at_link once when this process is about to link what it settles, or just has. */
extern void (*at_link)(void);
extern enum link_stop link_stop;

/* others */
void group_others(void);

/* Whether a message that was ended may be given out again; NULL: never. */
extern bool (*group_again)(unsigned number);

/* Whether publishers may have removed what it was moved back to, before it was there. */
extern bool group_may_miss;

/* finish: a fresh consumer takes what is left; then every message has come to one end, and nothing of
 * the group is left but dead letters. The parts: */
void group_finish(void);
void group_settle_all(void);   /* a fresh consumer, several leases */
void group_check(void);        /* every message, and the figures of the group */
void group_over(void);         /* deletes it; nothing of it is left */
void group_capacity(void);     /* how many large messages fit into IN */
void group_returns_capacity(void); /* how many large dead letters the group takes */

struct shmq_group_info group_info(shmq *q);

/* Calls each() for each dead letter. */
void group_letters(void (*each)(shmq_dlq *d, const struct shmq_dead_letter *letter, unsigned writer,
                                unsigned number));

#endif
