/* SPDX-License-Identifier: MIT */
/* rows.c - the rows, their references and their bars. */
#include "rows.h"

#include "curve.h"
#include "disk.h"
#include "durable.h"
#include "flow.h"
#include "idle.h"
#include "jobs.h"
#include "lag.h"
#include "oneshot.h"
#include "peer_redis.h"
#include "peer_zmq.h"
#include "queue.h"
#include "restart.h"
#include "stream.h"
#include "topics.h"
#include "trip.h"

static const struct unit millions = {"M/s", 1e-6};
static const struct unit nanoseconds = {"ns", 1e9}, microseconds = {"us", 1e6};
static const struct unit each = {"/s", 1};
static const struct unit milliseconds = {"ms", 1e3}, seconds = {"s", 1};
static const struct unit megabytes = {"MB/s", 1e-6};
static const struct unit ticks = {"ticks", 1};

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

static int disk_syncs(struct bench *b, const void *what, double *value)
{
	(void)what;
	return disk_sync_rate(b, value);
}

static int disk_fio(struct bench *b, const void *what, double *value)
{
	(void)what;
	return disk_fio_rate(b, value);
}

/* In lines, to be held against what carries lines. */
static int disk_writes(struct bench *b, const void *what, double *value)
{
	int rc = disk_write_rate(b, value);

	(void)what;
	*value /= LINE_BYTES;
	return rc;
}

static const struct series compare_disk = {.name = "mqsub | cmp", .unit = &millions, .run = flow, .what = &flow_shmq_disk_compare};
static const struct series compare = {.name = "mqsub | cmp", .unit = &millions, .run = flow, .what = &flow_shmq_compare};

/* Aeron's IPC, the fastest there is, moves 5.0 messages of 100 bytes while a cache line goes there
 * and back once; measured beside each other on one machine, both as B4 is here. It is not in
 * Debian, the cache line is everywhere. */
#define AERON_PER_TRIP 5.0

#define SERIES(title, in, how, with) {.name = title, .unit = in, .run = how, .what = with}
/* With a bar of its own, in the unit that is shown. */
#define LIMITED(title, in, how, with, most)                                                        \
	{.name = title, .unit = in, .run = how, .what = with, .limited = true, .at_most = most}

const struct row rows[] = {
    {
	.name = "B1",
	.work = "mqpub t <FILE with mqsub t >/dev/null, against cat FILE | cat >/dev/null",
	.bar_kind = BAR_AT_LEAST,
	.bar = 7,
	.beyond = 12,
	.input = true,
	.check = &compare,
	.series = {SERIES("mqpub, mqsub", &millions, flow, &flow_shmq_file),
		   SERIES("cat, cat", &millions, flow, &flow_cat),
		   SERIES("cat alone", &millions, flow, &flow_read)},
    },
    {
	.name = "B2",
	.work = "cat FILE | mqpub t with mqsub t | wc -l, against cat FILE | cat | wc -l",
	.bar_kind = BAR_AT_LEAST,
	.bar = 1.2,
	.beyond = 1.6,
	.input = true,
	.series = {SERIES("mqpub, mqsub", &millions, flow, &flow_shmq_pipe),
		   SERIES("cat, cat, wc", &millions, flow, &flow_cat_wc)},
    },
    {
	.name = "B3",
	.work = "B1 on a disk topic, -a disk, until all is durable; beyond: 0.8 of O_DIRECT",
	.bar_kind = BAR_AT_LEAST,
	.bar = 1,
	.input = true,
	.durable = true,
	.check = &compare_disk,
	.series = {SERIES("mqpub, mqsub", &millions, flow, &flow_shmq_disk),
		   SERIES("cat, cat", &millions, flow, &flow_cat),
		   SERIES("on used files", &millions, flow, &flow_shmq_disk_used),
		   SERIES("O_DIRECT 1 MiB", &millions, disk_writes, NULL)},
    },
    {
	.name = "B3R",
	.work = "B3 against Redis Streams, fsync always, batches of 500 published, read by one",
	.bar_kind = BAR_AT_LEAST,
	.bar = 60,
	.input = true,
	.durable = true,
	.series = {SERIES("mqpub, mqsub", &millions, flow, &flow_shmq_disk),
		   {.name = "Redis Streams", .unit = &millions, .run = redis_durable_run, .missing = redis_library_missing}},
    },
    {
	.name = "B4",
	.work = "C API, one link per message, 100 B, one publisher, one consumer",
	.bar_kind = BAR_PER_TRIP,
	.bar = 1.2 * AERON_PER_TRIP,
	.beyond = 2 * AERON_PER_TRIP,
	.two_cpus = true,
	.series = {SERIES("shmq", &millions, stream, &stream_shmq_each),
		   SERIES("cache line", &nanoseconds, trip, &trip_cache_line),
		   {.name = "ZeroMQ ipc", .unit = &millions, .run = stream, .what = &stream_zmq, .missing = zmq_missing}},
    },
    {
	.name = "B5",
	.work = "C API, adaptive batching, 100 B, one publisher, one consumer",
	.bar_kind = BAR_PER_TRIP,
	.bar = 3 * AERON_PER_TRIP,
	.beyond = 5 * AERON_PER_TRIP,
	.two_cpus = true,
	.series = {SERIES("shmq", &millions, stream, &stream_shmq_batch),
		   SERIES("cache line", &nanoseconds, trip, &trip_cache_line),
		   {.name = "ZeroMQ ipc", .unit = &millions, .run = stream, .what = &stream_zmq, .missing = zmq_missing}},
    },
    {
	.name = "B6",
	.work = "round trip of 64 B, both sides spinning",
	.bar_kind = BAR_AT_MOST,
	.bar = 1.5,
	.beyond = 1.3,
	.two_cpus = true,
	.series = {SERIES("shmq", &nanoseconds, trip, &trip_shmq_spin),
		   SERIES("cache line", &nanoseconds, trip, &trip_cache_line)},
    },
    {
	.name = "B7",
	.work = "round trip of 64 B, both sides sleeping",
	.bar_kind = BAR_AT_MOST,
	.bar = 1.15,
	.beyond = 1.05,
	.series = {SERIES("shmq", &microseconds, trip, &trip_shmq_sleep),
		   SERIES("futex", &microseconds, trip, &trip_futex),
		   SERIES("pipe", &microseconds, trip, &trip_pipe),
		   SERIES("POSIX mq", &microseconds, trip, &trip_posix_mq),
		   {.name = "ZeroMQ ipc", .unit = &microseconds, .run = trip, .what = &trip_zmq, .missing = zmq_missing}},
    },
    {
	.name = "B8",
	.work = "work queue, 100 B: 4 consumers, each message claimed and acked alone",
	.bar_kind = BAR_AT_LEAST,
	.bar = 25,
	.beyond = 45,
	.series = {SERIES("shmq", &millions, queue, &queue_shmq),
		   {.name = "Redis Streams", .unit = &millions, .run = queue, .what = &queue_redis, .missing = redis_library_missing}},
    },
    {
	.name = "B9",
	.work = "a process for each message: mqsub -j 2 -- true, against xargs -P 2 -n 1 true",
	.bar_kind = BAR_AT_LEAST,
	.bar = 0.9,
	.beyond = 1,
	.series = {SERIES("mqsub -j 2", &each, jobs, &jobs_mqsub),
		   SERIES("xargs -P 2 -n 1", &each, jobs, &jobs_xargs)},
    },
    {
	.name = "B10",
	.work = "mqpub -m hello t as a whole process, against true",
	.bar_kind = BAR_AT_MOST,
	.bar = 1.8,
	.beyond = 1.3,
	.series = {SERIES("mqpub -m", &milliseconds, oneshot, &oneshot_mqpub),
		   SERIES("true", &milliseconds, oneshot, &oneshot_true),
		   {.name = "redis-cli XADD", .unit = &milliseconds, .run = oneshot, .what = &oneshot_redis, .missing = redis_missing}},
    },
    {
	.name = "B11",
	.work = "C API, 100 B: one publisher, one durable message at a time",
	.bar_kind = BAR_AT_LEAST,
	.bar = 0.8,
	.beyond = 1,
	.durable = true,
	.series = {SERIES("shmq", &each, durable_run, &durable_1),
		   SERIES("4 KiB, fdatasync", &each, disk_syncs, NULL),
		   {.name = "fio, the same", .unit = &each, .run = disk_fio, .missing = disk_fio_missing},
		   SERIES("shmq, new store", &each, durable_run, &durable_1_new)},
    },
    {
	.name = "B12",
	.work = "64 publishers, one durable message each at a time, against B11's one",
	.bar_kind = BAR_AT_LEAST,
	.bar = 15,
	.beyond = 40,
	.durable = true,
	.series = {SERIES("64 publishers", &each, durable_run, &durable_64),
		   SERIES("1 publisher", &each, durable_run, &durable_1)},
    },
    {
	.name = "B13",
	.work = "8 subscribers, all deliveries, against B1's one",
	.bar_kind = BAR_AT_LEAST,
	.bar = 6,
	.input = true,
	.series = {SERIES("8 subscribers", &millions, flow, &flow_shmq_fan_out),
		   SERIES("1 subscriber", &millions, flow, &flow_shmq_file)},
    },
    {
	.name = "B14",
	.work = "mqsub far behind catches up from disk, 64 MiB of memory; a live one beside it",
	.bar_kind = BAR_AT_LEAST,
	.bar = 1,
	.input = true,
	.durable = true,
	.series = {SERIES("mqsub, behind", &megabytes, lag_run, &lag_catch_up),
		   SERIES("reading the files", &megabytes, lag_run, &lag_disk_read),
		   SERIES("live, beside it", &each, lag_run, &lag_beside_rate),
		   SERIES("live, alone", &each, lag_run, &lag_alone_rate),
		   SERIES("live p99, beside", &microseconds, lag_run, &lag_beside_p99),
		   SERIES("live p99, alone", &microseconds, lag_run, &lag_alone_p99)},
    },
    {
	.name = "B15",
	.work = "start of mqd after kill -9 and loss of memory, on a large store and one of a tenth",
	.bar_kind = BAR_AT_MOST,
	.bar = 1.2,
	.input = true,
	.durable = true,
	.series = {LIMITED("large store", &seconds, restart_run, &restart_all, 1),
		   LIMITED("a tenth of it", &seconds, restart_run, &restart_tenth, 1)},
    },
    {
	.name = "B16",
	.work = "idle for 10 s: mqd, and an mqsub that waits for messages",
	.bar_kind = BAR_LIMITS,
	.series = {LIMITED("mqd, CPU", &ticks, idle_run, &idle_mqd_ticks, 0),
		   LIMITED("mqd, wakeups", &each, idle_run, &idle_mqd_wakeups, 2),
		   LIMITED("mqsub, CPU", &ticks, idle_run, &idle_mqsub_ticks, 0),
		   LIMITED("mqsub, wakeups", &each, idle_run, &idle_mqsub_wakeups, 2)},
    },
    /* Flat costs: what must not grow. */
    {
	.name = "CP",
	.work = "one message published, with 256 groups, 1, 16",
	.bar_kind = BAR_AT_MOST,
	.bar = 1.2,
	.series = {SERIES("256 groups", &nanoseconds, curve, &curve_publish_256),
		   SERIES("1 group", &nanoseconds, curve, &curve_publish_1),
		   SERIES("16 groups", &nanoseconds, curve, &curve_publish_16)},
    },
    {
	.name = "CT",
	.work = "one message published, each linked alone, to 10,000 topics in turn, 1, 100",
	.bar_kind = BAR_AT_MOST,
	.bar = 1.2,
	.series = {SERIES("10,000 topics", &nanoseconds, topics_run, &topics_10000),
		   SERIES("1 topic", &nanoseconds, topics_run, &topics_1),
		   SERIES("100 topics", &nanoseconds, topics_run, &topics_100),
		   SERIES("1 of 10,000", &nanoseconds, topics_run, &topics_10000_use_1)},
    },
    {
	.name = "CTD",
	.work = "CT on disk, until all is durable",
	.bar_kind = BAR_AT_MOST,
	.bar = 1.2,
	.durable = true,
	.series = {SERIES("10,000 topics", &nanoseconds, topics_run, &topics_disk_10000),
		   SERIES("1 topic", &nanoseconds, topics_run, &topics_disk_1),
		   SERIES("100 topics", &nanoseconds, topics_run, &topics_disk_100),
		   SERIES("1 of 10,000", &nanoseconds, topics_run, &topics_disk_10000_use_1)},
    },
    {
	.name = "CG",
	.work = "one message claimed and acked, by each of 256 groups, 1, 16",
	.bar_kind = BAR_AT_MOST,
	.bar = 1.2,
	.series = {SERIES("256 groups", &nanoseconds, curve, &curve_groups_256),
		   SERIES("1 group", &nanoseconds, curve, &curve_groups_1),
		   SERIES("16 groups", &nanoseconds, curve, &curve_groups_16)},
    },
    {
	.name = "CB",
	.work = "one message claimed and acked, 100 M waiting, none, 1 M",
	.bar_kind = BAR_AT_MOST,
	.bar = 1.2,
	.series = {SERIES("100 M behind", &nanoseconds, curve, &curve_backlog_100m),
		   SERIES("none behind", &nanoseconds, curve, &curve_backlog_none),
		   SERIES("1 M behind", &nanoseconds, curve, &curve_backlog_1m)},
    },
};

const size_t row_count = sizeof(rows) / sizeof(rows[0]);
