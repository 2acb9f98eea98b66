/* SPDX-License-Identifier: MIT */
/* topic_report.c - the verbs that print topics: list and show. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bytes.h"
#include "mqd.h"
#include "names.h"
#include "time_text.h"
#include "words.h"

/* ---- reading ---- */

struct topic {
	struct shmq_topic_info info;
	uint64_t first, end, memory; /* summed over the partitions */
};

static int read_topic(shmq *q, const char *name, struct topic *t)
{
	static struct shmq_log_info logs[SHMQ_PARTITIONS_MAX];
	int rc;

	memset(t, 0, sizeof(*t));
	t->info.logs = logs;
	rc = shmq_topic_info(q, name, &t->info);
	for (uint32_t p = 0; rc == SHMQ_OK && p < t->info.options.partitions; p++) {
		t->first += logs[p].first_offset;
		t->end += logs[p].end_offset;
		t->memory += logs[p].memory_bytes;
	}
	return rc;
}

/* ---- list ---- */

static void print_row(const struct topic *t, bool json, int width)
{
	if (json)
		printf("{\"name\":\"%s\",\"partitions\":%" PRIu32 ",\"memory\":%" PRIu64
		       ",\"readers\":%u,\"first_offset\":%" PRIu64 ",\"end_offset\":%" PRIu64 "}\n",
		       t->info.name, t->info.options.partitions, t->memory, t->info.readers,
		       t->first, t->end);
	else
		printf("%-*s %10" PRIu32 " %9s %7u %14" PRIu64 " %14" PRIu64 "\n", width,
		       t->info.name, t->info.options.partitions, size_text(t->memory),
		       t->info.readers, t->first, t->end);
}

static int list_rows(shmq *q, const struct names *names, bool json)
{
	int width = names_width(names, "NAME");
	int status = 0;
	struct topic t;

	if (!json)
		printf("%-*s PARTITIONS    MEMORY READERS   FIRST-OFFSET     END-OFFSET\n", width,
		       "NAME");
	for (size_t i = 0; i < names->n; i++) {
		int rc = read_topic(q, names->at[i], &t);

		if (rc == SHMQ_OK) {
			print_row(&t, json, width);
		} else if (rc != SHMQ_ENOENT) { /* deleted a moment ago: as if never listed */
			rc = topic_complain(q, rc, names->at[i]);
			status = status ? status : rc;
		}
	}
	return status;
}

int topic_list(const struct mqd_args *args)
{
	shmq *q = tool_open(args->dir, SHMQ_OBSERVE);
	struct names names = {0};
	int rc = names_of_topics(q, &names);
	int status = 0;

	if (rc < 0)
		die_shmq(q, rc, "cannot list the topics");
	if (GIVEN(args, JSON) || GIVEN(args, VERBOSE))
		status = list_rows(q, &names, GIVEN(args, JSON));
	else
		for (size_t i = 0; i < names.n; i++)
			puts(names.at[i]);
	names_free(&names);
	shmq_close(q);
	return status;
}

/* ---- show ---- */

static void add_time(struct bytes *b, uint64_t ns, const char *quote, const char *none)
{
	if (ns == 0) {
		bytes_text(b, none);
		return;
	}
	bytes_text(b, quote);
	time_rfc3339(b, ns);
	bytes_text(b, quote);
}

/* What of it is on disk, and where memory begins. */
static void show_durable(struct bytes *b, const struct topic *t)
{
	bytes_printf(b, "%9s %14s %14s %14s\n", "PARTITION", "DURABLE-OFFSET", "MEMORY-OFFSET", "GAPS");
	for (uint32_t p = 0; p < t->info.options.partitions; p++) {
		const struct shmq_log_info *log = &t->info.logs[p];

		bytes_printf(b, "%9" PRIu32 " %14" PRIu64 " %14" PRIu64 " %14" PRIu64 "\n", p,
			     log->durable_offset, log->memory_offset, log->gaps);
	}
}

static void show_text(struct bytes *b, const struct topic *t)
{
	const struct shmq_topic_options *o = &t->info.options;

	bytes_printf(b, "name: %s\nnumber: %" PRIu64 "\ncreated: ", t->info.name, t->info.number);
	add_time(b, t->info.created_ns, "", "-");
	bytes_printf(b, "\npartitions: %" PRIu32 "\nslots: %" PRIu32 "\nmemory-max: %s\nkeep: %s\n",
		     o->partitions, o->slots, size_text(o->pool_bytes), size_text(o->keep_bytes));
	bytes_printf(b, "storage: %s\n", storage_text(o->storage));
	if (o->storage == SHMQ_STORAGE_DISK)
		bytes_printf(b, "retention: %s\nretention-bytes: %s\nuntil-acked: %s\n",
			     retention_text(o->retention.age_ns),
			     o->retention.bytes ? size_text(o->retention.bytes) : "none",
			     o->retention.until_acked ? "yes" : "no");
	bytes_printf(b, "full: %s\nreaders: %u\nunread: %s\nmemory: %s\n", full_text(o->full),
		     t->info.readers, t->info.unread ? "yes" : "no", size_text(t->memory));
	bytes_printf(b, "%9s %14s %14s %14s %8s %8s %-30s %s\n", "PARTITION", "FIRST-OFFSET",
		     "END-OFFSET", "BYTES", "FRAMES", "MEMORY", "OLDEST", "NEWEST");
	for (uint32_t p = 0; p < o->partitions; p++) {
		const struct shmq_log_info *log = &t->info.logs[p];

		bytes_printf(
		    b, "%9" PRIu32 " %14" PRIu64 " %14" PRIu64 " %14" PRIu64 " %8" PRIu64 " %8s ",
		    p, log->first_offset, log->end_offset, log->end_bytes - log->first_bytes,
		    log->frames, size_text(log->memory_bytes));
		add_time(b, log->first_ns, "", "-                             ");
		bytes_text(b, " ");
		add_time(b, log->last_ns, "", "-");
		bytes_text(b, "\n");
	}
	if (o->storage == SHMQ_STORAGE_DISK)
		show_durable(b, t);
}

static void show_log_json(struct bytes *b, uint32_t partition, const struct shmq_log_info *log)
{
	bytes_printf(b,
		     "%s{\"partition\":%" PRIu32 ",\"first_offset\":%" PRIu64
		     ",\"end_offset\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"frames\":%" PRIu64
		     ",\"memory\":%" PRIu64 ",\"gaps\":%" PRIu64 ",\"durable_offset\":%" PRIu64
		     ",\"memory_offset\":%" PRIu64 ",\"oldest\":",
		     partition ? "," : "", partition, log->first_offset, log->end_offset,
		     log->end_bytes - log->first_bytes, log->frames, log->memory_bytes, log->gaps,
		     log->durable_offset, log->memory_offset);
	add_time(b, log->first_ns, "\"", "null");
	bytes_text(b, ",\"newest\":");
	add_time(b, log->last_ns, "\"", "null");
	bytes_text(b, "}");
}

static void show_json(struct bytes *b, const struct topic *t)
{
	const struct shmq_topic_options *o = &t->info.options;

	bytes_printf(b, "{\"name\":\"%s\",\"number\":%" PRIu64 ",\"created\":", t->info.name,
		     t->info.number);
	add_time(b, t->info.created_ns, "\"", "null");
	bytes_printf(b,
		     ",\"partitions\":%" PRIu32 ",\"slots\":%" PRIu32 ",\"memory_max\":%" PRIu64
		     ",\"keep\":%" PRIu64 ",\"full\":\"%s\",\"readers\":%u,\"unread\":%s"
		     ",\"memory\":%" PRIu64 ",\"storage\":\"%s\",\"logs\":[",
		     o->partitions, o->slots, o->pool_bytes, o->keep_bytes, full_text(o->full),
		     t->info.readers, t->info.unread ? "true" : "false", t->memory, storage_text(o->storage));
	for (uint32_t p = 0; p < o->partitions; p++)
		show_log_json(b, p, &t->info.logs[p]);
	bytes_text(b, "]}\n");
}

int topic_show(const struct mqd_args *args)
{
	shmq *q = tool_open(args->dir, SHMQ_OBSERVE);
	struct bytes out = {0};
	int status = 0;
	struct topic t;

	for (int i = 0; i < args->name_count; i++) {
		int rc = read_topic(q, args->names[i], &t);

		if (rc != SHMQ_OK) {
			rc = topic_complain(q, rc, args->names[i]);
			status = status ? status : rc;
			continue;
		}
		out.len = 0;
		if (GIVEN(args, JSON))
			show_json(&out, &t);
		else
			show_text(&out, &t);
		fwrite(out.data, 1, out.len, stdout);
	}
	bytes_free(&out);
	shmq_close(q);
	return status;
}
