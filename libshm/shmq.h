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
#define SHMQ_FORMAT_VERSION 5 /* of the files in the runtime directory */

#define SHMQ_NAME_MAX 249       /* bytes in a topic name, as in Kafka */
#define SHMQ_PARTITIONS_MAX 256 /* partitions of one topic */
#define SHMQ_TOPICS_MAX 32768   /* topics of one broker at one time */
#define SHMQ_FILTER_MAX 1023    /* bytes in a group's key filter */
#define SHMQ_FAILURE_TEXT_MAX 4096 /* bytes of text kept with a dead letter */
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
	SHMQ_LATE,        /* the lease had run out, and the message is not this consumer's any more */
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
	SHMQ_ECONFIG = -14, /* the group is there with other options than those asked for */
	SHMQ_EDAEMON = -15, /* mqd is needed and does not run, or its disk fails */
};

/* ---- broker: one runtime directory, one session in it -------------------------------- */

typedef struct shmq shmq;
typedef struct shmq_pub shmq_pub;
typedef struct shmq_sub shmq_sub;

enum shmq_open_flags {
	SHMQ_CREATE = 1,   /* make the runtime directory and the broker file when missing */
	SHMQ_OBSERVE = 2,  /* no session: only the shmq_topic_info/list/mark/at functions work */
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

enum shmq_storage {
	SHMQ_STORAGE_DEFAULT = 0, /* on disk where the broker has a store, else in memory */
	SHMQ_STORAGE_MEMORY,
	SHMQ_STORAGE_DISK,        /* mqd writes it to its store: what is there survives a loss of power */
};

/* How long a topic on disk keeps messages that memory has let go. Whichever limit is reached first counts; what goes
 * are whole segments of the store, so that somewhat more is kept. */
struct shmq_retention {
	int64_t age_ns;   /* 1 min ..; SHMQ_FOREVER: no limit; 0: 7 days */
	uint64_t bytes;   /* of values in a partition, 1 MiB ..; 0: no limit */
	bool until_acked; /* what every group of the topic has acked goes, too; without a group nothing does */
};

struct shmq_topic_options { /* all 0: the defaults */
	uint32_t partitions; /* 1 .. SHMQ_PARTITIONS_MAX; 0: 1 */
	uint32_t slots;      /* frames kept per partition: a power of two, 8 .. 2^20; 0: 65,536 */
	uint64_t pool_bytes; /* memory per partition: a multiple of 256 KiB, 1 MiB .. 1 GiB; 0: 64 MiB.
	                        The largest message is a quarter of it. */
	uint64_t keep_bytes; /* memory of newest messages kept per partition after every reader has
	                        had them; at most pool_bytes; 0: 1 MiB */
	enum shmq_full full;   /* of topics on disk: what happens when the disk does not keep up */
	enum shmq_storage storage;
	struct shmq_retention retention;
};

struct shmq_log_info {
	uint64_t first_offset, end_offset; /* messages first_offset <= o < end_offset are there */
	uint64_t first_bytes, end_bytes;   /* cumulative bytes of values at those offsets */
	uint64_t first_ns, last_ns;        /* CLOCK_REALTIME of the oldest and newest frame; 0: none */
	uint64_t memory_bytes;             /* pool memory taken from the filesystem so far */
	uint64_t frames;                   /* in memory */
	uint64_t gaps;                     /* offsets between first and end that no message has */
	uint64_t durable_offset;           /* topics on disk: messages below it are in the store */
	uint64_t memory_offset;            /* messages from here on are in memory */
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

/* Changes how long a topic on disk keeps its messages. Returns 0, SHMQ_ENOENT, SHMQ_EINVAL (out of range, or the topic
 * is in memory), SHMQ_EACCESS. */
int shmq_topic_alter(shmq *q, const char *name, const struct shmq_retention *retention);

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

/* *mark tells whether to list again: it is another number when a topic was made, deleted or repaired
 * since. Take it before listing: what comes meanwhile then changes it. It looks at 65,536 words, some 70
 * microseconds. Returns 0, SHMQ_GONE (the runtime directory was removed) or a negative error. Reads only;
 * works with SHMQ_OBSERVE. Does not block. */
int shmq_topic_mark(shmq *q, uint64_t *mark);

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

/* shmq_pub_flush(), then waits until everything that this publisher has linked is on disk: would survive a loss of
 * power. Many publishers share one sync. Returns 0; what shmq_pub_flush() returns; SHMQ_EINVAL (the topic is in
 * memory); SHMQ_TIMEOUT (wait_ns of the publisher), SHMQ_INTERRUPTED: call it again; SHMQ_EDAEMON: the disk fails.
 * notice() says at once when mqd does not run, or is stopped; it goes on by itself when it does. Blocks. */
int shmq_pub_sync(shmq_pub *p);

/* Whether the topic is on disk. */
bool shmq_pub_on_disk(const shmq_pub *p);

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

/* ---- groups -------------------------------------------------------------------------
 *
 * A group is a named place in a topic that outlives its consumers. Its consumers share its messages:
 * each is claimed by one of them, started, and then acked, given back, or put among the group's dead
 * letters. What a consumer holds when it dies, or stands still for longer than its lease, is given to
 * another one; only what it had started is counted as a delivery.
 */

typedef struct shmq_group shmq_group; /* one consumer */

enum shmq_group_mode {
	SHMQ_GROUP_SHARED = 0, /* any consumer takes any message */
	SHMQ_GROUP_ORDERED,    /* one consumer at a time takes the messages of a partition, in order */
};

enum shmq_group_dead { /* what becomes of a message whose deliveries are used up */
	SHMQ_GROUP_DEAD_KEEP = 0, /* it is kept as a dead letter */
	SHMQ_GROUP_DEAD_DROP,     /* it is dropped, and counted */
};

struct shmq_group_options { /* all 0: the defaults */
	enum shmq_group_mode mode;
	uint32_t retries;        /* deliveries of a message before it is dead: 1 .. 250; 0: 5 */
	int64_t lease_ns;        /* 100 ms .. 1 day; 0: 30 s */
	int64_t backoff_ns;      /* of the first retry, doubled for each further one: 1 ms .. 30 days; 0: 1 s.
	                            The pause is anything from 0 to that (full jitter). */
	int64_t backoff_max_ns;  /* at most this: backoff_ns .. 30 days; 0: 5 min */
	const char *filter;      /* key pattern; NULL or "": everything */
	uint32_t returns_rows;   /* messages that the return log has room for: retries that wait long, dead
	                            letters: 16 .. 2^19; 0: 16,384 */
	uint64_t returns_bytes;  /* memory for them: 1 MiB .. 512 MiB in steps of 256 KiB; 0: 32 MiB */
	int64_t expire_ns;       /* a group that nobody uses for so long may be deleted by whoever it holds
	                            up: 1 s ..; 0: 7 days; SHMQ_FOREVER: never */
	uint32_t window;         /* messages from the oldest unfinished one to the newest claimed one, a
	                            power of two: 64 .. 65,536; 0: 65,536 */
	enum shmq_group_dead dead;
};

enum shmq_group_set { /* which of the options are meant */
	SHMQ_SET_MODE = 1,
	SHMQ_SET_RETRIES = 2,
	SHMQ_SET_LEASE = 4,
	SHMQ_SET_BACKOFF = 8, /* backoff_ns and backoff_max_ns */
	SHMQ_SET_FILTER = 16,
	SHMQ_SET_RETURNS = 32, /* returns_rows and returns_bytes */
	SHMQ_SET_EXPIRE = 64,
	SHMQ_SET_WINDOW = 128,
	SHMQ_SET_DEAD = 256,
};

enum shmq_consume_flags {
	SHMQ_CONSUME_NO_CREATE = 1,    /* an unknown group is SHMQ_ENOENT instead of being created */
	SHMQ_CONSUME_EXIT_AT_END = 2,  /* SHMQ_END when nothing of what was there when the consumer was
	                                  opened is left to do, but for what other live consumers hold */
	SHMQ_CONSUME_MANUAL_START = 4, /* the caller says shmq_group_start() */
	SHMQ_CONSUME_AT_MOST_ONCE = 8, /* shmq_group_next() acks what it hands out */
	SHMQ_CONSUME_PIPELINED = 16,   /* ordered groups: hands out the next message of a partition while
	                                  earlier ones are still unfinished */
	SHMQ_CONSUME_SPIN = 32,        /* as SHMQ_SUB_SPIN */
	SHMQ_CONSUME_NO_SPIN = 64,     /* as SHMQ_SUB_NO_SPIN */
};

struct shmq_consume_options { /* all 0: the defaults */
	unsigned flags; /* enum shmq_consume_flags */
	const struct shmq_group_options *options; /* of a group that is created; NULL: the defaults */
	unsigned set;    /* enum shmq_group_set: an existing group must have these, else SHMQ_ECONFIG */
	bool from_set;
	struct shmq_seek from; /* when from_set: where a new group begins (else at the beginning); SHMQ_EEXIST
	                          when the group is there already */
	uint32_t prefetch;     /* messages claimed ahead: 1 .. 4,096; 0: 256 */
};

/* Opens a consumer of a group of a topic, creating the group when it is missing; *created (may be NULL)
 * tells. The topic must be there. Returns 0, SHMQ_ENOENT (the topic, or the group with
 * SHMQ_CONSUME_NO_CREATE), SHMQ_EEXIST, SHMQ_ECONFIG, SHMQ_EINVAL (name, options), SHMQ_EACCESS,
 * SHMQ_EFORMAT, SHMQ_ECORRUPT, SHMQ_ENOSPACE, SHMQ_ELIMIT (2,047 readers and groups), SHMQ_ESYSTEM. One
 * consumer of a group per broker handle (SHMQ_EINVAL). Does not block. */
int shmq_group_open(shmq *q, const char *topic, const char *group,
                    const struct shmq_consume_options *options, shmq_group **out, bool *created);

struct shmq_delivery {
	struct shmq_message message; /* valid until the next call of shmq_group_next() or shmq_group_close() */
	uint32_t attempt;            /* 1: it was never started before */
	uint64_t private_[4];        /* the library's: copy the whole struct to settle it later */
};

/* The next message to work on, claimed and (unless SHMQ_CONSUME_MANUAL_START) started: its delivery is
 * counted. Any number may be in hand at once (see SHMQ_CONSUME_PIPELINED); each is settled by one of
 * ack, retry, dead, release or settle, in any order. Also renews the lease, about once a second.
 * Returns 0; SHMQ_EMPTY (nothing to do now); SHMQ_END; SHMQ_LATE (this consumer stood still for longer
 * than its lease: all that it held has been given back, what it settles of that is SHMQ_LATE too; the
 * next call goes on); SHMQ_OVERRUN (a topic that drops its oldest messages did not keep some for the
 * group: shmq_error() says how many; the next call goes on); SHMQ_GONE (topic or group deleted, or the
 * runtime directory removed); SHMQ_ECORRUPT (a damaged frame was passed over: the next call goes on
 * behind it); other errors. Does not block. */
int shmq_group_next(shmq_group *g, struct shmq_delivery *d);

/* CLAIMED -> WORKING: from now on it counts as a delivery. Only with SHMQ_CONSUME_MANUAL_START. 0 or
 * SHMQ_LATE. d->attempt counts it. */
int shmq_group_start(shmq_group *g, struct shmq_delivery *d);

/* Done. 0, or SHMQ_LATE: it was given to another consumer, who does it (again). */
int shmq_group_ack(shmq_group *g, const struct shmq_delivery *d);

/* Waits until everything that this consumer's group has done so far is on disk: acks, retries, dead letters, and what was
 * made from messages and settled them. Returns 0; SHMQ_EINVAL (the topic is in memory); SHMQ_TIMEOUT, SHMQ_INTERRUPTED:
 * call it again; SHMQ_GONE; SHMQ_EDAEMON: the disk fails. notice() says at once when mqd does not run. Blocks. */
int shmq_group_sync(shmq_group *g, int64_t wait_ns);

/* Whether the topic of the group is on disk. */
bool shmq_group_on_disk(const shmq_group *g);

enum shmq_reason { /* why a message is dead */
	SHMQ_REASON_MAX_DELIVER = 0, /* its deliveries are used up */
	SHMQ_REASON_REJECTED,        /* a consumer said so */
	SHMQ_REASON_TIMEOUT,         /* its deliveries are used up, and the last one took too long */
	SHMQ_REASON_EXPIRED,
};
/* "max-deliver", "rejected", "timeout", "expired" */
const char *shmq_reason_text(enum shmq_reason reason);

struct shmq_failure { /* what is kept with a dead letter */
	enum shmq_reason reason; /* SHMQ_REASON_MAX_DELIVER or _TIMEOUT for retry, _REJECTED for dead */
	int status;       /* of a child: 0 .. 255 exit status, 256 + n: killed by signal n; -1: there was none */
	const void *text; /* its last words; the end of it is kept, SHMQ_FAILURE_TEXT_MAX bytes */
	size_t text_len;
};

#define SHMQ_BACKOFF (-1) /* as a delay: what the group's back-off says */

/* Not done: to be delivered again after delay_ns (0 .. 30 days, or SHMQ_BACKOFF), to any consumer. When
 * this was its last delivery it becomes a dead letter instead, and *dead (may be NULL) is true. why may be
 * NULL. 0, SHMQ_LATE, or an error (then it is still in hand). */
int shmq_group_retry(shmq_group *g, const struct shmq_delivery *d, int64_t delay_ns,
                     const struct shmq_failure *why, bool *dead);

/* Never to be delivered again: a dead letter, now. 0, SHMQ_LATE, SHMQ_FULL (the return log is: the
 * message waits for a retry instead), or an error (then it is still in hand). */
int shmq_group_dead(shmq_group *g, const struct shmq_delivery *d, const struct shmq_failure *why);

/* Given back at once, as if it had not been delivered. 0 or SHMQ_LATE. */
int shmq_group_release(shmq_group *g, const struct shmq_delivery *d);

/* Publishes messages (count may be 0) as one frame and acks d, both or neither, whatever is killed when:
 * exactly once. All go to one log of the target: that of the first one's partition or key, or of the
 * input's key when the first says neither; SHMQ_EDATA when the others say another one, or they are too
 * large together. The publisher must be on the same broker handle; its open frames are flushed first.
 * wait_ns: longest wait for room in the target; the lease is renewed meanwhile. 0; SHMQ_LATE (neither
 * happened); SHMQ_FULL, SHMQ_TIMEOUT, SHMQ_INTERRUPTED, or an error: neither happened, d is still in
 * hand; SHMQ_GONE (the target). Blocks. */
int shmq_group_settle(shmq_group *g, const struct shmq_delivery *d, shmq_pub *target,
                      const struct shmq_message *messages, size_t count, int64_t wait_ns);

/* Says that this consumer lives: to be called at least every third of the lease while it works. Also
 * finds messages of dead consumers, and moves what holds up the window to the return log. 0, or
 * SHMQ_LATE as from shmq_group_next(). */
int shmq_group_renew(shmq_group *g);

/* The group's options as they are now; filter points into the handle, until the next call on it. */
void shmq_group_options_now(shmq_group *g, struct shmq_group_options *out);

/* Waits until there may be something to do for one of the consumers: as shmq_sub_wait(), which says
 * what it returns; renews their leases. Blocks. */
int shmq_group_wait(shmq_group *const *groups, size_t count, int64_t wait_ns);

/* Gives back what is in hand (what was started is not counted) and leaves. NULL is allowed. */
void shmq_group_close(shmq_group *g);

/* ---- groups from outside ------------------------------------------------------------ */

struct shmq_group_log_info { /* of one partition */
	uint64_t offset;     /* everything before it is done: Kafka's committed offset */
	uint64_t end_offset; /* of the partition */
	uint64_t lag;        /* messages not done, before the filter */
	uint64_t inflight;   /* of these: in the hands of consumers */
	uint64_t waiting;    /* of these: waiting for a retry */
	uint64_t oldest_ns;  /* CLOCK_REALTIME of the oldest message not done; 0: none */
	uint32_t owner_pid;  /* ordered groups; 0: nobody */
};

struct shmq_group_info {
	char name[SHMQ_NAME_MAX + 1];
	uint64_t number;      /* never reused in a topic */
	uint64_t incarnation; /* goes up at each seek */
	struct shmq_group_options options; /* filter points to filter_text; NULL: none */
	char filter_text[SHMQ_FILTER_MAX + 1];
	bool paused;
	uint64_t created_ns, used_ns; /* CLOCK_REALTIME; used: when a consumer last was there */
	uint32_t consumers;
	uint64_t retry;        /* messages in the return log that wait for a retry, or are in hand */
	uint64_t dead;         /* dead letters */
	uint64_t returns_full; /* how often the return log had no room */
	uint64_t delivered, acked, redelivered, dead_lettered, dropped, filtered; /* never go down */
	struct shmq_group_log_info *logs; /* in the caller's hands: SHMQ_PARTITIONS_MAX entries, or NULL */
};

/* Fills *info (info->logs: see there). Reads only; works with SHMQ_OBSERVE. */
int shmq_group_info(shmq *q, const char *topic, const char *group, struct shmq_group_info *info);

/* Calls each(context, name) for every group of a topic until it returns non-zero; returns that, 0, or an
 * error. each may call the library. Reads only. */
int shmq_group_list(shmq *q, const char *topic, int (*each)(void *context, const char *name),
                    void *context);

/* Changes the options that `set` names; consumers follow with their next call. SHMQ_SET_WINDOW and
 * SHMQ_SET_RETURNS cannot be changed (SHMQ_EINVAL). 0, SHMQ_ENOENT, SHMQ_EINVAL, ... */
int shmq_group_alter(shmq *q, const char *topic, const char *group,
                     const struct shmq_group_options *options, unsigned set);

/* Where a seek would put a partition. */
struct shmq_group_place {
	uint64_t from, to; /* offsets */
};

/* Moves the group: what lies behind the new place is delivered (again), what lies before it is done.
 * Messages in hand are lost to their consumers (SHMQ_LATE). Dead letters and what is in the return log
 * stay. places (may be NULL): one per partition. dry_run: only says. 0, SHMQ_ENOENT, ... */
int shmq_group_seek(shmq *q, const char *topic, const char *group, const struct shmq_seek *to,
                    bool dry_run, struct shmq_group_place *places);

/* Consumers of a paused group get nothing new; what they have in hand they settle. */
int shmq_group_pause(shmq *q, const char *topic, const char *group, bool paused);

/* Deletes the group with its dead letters. Its consumers get SHMQ_GONE. */
int shmq_group_delete(shmq *q, const char *topic, const char *group);

/* 0 when the name can be a group's: as shmq_topic_name_check(). */
int shmq_group_name_check(const char *name);

/* ---- what a group has before it ------------------------------------------------------ */

/* Calls each() for every message that is not done, in the order of the log, then of the return log
 * (without dead letters), without changing anything; state: "new", "claimed", "working", "waiting",
 * "settling". Stops when each() returns non-zero and returns that. */
int shmq_group_browse(shmq *q, const char *topic, const char *group,
                      int (*each)(void *context, const struct shmq_delivery *d, const char *state),
                      void *context);

/* ---- dead letters -------------------------------------------------------------------- */

struct shmq_dead_letter {
	struct shmq_message message; /* partition, offset and time of where it was published */
	uint64_t id;          /* names it in its group until it is requeued, dropped or replaced */
	uint32_t attempts;    /* deliveries since it was published or requeued */
	uint32_t requeues;    /* how often it was requeued before */
	enum shmq_reason reason;
	int status;           /* as struct shmq_failure */
	const void *text;
	size_t text_len;
	uint64_t first_ns;    /* CLOCK_REALTIME when it first came into the return log, */
	uint64_t dead_ns;     /* and when it (last) became a dead letter */
	uint64_t private_[2];
};

typedef struct shmq_dlq shmq_dlq;

/* Opens the dead letters of one group; with a handle that only observes they can be looked at only.
 * Returns 0, SHMQ_ENOENT, ... */
int shmq_dlq_open(shmq *q, const char *topic, const char *group, shmq_dlq **out);

/* The next one, oldest first: 0 and *letter (valid until the next call on d), SHMQ_END, or an error. */
int shmq_dlq_next(shmq_dlq *d, struct shmq_dead_letter *letter);

/* The one with this id: 0, or SHMQ_ENOENT (it is not a dead letter any more). */
int shmq_dlq_get(shmq_dlq *d, uint64_t id, struct shmq_dead_letter *letter);

/* To be delivered again in delay_ns, to its own group only, as if it had never been delivered. 0, or
 * SHMQ_LATE: somebody else has taken it. */
int shmq_dlq_requeue(shmq_dlq *d, const struct shmq_dead_letter *letter, int64_t delay_ns);

/* Forgets it. 0 or SHMQ_LATE. */
int shmq_dlq_drop(shmq_dlq *d, const struct shmq_dead_letter *letter);

/* Puts a message in its place, both or neither: a dead letter with the same history and another content
 * (value, key, headers). 0, SHMQ_LATE, SHMQ_FULL, SHMQ_EDATA (larger than a quarter of the return log), or an
 * error. */
int shmq_dlq_replace(shmq_dlq *d, const struct shmq_dead_letter *letter,
                     const struct shmq_message *message);

/* Publishes it to another topic instead, both or neither; as shmq_group_settle(). */
int shmq_dlq_move(shmq_dlq *d, const struct shmq_dead_letter *letter, shmq_pub *target, int64_t wait_ns);

void shmq_dlq_close(shmq_dlq *d);

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
