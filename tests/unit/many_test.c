/* SPDX-License-Identifier: MIT */
/* many_test.c - many topics are cheap: those that stand idle hold no descriptors, no extents and no memory
 * but one page. */
#include "scratch.h"

#include <dirent.h>

#define TOPICS 10000u

static shmq *q;

static unsigned descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static uint64_t files, bytes;

static int add_file(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)path, (void)f;
	files += type == FTW_F;
	bytes += type == FTW_F ? (uint64_t)st->st_blocks * 512 : 0;
	return 0;
}

/* What the topics take. */
static void measure(void)
{
	char path[80];

	files = bytes = 0;
	snprintf(path, sizeof path, "%s/t", scratch);
	need(nftw(path, add_file, 16, FTW_PHYS));
}

static const char *name(unsigned i)
{
	static char text[16];

	snprintf(text, sizeof text, "topic.%u", i);
	return text;
}

static int count_topic(void *context, const char *topic, uint64_t number)
{
	(void)topic, (void)number;
	++*(unsigned *)context;
	return 0;
}

static void created(void)
{
	unsigned before = descriptors(), listed = 0;

	for (unsigned i = 0; i < TOPICS; i++)
		need(shmq_topic_create(q, name(i), NULL));
	is_u64(descriptors(), before, "10,000 topics hold no descriptor");
	measure();
	is_u64(files, TOPICS, "they are a file each");
	ok(bytes <= TOPICS * 4096u, "of one page");
	step(shmq_topic_list(q, count_topic, &listed));
	is_u64(listed, TOPICS, "all are listed");
}

/* Whoever follows topics lists them again when the mark says so, and only then. */
static void marked(void)
{
	static const struct shmq_topic_options small = {.pool_bytes = 1 << 20};
	uint64_t before, now, after;

	step(shmq_topic_mark(q, &before));
	step(shmq_topic_mark(q, &now));
	is_u64(now, before, "nothing came or went: the mark is the same");
	step(shmq_topic_create(q, "new", &small));
	step(shmq_topic_mark(q, &now));
	ok(now != before, "a topic was made: it is another one");
	step(shmq_topic_repair(q, "new"));
	step(shmq_topic_mark(q, &after));
	ok(after != now && after != before, "so it is when a topic is another one of the same name");
	step(shmq_topic_delete(q, "new"));
	step(shmq_topic_mark(q, &now));
	ok(now != after, "and when it was deleted");
}

/* Used once, they keep what was said, and nobody's extents. */
static void used(void)
{
	static struct shmq_log_info logs[SHMQ_PARTITIONS_MAX];
	struct shmq_topic_info info = {.logs = logs};
	unsigned before = descriptors();
	uint64_t unused;

	measure();
	unused = bytes;
	for (unsigned i = 0; i < TOPICS; i += 100) {
		shmq_pub *p = publisher(q, name(i), 0, 0);

		step(publish(p, "x"));
		step(shmq_pub_idle(p));
		shmq_pub_close(p);
	}
	is_u64(descriptors(), before, "publishers that came and went hold none either");
	measure();
	ok(bytes - unused < TOPICS / 100 * (1u << 20), "a used topic takes less than 1 MiB");
	step(shmq_topic_info(q, name(100), &info));
	is_u64(logs[0].memory_bytes, 256 << 10, "one extent of it for messages");
	step(shmq_topic_info(q, name(101), &info));
	is_u64(logs[0].memory_bytes, 0, "and an idle one has none");
	is_str(contents(q, name(9900), -1), "x ", "what was said is there");
}

/* An extent that was given back is taken by the next publisher, not another one beside it. */
static void handed_over(void)
{
	static struct shmq_log_info logs[SHMQ_PARTITIONS_MAX];
	struct shmq_topic_info info = {.logs = logs};

	for (unsigned i = 0; i < 1000; i++) {
		shmq_pub *p = publisher(q, name(100), 0, 0);

		step(publish(p, "y"));
		shmq_pub_close(p);
	}
	step(shmq_topic_info(q, name(100), &info));
	is_u64(logs[0].end_offset, 1001, "a thousand publishers of one message each");
	is_u64(logs[0].memory_bytes, 256 << 10, "share one extent");
}

int main(void)
{
	scratch_begin(120);
	q = broker();
	created();
	marked();
	used();
	handed_over();
	shmq_close(q);
	return done();
}
