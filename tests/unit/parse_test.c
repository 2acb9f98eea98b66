/* SPDX-License-Identifier: MIT */
/* parse_test.c - the words of the command line: good ones, limits, and what must be refused. */
#include <stdlib.h>
#include <time.h>

#include "shmq.h"
#include "tap.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))
#define S            1000000000ull
#define DAY          (86400 * S)
#define NOW          (1770000000 * S + 5)
#define UNTOUCHED    0x5a5a5a5a5a5a5a5aull

struct value {
	const char *text;
	uint64_t want;
};

/* ---- durations ---------------------------------------------------------------------------- */

static const struct value durations[] = {
	{"0", 0},
	{"0s", 0},
	{"0.000", 0},
	{"5", 5 * S},
	{"007", 7 * S},
	{"1.5", 3 * S / 2},
	{".5", S / 2},
	{"500ms", S / 2},
	{"30s", 30 * S},
	{"5m", 300 * S},
	{"1h30m", 5400 * S},
	{"7d", 7 * DAY},
	{"2w", 14 * DAY},
	{"250us", 250000},
	{"42ns", 42},
	{"1.5s", 3 * S / 2},
	{"0.25h", 900 * S},
	{"1.5h30m", 7200 * S},
	{"1m500ms", 60 * S + S / 2},
	{"1w1d1h1m1s1ms1us1ns", 8 * DAY + 3661 * S + 1001001},
	{"1000h", 3600000 * S},
	/* exact, and up to the next ns */
	{"0.1s", S / 10},
	{"0.000000001", 1},
	{"0.0000000001", 1},
	{"0.1ns", 1},
	{"1.00000000000000000000000000000000000000001s", S + 1},
	{"1.50000000000000000000000000000000000000000s", 3 * S / 2},
	{"0.333333333333333333333333w", 201600 * S},
	/* limits */
	{"9223372036854775807ns", INT64_MAX},
	{"9223372036.854775807", INT64_MAX},
	{"9223372036s854775807ns", INT64_MAX},
	{"15250w", 15250 * 7 * DAY},
	{"106751d", 106751 * DAY},
	{"0000000000000000000000000000000000001s", S},
};

static const char *const bad_durations[] = {
	"",
	" ",
	"s",
	".",
	".s",
	"5.",
	"5.s",
	"1..5s",
	"1.2.3",
	"-5",
	"+5",
	"-5s",
	" 5s",
	"5s ",
	"5 s",
	"5S",
	"5M",
	"5min",
	"5sec",
	"5y",
	"1,5s",
	"1e3",
	"0x10",
	"inf",
	"nan",
	"forever",
	"1h30",
	"30m1h",
	"1m1m",
	"1h,30m",
	"1h-30m",
	"9223372036854775808ns",
	"9223372036.854775808",
	"9223372036.8547758070000001",
	"9223372036854775807ns1ns",
	"9223372036s854775808ns",
	"15251w",
	"106752d",
	"18446744073709551616ns",
	"18446744073709551617ns",
	"18446744074",
	"30500w",
	"30501w",
	"99999999999999999999999999999999999999s",
	"\xd9\xa5s", /* ARABIC-INDIC DIGIT FIVE */
	"5\xb5s",
};

static void test_durations(void)
{
	for (size_t i = 0; i < COUNT(durations); i++) {
		int64_t ns = -1;

		ok(shmq_parse_duration(durations[i].text, &ns) == SHMQ_OK, "duration \"%s\"",
		   durations[i].text);
		is_i64(ns, (int64_t)durations[i].want, "value of \"%s\"", durations[i].text);
	}
	for (size_t i = 0; i < COUNT(bad_durations); i++) {
		int64_t ns = -7;

		is_i64(shmq_parse_duration(bad_durations[i], &ns), SHMQ_EINVAL,
		       "not a duration: \"%s\"", bad_durations[i]);
		is_i64(ns, -7, "nothing stored for \"%s\"", bad_durations[i]);
	}
}

/* ---- sizes -------------------------------------------------------------------------------- */

static const struct value sizes[] = {
	{"0", 0},
	{"1", 1},
	{"0064", 64},
	{"100B", 100},
	{"64K", 65536},
	{"64KB", 65536},
	{"64KiB", 65536},
	{"16M", 16777216},
	{"16MB", 16777216},
	{"16MiB", 16777216},
	{"1G", 1073741824},
	{"1GiB", 1073741824},
	{"2T", 2199023255552},
	{"2TB", 2199023255552},
	{"0T", 0},
	{"18446744073709551615", UINT64_MAX},
	{"18014398509481983K", UINT64_MAX - 1023},
	{"16777215T", UINT64_MAX - (1ull << 40) + 1},
};

static const char *const bad_sizes[] = {
	"", " ", "K", "B", "iB", "-1", "+1", " 1", "1 ", "1 K", "1k", "1m", "1Ki", "1iB", "1KBB",
	"1KK", "1KM", "1P", "1E", "1b", "1Kib", "1.5G", "1,5G", "0x10", "1e3",
	"18446744073709551616", "18446744073709551620", "99999999999999999999",
	"18014398509481984K",
	"17592186044416M", "17179869184G", "16777216T", "16777217T",
};

static void test_sizes(void)
{
	for (size_t i = 0; i < COUNT(sizes); i++) {
		uint64_t bytes = UNTOUCHED;

		ok(shmq_parse_size(sizes[i].text, &bytes) == SHMQ_OK, "size \"%s\"",
		   sizes[i].text);
		is_u64(bytes, sizes[i].want, "value of \"%s\"", sizes[i].text);
	}
	for (size_t i = 0; i < COUNT(bad_sizes); i++) {
		uint64_t bytes = UNTOUCHED;

		is_i64(shmq_parse_size(bad_sizes[i], &bytes), SHMQ_EINVAL, "not a size: \"%s\"",
		       bad_sizes[i]);
		is_u64(bytes, UNTOUCHED, "nothing stored for \"%s\"", bad_sizes[i]);
	}
}

/* ---- times -------------------------------------------------------------------------------- */

static const struct value times[] = {
	{"1970-01-01T00:00:00Z", 0},
	{"2026-01-31T12:00:00Z", 1769860800 * S},
	{"2026-01-31t12:00:00z", 1769860800 * S},
	{"2026-01-31 12:00:00Z", 1769860800 * S},
	{"2026-01-31T12:00:00+01:00", 1769857200 * S},
	{"2026-01-31T12:00:00-05:30", 1769880600 * S},
	{"2026-01-31T12:00:00+00:00", 1769860800 * S},
	{"2026-01-31T12:00:00-00:00", 1769860800 * S},
	{"2026-01-31T12:00:00.5Z", 1769860800 * S + S / 2},
	{"2026-01-31T12:00:00.123456789Z", 1769860800 * S + 123456789},
	{"2026-01-31T12:00:00.1234567899999Z", 1769860800 * S + 123456789},
	{"2026-01-31T12:00:00.25-05:30", 1769880600 * S + S / 4},
	{"1969-12-31T23:59:59-00:01", 59 * S},
	{"2000-02-29T00:00:00Z", 951782400 * S},
	{"2024-02-29T23:59:59Z", 1709251199 * S},
	{"2016-12-31T23:59:60Z", 1483228800 * S},
	{"2016-12-31T23:59:60.5Z", 1483228800 * S + S / 2},
	{"2017-01-01T00:59:60+01:00", 1483228800 * S},
	{"2554-07-21T23:34:33.709551615Z", UINT64_MAX},
	{"@0", 0},
	{"@1769860800", 1769860800 * S},
	{"@1769860800.25", 1769860800 * S + S / 4},
	{"@.5", S / 2},
	{"@0.9999999999", 999999999},
	{"@18446744073.709551615", UINT64_MAX},
	{"@18446744073.7095516159", UINT64_MAX},
	{"@-5m", NOW - 300 * S},
	{"@-1h30m", NOW - 5400 * S},
	{"@-5", NOW - 5 * S},
	{"@-0", NOW},
	{"@+5m", NOW + 300 * S},
	{"@+1.5s", NOW + 3 * S / 2},
};

static const char *const bad_times[] = {
	"",
	"@",
	"@ 5",
	"@-",
	"@+",
	"@--5m",
	"@-5x",
	"@5m",
	"@0x10",
	"@1.",
	"@1e9",
	"@18446744073.709551616",
	"@18446744074",
	"@36893488147",
	"@-57w1770000000s",
	"@-1770000000s6ns",
	"@@0",
	"now",
	"1769860800",
	"-5m",
	"2026",
	"2026-01",
	"2026-1-31",
	"26-01-31",
	"2026-00-10",
	"2026-13-10",
	"2026-01-00",
	"2026-01-32",
	"2026-04-31",
	"2026-02-29",
	"2100-02-29",
	"2024-02-30",
	"2026/01/31",
	"2026-01-31Z",
	"2026-01-31.5",
	"2026-01-31T",
	"2026-01-31T12",
	"2026-01-31T12:00",
	"2026-01-31T12:00Z",
	"2026-01-31T24:00:00Z",
	"2026-01-31T12:60:00Z",
	"2026-01-31T12:00:61Z",
	"2026-01-31T12:00:60Z",
	"2016-12-31T23:59:60+01:00",
	"2026-01-31T1:00:00Z",
	"2026-01-31T12:00:00.Z",
	"2026-01-31T12:00:00,5Z",
	"2026-01-31T12:00:00 Z",
	"2026-01-31T12:00:00ZZ",
	"2026-01-31T12:00:00Z ",
	" 2026-01-31T12:00:00Z",
	"2026-01-31  12:00:00Z",
	"2026-01-31_12:00:00Z",
	"2026-01-31T12:00:00+",
	"2026-01-31T12:00:00+1",
	"2026-01-31T12:00:00+01",
	"2026-01-31T12:00:00+0100",
	"2026-01-31T12:00:00+01:0",
	"2026-01-31T12:00:00+01:000",
	"2026-01-31T12:00:00+24:00",
	"2026-01-31T12:00:00+01:60",
	"2026-01-31T12:00:00UTC",
	"2026-01-31T12:00:00+01:00Z",
	"+2026-01-31",
	"-2026-01-31",
	"12026-01-31",
	"1969-12-31T23:59:59Z",
	"1970-01-01T00:00:00+00:01",
	"0000-01-01T00:00:00Z",
	"9999-12-31T23:59:59Z",
	"2554-07-21T23:34:33.709551616Z",
	"2554-07-21T23:34:34Z",
};

static void test_times(void)
{
	for (size_t i = 0; i < COUNT(times); i++) {
		uint64_t ns = UNTOUCHED;

		ok(shmq_parse_time(times[i].text, NOW, &ns) == SHMQ_OK, "time \"%s\"",
		   times[i].text);
		is_u64(ns, times[i].want, "value of \"%s\"", times[i].text);
	}
	for (size_t i = 0; i < COUNT(bad_times); i++) {
		uint64_t ns = UNTOUCHED;

		is_i64(shmq_parse_time(bad_times[i], NOW, &ns), SHMQ_EINVAL, "not a time: \"%s\"",
		       bad_times[i]);
		is_u64(ns, UNTOUCHED, "nothing stored for \"%s\"", bad_times[i]);
	}
	{
		uint64_t ns = UNTOUCHED;

		is_i64(shmq_parse_time("@-6ns", 5, &ns), SHMQ_EINVAL, "before the epoch");
		is_i64(shmq_parse_time("@+1ns", UINT64_MAX, &ns), SHMQ_EINVAL, "beyond 2554");
		is_u64(ns, UNTOUCHED, "nothing stored");
		is_i64(shmq_parse_time("@-5ns", 5, &ns), SHMQ_OK, "back to the epoch");
		is_u64(ns, 0, "is 0");
	}
}

/* Every day that fits, against the C library. */
static void test_calendar(void)
{
	unsigned days = 0, wrong = 0;

	for (time_t t = 0; t < 18446744073; t += 86400, days++) {
		uint64_t ns = UNTOUCHED;
		char text[64];
		struct tm tm;

		gmtime_r(&t, &tm);
		strftime(text, sizeof text, "%Y-%m-%dT23:59:59+23:59", &tm);
		/* 23:59 ahead of UTC: there it is 59 seconds past midnight. */
		if (shmq_parse_time(text, NOW, &ns) != SHMQ_OK ||
		    ns != (uint64_t)(t + 59) * S) {
			if (wrong++ < 5)
				printf("# %s: got %" PRIu64 "\n", text, ns);
		}
	}
	is_u64(wrong, 0, "%u days are where gmtime() has them", days);
}

static const struct {
	const char *zone, *text;
	uint64_t seconds;
} local_times[] = {
	{"UTC0", "2026-01-31T12:00:00", 1769860800},
	{"UTC0", "2026-01-31", 1769817600},
	{"UTC0", "2016-12-31T23:59:60", 1483228800},
	{"XST-5:30", "2026-01-31T12:00:00", 1769841000},
	{"XST-14", "2026-01-31", 1769767200},
	{"XST12", "2026-01-31", 1769860800},
	/* Central Europe: winter, summer, skipped (02:30 is 03:30), twice (the first), after */
	{"CET-1CEST,M3.5.0,M10.5.0/3", "2026-01-31 12:00:00", 1769857200},
	{"CET-1CEST,M3.5.0,M10.5.0/3", "2026-07-01 12:00:00", 1782900000},
	{"CET-1CEST,M3.5.0,M10.5.0/3", "2026-03-29 01:59:59", 1774745999},
	{"CET-1CEST,M3.5.0,M10.5.0/3", "2026-03-29 02:30:00", 1774747800},
	{"CET-1CEST,M3.5.0,M10.5.0/3", "2026-03-29 03:00:00", 1774746000},
	{"CET-1CEST,M3.5.0,M10.5.0/3", "2026-10-25 01:59:59", 1792886399},
	{"CET-1CEST,M3.5.0,M10.5.0/3", "2026-10-25 02:30:00", 1792888200},
	{"CET-1CEST,M3.5.0,M10.5.0/3", "2026-10-25 03:00:00", 1792893600},
	{"CET-1CEST,M3.5.0,M10.5.0/3", "2026-10-25", 1792879200},
	/* New York, and a zone that changes at midnight: the day begins at 01:00 */
	{"EST5EDT,M3.2.0,M11.1.0", "2026-11-01 01:30:00", 1793511000},
	{"EST5EDT,M3.2.0,M11.1.0", "2026-11-01 02:00:00", 1793516400},
	{"EET-2EEST,M4.5.5/0,M10.5.4/24", "2026-04-24", 1776981600},
	/* A given offset does not look at the zone. */
	{"XST12", "2026-01-31T12:00:00Z", 1769860800},
};

static void test_local_times(void)
{
	for (size_t i = 0; i < COUNT(local_times); i++) {
		uint64_t ns = UNTOUCHED;

		setenv("TZ", local_times[i].zone, 1);
		ok(shmq_parse_time(local_times[i].text, NOW, &ns) == SHMQ_OK, "time \"%s\" in %s",
		   local_times[i].text, local_times[i].zone);
		is_u64(ns, local_times[i].seconds * S, "value of \"%s\" in %s",
		       local_times[i].text, local_times[i].zone);
	}
	setenv("TZ", "XST12", 1);
	{
		uint64_t ns = UNTOUCHED;

		is_i64(shmq_parse_time("1969-12-31T12:00:00", NOW, &ns), SHMQ_OK, "local 1969");
		is_u64(ns, 0, "may be the epoch");
		is_i64(shmq_parse_time("1969-12-31T11:59:59", NOW, &ns), SHMQ_EINVAL,
		       "or before it");
	}
	setenv("TZ", "UTC0", 1);
}

/* ---- offsets ------------------------------------------------------------------------------ */

#define BEGINNING SHMQ_SEEK_BEGINNING
#define END       SHMQ_SEEK_END
#define OFFSET    SHMQ_SEEK_OFFSET
#define LAST      SHMQ_SEEK_LAST
#define TIME      SHMQ_SEEK_TIME
#define NOON      (1769860800 * S)

static const struct {
	const char *text;
	struct shmq_seek from;
	bool until_set;
	struct shmq_seek until;
} offsets[] = {
	{"beginning", {BEGINNING, 0}, false, {BEGINNING, 0}},
	{"end", {END, 0}, false, {BEGINNING, 0}},
	{"0", {OFFSET, 0}, false, {BEGINNING, 0}},
	{"17", {OFFSET, 17}, false, {BEGINNING, 0}},
	{"18446744073709551615", {OFFSET, UINT64_MAX}, false, {BEGINNING, 0}},
	{"-0", {LAST, 0}, false, {BEGINNING, 0}},
	{"-5", {LAST, 5}, false, {BEGINNING, 0}},
	{"@1769860800", {TIME, NOON}, false, {BEGINNING, 0}},
	{"@2026-01-31T12:00:00Z", {TIME, NOON}, false, {BEGINNING, 0}},
	{"@2026-01-31T12:00:00", {TIME, NOON}, false, {BEGINNING, 0}},
	{"@2026-01-31", {TIME, NOON - 43200 * S}, false, {BEGINNING, 0}},
	{"@2026-01-31 13:00:00+01:00", {TIME, NOON}, false, {BEGINNING, 0}},
	{"@@1769860800", {TIME, NOON}, false, {BEGINNING, 0}},
	{"@-5m", {TIME, NOW - 300 * S}, false, {BEGINNING, 0}},
	{"@+5m", {TIME, NOW + 300 * S}, false, {BEGINNING, 0}},
	/* ranges */
	{":", {BEGINNING, 0}, false, {BEGINNING, 0}},
	{"5:", {OFFSET, 5}, false, {BEGINNING, 0}},
	{":9", {BEGINNING, 0}, true, {OFFSET, 9}},
	{"5:9", {OFFSET, 5}, true, {OFFSET, 9}},
	{"9:5", {OFFSET, 9}, true, {OFFSET, 5}},
	{"-10:-3", {LAST, 10}, true, {LAST, 3}},
	{"-10:", {LAST, 10}, false, {BEGINNING, 0}},
	{":-3", {BEGINNING, 0}, true, {LAST, 3}},
	{"beginning:end", {BEGINNING, 0}, true, {END, 0}},
	{"end:beginning", {END, 0}, true, {BEGINNING, 0}},
	{"@-1h:@-5m", {TIME, NOW - 3600 * S}, true, {TIME, NOW - 300 * S}},
	{"@0:@1769860800", {TIME, 0}, true, {TIME, NOON}},
	{"7:@-5m", {OFFSET, 7}, true, {TIME, NOW - 300 * S}},
	{"@-5m:7", {TIME, NOW - 300 * S}, true, {OFFSET, 7}},
	/* where ':' is also part of a time */
	{"@2026-01-31T12:00:00Z:", {TIME, NOON}, false, {BEGINNING, 0}},
	{":@2026-01-31T12:00:00Z", {BEGINNING, 0}, true, {TIME, NOON}},
	{"@2026-01-31T12:00:00:", {TIME, NOON}, false, {BEGINNING, 0}},
	{"@2026-01-31T12:00:00:00", {TIME, NOON}, true, {OFFSET, 0}},
	{"@2026-01-31:12", {TIME, NOON - 43200 * S}, true, {OFFSET, 12}},
	{"@2026-01-31T13:00:00+01:00:", {TIME, NOON}, false, {BEGINNING, 0}},
	{"@2026-01-31T13:00:00+01:00:@2026-01-31T07:00:01-05:00",
	 {TIME, NOON},
	 true,
	 {TIME, NOON + S}},
	{"3:@2026-01-31T12:00:00Z", {OFFSET, 3}, true, {TIME, NOON}},
	{"@2026-01-31T12:00:00.5Z:end", {TIME, NOON + S / 2}, true, {END, 0}},
};

static const char *const bad_offsets[] = {
	"",      " ",      "-",      "--5",    "+5",     "5 ",     " 5",        "5.0",     "0x5",
	"-5m",   "5m",     "start",  "End",    "ends",   "begin",  "beginningx", "@",      "@@",
	"@now",  "@:",     "::",     "5::9",   "5:9:",   "1:2:3",  ":x",        "x:",      "5:x",
	"x:5",   "5-9",    "5,9",    "5:-",    "-:5",    "5 : 9",  "18446744073709551616",
	"-18446744073709551616",     "0:18446744073709551616",     "@18446744074",
	"2026-01-31", "2026-01-31T12:00:00Z", "@2026-01-31T12:00", "@2026-01-31T12:00:00+01",
	"@2026-02-30", "@2026-01-31T12:00:00Z@", "@@@0", "@-5m@-3m", "@-3m::",
};

static void is_seek(struct shmq_seek got, struct shmq_seek want, const char *side, const char *text)
{
	is_i64(got.kind, want.kind, "kind of %s of \"%s\"", side, text);
	is_u64(got.value, want.value, "value of %s of \"%s\"", side, text);
}

static void test_offsets(void)
{
	const struct shmq_seek untouched = {SHMQ_SEEK_LAST, UNTOUCHED};

	for (size_t i = 0; i < COUNT(offsets); i++) {
		const char *text = offsets[i].text;
		struct shmq_seek from = untouched, until = untouched;
		bool until_set = !offsets[i].until_set;

		ok(shmq_parse_offset(text, NOW, &from, &until_set, &until) == SHMQ_OK,
		   "offset \"%s\"", text);
		ok(until_set == offsets[i].until_set, "\"%s\" %s", text,
		   offsets[i].until_set ? "ends" : "does not end");
		is_seek(from, offsets[i].from, "the first side", text);
		is_seek(until, offsets[i].until, "the second side", text);
	}
	for (size_t i = 0; i < COUNT(bad_offsets); i++) {
		struct shmq_seek from = untouched, until = untouched;
		bool until_set = true;

		is_i64(shmq_parse_offset(bad_offsets[i], NOW, &from, &until_set, &until),
		       SHMQ_EINVAL, "not an offset: \"%s\"", bad_offsets[i]);
		ok(from.value == UNTOUCHED && until.value == UNTOUCHED && until_set,
		   "nothing stored for \"%s\"", bad_offsets[i]);
	}
}

int main(void)
{
	setenv("TZ", "UTC0", 1);
	test_durations();
	test_sizes();
	test_times();
	test_calendar();
	test_local_times();
	test_offsets();
	return done();
}
