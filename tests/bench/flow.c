/* SPDX-License-Identifier: MIT */
/* flow.c - the input file through mqpub and mqsub, and through cat. */
#include "flow.h"

#include "store.h"

const struct flow flow_shmq_file = {
    .name = "mqpub, mqsub",
    .commands = {{.words = {"mqsub", "-c", "@lines", "@topic"}},
		 {.words = {"mqpub", "@topic"}, .in = "@file"}},
    .subscribers = 1,
};

const struct flow flow_cat = {
    .name = "cat, cat",
    .commands = {{.words = {"cat", "@file"}, .pipe = true}, {.words = {"cat"}}},
};

/* The most that any program can do that read()s the file. */
const struct flow flow_read = {
    .name = "cat alone",
    .commands = {{.words = {"cat", "@file"}}},
};

const struct flow flow_shmq_pipe = {
    .name = "mqpub, mqsub",
    .commands = {{.words = {"mqsub", "-c", "@lines", "@topic"}, .pipe = true},
		 {.words = {"wc", "-l"}, .out = COMMAND_CAPTURE},
		 {.words = {"cat", "@file"}, .pipe = true},
		 {.words = {"mqpub", "@topic"}}},
    .subscribers = 1,
    .counted = true,
};

const struct flow flow_cat_wc = {
    .name = "cat, cat, wc",
    .commands = {{.words = {"cat", "@file"}, .pipe = true},
		 {.words = {"cat"}, .pipe = true},
		 {.words = {"wc", "-l"}, .out = COMMAND_CAPTURE}},
    .counted = true,
};

const struct flow flow_shmq_fan_out = {
    .name = "8 subscribers",
    .commands = {{.words = {"mqsub", "-c", "@lines", "@topic"}},
		 {.words = {"mqpub", "@topic"}, .in = "@file"}},
    .subscribers = 8,
};

/* Not a measurement: what comes out is what went in, byte for byte. */
const struct flow flow_shmq_compare = {
    .name = "mqsub | cmp",
    .commands = {{.words = {"mqsub", "-c", "@lines", "@topic"}, .pipe = true},
		 {.words = {"cmp", "-", "@file"}},
		 {.words = {"mqpub", "@topic"}, .in = "@file"}},
    .subscribers = 1,
};

#define DISK_COMMANDS                                                                              \
	{{.words = {"mqsub", "-c", "@lines", "@topic"}},                                           \
	 {.words = {"mqpub", "-a", "disk", "@topic"}, .in = "@file"}}

const struct flow flow_shmq_disk = {
    .name = "mqpub -a disk, mqsub",
    .commands = DISK_COMMANDS,
    .subscribers = 1,
    .disk = true,
};

const struct flow flow_shmq_disk_used = {
    .name = "the same, used files",
    .commands = DISK_COMMANDS,
    .subscribers = 1,
    .disk = true,
    .used = true,
};

const struct flow flow_shmq_disk_compare = {
    .name = "mqsub | cmp",
    .commands = {{.words = {"mqsub", "-c", "@lines", "@topic"}, .pipe = true},
		 {.words = {"cmp", "-", "@file"}},
		 {.words = {"mqpub", "-a", "disk", "@topic"}, .in = "@file"}},
    .subscribers = 1,
    .disk = true,
};

/* A topic nobody has read keeps everything for its first reader; the ones after that must be there
 * before the first message. */
static int readers_wait(struct bench *b, unsigned readers)
{
	uint64_t deadline = now_ns() + 10u * 1000000000u;
	struct shmq_topic_info info = {.logs = NULL};

	do {
		if (shmq_topic_info(b->broker, BENCH_TOPIC, &info))
			return complain("topic %s: %s", BENCH_TOPIC, shmq_error(b->broker));
		if (info.readers >= readers)
			return 0;
		nap(100000);
	} while (now_ns() < deadline);
	return complain("%u of %u subscribers came up within ten seconds", info.readers, readers);
}

static int flow_start(struct bench *b, const struct flow *flow, struct commands *running)
{
	unsigned copies = flow->subscribers > 1 ? flow->subscribers : 1;

	for (const struct command *c = flow->commands; c->words[0]; c++) {
		for (unsigned i = 0; i < copies; i++)
			if (command_start(b, running, c))
				return -1;
		if (copies > 1 && readers_wait(b, copies)) {
			running->failed = true;
			return -1;
		}
		copies = 1;
	}
	return 0;
}

/* What the broker itself says was published and delivered. */
static int counters_check(struct bench *b, const struct flow *flow,
			  const struct shmq_counters *before)
{
	struct shmq_counters after;
	uint64_t expected = b->input_lines * flow->subscribers, delivered;

	if (shmq_counters_read(b->broker, &after))
		return complain("counters: %s", shmq_error(b->broker));
	delivered = after.messages_delivered - before->messages_delivered;
	if (delivered != expected)
		return complain("%s: %llu lines delivered, %llu expected", flow->name,
				(unsigned long long)delivered, (unsigned long long)expected);
	return topic_count_check(b, BENCH_TOPIC, b->input_lines);
}

/* With a topic on disk: what mqpub says is durable is so by what mqd says. */
static int durable_check(struct bench *b)
{
	struct shmq_log_info logs[SHMQ_PARTITIONS_MAX];
	struct shmq_topic_info info = {.logs = logs};

	if (shmq_topic_info(b->broker, BENCH_TOPIC, &info))
		return complain("topic %s: %s", BENCH_TOPIC, shmq_error(b->broker));
	if (info.options.storage != SHMQ_STORAGE_DISK || logs[0].durable_offset < b->input_lines)
		return complain("%llu of %llu lines are durable", (unsigned long long)logs[0].durable_offset,
				(unsigned long long)b->input_lines);
	return 0;
}

/* A file of the journal that nothing is left in is written again, when the next one is begun. */
static int flow_topic(struct bench *b, const struct flow *flow)
{
	struct shmq_topic_options options = {0};

	if (flow->used)
		options.retention.bytes = b->input_bytes / 4 > 64u << 20 ? b->input_bytes / 4 : 64u << 20;
	return topic_fresh_with(b, BENCH_TOPIC, &options);
}

/* Only the time between the two clocks is measured; everything is checked after it. */
static int flow_measure(struct bench *b, const struct flow *flow, double *rate)
{
	struct commands running = COMMANDS_NONE;
	struct shmq_counters before;
	uint64_t count = b->input_lines, start, lines;
	int rc;

	if (flow->subscribers &&
	    (flow_topic(b, flow) || shmq_counters_read(b->broker, &before)))
		return -1;
	start = now_ns();
	flow_start(b, flow, &running);
	rc = commands_wait(&running, flow->counted ? &count : NULL);
	lines = b->input_lines * (flow->subscribers ? flow->subscribers : 1);
	*rate = (double)lines * 1e9 / (double)(now_ns() - start);
	if (rc == 0 && count != b->input_lines)
		rc = complain("%s: %llu lines came out, %llu went in", flow->name,
			      (unsigned long long)count, (unsigned long long)b->input_lines);
	if (flow->subscribers && rc == 0)
		rc = counters_check(b, flow, &before);
	if (flow->disk && rc == 0)
		rc = durable_check(b);
	if (flow->subscribers && topic_drop(b, BENCH_TOPIC))
		rc = -1;
	return rc;
}

int flow_run(struct bench *b, const struct flow *flow, double *rate)
{
	struct store store;
	int rc;

	if (!flow->disk)
		return flow_measure(b, flow, rate);
	rc = store_begin(b, &store);
	if (rc == 0 && flow->used)
		rc = flow_measure(b, flow, rate);
	if (rc == 0)
		rc = flow_measure(b, flow, rate);
	if (store_end(b, &store))
		rc = -1;
	return rc;
}
