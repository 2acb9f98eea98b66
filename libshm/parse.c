/* SPDX-License-Identifier: MIT */
/*
 * parse.c - the words of the command line: durations, sizes, times and offsets.
 *
 * Digits and names are ASCII whatever the locale; there is no floating point, and a value that does
 * not fit is refused, not clipped. Results are stored only when the whole text is understood.
 */
#include "shmq.h"

#include <string.h>
#include <time.h>

#define NS_PER_S 1000000000ull
#define DAY_S    86400

/* ---- pieces -------------------------------------------------------------------------- */

struct scan { /* what is not read yet */
	const char *p, *end;
};

static struct scan scan_of(const char *text)
{
	return (struct scan){text, text + strlen(text)};
}

static bool at_end(const struct scan *s)
{
	return s->p == s->end;
}

static bool at_digit(const struct scan *s)
{
	return !at_end(s) && *s->p >= '0' && *s->p <= '9';
}

static bool take(struct scan *s, char c)
{
	if (at_end(s) || *s->p != c)
		return false;
	s->p++;
	return true;
}

/* Whether exactly this word is left. */
static bool rest_is(const struct scan *s, const char *word)
{
	size_t len = strlen(word);

	return (size_t)(s->end - s->p) == len && memcmp(s->p, word, len) == 0;
}

static bool take_u64(struct scan *s, uint64_t *value)
{
	uint64_t v = 0;

	if (!at_digit(s))
		return false;
	for (; at_digit(s); s->p++) {
		if (__builtin_mul_overflow(v, 10u, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*s->p - '0'), &v))
			return false;
	}
	*value = v;
	return true;
}

/* Exactly so many digits, for a value of min .. max. */
static bool take_field(struct scan *s, unsigned digits, int min, int max, int *value)
{
	*value = 0;
	for (; digits > 0; digits--, s->p++) {
		if (!at_digit(s))
			return false;
		*value = *value * 10 + (*s->p - '0');
	}
	return *value >= min && *value <= max;
}

struct decimal {
	uint64_t whole;
	const char *fraction, *fraction_end; /* its digits, any number of them */
};

/* An optional '.', with at least one digit behind it. */
static bool take_fraction(struct scan *s, struct decimal *d)
{
	d->fraction = d->fraction_end = s->p;
	if (!take(s, '.'))
		return true;
	d->fraction = s->p;
	while (at_digit(s))
		s->p++;
	d->fraction_end = s->p;
	return d->fraction < d->fraction_end;
}

/* "1", "1.5" and ".5". */
static bool take_decimal(struct scan *s, struct decimal *d)
{
	d->whole = 0;
	if (at_end(s) || (*s->p != '.' && !take_u64(s, &d->whole)))
		return false;
	return take_fraction(s, d);
}

/* d * unit, exact down to the last digit: from right to left, floor((digit * unit + part) / 10)
 * loses nothing, as the floor of a floor is the floor. unit is at most 2^59, so that ten of them
 * fit. What is left of one is cut off, or rounded up. */
static bool scale(const struct decimal *d, uint64_t unit, bool round_up, uint64_t *value)
{
	uint64_t part = 0, whole;
	bool rest = false;

	for (const char *p = d->fraction_end; p > d->fraction; p--) {
		part += (uint64_t)(p[-1] - '0') * unit;
		rest |= part % 10 != 0;
		part /= 10;
	}
	part += round_up && rest;
	return !__builtin_mul_overflow(d->whole, unit, &whole) &&
	       !__builtin_add_overflow(whole, part, value);
}

/* ---- durations and sizes ------------------------------------------------------------- */

static const struct unit {
	const char *name;
	uint64_t ns;
} units[] = {
	{"w", 7 * DAY_S * NS_PER_S}, {"d", DAY_S * NS_PER_S}, {"h", 3600 * NS_PER_S},
	{"m", 60 * NS_PER_S},        {"s", NS_PER_S},         {"ms", 1000000},
	{"us", 1000},                {"ns", 1},
};
#define UNITS        (sizeof units / sizeof *units)
#define UNIT_SECONDS 4 /* of a bare number */

/* The letters that follow, as an index into units; UNITS when they are none of them. */
static size_t take_unit(struct scan *s)
{
	struct scan word = *s;
	size_t i = 0;

	while (!at_end(s) && *s->p >= 'a' && *s->p <= 'z')
		s->p++;
	word.end = s->p;
	while (i < UNITS && !rest_is(&word, units[i].name))
		i++;
	return i;
}

/* Each unit is smaller than the one before it: "1h30m", but not "30m1h" or "1m1m", which are more
 * likely slips than meant. Rounded up to the next ns, so that only 0 is 0. */
static bool duration(struct scan s, int64_t *ns)
{
	uint64_t sum = 0, part;
	struct decimal d;
	size_t next = 0; /* the largest unit that may follow */

	do {
		size_t unit;

		if (!take_decimal(&s, &d))
			return false;
		unit = next == 0 && at_end(&s) ? UNIT_SECONDS : take_unit(&s);
		if (unit < next || unit == UNITS || !scale(&d, units[unit].ns, true, &part) ||
		    __builtin_add_overflow(sum, part, &sum))
			return false;
		next = unit + 1;
	} while (!at_end(&s));
	if (sum > INT64_MAX)
		return false;
	*ns = (int64_t)sum;
	return true;
}

int shmq_parse_duration(const char *text, int64_t *ns)
{
	int64_t parsed;

	if (!duration(scan_of(text), &parsed))
		return SHMQ_EINVAL;
	*ns = parsed;
	return SHMQ_OK;
}

int shmq_parse_size(const char *text, uint64_t *bytes)
{
	static const char letters[] = "KMGT";
	struct scan s = scan_of(text);
	unsigned shift = 0;
	uint64_t n;

	if (!take_u64(&s, &n))
		return SHMQ_EINVAL;
	for (unsigned i = 0; shift == 0 && letters[i] != '\0'; i++) {
		if (take(&s, letters[i]))
			shift = 10 * (i + 1);
	}
	if (!at_end(&s) && !rest_is(&s, "B") && !(shift > 0 && rest_is(&s, "iB")))
		return SHMQ_EINVAL;
	if (n > UINT64_MAX >> shift)
		return SHMQ_EINVAL;
	*bytes = n << shift;
	return SHMQ_OK;
}

/* ---- times --------------------------------------------------------------------------- */

struct civil {
	int year, month, day, hour, minute, second;
};

static int days_in_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

/* Seconds from 1970-01-01 to c in the proleptic Gregorian calendar, without leap seconds. Years
 * begin in March here, so that the leap day is the last one; from
 * https://howardhinnant.github.io/date_algorithms.html#days_from_civil, for years 0 .. 9999. */
static int64_t seconds_of(const struct civil *c)
{
	int64_t year = c->year + 400 - (c->month <= 2); /* one era more: never negative */
	int64_t era = year / 400, year_of_era = year % 400;
	int64_t day_of_year = (153 * ((c->month + 9) % 12) + 2) / 5 + c->day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
	int64_t days = (era - 1) * 146097 + day_of_era - 719468;

	return days * DAY_S + c->hour * 3600 + c->minute * 60 + c->second;
}

/* Seconds that local time is ahead of UTC at this instant. */
static int64_t utc_offset(int64_t instant)
{
	time_t t = (time_t)instant;
	struct tm tm;

	return localtime_r(&t, &tm) ? tm.tm_gmtoff : 0;
}

/* The instant at which local clocks show this. When they show it twice it is the first time; when
 * they skip it, it is counted with the offset before the change (RFC 5545, section 3.3.5).
 * mktime() leaves both cases open, and in glibc earlier calls decide. */
static int64_t instant_of_local(int64_t local)
{
	int64_t before, after, instant;

	tzset(); /* localtime_r() need not look at TZ again */
	before = utc_offset(local - DAY_S);
	after = utc_offset(local + DAY_S);
	instant = local - before;
	if (utc_offset(instant) != before && utc_offset(local - after) == after)
		instant = local - after;
	return instant;
}

/* Makes an instant of the seconds shown: "Z", "+01:00", "-01:00", or nothing: local time. */
static bool zone(struct scan s, int64_t *seconds)
{
	int hours, minutes, sign;

	if (at_end(&s)) {
		*seconds = instant_of_local(*seconds);
		return true;
	}
	if (take(&s, 'Z') || take(&s, 'z'))
		return at_end(&s);
	sign = take(&s, '-') ? -1 : 1;
	if (sign == 1 && !take(&s, '+'))
		return false;
	if (!take_field(&s, 2, 0, 23, &hours) || !take(&s, ':') ||
	    !take_field(&s, 2, 0, 59, &minutes))
		return false;
	*seconds -= sign * (hours * 3600 + minutes * 60);
	return at_end(&s);
}

static bool take_date(struct scan *s, struct civil *c)
{
	return take_field(s, 4, 0, 9999, &c->year) && take(s, '-') &&
	       take_field(s, 2, 1, 12, &c->month) && take(s, '-') &&
	       take_field(s, 2, 1, days_in_month(c->year, c->month), &c->day);
}

static bool take_clock(struct scan *s, struct civil *c)
{
	return (take(s, 'T') || take(s, 't') || take(s, ' ')) &&
	       take_field(s, 2, 0, 23, &c->hour) && take(s, ':') &&
	       take_field(s, 2, 0, 59, &c->minute) && take(s, ':') &&
	       take_field(s, 2, 0, 60, &c->second);
}

/* RFC 3339; a date alone is its local midnight. Second 60 is let through only at the end of a UTC
 * day, where leap seconds are; it is the same instant as the next midnight. Fractions beyond ns are
 * cut off. Years 1970 .. 2554 fit. */
static bool calendar(struct scan s, uint64_t *ns)
{
	struct civil c = {0};
	struct decimal d;
	int64_t seconds;

	if (!take_date(&s, &c))
		return false;
	if (!at_end(&s) && !take_clock(&s, &c))
		return false;
	seconds = seconds_of(&c);
	if (!take_fraction(&s, &d) || !zone(s, &seconds) || seconds < 0)
		return false;
	if (c.second == 60 && seconds % DAY_S != 0)
		return false;
	d.whole = (uint64_t)seconds;
	return scale(&d, NS_PER_S, false, ns);
}

static bool instant(struct scan s, uint64_t now_ns, uint64_t *ns)
{
	struct decimal d;
	int64_t span;

	if (!take(&s, '@'))
		return calendar(s, ns);
	if (take(&s, '-'))
		return duration(s, &span) && !__builtin_sub_overflow(now_ns, (uint64_t)span, ns);
	if (take(&s, '+'))
		return duration(s, &span) && !__builtin_add_overflow(now_ns, (uint64_t)span, ns);
	return take_decimal(&s, &d) && at_end(&s) && scale(&d, NS_PER_S, false, ns);
}

int shmq_parse_time(const char *text, uint64_t now_ns, uint64_t *ns)
{
	uint64_t parsed;

	if (!instant(scan_of(text), now_ns, &parsed))
		return SHMQ_EINVAL;
	*ns = parsed;
	return SHMQ_OK;
}

/* ---- offsets ------------------------------------------------------------------------- */

/* One side of a range. '@' stands before any time, or is the one that the time begins with. */
static bool point(struct scan s, uint64_t now_ns, struct shmq_seek *seek)
{
	seek->value = 0;
	if (rest_is(&s, "beginning") || rest_is(&s, "end")) {
		seek->kind = *s.p == 'b' ? SHMQ_SEEK_BEGINNING : SHMQ_SEEK_END;
		return true;
	}
	if (!at_end(&s) && *s.p == '@') {
		seek->kind = SHMQ_SEEK_TIME;
		return instant(s, now_ns, &seek->value) ||
		       instant((struct scan){s.p + 1, s.end}, now_ns, &seek->value);
	}
	seek->kind = take(&s, '-') ? SHMQ_SEEK_LAST : SHMQ_SEEK_OFFSET;
	return take_u64(&s, &seek->value) && at_end(&s);
}

/* Times contain ':' themselves, so the range is split where both sides can be read. There is at
 * most one such place: no beginning of a time that ends before one of its ':' is a time. */
static bool range(struct scan s, uint64_t now_ns, struct shmq_seek *from, bool *until_set,
		  struct shmq_seek *until)
{
	for (const char *colon = s.p; colon < s.end; colon++) {
		struct scan left = {s.p, colon}, right = {colon + 1, s.end};

		if (*colon != ':')
			continue;
		*from = *until = (struct shmq_seek){SHMQ_SEEK_BEGINNING, 0};
		*until_set = !at_end(&right);
		if ((at_end(&left) || point(left, now_ns, from)) &&
		    (at_end(&right) || point(right, now_ns, until)))
			return true;
	}
	return false;
}

int shmq_parse_offset(const char *text, uint64_t now_ns, struct shmq_seek *from, bool *until_set,
		      struct shmq_seek *until)
{
	struct scan s = scan_of(text);
	struct shmq_seek a, b = {SHMQ_SEEK_BEGINNING, 0};
	bool bounded = false;

	if (!point(s, now_ns, &a) && !range(s, now_ns, &a, &bounded, &b))
		return SHMQ_EINVAL;
	*from = a;
	*until_set = bounded;
	*until = b;
	return SHMQ_OK;
}
