/* SPDX-License-Identifier: MIT */
/* rows.c - the rows, their references and their bars. */
#include "rows.h"

#include "curve.h"
#include "flow.h"
#include "jobs.h"
#include "oneshot.h"
#include "peer_redis.h"
#include "peer_zmq.h"
#include "queue.h"
#include "stream.h"
#include "trip.h"

static const struct unit millions = {"M/s", 1e-6};
static const struct unit nanoseconds = {"ns", 1e9}, microseconds = {"us", 1e6};
static const struct unit each = {"/s", 1};
static const struct unit milliseconds = {"ms", 1e3};

static int flow(struct bench *b, const void *what, double *value)
{
	return flow_run(b, what, value);
}

static int stream(struct bench *b, const void *what, double *value)
{
	return stream_run(b, what, value);
}

static int trip(struct bench *b, const void *what, double *value)
{
	return trip_run(b, what, value);
}

static int queue(struct bench *b, const void *what, double *value)
{
	return queue_run(b, what, value);
}

static int jobs(struct bench *b, const void *what, double *value)
{
	return jobs_run(b, what, value);
}

static int curve(struct bench *b, const void *what, double *value)
{
	return curve_run(b, what, value);
}

static int oneshot(struct bench *b, const void *what, double *value)
{
	return oneshot_run(b, what, value);
}

static const struct series compare = {"mqsub | cmp", &millions, flow, &flow_shmq_compare, NULL};

/* Aeron's IPC, the fastest there is, moves 5.0 messages of 100 bytes while a cache line goes there
 * and back once; measured beside each other on one machine, both as B4 is here. It is not in
 * Debian, the cache line is everywhere. */
#define AERON_PER_TRIP 5.0

const struct row rows[] = {
    {
	.name = "B1",
	.work = "mqpub t <FILE with mqsub t >/dev/null, against cat FILE | cat >/dev/null",
	.bar_kind = BAR_AT_LEAST,
	.bar = 7,
	.beyond = 12,
	.input = true,
	.check = &compare,
	.series = {{"mqpub, mqsub", &millions, flow, &flow_shmq_file, NULL},
		   {"cat, cat", &millions, flow, &flow_cat, NULL},
		   {"cat alone", &millions, flow, &flow_read, NULL}},
    },
    {
	.name = "B2",
	.work = "cat FILE | mqpub t with mqsub t | wc -l, against cat FILE | cat | wc -l",
	.bar_kind = BAR_AT_LEAST,
	.bar = 1.2,
	.beyond = 1.6,
	.input = true,
	.series = {{"mqpub, mqsub", &millions, flow, &flow_shmq_pipe, NULL},
		   {"cat, cat, wc", &millions, flow, &flow_cat_wc, NULL}},
    },
    {
	.name = "B4",
	.work = "C API, one link per message, 100 B, one publisher, one consumer",
	.bar_kind = BAR_PER_TRIP,
	.bar = 1.2 * AERON_PER_TRIP,
	.beyond = 2 * AERON_PER_TRIP,
	.two_cpus = true,
	.series = {{"shmq", &millions, stream, &stream_shmq_each, NULL},
		   {"cache line", &nanoseconds, trip, &trip_cache_line, NULL},
		   {"ZeroMQ ipc", &millions, stream, &stream_zmq, zmq_missing}},
    },
    {
	.name = "B5",
	.work = "C API, adaptive batching, 100 B, one publisher, one consumer",
	.bar_kind = BAR_PER_TRIP,
	.bar = 3 * AERON_PER_TRIP,
	.beyond = 5 * AERON_PER_TRIP,
	.two_cpus = true,
	.series = {{"shmq", &millions, stream, &stream_shmq_batch, NULL},
		   {"cache line", &nanoseconds, trip, &trip_cache_line, NULL},
		   {"ZeroMQ ipc", &millions, stream, &stream_zmq, zmq_missing}},
    },
    {
	.name = "B6",
	.work = "round trip of 64 B, both sides spinning",
	.bar_kind = BAR_AT_MOST,
	.bar = 1.5,
	.beyond = 1.3,
	.two_cpus = true,
	.series = {{"shmq", &nanoseconds, trip, &trip_shmq_spin, NULL},
		   {"cache line", &nanoseconds, trip, &trip_cache_line, NULL}},
    },
    {
	.name = "B7",
	.work = "round trip of 64 B, both sides sleeping",
	.bar_kind = BAR_AT_MOST,
	.bar = 1.15,
	.beyond = 1.05,
	.series = {{"shmq", &microseconds, trip, &trip_shmq_sleep, NULL},
		   {"futex", &microseconds, trip, &trip_futex, NULL},
		   {"pipe", &microseconds, trip, &trip_pipe, NULL},
		   {"POSIX mq", &microseconds, trip, &trip_posix_mq, NULL},
		   {"ZeroMQ ipc", &microseconds, trip, &trip_zmq, zmq_missing}},
    },
    {
	.name = "B8",
	.work = "work queue, 100 B: 4 consumers, each message claimed and acked alone",
	.bar_kind = BAR_AT_LEAST,
	.bar = 25,
	.beyond = 45,
	.series = {{"shmq", &millions, queue, &queue_shmq, NULL},
		   {"Redis Streams", &millions, queue, &queue_redis, redis_library_missing}},
    },
    {
	.name = "B9",
	.work = "a process for each message: mqsub -j 2 -- true, against xargs -P 2 -n 1 true",
	.bar_kind = BAR_AT_LEAST,
	.bar = 0.9,
	.beyond = 1,
	.series = {{"mqsub -j 2", &each, jobs, &jobs_mqsub, NULL},
		   {"xargs -P 2 -n 1", &each, jobs, &jobs_xargs, NULL}},
    },
    {
	.name = "B10",
	.work = "mqpub -m hello t as a whole process, against true",
	.bar_kind = BAR_AT_MOST,
	.bar = 1.8,
	.beyond = 1.3,
	.series = {{"mqpub -m", &milliseconds, oneshot, &oneshot_mqpub, NULL},
		   {"true", &milliseconds, oneshot, &oneshot_true, NULL},
		   {"redis-cli XADD", &milliseconds, oneshot, &oneshot_redis, redis_missing}},
    },
    {
	.name = "B13",
	.work = "8 subscribers, all deliveries, against B1's one",
	.bar_kind = BAR_AT_LEAST,
	.bar = 6,
	.input = true,
	.series = {{"8 subscribers", &millions, flow, &flow_shmq_fan_out, NULL},
		   {"1 subscriber", &millions, flow, &flow_shmq_file, NULL}},
    },
    /* Flat costs: what must not grow. */
    {
	.name = "CP",
	.work = "one message published, with 256 groups, 1, 16",
	.bar_kind = BAR_AT_MOST,
	.bar = 1.2,
	.series = {{"256 groups", &nanoseconds, curve, &curve_publish_256, NULL},
		   {"1 group", &nanoseconds, curve, &curve_publish_1, NULL},
		   {"16 groups", &nanoseconds, curve, &curve_publish_16, NULL}},
    },
    {
	.name = "CG",
	.work = "one message claimed and acked, by each of 256 groups, 1, 16",
	.bar_kind = BAR_AT_MOST,
	.bar = 1.2,
	.series = {{"256 groups", &nanoseconds, curve, &curve_groups_256, NULL},
		   {"1 group", &nanoseconds, curve, &curve_groups_1, NULL},
		   {"16 groups", &nanoseconds, curve, &curve_groups_16, NULL}},
    },
    {
	.name = "CB",
	.work = "one message claimed and acked, 100 M waiting, none, 1 M",
	.bar_kind = BAR_AT_MOST,
	.bar = 1.2,
	.series = {{"100 M behind", &nanoseconds, curve, &curve_backlog_100m, NULL},
		   {"none behind", &nanoseconds, curve, &curve_backlog_none, NULL},
		   {"1 M behind", &nanoseconds, curve, &curve_backlog_1m, NULL}},
    },
};

const size_t row_count = sizeof(rows) / sizeof(rows[0]);
