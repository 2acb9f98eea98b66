/* SPDX-License-Identifier: MIT */
/*
 * tap.h - unit tests in the Test Anything Protocol (https://testanything.org).
 *
 * A test is one program: it calls ok(), is_u64(), is_i64() and is_str() as often as it likes and
 * ends with "return done();". The plan is printed last, so that a program that dies half-way is
 * seen to have failed. One thread only.
 */
#ifndef TAP_H
#define TAP_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAP_UNUSED __attribute__((unused))

static unsigned tap_count, tap_failed;

/* The name of a test is a printf() format; line ends and '#' in it would be read as TAP. */
static inline void tap_result(bool pass, const char *format, va_list ap)
{
	char name[512];

	vsnprintf(name, sizeof name, format, ap);
	for (char *p = name; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ')
			*p = '?';
	}
	printf("%s %u - ", pass ? "ok" : "not ok", ++tap_count);
	for (const char *p = name; *p != '\0'; p++)
		printf(*p == '#' || *p == '\\' ? "\\%c" : "%c", *p);
	putchar('\n');
	fflush(stdout); /* a crash loses no result, fork() repeats none */
	tap_failed += !pass;
}

/* Passes when the condition holds. Returns it. */
__attribute__((format(printf, 2, 3))) TAP_UNUSED static bool ok(bool pass, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	tap_result(pass, format, ap);
	va_end(ap);
	return pass;
}

__attribute__((format(printf, 3, 4))) TAP_UNUSED static bool is_u64(uint64_t got, uint64_t want,
								    const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	tap_result(got == want, format, ap);
	va_end(ap);
	if (got != want)
		printf("# got %" PRIu64 ", want %" PRIu64 "\n", got, want);
	return got == want;
}

__attribute__((format(printf, 3, 4))) TAP_UNUSED static bool is_i64(int64_t got, int64_t want,
								    const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	tap_result(got == want, format, ap);
	va_end(ap);
	if (got != want)
		printf("# got %" PRId64 ", want %" PRId64 "\n", got, want);
	return got == want;
}

/* NULL equals only NULL. */
__attribute__((format(printf, 3, 4))) TAP_UNUSED static bool
is_str(const char *got, const char *want, const char *format, ...)
{
	bool pass = got && want ? strcmp(got, want) == 0 : got == want;
	va_list ap;

	va_start(ap, format);
	tap_result(pass, format, ap);
	va_end(ap);
	if (!pass)
		printf("# got \"%s\", want \"%s\"\n", got ? got : "(NULL)", want ? want : "(NULL)");
	return pass;
}

/* A test that cannot be run here. Where CI=true it must be. */
__attribute__((format(printf, 1, 2))) TAP_UNUSED static void skip(const char *format, ...)
{
	const char *ci = getenv("CI");
	bool pass = ci == NULL || strcmp(ci, "true") != 0;
	va_list ap;

	printf("%s %u # skip ", pass ? "ok" : "not ok", ++tap_count);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
	tap_failed += !pass;
}

/* Prints the plan; the exit status of main(). A test that tested nothing has failed. */
TAP_UNUSED static int done(void)
{
	printf("1..%u\n", tap_count);
	if (tap_failed > 0)
		printf("# %u of %u failed\n", tap_failed, tap_count);
	return tap_failed > 0 || tap_count == 0;
}

#endif
