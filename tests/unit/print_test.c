/* SPDX-License-Identifier: MIT */
/* print_test.c - output framings, formats, JSON, UTF-8 and escapes, to the byte. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "escape.h"
#include "format.h"
#include "json_write.h"
#include "print.h"
#include "rate.h"
#include "records_format.h"
#include "tap.h"
#include "time_text.h"
#include "utf8.h"

static void dump(const char *what, const void *data, size_t len)
{
	struct bytes shown = {0};

	escape_for_terminal(&shown, data, len);
	printf("# %s: %.*s\n", what, (int)shown.len, shown.data ? shown.data : "");
	bytes_free(&shown);
}

/* Compares and empties got. */
static void is(struct bytes *got, const void *want, size_t len, const char *name)
{
	bool same = got->len == len && (len == 0 || memcmp(got->data, want, len) == 0);

	ok(same, "%s", name);
	if (!same) {
		dump("got ", got->data, got->len);
		dump("want", want, len);
	}
	got->len = 0;
}

static void is_text(struct bytes *got, const char *want, const char *name)
{
	is(got, want, strlen(want), name);
}

/* A literal and its length. */
#define L(literal) (literal), sizeof(literal) - 1

/* ---- UTF-8 ---- */

static size_t encode(unsigned char *to, uint32_t c)
{
	if (c < 0x80) {
		to[0] = (unsigned char)c;
		return 1;
	}
	size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	for (size_t i = n; i-- > 1; c >>= 6)
		to[i] = (unsigned char)(0x80 | (c & 0x3f));
	to[0] = (unsigned char)(0xf00 >> n | c);
	return n;
}

static void test_utf8_all_characters(void)
{
	bool good = true, surrogates = false, beyond = false;
	unsigned char text[4];

	for (uint32_t c = 0; c < 0x10ffff + 1; c++) {
		bool valid = utf8_valid(text, encode(text, c));
		if (c >= 0xd800 && c < 0xe000)
			surrogates |= valid;
		else
			good &= valid;
	}
	for (uint32_t c = 0x110000; c < 0x200000; c++)
		beyond |= utf8_valid(text, encode(text, c));
	ok(good, "every character is UTF-8");
	ok(!surrogates, "no surrogate is");
	ok(!beyond, "nothing above U+10FFFF is");
}

/* Counting is the independent check: the numbers follow from the number of characters alone. */
static void test_utf8_all_bytes(void)
{
	const long two = 0x800 - 0x80, three = 0x10000 - 0x800 - 0x800;
	long found[4] = {0};
	unsigned char t[3];

	for (uint32_t n = 0; n < 1u << 24; n++) {
		t[0] = (unsigned char)(n >> 16);
		t[1] = (unsigned char)(n >> 8);
		t[2] = (unsigned char)n;
		found[3] += utf8_valid(t, 3);
		found[2] += n < 1u << 16 && utf8_valid(t + 1, 2);
		found[1] += n < 1u << 8 && utf8_valid(t + 2, 1);
	}
	ok(found[1] == 128, "sequences of 1 byte that are UTF-8");
	ok(found[2] == 128L * 128 + two, "of 2 bytes");
	ok(found[3] == 128L * 128 * 128 + 2 * 128 * two + three, "of 3 bytes");
}

static void test_utf8_cases(void)
{
	static const struct {
		const char *text;
		size_t len;
		bool valid;
		const char *name;
	} cases[] = {
	    {L(""), true, "nothing"},
	    {L("\0"), true, "NUL"},
	    {L("\xc0\x80"), false, "overlong NUL"},
	    {L("\xe0\x80\x80"), false, "overlong NUL in 3 bytes"},
	    {L("\xf0\x80\x80\x80"), false, "overlong NUL in 4 bytes"},
	    {L("\xf0\x8f\xbf\xbf"), false, "overlong U+FFFF"},
	    {L("\xf0\x90\x80\x80"), true, "U+10000"},
	    {L("\xf4\x8f\xbf\xbf"), true, "U+10FFFF"},
	    {L("\xf4\x90\x80\x80"), false, "U+110000"},
	    {L("\xf5\x80\x80\x80"), false, "first byte f5"},
	    {L("\xf8\x88\x80\x80\x80"), false, "5 bytes"},
	    {L("\xed\xa0\x80"), false, "high surrogate"},
	    {L("\xed\xbf\xbf"), false, "low surrogate"},
	    {L("\xef\xbf\xbe"), true, "U+FFFE"},
	    {L("12345678\xff"), false, "a bad byte after eight good ones"},
	    {L("1234567\xc3\xa4"), true, "a character across eight bytes"},
	    {L("\xc3\xa4"
	       "12345678"),
	     true, "eight good ones after a character"},
	    {"\xc3\xa4", 1, false, "2 bytes cut to 1"},
	    {"\xe2\x82\xac", 2, false, "3 bytes cut to 2"},
	    {"\xf0\x9f\x98\x80", 3, false, "4 bytes cut to 3"},
	    {L("\xf0\x9f\x98\x80"), true, "4 bytes"},
	    {L("\xf0\x9f\x98\x41"), false, "a letter where a tail byte must be"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		ok(utf8_valid(cases[i].text, cases[i].len) == cases[i].valid, "%s", cases[i].name);
}

/* What is behind the end may well continue the character. */
static void test_utf8_ends(void)
{
	static const char *const whole[] = {"a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};

	for (size_t n = 1; n <= 4; n++) {
		const unsigned char *p = (const unsigned char *)whole[n - 1];
		ok(utf8_length(p, n) == n, "a character of %zu bytes", n);
		for (size_t left = 0; left < n; left++)
			ok(utf8_length(p, left) == 0, "none in %zu of them", left);
	}
}

/* ---- escapes ---- */

static void test_escapes(void)
{
	struct bytes b = {0};

	ok(!escape_text(&b, "a\\n\\t\\r\\\\\\0\\e\\x7fz"), "all escapes are known");
	is(&b, L("a\n\t\r\\\0\x1b\x7fz"), "and are the right bytes");
	ok(!escape_text(&b, "\\0123"), "digits behind \\0");
	is(&b,
	   L("\0"
	     "123"),
	   "are digits");
	ok(!escape_text(&b, "\\xaBc"), "\\x takes two digits of either case");
	is(&b,
	   L("\xab"
	     "c"),
	   "and no third");

	static const char *const bad[] = {"ab\\q", "\\", "\\x", "\\x1", "\\x1g", "\\xg1", "\\n\\"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		const char *at = escape_text(&b, bad[i]);
		ok(at && *at == '\\', "%s", bad[i]);
	}
	bytes_free(&b);
}

static void terminal(const char *data, size_t len, const char *want, const char *name)
{
	struct bytes b = {0};

	escape_for_terminal(&b, data, len);
	is_text(&b, want, name);
	bytes_free(&b);
}

static void test_terminal(void)
{
	terminal(L("plain \xc3\xa4 \xf0\x9f\x98\x80 \\"), "plain \xc3\xa4 \xf0\x9f\x98\x80 \\",
		 "text reaches a terminal as it is");
	terminal(L("\x1b[2J\a\n\t\0\x7f"), "\\e[2J\\x07\\n\\t\\0\\x7f", "control bytes do not");
	terminal(L("\xc2\x9b"
		   "31m\xc2\xa0"),
		 "\\xc2\\x9b31m\xc2\xa0", "nor C1 in UTF-8");
	terminal(L("\x9b"
		   "31m\xff\xc3"),
		 "\\x9b31m\\xff\\xc3", "nor what is not UTF-8");
	terminal(L(""), "", "nothing is nothing");
}

/* ---- time ---- */

#define T 1738324800123456789u /* 2025-01-31T12:00:00.123456789Z */

static void test_time(void)
{
	struct bytes b = {0};

	time_rfc3339(&b, 0);
	is_text(&b, "1970-01-01T00:00:00.000000000Z", "the epoch");
	time_rfc3339(&b, T);
	is_text(&b, "2025-01-31T12:00:00.123456789Z", "a time with its ns");
	time_rfc3339(&b, UINT64_MAX);
	is_text(&b, "2554-07-21T23:34:33.709551615Z", "the last one");
	time_strftime(&b, "%Y|%H", T);
	is_text(&b, "2025|12", "strftime");
	time_strftime(&b, "", T);
	is_text(&b, "", "strftime of nothing");
	char *many = calloc(1, 4001);
	for (size_t i = 0; many && i < 4000; i += 2)
		memcpy(many + i, L("%Y"));
	time_strftime(&b, many, T);
	ok(b.len == 8000, "a result that is longer than the first guess");
	free(many);
	bytes_free(&b);
}

/* ---- JSON ---- */

static void json(const char *data, size_t len, const char *want, const char *name)
{
	struct bytes b = {0};

	json_value(&b, data, len);
	is_text(&b, want, name);
	bytes_free(&b);
}

static void test_json_values(void)
{
	json(L(""), "\"\"", "JSON of nothing");
	json(NULL, 0, "\"\"", "JSON of no bytes at all");
	json(L("a/b"), "\"a/b\"", "JSON of text");
	json(L("\"\\\b\f\n\r\t"), "\"\\\"\\\\\\b\\f\\n\\r\\t\"", "short escapes");
	json(L("\0\x01\x1f\x7f"), "\"\\u0000\\u0001\\u001f\\u007f\"", "long escapes");
	json(L("\xc2\x80\xc2\x9f\xc2\xa0"), "\"\\u0080\\u009f\xc2\xa0\"", "C1");
	json(L("\xe2\x80\xa8"), "\"\xe2\x80\xa8\"", "a line separator is text");
	json(L("\xff"), "{\"b64\":\"/w==\"}", "what is not UTF-8");
	json(L("\xed\xa0\x80"), "{\"b64\":\"7aCA\"}", "a surrogate");
}

/* Whatever the bytes are: one line of UTF-8 without control bytes, quotes that match. */
static void test_json_random(void)
{
	uint64_t seed = 88172645463325252u;
	struct bytes b = {0};
	bool good = true;

	for (int round = 0; round < 20000; round++) {
		unsigned char data[24];
		size_t len = (size_t)round % sizeof data;
		for (size_t i = 0; i < len; i++) {
			seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
			data[i] = (unsigned char)(round % 3 ? seed >> 32 : (seed >> 32) % 0x90);
		}
		b.len = 0;
		json_value(&b, data, len);
		good &= utf8_valid(b.data, b.len);
		good &= b.data[0] == (utf8_valid(data, len) ? '"' : '{');
		for (size_t i = 0; i < b.len; i++)
			good &= (unsigned char)b.data[i] >= 0x20 && b.data[i] != 0x7f;
	}
	ok(good, "JSON of random bytes is a line of UTF-8");
	bytes_free(&b);
}

static const struct shmq_header headers[] = {
    {"type", 4, "text", 4}, {"n", 1, "", 0}, {"type", 4, "\xfe", 1}, {"\xff", 1, "v", 1}};

static const struct shmq_message full = {.value = "va\nlue",
					 .value_len = 6,
					 .key = "k\"1",
					 .key_len = 3,
					 .headers = headers,
					 .header_count = 4,
					 .partition = 2,
					 .offset = 17,
					 .time_ns = T};
static const struct shmq_message bare = {.partition = 0, .offset = UINT64_C(1) << 48, .time_ns = T};
static const struct shmq_message binary = {
    .value = "\0\xff", .value_len = 2, .key = "\x80", .key_len = 1, .time_ns = T};
static const struct shmq_message empty_key = {
    .value = "v", .value_len = 1, .key = "", .time_ns = T};

static const struct origin t_origin = {.topic = "t", .attempt = 1};

static void envelope(const struct shmq_message *m, const char *want, const char *name)
{
	struct bytes b = {0};

	json_envelope(&b, &t_origin, m);
	is_text(&b, want, name);
	bytes_free(&b);
}

static void test_envelopes(void)
{
	envelope(&full,
		 "{\"v\":1,\"topic\":\"t\",\"partition\":2,\"offset\":17,"
		 "\"ts\":\"2025-01-31T12:00:00.123456789Z\",\"key\":\"k\\\"1\",\"priority\":0,"
		 "\"expires\":null,\"headers\":[[\"type\",\"text\"],[\"n\",\"\"],"
		 "[\"type\",{\"b64\":\"/g==\"}],[{\"b64\":\"/w==\"},\"v\"]],"
		 "\"attempt\":1,\"payload\":\"va\\nlue\"}",
		 "an envelope with everything");
	envelope(&bare,
		 "{\"v\":1,\"topic\":\"t\",\"partition\":0,\"offset\":281474976710656,"
		 "\"ts\":\"2025-01-31T12:00:00.123456789Z\",\"key\":null,\"priority\":0,"
		 "\"expires\":null,\"headers\":[],\"attempt\":1,\"payload\":\"\"}",
		 "an envelope with nothing");
	envelope(&empty_key,
		 "{\"v\":1,\"topic\":\"t\",\"partition\":0,\"offset\":0,"
		 "\"ts\":\"2025-01-31T12:00:00.123456789Z\",\"key\":\"\",\"priority\":0,"
		 "\"expires\":null,\"headers\":[],\"attempt\":1,\"payload\":\"v\"}",
		 "an empty key is one");
	envelope(&binary,
		 "{\"v\":1,\"topic\":\"t\",\"partition\":0,\"offset\":0,"
		 "\"ts\":\"2025-01-31T12:00:00.123456789Z\",\"key_b64\":\"gA==\",\"priority\":0,"
		 "\"expires\":null,\"headers\":[],\"attempt\":1,\"payload_b64\":\"AP8=\"}",
		 "an envelope of bytes");
}

/* What a group says of a message. */
static void test_group_origin(void)
{
	const struct origin origin = {.topic = "t", .group = "work", .attempt = 3};
	struct bytes b = {0}, error = {0};
	struct format *f = format_parse("%g %d %g{hex} %d{be32}", &error);

	json_envelope(&b, &origin, &bare);
	is_text(&b,
		"{\"v\":1,\"topic\":\"t\",\"partition\":0,\"offset\":281474976710656,"
		"\"ts\":\"2025-01-31T12:00:00.123456789Z\",\"key\":null,\"priority\":0,"
		"\"expires\":null,\"headers\":[],\"attempt\":3,\"payload\":\"\"}",
		"an envelope of a group says the attempt");
	b.len = 0;
	format_message(f, &b, &origin, &bare, false);
	is(&b, "work 3 776f726b \0\0\0\3", 20, "a format of a group: its name and the attempt");
	format_free(f);
	bytes_free(&b);
	bytes_free(&error);
}

/* ---- formats ---- */

static void format(const char *text, const struct shmq_message *m, const char *want, size_t len)
{
	struct bytes error = {0}, b = {0};
	struct format *f = format_parse(text, &error);

	if (f)
		format_message(f, &b, &t_origin, m, false);
	else
		dump("error", error.data, error.len);
	is(&b, want, len, text);
	format_free(f);
	bytes_free(&b);
	bytes_free(&error);
}

static void test_tokens(void)
{
	format("", &full, L(""));
	format("%%{hex}\\x25s", &full, L("%{hex}%s"));
	format("%s|%k|%t|%p|%o", &full, L("va\nlue|k\"1|t|2|17"));
	format("%S %K", &full, L("6 3"));
	format("%S %K", &bare, L("0 -1"));
	format("%S %K", &empty_key, L("1 0"));
	format("[%k]", &bare, L("[]"));
	format("%R%s", &full, L("\0\0\0\6va\nlue"));
	format("%T %F", &full, L("1738324800123 2025-01-31T12:00:00.123456789Z"));
	format("%h", &full, L("type=text,n=,type=\xfe,\xff=v"));
	format("%h", &bare, L(""));
	format("%h{type}.%h{n}.%h{no}.%h{}", &full, L("text..."));
	format("%P %d [%g] [%x]", &full, L("0 1 [] []"));
	format("%o", &bare, L("281474976710656"));
	format("\\n\\t\\r\\\\\\0\\e\\xfF", &bare, L("\n\t\r\\\0\x1b\xff"));
	format("a\\0b%%\\0", &bare, L("a\0b%\0"));
}

static void test_modifiers(void)
{
	format("%s{hex} %k{hex} %t{hex}", &full, L("76610a6c7565 6b2231 74"));
	format("%s{base64}%h{type}{base64}", &full, L("dmEKbHVldGV4dA=="));
	format("%s{json} %k{json}", &binary, L("{\"b64\":\"AP8=\"} {\"b64\":\"gA==\"}"));
	format("{\"k\":%k{json},\"n\":%h{n}{json},\"x\":%h{no}{json}}", &full,
	       L("{\"k\":\"k\\\"1\",\"n\":\"\",\"x\":null}"));
	format("%k{json}%k{hex}%k{base64}", &bare, L("null"));
	format("%o{json} %K{json} %T{json} %g{json} %x{json} %t{json}", &full,
	       L("17 3 1738324800123 null null \"t\""));
	format("%F{json}", &full, L("\"2025-01-31T12:00:00.123456789Z\""));
	format("%S{be32}%K{be32}%p{be32}", &full, L("\0\0\0\6\0\0\0\3\0\0\0\2"));
	format("%K{be32}", &bare, L("\xff\xff\xff\xff"));
	format("%T{strftime:%F} %F{strftime:%H:%M}", &full, L("2025-01-31 12:00"));
	format("%T{strftime:}", &full, L(""));
	format("%h{a{b}", &full, L("")); /* the name is "a{b" */
	format("%h{type}\\x7bx}", &full, L("text{x}"));
}

static void bad_format(const char *text, const char *names)
{
	struct bytes error = {0};
	struct format *f = format_parse(text, &error);

	bytes_byte(&error, 0);
	ok(!f && strstr(error.data, names), "%s", text);
	if (f || !strstr(error.data, names))
		printf("# says: %s\n", error.data);
	format_free(f);
	bytes_free(&error);
}

static void test_bad_formats(void)
{
	bad_format("%z", "unknown token '%z'");
	bad_format("%s %", "unknown token '%'");
	bad_format("%\xc3\xa4x", "unknown token '%\xc3\xa4'");
	bad_format("%\x1b[2J", "unknown token '%\\e'");
	bad_format("%\xff", "unknown token '%\\xff'");
	bad_format("%s{rot13}", "unknown modifier '{rot13}'");
	bad_format("%s{}", "unknown modifier '{}'");
	bad_format("%s{hex", "'%s{hex' in the format has no closing brace");
	bad_format("%h{a", "'%h{a' in the format has no closing brace");
	bad_format("%h{a}{hex", "'%h{a}{hex' in the format has no closing brace");
	bad_format("%T{strftime:%F", "has no closing brace");
	bad_format("%s{be32}", "token '%s' does not take this modifier");
	bad_format("%o{hex}", "token '%o' does not take this modifier");
	bad_format("%h{n}{strftime:%F}", "token '%h{n}' does not take this modifier");
	bad_format("%s{hex}{base64}", "one modifier");
	bad_format("a\\qb", "unknown escape '\\q'");
	bad_format("a\\", "unknown escape '\\'");
	bad_format("\\x1", "unknown escape '\\x'");
}

static void test_age(void)
{
	struct bytes error = {0}, b = {0};
	struct format *f = format_parse("%a", &error);
	struct shmq_message m = {.time_ns = UINT64_MAX};

	format_message(f, &b, &t_origin, &m, false);
	is_text(&b, "0.000", "a message of the future is new");
	m.time_ns = 0;
	format_message(f, &b, &t_origin, &m, false);
	bytes_byte(&b, 0);
	char *end;
	ok(strtod(b.data, &end) > 1.7e9 && !*end && end[-4] == '.',
	   "the age of a message from 1970, in seconds and ms");
	format_free(f);
	bytes_free(&b);
	bytes_free(&error);
}

/* ---- framings ---- */

static void framing(struct print_style *style, const struct shmq_message *m, const char *want,
		    size_t len, const char *name)
{
	struct bytes b = {0};

	print_message(&b, style, &t_origin, m);
	is(&b, want, len, name);
	bytes_free(&b);
}

static void test_framings(void)
{
	struct print_style s = {.framing = PRINT_DELIMITED};

	framing(&s, &full, L("va\nlue"), "an empty delimiter");
	bytes_text(&s.delim, "<>");
	framing(&s, &full, L("va\nlue<>"), "a delimiter");
	framing(&s, &bare, L("<>"), "of an empty message");
	s.keys = true;
	bytes_text(&s.key_delim, ": ");
	framing(&s, &full, L("k\"1: va\nlue<>"), "key and delimiter");
	framing(&s, &bare, L(": <>"), "the delimiter stands also where no key is");
	s.framing = PRINT_LEN32;
	framing(&s, &full, L("\0\0\0\x0bk\"1: va\nlue"), "length, key, value");
	s.keys = false;
	framing(&s, &full, L("\0\0\0\6va\nlue"), "length and value");
	framing(&s, &bare, L("\0\0\0\0"), "length 0");
	s.framing = PRINT_FORMAT;
	struct bytes error = {0};
	s.format = format_parse("%o", &error);
	framing(&s, &full, L("17<>"), "a format, then the delimiter");
	format_free(s.format);
	bytes_free(&s.delim);
	bytes_free(&s.key_delim);
}

static void test_terminal_framing(void)
{
	struct print_style s = {.framing = PRINT_DELIMITED, .terminal = true};
	struct bytes error = {0};

	bytes_text(&s.delim, "\n");
	framing(&s, &full, L("va\\nlue\n"), "a terminal: the newline of the framing stays");
	s.keys = true;
	bytes_text(&s.key_delim, "\x1b");
	framing(&s, &binary, L("\\x80\x1b\\0\\xff\n"),
		"and what the user wrote; the key is escaped");
	s.framing = PRINT_FORMAT;
	s.format = format_parse("\\e%s %h{type} %R", &error);
	framing(&s, &full, L("\x1bva\\nlue text \\0\\0\\0\\x06\n"), "a format likewise");
	format_free(s.format);
	bytes_free(&s.delim);
	bytes_free(&s.key_delim);
}

static void test_verbatim(void)
{
	struct print_style s = {.framing = PRINT_DELIMITED};

	ok(!print_is_verbatim(&s, '\n'), "no delimiter is not a newline");
	bytes_text(&s.delim, "\n");
	ok(print_is_verbatim(&s, '\n'), "newline output of lines is verbatim");
	ok(!print_is_verbatim(&s, 0), "of NUL-delimited records it is not");
	s.keys = true;
	ok(!print_is_verbatim(&s, '\n'), "with keys it is not");
	s.keys = false;
	s.terminal = true;
	ok(!print_is_verbatim(&s, '\n'), "to a terminal it is not");
	s.terminal = false;
	s.framing = PRINT_LEN32;
	ok(!print_is_verbatim(&s, '\n'), "with lengths it is not");
	s.framing = PRINT_DELIMITED;
	bytes_text(&s.delim, "\n");
	ok(!print_is_verbatim(&s, '\n'), "two newlines are not one");
	bytes_free(&s.delim);
}

static void test_binary(void)
{
	struct print_style s = {.framing = PRINT_BINARY};
	struct records_head h;
	struct bytes b = {0};
	const unsigned char *p;

	print_message(&b, &s, &(struct origin){.topic = "topic", .attempt = 1}, &full);
	p = (const unsigned char *)b.data;
	ok(!records_head_get(p, &h), "a record has a head");
	ok(h.has_key && h.topic_bytes == 5 && h.partition == 2 && h.offset == 17 && h.time_ns == T,
	   "where it was");
	ok(h.key_bytes == 3 && h.header_count == 4 && h.value_bytes == 6 &&
	       h.header_bytes == 4 * RECORDS_FIELD_BYTES + 8 + 1 + 5 + 2,
	   "how much it is");
	ok(b.len == RECORDS_HEAD_BYTES + records_body_bytes(&h), "and nothing more");
	ok(memcmp(p + RECORDS_HEAD_BYTES, "topick\"1\4\0\0\0\4\0\0\0typetext\1\0\0\0\0\0\0\0n",
		  33) == 0,
	   "topic, key, headers");
	ok(memcmp(b.data + b.len - 6, "va\nlue", 6) == 0, "and at the end the value");
	b.len = 0;
	print_message(&b, &s, &t_origin, &bare);
	ok(!records_head_get((const unsigned char *)b.data, &h) && !h.has_key && h.value_bytes == 0,
	   "no key");
	b.len = 0;
	print_message(&b, &s, &t_origin, &empty_key);
	ok(!records_head_get((const unsigned char *)b.data, &h) && h.has_key && h.key_bytes == 0,
	   "an empty key is one");
	bytes_free(&b);
}

/* ---- rate ---- */

static void test_rate(void)
{
	static const char *const bad[] = {"",
					  "0",
					  "-1",
					  "+1",
					  " 1",
					  "1 ",
					  "1/d",
					  "1/",
					  "x",
					  "1000000001",
					  "99999999999999999999999",
					  "1.5"};
	struct rate r = {0};

	ok(rate_take(&r) == 0 && rate_take(&r) == 0, "without a rate everything goes at once");
	ok(rate_parse(&r, "3/s") && r.count == 3, "3/s");
	ok(rate_parse(&r, "3") && r.count == 3, "3");
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ok(!rate_parse(&r, bad[i]), "no rate: %s", bad[i]);
	ok(rate_parse(&r, "30/m") && rate_take(&r) == 0 && rate_take(&r) > 1900000000, "30/m");
	is_u64(r.period_ns, 60000000000, "a minute");
	ok(rate_parse(&r, "2/h") && rate_take(&r) == 0 && rate_take(&r) > 1790000000000, "2/h");
	is_u64(r.period_ns, 3600000000000, "an hour");
	rate_parse(&r, "1");
	ok(rate_take(&r) == 0, "the first goes at once");
	int64_t wait = rate_take(&r);
	ok(wait > 0 && wait <= 1000000000, "the second has to wait up to a second");
	rate_parse(&r, "3");
	rate_take(&r);
	int64_t first = r.due_ns;
	r.due_ns -= 10000000000; /* ten seconds later */
	rate_take(&r);
	ok(first - r.due_ns < 1000000000, "only a little of a pause is caught up");
}

int main(void)
{
	setenv("TZ", L("UTC"));
	test_utf8_all_characters();
	test_utf8_all_bytes();
	test_utf8_cases();
	test_utf8_ends();
	test_escapes();
	test_terminal();
	test_time();
	test_json_values();
	test_json_random();
	test_envelopes();
	test_group_origin();
	test_tokens();
	test_modifiers();
	test_bad_formats();
	test_age();
	test_framings();
	test_terminal_framing();
	test_verbatim();
	test_binary();
	test_rate();
	return done();
}
