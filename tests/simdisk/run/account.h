/* SPDX-License-Identifier: MIT */
/*
 * account.h - the outside record: what was published, acked and settled, and what of it must survive.
 *
 * It is kept by those who did it and never looks into the store. A message is named by a number that is used once; its
 * content follows from that. An offset is noted with its message for ever, lost ones too: it may never show another.
 */
#ifndef ACCOUNT_H
#define ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOPIC_NAMES 4u
#define TOPICS_MADE 24u /* in a run, over all incarnations */
#define GROUPS_MADE 32u
#define PARTITIONS  2u
#define MOVES       8u /* seeks of a group */
#define NONE        UINT32_MAX

struct place { /* a message in the record */
	uint32_t topic, partition, entry;
};

struct entry {
	uint64_t offset, message, position; /* position: behind its frame, at most */
	uint32_t bytes;
	bool durable, lost, purged;
	bool was_acked;     /* by all groups, before there was another one */
	bool present;       /* seen in the last verification */
	uint32_t in_group;  /* what it was made from; NONE: nothing */
	bool apart;         /* published, and only then that was acked: at least once */
	uint64_t in_move;   /* in which incarnation of the group */
	struct place input;
};

struct entries {
	struct entry *at;
	uint32_t count, capacity;
	uint32_t gone; /* so many at the front may have been let go, as was seen */
};

struct topic_record {
	unsigned name;
	uint64_t number;
	bool durable;          /* that it is there */
	bool deleted, deleted_durable, lost;
	uint64_t retain_bytes; /* smallest ever; 0: never set */
	bool retain_acked;     /* ever */
	bool aged;             /* clocks went on by more than its retention */
	struct entries log[PARTITIONS];
};

enum done { /* bits: what may have become of a message in a group */
	OPEN = 1, /* to be delivered (again) */
	DONE = 2,
	DEAD = 4, /* a dead letter */
};

struct fate {
	unsigned char may, last;
	bool touched; /* it may stand in the return log, too, where a seek leaves it */
	bool handed;  /* a consumer had it in hand, and may have moved it to the return log: there is one of it, here or there */
	uint64_t round; /* once this one is durable, `last` is what it is */
	struct place output; /* DONE with this, which is there then; topic NONE: not so */
};

struct move { /* one incarnation of a group */
	uint64_t incarnation, round;
	struct {
		uint64_t from; /* offsets before are not its business */
		struct fate *at;
		uint32_t count;
	} log[PARTITIONS];
};

struct group_record {
	uint32_t topic;
	unsigned name;
	uint64_t number;
	bool ordered;
	uint64_t round; /* of its making */
	bool durable;
	bool deleted, deleted_durable, lost;
	uint64_t deleted_round;
	struct move move[MOVES];
	unsigned moves;
};

struct account {
	struct topic_record topic[TOPICS_MADE];
	unsigned topics;
	struct group_record group[GROUPS_MADE];
	unsigned groups;
	uint64_t messages; /* names given out */
};

/* The content of a message, into a buffer of at least its bytes. */
#define MESSAGE_MIN 24u
void message_write(void *to, size_t bytes, uint64_t message, uint64_t topic, uint32_t partition);
/* Which one it is: false: none that could ever have been written. */
bool message_read(const void *from, size_t bytes, uint64_t *message, uint64_t topic, uint32_t partition);

struct topic_record *topic_made(struct account *r, unsigned name, uint64_t number);
struct topic_record *topic_numbered(struct account *r, uint64_t number);
/* The one that a name stands for now; NULL: none. */
struct topic_record *topic_named(struct account *r, unsigned name);
static inline unsigned topic_index(const struct account *r, const struct topic_record *t)
{
	return (unsigned)(t - r->topic);
}

/* A new entry behind all others; NULL: its offset is not. */
struct entry *entry_add(struct entries *l, uint64_t offset, uint64_t message, size_t bytes);
/* NULL: nothing was ever published there. */
struct entry *entry_at(const struct entries *l, uint64_t offset);
static inline struct entry *entry_of(struct account *r, struct place p)
{
	return &r->topic[p.topic].log[p.partition].at[p.entry];
}

struct fate *fate_of(struct group_record *g, struct place p);
/* What a consumer has done; durable when `round` is. */
void fate_set(struct fate *f, enum done now, uint64_t round);
/* Whether every group had done with it, or may have. */
bool acked_by_all(struct account *r, struct place p);
/* What is durable now is certain. */
void account_round_durable(struct account *r, uint64_t round);
/* All that was done is certain: mqd has stopped in order, or is idle. */
void account_all_durable(struct account *r);

#endif
