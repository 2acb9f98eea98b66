/* SPDX-License-Identifier: MIT */
/* records.c - records of any framing, one by one: reading, completing and sending them. */
#include "run.h"

#include <string.h>

#include "stop.h"
#include "tool.h"

#define TEE_BYTES      ((size_t)256 << 10) /* copies that wait for a flush */
#define MILLISECOND_NS INT64_C(1000000)

/* ---- what the command line adds to a record ---- */

static void add_headers(struct run *run, struct shmq_message *m)
{
	const struct headers *more = &run->set->headers;

	run->merged.count = 0;
	for (size_t i = 0; i < m->header_count; i++)
		headers_add(&run->merged, &m->headers[i]);
	for (size_t i = 0; i < more->count; i++)
		headers_add(&run->merged, &more->items[i]);
	headers_set(&run->merged, m);
}

/* -p same, with what the record says. */
static bool same_partition(struct run *run, int partition)
{
	unsigned partitions = shmq_pub_partitions(run->pub);

	if (partition >= 0 && partition < (int)partitions)
		return true;
	if (partition < 0)
		run_fail(run, EX_DATAERR,
			 "%s does not say its partition, which '-p same' asks for: leave that out",
			 run_record(run, run->taken));
	else
		run_fail(run, EX_DATAERR,
			 "%s came from partition %d, but topic %s has only %u: leave '-p same' out,"
			 " or create the topic with more",
			 run_record(run, run->taken), partition, run->set->topic, partitions);
	return false;
}

/* False: the record cannot be published as asked. */
static bool complete(struct run *run, struct shmq_message *m)
{
	const struct settings *set = run->set;

	if (!m->key && set->key) {
		m->key = set->key;
		m->key_len = strlen(set->key);
	}
	if (set->headers.count)
		add_headers(run, m);
	if (set->partition == PARTITION_SAME)
		return same_partition(run, m->partition);
	m->partition = set->partition;
	return true;
}

/* ---- where records come from ---- */

struct source {
	struct record_reader reader;
	bool (*take)(struct run *run, const struct record *record, void *context);
	void *context;
};

/* False: no other record is wanted. */
static bool give(struct run *run, struct source *from, struct record *record)
{
	run->taken++;
	run->begin = from->reader.byte;
	if (!complete(run, &record->message) || !from->take(run, record, from->context))
		return false;
	if (run->taken < run->set->count)
		return true;
	run->over = true;
	return false;
}

static void tell_bad(struct run *run, const struct record_reader *r, enum record_result result)
{
	run->begin = r->byte;
	if (result == RECORD_TOO_LARGE)
		run_too_large(run, r->number);
	else
		run_fail(run, EX_DATAERR, "%s %s", run_record(run, r->number), r->error);
}

static void give_complete_ones(struct run *run, struct source *from)
{
	struct record record;
	enum record_result result;

	while ((result = record_next(&from->reader, &record)) == RECORD_READY) {
		if (!give(run, from, &record)) {
			input_unread(&run->in, record_unused(&from->reader));
			return;
		}
	}
	if (result != RECORD_MORE)
		tell_bad(run, &from->reader, result);
}

static void read_one_input(struct run *run, struct source *from)
{
	bool whole = run->set->record.framing == RECORD_WHOLE;

	while (run_wait_input(run)) {
		size_t room;
		void *buffer = record_room(&from->reader, &room);
		ssize_t n = input_read(&run->in, buffer, room);

		if (n > 0)
			record_fed(&from->reader, (size_t)n);
		else if (n == INPUT_END && whole)
			record_end(&from->reader);
		else if (n == INPUT_FAILED && whole) /* half of it is not the message */
			record_drop(&from->reader);
		give_complete_ones(run, from);
		if (n == INPUT_END || n == INPUT_FAILED || run->over)
			return;
	}
}

static void read_inputs(struct run *run, struct source *from)
{
	record_reader_init(&from->reader, &run->set->record);
	while (!run->over && input_next(&run->in))
		read_one_input(run, from);
	if (!run->over && run->set->record.framing != RECORD_WHOLE) {
		record_end(&from->reader);
		give_complete_ones(run, from);
	}
	record_reader_free(&from->reader);
}

/* Each -m; for -T it has the delimiter that it would have had in a file. */
static void read_arguments(struct run *run, struct source *from)
{
	const struct settings *set = run->set;
	struct bytes raw = {0};

	for (size_t i = 0; i < set->message_count && !run->over && !stop_signal; i++) {
		const char *text = set->messages[i];
		struct record record = {
		    .message = {.value = text, .value_len = strlen(text), .partition = -1}};

		if (set->tee) {
			raw.len = 0;
			bytes_text(&raw, text);
			bytes_add(&raw, set->record.delim, set->record.delim_len);
			record.raw = raw.data;
			record.raw_len = raw.len;
		}
		record_split_key(&set->record, &record.message);
		run->in.bytes += strlen(text);
		if (!give(run, from, &record))
			break;
	}
	bytes_free(&raw);
}

void run_each_record(struct run *run,
		     bool (*take)(struct run *run, const struct record *record, void *context),
		     void *context)
{
	struct source from = {.take = take, .context = context};

	if (run->set->message_count)
		read_arguments(run, &from);
	else
		read_inputs(run, &from);
	headers_free(&run->merged);
}

/* ---- where they go ---- */

/* Sleeps as -R wants it, with everything flushed. False: a signal to stop came. */
static bool pace(struct run *run)
{
	int64_t ns;

	while ((ns = rate_take(&run->set->rate)) > 0) {
		progress_tick(&run->progress, &run->in, run->taken);
		if (!(ns < MILLISECOND_NS ? run_flush(run) : run_idle(run)))
			return false;
		stop_wait(NULL, ns);
		if (stop_signal) {
			run->over = true;
			return false;
		}
	}
	return true;
}

static bool send_one(struct run *run, const struct record *record, void *context)
{
	int rc;

	(void)context;
	if (!pace(run))
		return false;
	do
		rc = shmq_pub_send(run->pub, &record->message);
	while (rc == SHMQ_INTERRUPTED && !stop_signal);
	if (rc == SHMQ_EDATA) {
		run_too_large(run, run->taken);
		return false;
	}
	if (!run_done(run, rc)) {
		run->refused++;
		return !run->over;
	}
	if (run->set->tee)
		tee_add(&run->tee, record->raw, record->raw_len);
	if (run->each || run->tee.held.len >= TEE_BYTES)
		return run_flush(run);
	return true;
}

void publish_records(struct run *run)
{
	run_each_record(run, send_one, NULL);
}
