/* SPDX-License-Identifier: MIT */
/* text.c - hostile input: words of the command line, filters, records of all framings. */
#include "text.h"

#include <stdlib.h>
#include <string.h>

#include "binary_read.h"
#include "case.h"
#include "filter.h"
#include "json_read.h"
#include "record.h"
#include "records_format.h"

/* Bytes in a block of exactly their size: one more is AddressSanitizer's. */
struct text {
	unsigned char *data;
	size_t len;
};

static volatile unsigned sum;

static void touch(const void *data, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		sum += ((const unsigned char *)data)[i];
}

static void message_touch(const struct shmq_message *m)
{
	touch(m->value, m->value_len);
	if (m->key != NULL)
		touch(m->key, m->key_len);
	for (size_t i = 0; i < m->header_count; i++) {
		touch(m->headers[i].name, m->headers[i].name_len);
		touch(m->headers[i].value, m->headers[i].value_len);
	}
}

static struct text exactly(const void *data, size_t len)
{
	struct text t = {malloc(len > 0 ? len : 1), len};

	if (len > 0)
		memcpy(t.data, data, len);
	return t;
}

/* Some bytes changed, put in, taken out, doubled; edges of the alphabet. */
static size_t mutate(struct rng *r, unsigned char *b, size_t len, size_t room, const char *alphabet)
{
	size_t letters = strlen(alphabet);

	for (unsigned n = rng_below(r, 6); n > 0; n--) {
		size_t at = rng_below(r, len + 1);
		unsigned char c = rng_one_in(r, 5) ? (unsigned char)rng_u64(r)
		                                   : (unsigned char)alphabet[rng_below(r, letters)];

		switch (rng_below(r, 5)) {
		case 0:
			if (at < len)
				b[at] = c;
			break;
		case 1:
			if (len < room) {
				memmove(b + at + 1, b + at, len - at);
				b[at] = c;
				len++;
			}
			break;
		case 2:
			if (at < len) {
				memmove(b + at, b + at + 1, len - at - 1);
				len--;
			}
			break;
		case 3:
			if (at < len)
				b[at] ^= (unsigned char)(1u << rng_below(r, 8));
			break;
		default:
			if (len > 0 && 2 * len < room) {
				size_t from = rng_below(r, len), bytes = rng_below(r, len - from + 1);

				memmove(b + at + bytes, b + at, len - at);
				memmove(b + at, b + (from < at ? from : 0), bytes);
				len += bytes;
			}
		}
	}
	return len;
}

/* ---- words ---------------------------------------------------------------------------- */

static void words(struct rng *r)
{
	static const char *const seeds[] = {
	        "500ms", "1h30m", "1.5s", "292y", "9223372036.854775807s", "18446744073709551615", "64K",
	        "16MiB", "2T", "16777216T", "2026-01-31T12:00:00Z", "2026-01-31 12:00:00.123456789+01:00",
	        "1970-01-01", "9999-12-31T23:59:60Z", "@1700000000.5", "@-5m", "@+5m", "@-292y", "beginning",
	        "end", "-5", "5:10", ":", "@-5m:@+5m", "beginning:end", "-18446744073709551615:", "0.000000001s",
	        "2554-07-21T23:34:33.709551615Z", "2554-07-21T23:34:33.709551616Z"};
	const char *seed = seeds[rng_below(r, sizeof seeds / sizeof *seeds)];
	unsigned char b[200];
	size_t len = strlen(seed);
	struct shmq_seek from, until;
	bool until_set;
	int64_t ns;
	uint64_t n;
	struct text t;
	char *s;

	memcpy(b, seed, len);
	len = mutate(r, b, len, sizeof b - 1, "0123456789.-+:@TZ smhdwuKMGTiB");
	b[len++] = '\0';
	t = exactly(b, len);
	s = (char *)t.data;
	CALL("shmq_parse_duration", shmq_parse_duration(s, &ns) == 0 ? 0 : SHMQ_EINVAL);
	CALL("shmq_parse_size", shmq_parse_size(s, &n) == 0 ? 0 : SHMQ_EINVAL);
	CALL("shmq_parse_time", shmq_parse_time(s, rng_any(r), &n) == 0 ? 0 : SHMQ_EINVAL);
	CALL("shmq_parse_offset",
	     shmq_parse_offset(s, rng_any(r), &from, &until_set, &until) == 0 ? 0 : SHMQ_EINVAL);
	CALL("shmq_topic_name_check", shmq_topic_name_check(s));
	free(t.data);
}

/* ---- filters -------------------------------------------------------------------------- */

/* The definition, word by word; "" has no words, and so has `text` NULL. */
static bool matches(const char *pattern, const char *text)
{
	size_t p = pattern != NULL ? strcspn(pattern, ".") : 0, t = text != NULL ? strcspn(text, ".") : 0;
	const char *pattern_next, *text_next;

	if (pattern == NULL)
		return text == NULL;
	pattern_next = pattern[p] == '.' ? pattern + p + 1 : NULL;
	text_next = text != NULL && text[t] == '.' ? text + t + 1 : NULL;
	if (p == 1 && pattern[0] == '#')
		return matches(pattern_next, text) || (text != NULL && matches(pattern, text_next));
	if (text == NULL)
		return false;
	if (!(p == 1 && pattern[0] == '*') && !(p == t && memcmp(pattern, text, p) == 0))
		return false;
	return matches(pattern_next, text_next);
}

static void filters(struct rng *r)
{
	char pattern[24], key[24];
	size_t p = rng_below(r, 14), k = rng_below(r, 14);
	struct text copy, copy_key;
	int got;

	for (size_t i = 0; i < p; i++)
		pattern[i] = "a.#*.b"[rng_below(r, 6)];
	for (size_t i = 0; i < k; i++)
		key[i] = "a.b."[rng_below(r, 4)];
	pattern[p] = key[k] = '\0';
	copy = exactly(pattern, p + 1);
	copy_key = exactly(key, k);
	call_begin("shmq_filter_match");
	got = shmq_filter_match((char *)copy.data, copy_key.data, k);
	call_end(0);
	CALL("filter_check", filter_check((char *)copy.data));
	if (got != matches(p > 0 ? pattern : NULL, k > 0 ? key : NULL))
		complain("filter '%s' and key '%s': %d", pattern, key, got);
	free(copy.data);
	free(copy_key.data);
}

/* ---- records -------------------------------------------------------------------------- */

#define INPUT_BYTES 4096u

static size_t binary_make(struct rng *r, unsigned char *b)
{
	struct records_head h = {.has_key = rng_one_in(r, 2), .topic_bytes = (uint8_t)rng_below(r, 12)};
	size_t at = RECORDS_HEAD_BYTES;

	h.key_bytes = h.has_key ? rng_below(r, 10) : 0;
	h.header_count = rng_below(r, 3);
	h.value_bytes = rng_below(r, 60);
	h.partition = rng_below(r, 400);
	rng_fill(r, b + at, (size_t)h.topic_bytes + h.key_bytes);
	at += (size_t)h.topic_bytes + h.key_bytes;
	for (unsigned i = 0; i < h.header_count; i++) {
		uint32_t name = rng_below(r, 9), value = rng_below(r, 9);

		le32_put(b + at, rng_one_in(r, 20) ? (uint32_t)rng_any(r) : name);
		le32_put(b + at + 4, rng_one_in(r, 20) ? (uint32_t)rng_any(r) : value);
		at += RECORDS_FIELD_BYTES + name + value;
		h.header_bytes += RECORDS_FIELD_BYTES + name + value;
	}
	at += h.value_bytes;
	switch (rng_below(r, 8)) {
	case 0:
		h.header_count = (uint32_t)rng_any(r);
		break;
	case 1:
		h.header_bytes = (uint32_t)rng_any(r);
		break;
	case 2:
		h.value_bytes = (uint32_t)rng_any(r);
		break;
	case 3:
		h.key_bytes = (uint32_t)rng_any(r);
		break;
	}
	records_head_put(b, &h);
	return at;
}

static size_t json_make(struct rng *r, unsigned char *b)
{
	static const char *const seeds[] = {
	        "{\"v\":1,\"key\":null,\"headers\":[[\"n\",\"v\"],[{\"b64\":\"AAE=\"},\"\"]],\"payload\":\"text\"}\n",
	        "{\"v\":1,\"partition\":255,\"key_b64\":\"/w==\",\"payload_b64\":\"AAECAwQF\"}\n",
	        "{\"v\":1,\"payload\":\"\\u0000\\ud83d\\ude00\",\"headers\":null}\n",
	        "{\"v\":1,\"payload_b64\":\"\",\"headers\":[[\"a\",{\"b64\":\"\"}]],\"x\":[[[[{}]]]]}\n"};
	const char *seed = seeds[rng_below(r, 4)];

	memcpy(b, seed, strlen(seed));
	return strlen(seed);
}

/* The functions that take bytes, each with a block of its own. */
static void directly(struct rng *r, const unsigned char *b, size_t len)
{
	struct text t = exactly(b, len);
	struct headers headers = {0};
	struct envelope e = {0};
	struct shmq_message m;
	char error[64];
	uint64_t record;

	call_begin("binary_read");
	if (binary_length(t.data, t.len, &record) == NULL && record > 0 && record <= len) {
		struct text one = exactly(b, (size_t)record);

		if (binary_read(one.data, &headers, &m) == NULL)
			message_touch(&m);
		free(one.data);
	}
	call_end(0);
	call_begin("envelope_read");
	if (envelope_read(&e, (char *)t.data, t.len, &m, error, rng_one_in(r, 2) ? sizeof error : 8) == 0)
		message_touch(&m);
	call_end(0);
	envelope_free(&e);
	headers_free(&headers);
	free(t.data);
}

static void records(struct rng *r)
{
	unsigned char b[INPUT_BYTES];
	struct record_options o = {.framing = (enum record_framing)rng_below(r, 5),
	                           .delim = "\n",
	                           .delim_len = 1,
	                           .key_delim = "=:",
	                           .key_delim_len = rng_below(r, 3),
	                           .max_bytes = rng_one_in(r, 3) ? rng_below(r, 100) : 100000};
	struct record_reader reader;
	enum record_result result = RECORD_MORE;
	size_t len = 0, fed = 0, count = 0;

	if (rng_one_in(r, 4)) {
		o.delim = "ab";
		o.delim_len = 2;
	}
	for (unsigned n = 1 + rng_below(r, 4); n > 0; n--)
		len += o.framing == RECORD_JSON ? json_make(r, b + len) : binary_make(r, b + len);
	len = mutate(r, b, len, INPUT_BYTES, "\n\"{}[],:0\xb7\x01 ab=\\u");
	directly(r, b, len);
	record_reader_init(&reader, &o);
	while (result == RECORD_MORE || result == RECORD_READY) {
		struct record record;
		size_t room, piece = rng_one_in(r, 2) ? len - fed : rng_below(r, len - fed + 1);
		void *to = record_room(&reader, &room);

		call_begin("record_next");
		memcpy(to, b + fed, piece);
		record_fed(&reader, piece);
		fed += piece;
		if (fed == len)
			record_end(&reader);
		while ((result = record_next(&reader, &record)) == RECORD_READY) {
			message_touch(&record.message);
			touch(record.raw, record.raw_len);
			if (++count > len + 1)
				complain("more records than bytes");
		}
		call_end(0);
		touch(reader.error, strlen(reader.error));
		if (fed == len)
			break;
	}
	record_reader_free(&reader);
}

void text_fuzz(const struct text_plan *plan)
{
	uint64_t end = now_ns() + plan->milliseconds * 1000000ull;

	for (unsigned n = 0; n < plan->cases && now_ns() < end; n++) {
		struct rng r = rng_part(plan->seed, (1ull << 40) + n);

		words(&r);
		filters(&r);
		records(&r);
	}
}
