/* SPDX-License-Identifier: MIT */
/* group_report.c - the verb that prints groups: list. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "bytes.h"
#include "escape.h"
#include "json_write.h"
#include "mqd.h"
#include "names.h"
#include "time_text.h"
#include "words.h"

struct group {
	const char *topic;
	uint32_t partitions;
	struct shmq_group_info info;
	uint64_t lag, inflight, retry; /* of all partitions and the return log */
};

static int read_group(shmq *q, const char *topic, const char *name, struct group *g)
{
	static struct shmq_log_info topic_logs[SHMQ_PARTITIONS_MAX];
	static struct shmq_group_log_info logs[SHMQ_PARTITIONS_MAX];
	struct shmq_topic_info info = {.logs = topic_logs};
	int rc = shmq_topic_info(q, topic, &info);

	*g = (struct group){.topic = topic, .partitions = info.options.partitions};
	g->info.logs = logs;
	if (rc == SHMQ_OK)
		rc = shmq_group_info(q, topic, name, &g->info);
	if (rc != SHMQ_OK)
		return rc;
	g->lag = g->retry = g->info.retry;
	for (uint32_t p = 0; p < g->partitions; p++) {
		g->lag += logs[p].lag;
		g->inflight += logs[p].inflight;
		g->retry += logs[p].waiting;
	}
	return SHMQ_OK;
}

/* ---- as a table ---- */

struct widths {
	int group, topic;
};

static void print_heading(struct bytes *b, const struct widths *w, bool verbose)
{
	bytes_printf(
	    b, "%-*s %-*s MODE    CONSUMERS        LAG IN-FLIGHT      RETRY       DEAD PAUSED",
	    w->group, "GROUP", w->topic, "TOPIC");
	if (verbose)
		bytes_text(b, "    LEASE RETRIES      BACKOFF   EXPIRE DEAD-LETTERS FILTER");
	bytes_byte(b, '\n');
}

static void row_options(struct bytes *b, const struct shmq_group_options *o)
{
	char backoff[96];

	snprintf(backoff, sizeof(backoff), "%s,%s", duration_text(o->backoff_ns),
		 duration_text(o->backoff_max_ns));
	bytes_printf(b, " %8s %7" PRIu32 " %12s %8s %-12s ", duration_text(o->lease_ns), o->retries,
		     backoff, duration_text(o->expire_ns), dead_text(o->dead));
	if (o->filter && *o->filter) /* any byte may stand there, and a row is a line */
		escape_for_terminal(b, o->filter, strlen(o->filter));
	else
		bytes_byte(b, '-');
}

static void row_partition(struct bytes *b, uint32_t p, const struct shmq_group_log_info *log)
{
	bytes_printf(b,
		     "  partition %" PRIu32 ": offset %" PRIu64 ", end %" PRIu64 ", lag %" PRIu64
		     ", in flight %" PRIu64 ", waiting %" PRIu64 ", oldest ",
		     p, log->offset, log->end_offset, log->lag, log->inflight, log->waiting);
	if (log->oldest_ns)
		time_rfc3339(b, log->oldest_ns);
	else
		bytes_byte(b, '-');
	if (log->owner_pid)
		bytes_printf(b, ", owner %" PRIu32, log->owner_pid);
	bytes_byte(b, '\n');
}

static void print_row(struct bytes *b, const struct group *g, const struct widths *w, bool verbose)
{
	bytes_printf(b,
		     "%-*s %-*s %-7s %9" PRIu32 " %10" PRIu64 " %9" PRIu64 " %10" PRIu64
		     " %10" PRIu64 " %-6s",
		     w->group, g->info.name, w->topic, g->topic, mode_text(g->info.options.mode),
		     g->info.consumers, g->lag, g->inflight, g->retry, g->info.dead,
		     g->info.paused ? "yes" : "no");
	if (verbose)
		row_options(b, &g->info.options);
	bytes_byte(b, '\n');
	for (uint32_t p = 0; verbose && p < g->partitions; p++)
		row_partition(b, p, &g->info.logs[p]);
}

/* ---- as JSON ---- */

static void json_time(struct bytes *b, const char *name, uint64_t ns)
{
	bytes_printf(b, ",\"%s\":", name);
	if (ns == 0) {
		bytes_text(b, "null");
		return;
	}
	bytes_byte(b, '"');
	time_rfc3339(b, ns);
	bytes_byte(b, '"');
}

/* Durations are in seconds. */
static void json_seconds(struct bytes *b, const char *name, int64_t ns)
{
	if (ns == SHMQ_FOREVER)
		bytes_printf(b, ",\"%s\":null", name);
	else
		bytes_printf(b, ",\"%s\":%.9g", name, (double)ns / 1e9);
}

static void json_options(struct bytes *b, const struct shmq_group_options *o)
{
	bytes_text(b, ",\"filter\":");
	if (o->filter && *o->filter)
		json_value(b, o->filter, strlen(o->filter));
	else
		bytes_text(b, "null");
	json_seconds(b, "lease", o->lease_ns);
	bytes_printf(b, ",\"retries\":%" PRIu32, o->retries);
	json_seconds(b, "backoff", o->backoff_ns);
	json_seconds(b, "backoff_max", o->backoff_max_ns);
	json_seconds(b, "expire", o->expire_ns);
	bytes_printf(b,
		     ",\"dead_letters\":\"%s\",\"returns_rows\":%" PRIu32
		     ",\"returns_memory\":%" PRIu64 ",\"window\":%" PRIu32,
		     dead_text(o->dead), o->returns_rows, o->returns_bytes, o->window);
}

static void json_counters(struct bytes *b, const struct shmq_group_info *info)
{
	bytes_printf(b,
		     ",\"returns_full\":%" PRIu64 ",\"delivered\":%" PRIu64 ",\"acked\":%" PRIu64
		     ",\"redelivered\":%" PRIu64 ",\"dead_lettered\":%" PRIu64
		     ",\"dropped\":%" PRIu64 ",\"filtered\":%" PRIu64,
		     info->returns_full, info->delivered, info->acked, info->redelivered,
		     info->dead_lettered, info->dropped, info->filtered);
}

static void json_partition(struct bytes *b, uint32_t p, const struct shmq_group_log_info *log)
{
	bytes_printf(b,
		     "%s{\"partition\":%" PRIu32 ",\"offset\":%" PRIu64 ",\"end_offset\":%" PRIu64
		     ",\"lag\":%" PRIu64 ",\"in_flight\":%" PRIu64 ",\"waiting\":%" PRIu64,
		     p ? "," : "", p, log->offset, log->end_offset, log->lag, log->inflight,
		     log->waiting);
	json_time(b, "oldest", log->oldest_ns);
	if (log->owner_pid)
		bytes_printf(b, ",\"owner\":%" PRIu32 "}", log->owner_pid);
	else
		bytes_text(b, ",\"owner\":null}");
}

static void print_json(struct bytes *b, const struct group *g)
{
	const struct shmq_group_info *info = &g->info;

	bytes_printf(b,
		     "{\"group\":\"%s\",\"topic\":\"%s\",\"mode\":\"%s\",\"consumers\":%" PRIu32
		     ",\"lag\":%" PRIu64 ",\"in_flight\":%" PRIu64 ",\"retry\":%" PRIu64
		     ",\"dead\":%" PRIu64 ",\"paused\":%s",
		     info->name, g->topic, mode_text(info->options.mode), info->consumers, g->lag,
		     g->inflight, g->retry, info->dead, info->paused ? "true" : "false");
	json_options(b, &info->options);
	bytes_printf(b, ",\"number\":%" PRIu64 ",\"incarnation\":%" PRIu64, info->number,
		     info->incarnation);
	json_time(b, "created", info->created_ns);
	json_time(b, "used", info->used_ns);
	json_counters(b, info);
	bytes_text(b, ",\"logs\":[");
	for (uint32_t p = 0; p < g->partitions; p++)
		json_partition(b, p, &info->logs[p]);
	bytes_text(b, "]}\n");
}

/* ---- list ---- */

/* What is listed: topics, and the groups of each. */
struct listing {
	struct names topics;
	struct names *groups; /* as many */
	int status;
};

static void find_topics(struct listing *l, const struct mqd_args *args, shmq *q)
{
	int rc = SHMQ_OK;

	for (int i = 0; i < args->name_count; i++)
		names_add(&l->topics, args->names[i]);
	if (args->name_count == 0)
		rc = names_of_topics(q, &l->topics);
	if (rc < 0)
		die_shmq(q, rc, "cannot list the topics");
}

/* Of topics that nobody named, one that was deleted a moment ago is as if it had never been listed.
 */
static void find_groups(struct listing *l, shmq *q, bool named)
{
	l->groups = calloc(l->topics.n + 1, sizeof(*l->groups));
	if (!l->groups)
		die(EX_OSERR, "no memory for the groups of %zu topics", l->topics.n);
	for (size_t i = 0; i < l->topics.n; i++) {
		int rc = names_of_groups(q, l->topics.at[i], &l->groups[i]);

		if (rc == SHMQ_OK || (rc == SHMQ_ENOENT && !named))
			continue;
		rc = topic_complain(q, rc, l->topics.at[i]);
		l->status = l->status ? l->status : rc;
	}
}

static struct widths find_widths(const struct listing *l)
{
	struct widths w = {(int)strlen("GROUP"), names_width(&l->topics, "TOPIC")};

	for (size_t i = 0; i < l->topics.n; i++) {
		int width = names_width(&l->groups[i], "GROUP");

		w.group = width > w.group ? width : w.group;
	}
	return w;
}

static void print_groups(struct listing *l, const struct mqd_args *args, shmq *q, size_t topic)
{
	static struct group g;
	struct widths w = find_widths(l);
	struct bytes out = {0};

	for (size_t i = 0; i < l->groups[topic].n; i++) {
		const char *name = l->groups[topic].at[i];
		int rc = read_group(q, l->topics.at[topic], name, &g);

		if (rc == SHMQ_ENOENT) /* deleted a moment ago */
			continue;
		if (rc != SHMQ_OK) {
			rc = group_complain(q, rc, l->topics.at[topic], name);
			l->status = l->status ? l->status : rc;
			continue;
		}
		out.len = 0;
		if (GIVEN(args, JSON))
			print_json(&out, &g);
		else
			print_row(&out, &g, &w, GIVEN(args, VERBOSE));
		fwrite(out.data, 1, out.len, stdout);
	}
	bytes_free(&out);
}

int group_list(const struct mqd_args *args)
{
	shmq *q = tool_open(args->dir, SHMQ_OBSERVE);
	struct listing l = {.status = 0};
	struct bytes heading = {0};
	struct widths w;

	find_topics(&l, args, q);
	find_groups(&l, q, args->name_count > 0);
	w = find_widths(&l);
	print_heading(&heading, &w, GIVEN(args, VERBOSE));
	if (!GIVEN(args, JSON))
		fwrite(heading.data, 1, heading.len, stdout);
	for (size_t i = 0; i < l.topics.n; i++) {
		print_groups(&l, args, q, i);
		names_free(&l.groups[i]);
	}
	bytes_free(&heading);
	names_free(&l.topics);
	free(l.groups);
	shmq_close(q);
	return l.status;
}
