/* SPDX-License-Identifier: MIT */
/* record.c - takes input of any framing apart into messages. */
#include "record.h"

#include <stdio.h>

#include "binary_read.h"
#include "records_format.h"

#define READ_BYTES ((size_t)128 << 10) /* twice what a pipe holds unless it was widened */

void record_reader_init(struct record_reader *r, const struct record_options *options)
{
	*r = (struct record_reader){.options = *options};
}

void record_reader_free(struct record_reader *r)
{
	bytes_free(&r->in);
	headers_free(&r->headers);
	envelope_free(&r->envelope);
	*r = (struct record_reader){0};
}

size_t record_unused(const struct record_reader *r)
{
	return r->in.len - r->pos;
}

void *record_room(struct record_reader *r, size_t *room)
{
	size_t unused = record_unused(r);

	/* moved only when that is at most as much as was used: linear, however long a record is */
	if (r->in.room - r->in.len < READ_BYTES && unused <= r->pos) {
		if (unused > 0)
			memmove(r->in.data, r->in.data + r->pos, unused);
		r->base += r->pos;
		r->scan -= r->pos;
		r->pos = 0;
		r->in.len = unused;
	}
	*room = READ_BYTES;
	bytes_reserve(&r->in, READ_BYTES);
	return r->in.data + r->in.len;
}

void record_fed(struct record_reader *r, size_t bytes)
{
	r->in.len += bytes;
}

void record_end(struct record_reader *r)
{
	r->ended = true;
}

void record_drop(struct record_reader *r)
{
	r->pos = r->scan = r->in.len;
}

void record_split_key(const struct record_options *options, struct shmq_message *m)
{
	const char *value = m->value;
	const char *at;

	if (options->key_delim_len == 0 || m->value_len == 0)
		return;
	at = memmem(value, m->value_len, options->key_delim, options->key_delim_len);
	if (!at)
		return;
	m->key = value;
	m->key_len = (size_t)(at - value);
	m->value = at + options->key_delim_len;
	m->value_len -= m->key_len + options->key_delim_len;
}

/* ---- how a framing answers ---- */

static enum record_result ready(struct record_reader *r, size_t raw_len,
				const struct shmq_message *m, struct record *record)
{
	record->raw = r->in.data + r->pos;
	record->raw_len = raw_len;
	record->message = *m;
	r->pos += raw_len;
	r->scan = r->pos;
	return RECORD_READY;
}

/* The value stands as it is, behind `before` bytes and with what is left of raw_len behind it. */
static enum record_result ready_plain(struct record_reader *r, size_t raw_len, size_t before,
				      size_t value_len, struct record *record)
{
	struct shmq_message m = {
	    .value = r->in.data + r->pos + before, .value_len = value_len, .partition = -1};

	record_split_key(&r->options, &m);
	return ready(r, raw_len, &m, record);
}

static enum record_result bad(struct record_reader *r, const char *why)
{
	snprintf(r->error, sizeof(r->error), "%s", why);
	return RECORD_BAD;
}

/* The record takes `wanted` bytes (0: its length is not there yet), and they are not there. */
static enum record_result incomplete(struct record_reader *r, uint64_t wanted)
{
	if (!r->ended || record_unused(r) == 0)
		return RECORD_MORE;
	if (wanted == 0)
		return bad(r, "is cut short: the input ends before it says its length");
	snprintf(r->error, sizeof(r->error),
		 "is cut short: the input ends after %zu of its %llu bytes", record_unused(r),
		 (unsigned long long)wanted);
	return RECORD_BAD;
}

/* ---- the framings ---- */

/* The largest record that may hold a message of max_bytes, when nothing in it is coded. */
static size_t plain_limit(const struct record_reader *r)
{
	return r->options.max_bytes + r->options.key_delim_len;
}

/* The delimiter that ends the record at pos; NULL when it is not there yet. */
static const char *find_delim(struct record_reader *r, const char *delim, size_t delim_len)
{
	const char *from = r->in.data + r->scan;
	size_t left = r->in.len - r->scan;
	const char *at =
	    delim_len == 1 ? memchr(from, delim[0], left) : memmem(from, left, delim, delim_len);

	/* one may have begun in the last bytes */
	if (!at && left >= delim_len)
		r->scan = r->in.len - (delim_len - 1);
	return at;
}

/* Up to the next delimiter: *len bytes without it, *raw_len with it. */
static enum record_result next_line(struct record_reader *r, const char *delim, size_t delim_len,
				    size_t limit, size_t *len, size_t *raw_len)
{
	size_t unused = record_unused(r);
	const char *at = find_delim(r, delim, delim_len);

	*len = *raw_len = unused;
	if (at) {
		*len = (size_t)(at - r->in.data) - r->pos;
		*raw_len = *len + delim_len;
		return *len > limit ? RECORD_TOO_LARGE : RECORD_READY;
	}
	if (!r->ended) /* the last bytes may be the beginning of the delimiter */
		return unused >= delim_len && unused - delim_len >= limit ? RECORD_TOO_LARGE
									  : RECORD_MORE;
	if (unused == 0)
		return RECORD_MORE;
	return unused > limit ? RECORD_TOO_LARGE : RECORD_READY;
}

static enum record_result next_delimited(struct record_reader *r, struct record *record)
{
	size_t len, raw_len;
	enum record_result result =
	    next_line(r, r->options.delim, r->options.delim_len, plain_limit(r), &len, &raw_len);

	return result == RECORD_READY ? ready_plain(r, raw_len, 0, len, record) : result;
}

static enum record_result next_json(struct record_reader *r, struct record *record)
{
	/* a byte takes six at most ("\u0000"); the rest is for members that are ignored */
	size_t limit = 6 * r->options.max_bytes + ((size_t)1 << 20);
	size_t len, raw_len;
	struct shmq_message m;
	enum record_result result = next_line(r, "\n", 1, limit, &len, &raw_len);

	if (result != RECORD_READY)
		return result;
	if (envelope_read(&r->envelope, r->in.data + r->pos, len, &m, r->error, sizeof(r->error)) <
	    0)
		return RECORD_BAD;
	return ready(r, raw_len, &m, record);
}

static enum record_result next_whole(struct record_reader *r, struct record *record)
{
	size_t unused = record_unused(r);

	if (unused > plain_limit(r))
		return RECORD_TOO_LARGE;
	if (!r->ended)
		return RECORD_MORE;
	r->ended = false; /* so that an empty input is one record, not many */
	return ready_plain(r, unused, 0, unused, record);
}

static enum record_result next_len32(struct record_reader *r, struct record *record)
{
	size_t unused = record_unused(r);
	uint32_t len;

	if (unused < LEN32_PREFIX_BYTES)
		return incomplete(r, 0);
	len = be32_get((unsigned char *)r->in.data + r->pos);
	if (len > plain_limit(r))
		return RECORD_TOO_LARGE;
	if (unused - LEN32_PREFIX_BYTES < len)
		return incomplete(r, (uint64_t)LEN32_PREFIX_BYTES + len);
	return ready_plain(r, LEN32_PREFIX_BYTES + (size_t)len, LEN32_PREFIX_BYTES, len, record);
}

static enum record_result next_binary(struct record_reader *r, struct record *record)
{
	const unsigned char *from = (unsigned char *)r->in.data + r->pos;
	/* headers take more bytes here than in a message: the last word has the publisher */
	size_t limit = 2 * r->options.max_bytes + RECORDS_HEAD_BYTES + RECORDS_TOPIC_MAX;
	size_t unused = record_unused(r);
	struct shmq_message m;
	uint64_t len;
	const char *why = binary_length(from, unused, &len);

	if (why)
		return bad(r, why);
	if (len > limit)
		return RECORD_TOO_LARGE;
	if (len == 0 || unused < len)
		return incomplete(r, len);
	why = binary_read(from, &r->headers, &m);
	return why ? bad(r, why) : ready(r, (size_t)len, &m, record);
}

static enum record_result next_of_framing(struct record_reader *r, struct record *record)
{
	switch (r->options.framing) {
	case RECORD_DELIMITED:
		return next_delimited(r, record);
	case RECORD_WHOLE:
		return next_whole(r, record);
	case RECORD_LEN32:
		return next_len32(r, record);
	case RECORD_BINARY:
		return next_binary(r, record);
	case RECORD_JSON:
		return next_json(r, record);
	}
	return RECORD_MORE;
}

enum record_result record_next(struct record_reader *r, struct record *record)
{
	uint64_t byte = r->base + r->pos;
	enum record_result result;

	bytes_reserve(&r->in, 1); /* nothing was fed yet: a value is never NULL */
	result = next_of_framing(r, record);
	if (result == RECORD_MORE) {
		r->ended = false;
		return result;
	}
	r->number++;
	r->byte = byte;
	return result;
}
