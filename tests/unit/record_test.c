/* SPDX-License-Identifier: MIT */
/*
 * record_test.c - every framing of the record reader: each input is fed in pieces of every
 * size, and what comes out must be the same each time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "bytes.h"
#include "escape.h"
#include "print.h"
#include "record.h"
#include "records_format.h"
#include "tap.h"
#include "tool.h"

/* ---- what came out, as text ---- */

static void add_text(struct bytes *to, const void *data, size_t len)
{
	escape_for_terminal(to, data, len);
}

/* "key|header=value,|value" with "-" for no key, "@N" where a partition is said */
static void describe(struct bytes *to, const struct shmq_message *m)
{
	if (m->key)
		add_text(to, m->key, m->key_len);
	else
		bytes_text(to, "-");
	bytes_text(to, "|");
	for (size_t i = 0; i < m->header_count; i++) {
		add_text(to, m->headers[i].name, m->headers[i].name_len);
		bytes_text(to, "=");
		add_text(to, m->headers[i].value, m->headers[i].value_len);
		bytes_text(to, ",");
	}
	bytes_text(to, "|");
	add_text(to, m->value, m->value_len);
	if (m->partition >= 0)
		bytes_printf(to, "@%d", m->partition);
	bytes_text(to, "\n");
}

/* All that is complete; false after an error. */
static bool take_all(struct record_reader *r, struct bytes *out, struct bytes *raw)
{
	struct record record;
	enum record_result result;

	while ((result = record_next(r, &record)) == RECORD_READY) {
		describe(out, &record.message);
		bytes_add(raw, record.raw, record.raw_len);
	}
	if (result == RECORD_BAD)
		bytes_printf(out, "bad %llu %llu: %s\n", (unsigned long long)r->number,
			     (unsigned long long)r->byte, r->error);
	if (result == RECORD_TOO_LARGE)
		bytes_printf(out, "too large %llu %llu\n", (unsigned long long)r->number,
			     (unsigned long long)r->byte);
	return result == RECORD_MORE;
}

/* Feeds the input in pieces of `piece` bytes. */
static void run_pieces(const struct record_options *options, const void *input, size_t len,
		       size_t piece, struct bytes *out, struct bytes *raw)
{
	struct record_reader r;
	size_t fed = 0;
	bool good = true;

	out->len = raw->len = 0;
	record_reader_init(&r, options);
	while (good && fed < len) {
		size_t room, n = len - fed < piece ? len - fed : piece;
		void *to = record_room(&r, &room);

		n = n < room ? n : room;
		memcpy(to, (const char *)input + fed, n);
		record_fed(&r, n);
		fed += n;
		good = take_all(&r, out, raw);
	}
	if (good) {
		record_end(&r);
		if (take_all(&r, out, raw))
			take_all(&r, out, raw); /* an end is an end */
	}
	record_reader_free(&r);
}

static bool same(const struct bytes *a, const void *data, size_t len)
{
	return a->len == len && (len == 0 || memcmp(a->data, data, len) == 0);
}

/* One input, in pieces of every size; expected as describe() and take_all() say it. */
static void check(const char *name, const struct record_options *options, const void *input,
		  size_t len, const char *expected)
{
	struct bytes out = {0}, raw = {0};
	bool complains = strstr(expected, "bad ") || strstr(expected, "too large ");
	bool good = true;

	for (size_t piece = 1; good && piece <= len + 1; piece++) {
		run_pieces(options, input, len, piece, &out, &raw);
		good = same(&out, expected, strlen(expected));
		/* nothing of the input is lost on the way to -T */
		if (!complains)
			good = good && same(&raw, input, len);
		if (!good) {
			bytes_byte(&out, 0);
			printf("# in pieces of %zu, expected:\n# %s\n# got:\n# %s\n", piece,
			       expected, out.data);
		}
	}
	ok(good, "%s", name);
	bytes_free(&out);
	bytes_free(&raw);
}

#define CHECK(name, options, literal, expected)                                                    \
	check(name, options, literal, sizeof(literal) - 1, expected)

/* ---- delimiters ---- */

static struct record_options delimited(const char *delim, size_t len, size_t max)
{
	return (struct record_options){
	    .framing = RECORD_DELIMITED, .delim = delim, .delim_len = len, .max_bytes = max};
}

static void test_delimited(void)
{
	struct record_options line = delimited("\n", 1, 100);
	struct record_options nul = delimited("", 1, 100);
	struct record_options dashes = delimited("---", 3, 100);
	struct record_options aab = delimited("aab", 3, 100);

	CHECK("lines", &line, "one\ntwo\n", "-||one\n-||two\n");
	CHECK("no input is no record", &line, "", "");
	CHECK("an unterminated last line", &line, "one\ntwo", "-||one\n-||two\n");
	CHECK("empty lines", &line, "\n\nx\n\n", "-||\n-||\n-||x\n-||\n");
	CHECK("CR stays", &line, "a\r\n\r\n", "-||a\\r\n-||\\r\n");
	CHECK("any byte but the delimiter", &line, "\0\xff\x80\n\xfe",
	      "-||\\0\\xff\\x80\n-||\\xfe\n");
	CHECK("NUL delimiter", &nul, "a\nb\0\0c", "-||a\\nb\n-||\n-||c\n");
	CHECK("delimiter of three bytes", &dashes, "a---b--c---", "-||a\n-||b--c\n");
	CHECK("a delimiter of equal bytes is taken from the left", &dashes, "a-----b---",
	      "-||a\n-||--b\n");
	CHECK("an end inside the delimiter is data", &dashes, "a---b--", "-||a\n-||b--\n");
	CHECK("delimiters alone", &dashes, "------", "-||\n-||\n");
	CHECK("a delimiter that begins twice", &aab, "xaaabyaab", "-||xa\n-||y\n");
}

static void test_limits(void)
{
	struct record_options line = delimited("\n", 1, 4);
	struct record_options dashes = delimited("--", 2, 4);
	struct record_options whole = {.framing = RECORD_WHOLE, .max_bytes = 4};
	struct record_options len32 = {.framing = RECORD_LEN32, .max_bytes = 4};
	struct record_options keyed = delimited("\n", 1, 4);

	keyed.key_delim = "::";
	keyed.key_delim_len = 2;
	CHECK("a line of the largest size", &line, "a\n1234\n", "-||a\n-||1234\n");
	CHECK("a line of the largest size, unterminated", &line, "a\n1234", "-||a\n-||1234\n");
	CHECK("a line that is too large", &line, "a\n12345\nb\n", "-||a\ntoo large 2 2\n");
	CHECK("an unterminated one that is too large", &line, "12345", "too large 1 0\n");
	CHECK("the delimiter does not count", &dashes, "1234--1234--", "-||1234\n-||1234\n");
	CHECK("half a delimiter at the end does", &dashes, "1234-", "too large 1 0\n");
	CHECK("the key's delimiter does not count", &keyed, "ab::cd\n", "ab||cd\n");
	CHECK("too large with a key", &keyed, "ab::cde\n", "too large 1 0\n");
	CHECK("a whole input of the largest size", &whole, "1\n34", "-||1\\n34\n");
	CHECK("a whole input that is too large", &whole, "12345", "too large 1 0\n");
	CHECK("a length that is too large", &len32, "\0\0\0\1x\0\0\0\5", "-||x\ntoo large 2 5\n");
}

static void test_keys(void)
{
	struct record_options line = delimited("\n", 1, 100);

	line.key_delim = ":";
	line.key_delim_len = 1;
	CHECK("key and value", &line, "k:v\n:v\nk:\n:\nno\n", "k||v\n||v\nk||\n||\n-||no\n");
	CHECK("the first one ends the key", &line, "a:b:c", "a||b:c\n");
	line.key_delim = "=>";
	line.key_delim_len = 2;
	CHECK("a key delimiter of two bytes", &line, "a=b=>c\n=>\n", "a=b||c\n||\n");
}

/* ---- whole inputs, lengths ---- */

static void test_whole(void)
{
	struct record_options whole = {.framing = RECORD_WHOLE, .max_bytes = 100};
	struct record_reader r;
	struct record record;
	size_t room;

	CHECK("a whole input", &whole, "a\nb\n\0c", "-||a\\nb\\n\\0c\n");
	CHECK("an empty one", &whole, "", "-||\n");

	record_reader_init(&r, &whole);
	memcpy(record_room(&r, &room), "one", 3);
	record_fed(&r, 3);
	record_drop(&r);
	memcpy(record_room(&r, &room), "two", 3);
	record_fed(&r, 3);
	record_end(&r);
	ok(record_next(&r, &record) == RECORD_READY && record.message.value_len == 3 &&
	       memcmp(record.message.value, "two", 3) == 0 &&
	       record_next(&r, &record) == RECORD_MORE,
	   "what is dropped is not in the next record");
	memcpy(record_room(&r, &room), "three", 5);
	record_fed(&r, 5);
	ok(record_next(&r, &record) == RECORD_MORE, "the next input begins behind the end of one");
	record_end(&r);
	ok(record_next(&r, &record) == RECORD_READY && record.message.value_len == 5,
	   "and ends at its own");
	record_reader_free(&r);
}

static void test_len32(void)
{
	struct record_options len32 = {.framing = RECORD_LEN32, .max_bytes = 100};

	CHECK("lengths", &len32, "\0\0\0\2a\n\0\0\0\0\0\0\0\1\xff", "-||a\\n\n-||\n-||\\xff\n");
	CHECK("an end inside a length", &len32, "\0\0\0\1a\0\0",
	      "-||a\nbad 2 5: is cut short: the input ends before it says its length\n");
	CHECK("an end inside a value", &len32, "\0\0\0\3a",
	      "bad 1 0: is cut short: the input ends after 5 of its 7 bytes\n");
	len32.key_delim = ":";
	len32.key_delim_len = 1;
	CHECK("lengths with keys", &len32, "\0\0\0\3a:b", "a||b\n");
}

/* ---- binary records ---- */

/* Appends one as mqsub -B writes it; the headers' bytes are given as they stand there. */
static void add_record(struct bytes *to, const char *topic, const char *key, const void *headers,
		       size_t header_bytes, uint32_t header_count, const void *value, size_t n)
{
	struct records_head head = {.has_key = key != NULL,
				    .topic_bytes = (uint8_t)strlen(topic),
				    .partition = 3,
				    .offset = UINT64_MAX,
				    .time_ns = 1,
				    .key_bytes = key ? (uint32_t)strlen(key) : 0,
				    .header_count = header_count,
				    .header_bytes = (uint32_t)header_bytes,
				    .value_bytes = (uint32_t)n};

	records_head_put((unsigned char *)bytes_reserve(to, RECORDS_HEAD_BYTES), &head);
	to->len += RECORDS_HEAD_BYTES;
	bytes_text(to, topic);
	if (key)
		bytes_text(to, key);
	bytes_add(to, headers, header_bytes);
	bytes_add(to, value, n);
}

#define TWO_HEADERS "\1\0\0\0\2\0\0\0h\0\xff\0\0\0\0\0\0\0\0"

static void test_binary(void)
{
	static const unsigned char golden[] = {
	    0xB7, 1, 1, 1, 2,   0,   0, 0, 3, 0, 0, 0, 0, 0, 0,   0,   4,   0,
	    0,    0, 0, 0, 0,   0,   1, 0, 0, 0, 1, 0, 0, 0, 10,  0,   0,   0,
	    2,    0, 0, 0, 't', 'k', 1, 0, 0, 0, 1, 0, 0, 0, 'h', 'v', 'x', 'y'};
	struct record_options binary = {.framing = RECORD_BINARY, .max_bytes = 100};
	struct bytes in = {0};

	check("a record, byte by byte as the format says", &binary, golden, sizeof(golden),
	      "k|h=v,|xy@2\n");
	add_record(&in, "topic", "key", TWO_HEADERS, sizeof(TWO_HEADERS) - 1, 2, "v\0\n", 3);
	add_record(&in, "", NULL, "", 0, 0, "", 0);
	add_record(&in, "t", "", "", 0, 0, "x", 1);
	check("records", &binary, in.data, in.len, "key|h=\\0\\xff,=,|v\\0\\n@3\n-||@3\n||x@3\n");
	check("an end inside a head", &binary, in.data, 39,
	      "bad 1 0: is cut short: the input ends before it says its length\n");
	check("an end inside a body", &binary, in.data, 41,
	      "bad 1 0: is cut short: the input ends after 41 of its 70 bytes\n");
	CHECK("something else", &binary, "hello\n", "bad 1 0: " RECORDS_NO_MAGIC "\n");
	in.data[1] = 2;
	check("another version", &binary, in.data, in.len,
	      "bad 1 0: is of another version of the record format\n");
	in.data[1] = 1;
	in.data[2] = 3;
	check("an unknown flag", &binary, in.data, in.len,
	      "bad 1 0: has flags that this version does not know\n");
	in.data[2] = 0;
	check("bytes of a key that is not there", &binary, in.data, in.len,
	      "bad 1 0: has the bytes of a key, but says that it has no key\n");
	in.len = 0;
	add_record(&in, "", NULL, "", 0, 0, NULL, 0);
	le32_put((unsigned char *)in.data + 36, 1000);
	check("a value that is too large", &binary, in.data, in.len, "too large 1 0\n");
	bytes_free(&in);
}

static void test_binary_headers(void)
{
	static const char lies[] = "bad 1 0: has headers of other lengths than it says\n";
	struct record_options binary = {.framing = RECORD_BINARY, .max_bytes = 100};
	struct bytes in = {0};

	add_record(&in, "", NULL, "\1\0\0\0\1\0\0\0h", 9, 1, "v", 1);
	check("a header that ends behind the headers", &binary, in.data, in.len, lies);
	in.len = 0;
	add_record(&in, "", NULL, "\xff\xff\xff\xff\2\0\0\0h", 9, 1, "v", 1);
	check("a header whose lengths wrap", &binary, in.data, in.len, lies);
	in.len = 0;
	add_record(&in, "", NULL, "\0\0\0\0\0\0\0\0x", 9, 1, "v", 1);
	check("headers that end before they should", &binary, in.data, in.len, lies);
	in.len = 0;
	add_record(&in, "", NULL, "\1\0\0\0\0\0\0\0x\0\0\0\0\0\0\0", 16, 2, "v", 1);
	check("a second header without room for its lengths", &binary, in.data, in.len, lies);
	in.len = 0;
	add_record(&in, "", NULL, "\0\0\0\0\0\0\0\0", 8, 2, "v", 1);
	check("more headers than can be", &binary, in.data, in.len,
	      "bad 1 0: has more headers than fit into the bytes that it says they take\n");
	bytes_free(&in);
}

/* ---- JSON ---- */

static void test_json(void)
{
	struct record_options json = {.framing = RECORD_JSON, .max_bytes = 100};

	CHECK("an envelope", &json, "{\"v\":1,\"payload\":\"x\"}\n", "-||x\n");
	CHECK("an unterminated one", &json, "{\"v\":1,\"payload\":\"\"}", "-||\n");
	CHECK("everything that mqsub -J prints", &json,
	      "{\"v\":1,\"topic\":\"t\",\"partition\":2,\"offset\":17,"
	      "\"ts\":\"2026-01-31T12:00:00.5Z\",\"key\":\"k\",\"priority\":0,\"expires\":null,"
	      "\"headers\":[[\"n\",\"v\"],[\"\",{\"b64\":\"/w==\"}]],\"attempt\":1,"
	      "\"payload\":\"x\"}\n",
	      "k|n=v,=\\xff,|x@2\n");
	CHECK("unknown members are ignored", &json,
	      "{\"new\":{\"a\":[1,2.5,null]},\"v\":1,\"payload\":\"x\"}\r\n", "-||x\n");
	CHECK("escapes", &json, "{\"v\":1,\"payload\":\"\\u0000\\n\\u00e9\\ud83d\\ude00\"}\n",
	      "-||\\0\\n\xc3\xa9\xf0\x9f\x98\x80\n");
	CHECK("bytes", &json, "{\"v\":1,\"key_b64\":\"\",\"payload_b64\":\"AP8K\"}\n",
	      "||\\0\\xff\\n\n");
	CHECK("numbers of any size are ignored", &json,
	      "{\"a\":[123456789012345678901234567890,-1e999,1.5E+9999],\"s\":\"\\\"1e999\",\"v\":1.0,"
	      "\"payload\":\"9e999\"}\n",
	      "-||9e999\n");
	CHECK("a partition of any size is one, what can be none is not", &json,
	      "{\"v\":1,\"partition\":3.0,\"payload\":\"\"}\n"
	      "{\"v\":1,\"partition\":5000000000,\"payload\":\"\"}\n"
	      "{\"v\":1,\"partition\":-1,\"payload\":\"\"}\n"
	      "{\"v\":1,\"partition\":\"3\",\"payload\":\"\"}\n",
	      "-||@3\n-||@2147483647\n-||\n-||\n");
	CHECK("no key is none", &json, "{\"v\":1,\"key\":null,\"payload\":\"\"}\n", "-||\n");
	CHECK("an empty key is one", &json, "{\"v\":1,\"key\":\"\",\"payload\":\"\"}\n", "||\n");
}

static void test_bad_json(void)
{
	static const struct {
		const char *line, *error;
	} cases[] = {
	    {"{\"payload\":\"x\"}", "has no \"v\": it is not an envelope of mqsub -J"},
	    {"{\"v\":2,\"payload\":\"x\"}",
	     "has another \"v\" than 1, the version that can be read"},
	    {"{\"v\":\"1\",\"payload\":\"x\"}",
	     "has another \"v\" than 1, the version that can be read"},
	    {"{\"v\":1}", "has neither \"payload\" nor \"payload_b64\""},
	    {"{\"v\":1,\"payload\":null}", "has neither \"payload\" nor \"payload_b64\""},
	    {"{\"v\":1,\"payload\":7}", "has a payload that is not a string"},
	    {"{\"v\":1,\"payload\":\"\",\"payload_b64\":\"\"}",
	     "has both \"payload\" and \"payload_b64\""},
	    {"{\"v\":1,\"payload_b64\":\"A\"}", "has a payload_b64 that is not base64"},
	    {"{\"v\":1,\"payload_b64\":7}", "has a payload_b64 that is not a string"},
	    {"{\"v\":1,\"payload\":\"\",\"key\":1}", "has a key that is not a string"},
	    {"{\"v\":1,\"payload\":\"\",\"headers\":1}", "has headers that are not an array"},
	    {"{\"v\":1,\"payload\":\"\",\"headers\":[[\"a\"]]}",
	     "has a header that is not [name, value]"},
	    {"{\"v\":1,\"payload\":\"\",\"headers\":[[\"a\",1]]}",
	     "has a header that is not a pair of strings or {\"b64\":..}"},
	    {"{\"v\":1,\"payload\":\"\",\"headers\":[[\"a\",{\"b64\":\"?\"}]]}",
	     "has a b64 of a header that is not base64"},
	    {"[1]", "is not a JSON object"},
	};
	struct record_options json = {.framing = RECORD_JSON, .max_bytes = 100};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bytes in = {0}, expected = {0};

		bytes_printf(&in, "{\"v\":1,\"payload\":\"x\"}\n%s\n", cases[i].line);
		bytes_printf(&expected, "-||x\nbad 2 22: %s", cases[i].error);
		bytes_add(&expected, "\n", 2);
		check(cases[i].error, &json, in.data, in.len, expected.data);
		bytes_free(&in);
		bytes_free(&expected);
	}
}

/* jansson words these: that they are refused, and where, is ours */
static void test_no_json(void)
{
	static const char *const lines[] = {
	    "", "{\"v\":1,\"payload\":\"x\"", "{\"v\":1,\"payload\":\"x\"} x",
	    "{\"v\":1,\"payload\":\"\xff\"}", "{\"v\":1,\"v\":1,\"payload\":\"x\"}"};
	struct record_options json = {.framing = RECORD_JSON, .max_bytes = 100};
	struct bytes in = {0}, out = {0}, raw = {0};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		static const char expected[] = "bad 1 0: is not JSON: ";

		in.len = 0;
		bytes_printf(&in, "%s\n", lines[i]);
		run_pieces(&json, in.data, in.len, in.len, &out, &raw);
		ok(out.len > sizeof(expected) &&
		       memcmp(out.data, expected, sizeof(expected) - 1) == 0,
		   "what is not JSON is refused");
	}
	bytes_free(&in);
	bytes_free(&out);
	bytes_free(&raw);
}

/* ---- large records, base64 ---- */

/* Larger than the reader's buffer, in pieces that do not fit it. */
static void test_large(void)
{
	static const size_t pieces[] = {1000, 65536, 131071, 131072, 131073, 1 << 20, 1 << 23};
	const size_t len = (size_t)3 << 20;
	struct record_options options = delimited("=\n", 2, len);
	struct bytes in = {0}, out = {0}, raw = {0}, expected = {0};

	for (size_t i = 0; i < len; i++)
		bytes_byte(&in, (unsigned char)(i * 7 % 61 + 62)); /* has no '=' */
	bytes_text(&in, "=\nsmall=\n");
	bytes_text(&expected, "-||");
	escape_for_terminal(&expected, in.data, len);
	bytes_text(&expected, "\n-||small\n");
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		run_pieces(&options, in.data, in.len, pieces[i], &out, &raw);
		ok(same(&out, expected.data, expected.len) && same(&raw, in.data, in.len),
		   "a record of 3 MiB");
	}
	bytes_free(&in);
	bytes_free(&out);
	bytes_free(&raw);
	bytes_free(&expected);
}

/* ---- what mqsub writes ---- */

static uint32_t random_state = 1;

static uint32_t random_below(uint32_t n)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % n;
}

/* Bytes that stay where they are: any, or (one time in two) text. */
static const void *random_bytes(size_t len)
{
	static unsigned char pool[1 << 20];
	static size_t used;
	bool text = random_below(2);
	unsigned char *at = pool + used;

	used += len;
	for (size_t i = 0; i < len; i++)
		at[i] = (unsigned char)(text ? 'a' + random_below(26) : random_below(256));
	return at;
}

static struct shmq_message random_message(struct shmq_header headers[3], uint64_t i)
{
	struct shmq_message m = {.partition = (int)random_below(4), .offset = i, .time_ns = i};

	if (random_below(3) > 0) {
		m.key_len = random_below(5);
		m.key = random_bytes(m.key_len);
	}
	m.headers = headers;
	m.header_count = random_below(4);
	for (size_t k = 0; k < m.header_count; k++) {
		headers[k].name_len = random_below(4);
		headers[k].name = random_bytes(headers[k].name_len);
		headers[k].value_len = random_below(4);
		headers[k].value = random_bytes(headers[k].value_len);
	}
	m.value_len = i == 20 ? 200000 : random_below(30);
	m.value = random_bytes(m.value_len);
	return m;
}

/* Everything that mqsub prints in one of the two complete framings is read as it was. */
static void there_and_back(const char *name, enum record_framing in, enum print_framing out)
{
	static const size_t pieces[] = {1, 2, 3, 7, 41, 1000, 65536, 1 << 20};
	struct record_options options = {.framing = in, .max_bytes = 1 << 20};
	struct print_style style = {.framing = out};
	struct bytes text = {0}, expected = {0}, got = {0}, raw = {0};

	for (uint64_t i = 0; i < 100; i++) {
		struct shmq_header headers[3];
		struct shmq_message m = random_message(headers, i);

		print_message(&text, &style, &(struct origin){.topic = "topic", .attempt = 1}, &m);
		describe(&expected, &m);
	}
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		run_pieces(&options, text.data, text.len, pieces[i], &got, &raw);
		ok(same(&got, expected.data, expected.len) && same(&raw, text.data, text.len),
		   "%s, there and back, in pieces of %zu", name, pieces[i]);
	}
	bytes_free(&text);
	bytes_free(&expected);
	bytes_free(&got);
	bytes_free(&raw);
}

static void test_there_and_back(void)
{
	there_and_back("records", RECORD_BINARY, PRINT_BINARY);
	there_and_back("JSON", RECORD_JSON, PRINT_JSON);
}

static void test_base64(void)
{
	static const struct {
		const char *bytes, *text;
	} vectors[] = {/* RFC 4648 section 10 */
		       {"", ""},
		       {"f", "Zg=="},
		       {"fo", "Zm8="},
		       {"foo", "Zm9v"},
		       {"foob", "Zm9vYg=="},
		       {"fooba", "Zm9vYmE="},
		       {"foobar", "Zm9vYmFy"},
		       {"\xfb\xff\xfe", "+//+"}};
	static const char *const bad[] = {"Z",    "Zg",       "Zg=",  "Zh==",   "Zm9=", "Z===",
					  "====", "Zg==Zg==", "Z=g=", "Zm9v\n", "Zm-_", "Zm 9"};
	char text[16];
	unsigned char bytes[16];

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		size_t n = strlen(vectors[i].bytes), m = strlen(vectors[i].text);

		ok(base64_encode(text, vectors[i].bytes, n) == m && BASE64_BYTES(n) == m &&
		       memcmp(text, vectors[i].text, m) == 0 &&
		       base64_decode(bytes, text, m) == n &&
		       memcmp(bytes, vectors[i].bytes, n) == 0,
		   "base64 there and back");
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(base64_decode(bytes, bad[i], strlen(bad[i])) == (size_t)-1,
		   "what is not base64 is refused");
}

int main(void)
{
	tool_name = "record_test";
	test_delimited();
	test_limits();
	test_keys();
	test_whole();
	test_len32();
	test_binary();
	test_binary_headers();
	test_json();
	test_bad_json();
	test_no_json();
	test_large();
	test_there_and_back();
	test_base64();
	return done();
}
