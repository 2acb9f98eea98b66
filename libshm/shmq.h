/* SPDX-License-Identifier: MIT */
/*
 * shmq.h - the public interface of libshm: topics in shared memory, published to and read
 * by any number of processes on one host. It is the only header that programs include.
 *
 * Results. Every function that can fail returns an int: 0 (SHMQ_OK) or a positive
 * enum shmq_result when it ran as it should, a negative enum shmq_error when it could not.
 * The sentence that belongs to the last error stands in the broker handle: shmq_error().
 * The library never prints, never exits and installs no signal handler.
 *
 * Threads. One handle (shmq, shmq_pub, shmq_sub) belongs to one thread at a time. Different
 * handles may be used by different threads at the same time; give each thread its own broker
 * handle (shmq_open) and open its publishers and subscribers on that. Two threads that share
 * a broker handle must also share a lock.
 *
 * Fork. A child must not use handles of its parent; every call on them returns
 * SHMQ_EFORKED there. shmq_close() and friends free them safely.
 *
 * Blocking. Only functions whose comment says "blocks" wait for other processes.
 */
#ifndef SHMQ_H
#define SHMQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SHMQ_VERSION "0.1.0"
#define SHMQ_FORMAT_VERSION 2 /* of the files in the runtime directory */

#define SHMQ_NAME_MAX 249       /* bytes in a topic name, as in Kafka */
#define SHMQ_PARTITIONS_MAX 256 /* partitions of one topic */
#define SHMQ_TOPICS_MAX 32768   /* topics of one broker at one time */
#define SHMQ_FOREVER INT64_MAX  /* as a wait in ns: no limit */

enum shmq_result {
	SHMQ_OK = 0,
	SHMQ_EMPTY,       /* nothing there now */
	SHMQ_END,         /* the end that was asked for is reached */
	SHMQ_FULL,        /* no room: rejected or dropped, as the topic or publisher says */
	SHMQ_OVERRUN,     /* publishers went on without this subscriber; messages are missed */
	SHMQ_GONE,        /* the topic was deleted, or the runtime directory removed */
	SHMQ_TIMEOUT,     /* the wait that was asked for is over */
	SHMQ_INTERRUPTED, /* a signal handler ran while waiting */
};

enum shmq_error {
	SHMQ_EINVAL = -1,   /* an argument is not acceptable */
	SHMQ_EDATA = -2,    /* a message is: too large, or spans logs in an atomic batch */
	SHMQ_ENOENT = -3,   /* broker or topic is not there */
	SHMQ_EEXIST = -4,   /* topic is there already, with other options */
	SHMQ_EACCESS = -5,  /* file modes or ownership forbid it */
	SHMQ_EFORMAT = -6,  /* another version of the memory format */
	SHMQ_ECORRUPT = -7, /* what stands in shared memory cannot be true */
	SHMQ_ENOSPACE = -8, /* the filesystem of the runtime directory is full */
	SHMQ_ELIMIT = -9,   /* sessions, readers or topics: the table is full */
	SHMQ_ESYSTEM = -10, /* a system call failed; the sentence names it */
	SHMQ_ENOMEM = -11,  /* private memory */
	SHMQ_EFORKED = -12, /* the handle was made before fork() */
	SHMQ_ESTALE = -13,  /* the runtime directory was left by an earlier boot */
};

/* ---- broker: one runtime directory, one session in it -------------------------------- */

typedef struct shmq shmq;
typedef struct shmq_pub shmq_pub;
typedef struct shmq_sub shmq_sub;

enum shmq_open_flags {
	SHMQ_CREATE = 1,   /* make the runtime directory and the broker file when missing */
	SHMQ_OBSERVE = 2,  /* no session: only the shmq_topic_info/list/at functions work */
};

struct shmq_open_options {
	const char *dir;     /* runtime directory; NULL: $MQ_DIR, else /run/shmq where that is a
	                        broker one may use, else /dev/shm/shmq-UID */
	unsigned flags;      /* enum shmq_open_flags */
	const char *program; /* what others are told when they wait for this session; at most 31
	                        bytes are kept; NULL: the process name */
	/* called, when not NULL, with one sentence when a publisher has been blocked for a
	   second: whom it waits for. At most once per wait. Of the library it may call
	   shmq_pub_linked() only. */
	void (*notice)(void *context, const char *sentence);
	void *context;
};

/* Opens the broker in a runtime directory and attaches a session to it. *out is set even on
 * error (but NULL with SHMQ_ENOMEM), so that shmq_error() can be read; close it either way.
 * Returns 0, SHMQ_ENOENT (not there and no SHMQ_CREATE), SHMQ_EACCESS, SHMQ_EFORMAT,
 * SHMQ_ESTALE, SHMQ_ECORRUPT, SHMQ_ENOSPACE, SHMQ_ELIMIT (8,192 sessions), SHMQ_ESYSTEM.
 * Any number of processes may open and create at the same time. Does not block. */
int shmq_open(shmq **out, const struct shmq_open_options *options);

/* Detaches the session and frees the handle. Close publishers and subscribers first.
 * NULL is allowed. In a forked child it frees private memory only. */
void shmq_close(shmq *q);

/* The sentence of the last error on this handle or on a publisher or subscriber opened on
 * it; "" when there was none. Valid until the next call on the handle. */
const char *shmq_error(const shmq *q);

/* The runtime directory in use. */
const char *shmq_dir(const shmq *q);

/* ---- topics ------------------------------------------------------------------------- */

enum shmq_full { /* what a publisher meets when a topic is full */
	SHMQ_FULL_BLOCK = 0, /* it waits for the readers that hold back */
	SHMQ_FULL_REJECT,    /* SHMQ_FULL at once */
	SHMQ_FULL_DROP_OLD,  /* the oldest messages go; readers that had not read them are overrun */
};

struct shmq_topic_options { /* all 0: the defaults */
	uint32_t partitions; /* 1 .. SHMQ_PARTITIONS_MAX; 0: 1 */
	uint32_t slots;      /* frames kept per partition: a power of two, 8 .. 2^20; 0: 65,536 */
	uint64_t pool_bytes; /* memory per partition: a multiple of 256 KiB, 1 MiB .. 1 GiB; 0: 64 MiB.
	                        The largest message is a quarter of it. */
	uint64_t keep_bytes; /* memory of newest messages kept per partition after every reader has
	                        had them; at most pool_bytes; 0: 1 MiB */
	enum shmq_full full;
};

struct shmq_log_info {
	uint64_t first_offset, end_offset; /* messages first_offset <= o < end_offset are there */
	uint64_t first_bytes, end_bytes;   /* cumulative bytes of values at those offsets */
	uint64_t first_ns, last_ns;        /* CLOCK_REALTIME of the oldest and newest frame; 0: none */
	uint64_t memory_bytes;             /* pool memory taken from the filesystem so far */
	uint64_t frames;
};

struct shmq_topic_info {
	char name[SHMQ_NAME_MAX + 1];
	uint64_t number; /* never reused; another one means another topic, or a repaired one */
	struct shmq_topic_options options; /* with the defaults filled in */
	uint64_t created_ns;
	unsigned readers; /* attached subscribers */
	bool unread;      /* nobody has read it yet: it holds every message for the first reader */
	struct shmq_log_info *logs; /* options.partitions entries, in the caller's hands: see below */
};

/* Creates a topic. Returns 0, SHMQ_EEXIST (it is there), SHMQ_EINVAL (name or options),
 * SHMQ_ENOSPACE, SHMQ_ELIMIT, SHMQ_ESYSTEM. Concurrent creators: exactly one gets 0. */
int shmq_topic_create(shmq *q, const char *name, const struct shmq_topic_options *options);

/* Deletes a topic with all its messages. Attached publishers and subscribers get SHMQ_GONE.
 * Returns 0, SHMQ_ENOENT, SHMQ_EACCESS, SHMQ_ESYSTEM. */
int shmq_topic_delete(shmq *q, const char *name);

/* Removes all messages that are linked now; subscribers step over them silently. *purged,
 * when not NULL, receives how many were removed. */
int shmq_topic_purge(shmq *q, const char *name, uint64_t *purged);

/* Starts a new incarnation of a topic whose memory is damaged: same name and options, a new
 * number, offsets that go on beyond every old one (a multiple of 2^42, at least 2^42 more), none
 * of the old messages. Attached sessions get SHMQ_GONE. Returns 0, SHMQ_ENOENT, SHMQ_ECORRUPT
 * (its options are lost), SHMQ_ELIMIT (offsets beyond 2^53), SHMQ_ENOSPACE, SHMQ_ESYSTEM. */
int shmq_topic_repair(shmq *q, const char *name);

/* Fills *info. info->logs, when not NULL, must have room for SHMQ_PARTITIONS_MAX entries.
 * Reads only; works with SHMQ_OBSERVE and beside any number of live sessions; the figures of
 * one log are consistent with each other, those of different logs are not. */
int shmq_topic_info(shmq *q, const char *name, struct shmq_topic_info *info);

/* Calls each(context, name, number) for every topic, in no particular order, until it returns
 * non-zero; returns that, or 0, or a negative error. each must not call the library. */
int shmq_topic_list(shmq *q, int (*each)(void *context, const char *name, uint64_t number),
                    void *context);

/* 0 when the name can be a topic's: 1 .. SHMQ_NAME_MAX bytes of [A-Za-z0-9._-], not "." or
 * "..", not beginning with '-'. Else SHMQ_EINVAL. */
int shmq_topic_name_check(const char *name);

/* ---- messages ----------------------------------------------------------------------- */

struct shmq_header {
	const void *name;
	size_t name_len;
	const void *value;
	size_t value_len;
};

struct shmq_message {
	const void *value; /* may be NULL when value_len is 0 */
	size_t value_len;
	const void *key; /* NULL: no key (an empty key is not NULL) */
	size_t key_len;
	const struct shmq_header *headers; /* order is kept; names may repeat */
	size_t header_count;
	int partition; /* publish: -1 chooses by key (XXH3-64 modulo partitions), without a key
	                  frame by frame in turn. On receipt: where it stood. */
	/* on receipt only; ignored by publish */
	uint64_t offset;
	uint64_t time_ns; /* CLOCK_REALTIME when its frame was linked */
};

/* ---- publishing --------------------------------------------------------------------- */

enum shmq_pub_flags {
	SHMQ_PUB_NO_CREATE = 1, /* an unknown topic is SHMQ_ENOENT instead of being created */
	SHMQ_PUB_NO_WAIT = 2,   /* never wait for room: SHMQ_FULL, whatever the topic says */
};

struct shmq_pub_options { /* all 0: the defaults */
	unsigned flags;  /* enum shmq_pub_flags */
	int64_t wait_ns; /* longest wait for room, per call (and those that go on after
	                    SHMQ_INTERRUPTED); 0: for ever */
};

/* Opens a publisher on a topic, creating the topic with default options when it is missing;
 * *created (may be NULL) tells. Returns 0, SHMQ_ENOENT, SHMQ_EACCESS, SHMQ_EINVAL (name),
 * SHMQ_EFORMAT, SHMQ_ECORRUPT, SHMQ_ENOSPACE, SHMQ_ESYSTEM. */
int shmq_pub_open(shmq *q, const char *topic, const struct shmq_pub_options *options,
                  shmq_pub **out, bool *created);

/* Adds one message to the publisher's open frame (one per partition). The frame is linked,
 * and so becomes visible, when it is large or at shmq_pub_flush(): never by a timer. The
 * message is copied before the call returns.
 * Returns 0; SHMQ_FULL (see enum shmq_full and SHMQ_PUB_NO_WAIT; this message was not
 * accepted; messages of the open frame that could not be linked are dropped and counted by
 * shmq_pub_dropped()); SHMQ_TIMEOUT, SHMQ_INTERRUPTED (not accepted, all earlier ones are
 * kept: call again); SHMQ_GONE; SHMQ_EDATA (larger than a quarter of the pool).
 * Blocks while the topic is full and its policy is to block. */
int shmq_pub_send(shmq_pub *p, const struct shmq_message *message);

/* Links everything that was accepted. When it returns 0 every accepted message is visible
 * and survives the death of this process. Same results as shmq_pub_send(). Blocks likewise. */
int shmq_pub_flush(shmq_pub *p);

/* shmq_pub_flush(), then gives back the memory that the publisher holds for its next frame.
 * Call it before waiting for input: a publisher that waits holds nothing. */
int shmq_pub_idle(shmq_pub *p);

/* Publishes count messages as one frame: all or nothing, one partition. The open frames are
 * flushed first. SHMQ_EDATA when their partitions differ or they exceed a quarter of the
 * pool. Without partition and keys the next partition in turn is taken. Blocks likewise. */
int shmq_pub_batch(shmq_pub *p, const struct shmq_message *messages, size_t count);

/* Delimited input without a copy: read(2) straight into shared memory.
 *   shmq_pub_lines_room() says where the next bytes go and how many fit (at least 1);
 *   shmq_pub_lines_add() says that so many bytes were stored there. All complete records are
 *   linked at once; an incomplete last one is carried over to the next room.
 *   shmq_pub_lines_end() ends the input: an unterminated last record is published too.
 * delim must stay the same between two calls of shmq_pub_lines_end(). No keys, no headers;
 * partition -1: frame by frame in turn. Results as shmq_pub_send(); after SHMQ_TIMEOUT or
 * SHMQ_INTERRUPTED from _add, call it again with bytes = 0. *records (may be NULL) receives the
 * number of records linked by this call. SHMQ_EDATA from _room: a record is larger than a quarter of
 * the pool; the ones before it are linked, it is dropped up to its delimiter, and the next call of
 * _room goes on behind it. SHMQ_FULL: the complete records are dropped and counted. SHMQ_EINVAL:
 * partition or delimiter change in the middle of a record, or more bytes are added than there is
 * room. The room is void after any other call on the publisher: ask for it again. What other calls
 * send goes behind the complete records; an incomplete one is kept privately meanwhile. */
int shmq_pub_lines_room(shmq_pub *p, int partition, unsigned char delim, void **buffer,
                        size_t *room);
int shmq_pub_lines_add(shmq_pub *p, size_t bytes, uint64_t *records);
int shmq_pub_lines_end(shmq_pub *p, uint64_t *records);

/* Messages that this publisher has linked so far: visible, whatever the last call returned. Where
 * all go to one partition, or none says a key or a partition, they are the first ones that were
 * accepted and not dropped. Also notice() of shmq_open_options may call it. */
uint64_t shmq_pub_linked(const shmq_pub *p);

/* Messages that were accepted by shmq_pub_send() but dropped because there was no room
 * (SHMQ_FULL_REJECT, SHMQ_PUB_NO_WAIT), since the publisher was opened. */
uint64_t shmq_pub_dropped(const shmq_pub *p);

/* The largest value (with key and headers) that fits into one message of this topic. */
size_t shmq_pub_message_max(const shmq_pub *p);
unsigned shmq_pub_partitions(const shmq_pub *p);

/* Gives everything back; messages not flushed are dropped. NULL is allowed. */
void shmq_pub_close(shmq_pub *p);

/* ---- subscribing -------------------------------------------------------------------- */

enum shmq_seek_kind {
	SHMQ_SEEK_BEGINNING = 0, /* the oldest message that is there */
	SHMQ_SEEK_END,           /* only what is linked from now on */
	SHMQ_SEEK_OFFSET,        /* value = offset */
	SHMQ_SEEK_LAST,          /* value = how many before the end, per partition */
	SHMQ_SEEK_TIME,          /* value = CLOCK_REALTIME ns: the first frame linked then or later */
};

struct shmq_seek {
	enum shmq_seek_kind kind;
	uint64_t value;
};

enum shmq_sub_flags {
	SHMQ_SUB_HOLD = 1,        /* publishers must wait for this subscriber, however slow it is */
	SHMQ_SUB_BROWSE = 2,      /* leave no trace: publishers do not wait, the topic stays unread */
	SHMQ_SUB_EXIT_AT_END = 4, /* SHMQ_END at the end that was there when it was opened */
	SHMQ_SUB_SPIN = 8,        /* shmq_sub_wait() spins for the whole wait: lowest latency, one CPU */
	SHMQ_SUB_NO_SPIN = 16,    /* shmq_sub_wait() goes to sleep at once */
};

struct shmq_sub_options { /* all 0: everything from the beginning, for ever */
	unsigned flags;              /* enum shmq_sub_flags */
	struct shmq_seek from;
	bool until_set;
	struct shmq_seek until;      /* when until_set: SHMQ_END before this message; resolved when
	                                the subscriber is opened, except SHMQ_SEEK_OFFSET beyond the end */
	const uint32_t *partitions;  /* NULL: all */
	size_t partition_count;
	const char *filter;          /* key pattern: words split by '.', '*' is one word, '#' any number
	                                (AMQP topic exchange); NULL: everything */
};

/* Attaches an ephemeral subscriber. Returns 0, SHMQ_ENOENT, SHMQ_EINVAL (partition, filter),
 * SHMQ_EACCESS, SHMQ_EFORMAT, SHMQ_ECORRUPT, SHMQ_ELIMIT (2,047 readers), SHMQ_ESYSTEM.
 * Does not block. */
int shmq_sub_open(shmq *q, const char *topic, const struct shmq_sub_options *options,
                  shmq_sub **out);

/* A private, verified copy of one frame. Valid until the next shmq_sub_next() or close on the
 * same subscriber. */
struct shmq_batch {
	const char *topic;
	uint32_t partition;
	uint64_t offset;    /* of the first message */
	uint32_t count;     /* messages, before the filter and the range */
	uint64_t time_ns;
	bool whole;         /* every message passes filter and range, and there are no keys and headers:
	                       the values may be written out in one piece */
	bool delimited;     /* every value in `values` is followed by `delim` */
	unsigned char delim;
	const void *values; /* all values back to back */
	size_t value_bytes;
	const void *private_; /* the library's */
	uint64_t cursor[4];
};

/* The next frame of any partition. Also says that the previous batch was handled: publishers may
 * reuse its memory.
 * Returns 0; SHMQ_EMPTY (nothing now); SHMQ_END; SHMQ_OVERRUN (shmq_sub_missed() says how many
 * were lost; the next call goes on with what is there; a subscriber that stood still for too long no
 * longer holds publishers back, one that a drop-old topic went past still does from there on); SHMQ_GONE; SHMQ_ECORRUPT (a damaged frame was skipped: shmq_error() names it;
 * the next call goes on behind it). Does not block. */
int shmq_sub_next(shmq_sub *s, struct shmq_batch *batch);

/* The next message of a batch that passes filter and range: 1 and *message, or 0 at the end, or
 * SHMQ_ECORRUPT. message->headers points into memory that the next call overwrites. */
int shmq_batch_next(struct shmq_batch *batch, struct shmq_message *message);

/* Waits until one of the subscribers may have something new: first looking again in a growing
 * pause, then asleep. Returns 0, SHMQ_TIMEOUT (wait_ns is over; 0 looks once), SHMQ_INTERRUPTED
 * (a signal handler ran), SHMQ_GONE. At most 128 subscribers, all on one broker handle. A signal
 * that arrives just before it falls asleep is noticed within a second. Blocks. */
int shmq_sub_wait(shmq_sub *const *subs, size_t count, int64_t wait_ns);

/* Messages missed so far, over all overruns. */
uint64_t shmq_sub_missed(const shmq_sub *s);

/* Messages (before the filter) between what was handed out and the end, now. */
uint64_t shmq_sub_lag(shmq_sub *s);

/* Detaches. NULL is allowed. */
void shmq_sub_close(shmq_sub *s);

/* 1 when the key matches the pattern, else 0. The empty pattern matches the empty key; no key (NULL)
 * is not matched by it, but by "#". */
int shmq_filter_match(const char *pattern, const void *key, size_t key_len);

/* ---- counters ----------------------------------------------------------------------- */

struct shmq_counters { /* of a broker since it was created; they never go down */
	uint64_t messages_published, bytes_published, frames_linked;
	uint64_t messages_delivered, bytes_delivered;
	uint64_t messages_dropped;    /* no room and not allowed to wait */
	uint64_t messages_missed;     /* by overrun subscribers */
	uint64_t publisher_blocks;    /* waits for room */
	uint64_t wakeups;             /* bells rung */
};

/* Sums the counters of all session slots. */
int shmq_counters_read(shmq *q, struct shmq_counters *sum);

/* ---- words of the command line ------------------------------------------------------ */

/* "500ms" "30s" "5m" "1h30m" "7d" "2w", also "us" and "ns"; a bare number is seconds, fractions are
 * allowed ("1.5s"). Up to 292 years. */
int shmq_parse_duration(const char *text, int64_t *ns);

/* "64K" "16M" "1G" "2T" (powers of 1024, an optional "iB" or "B"), a bare number is bytes. */
int shmq_parse_size(const char *text, uint64_t *bytes);

/* RFC 3339 ("2026-01-31T12:00:00Z", also +01:00, a space for T, fractions, a date alone),
 * "@epoch" with fractions. now_ns serves "@-5m" and "@+5m". */
int shmq_parse_time(const char *text, uint64_t now_ns, uint64_t *ns);

/* "beginning" "end" "N" "-N" "@TIME" "@-5m", or a range "A:B" (from A up to but not including B;
 * either side may be empty). *until_set is false without ':' or with an empty right side. */
int shmq_parse_offset(const char *text, uint64_t now_ns, struct shmq_seek *from, bool *until_set,
                      struct shmq_seek *until);

#ifdef __cplusplus
}
#endif
#endif
