/* SPDX-License-Identifier: MIT */
/* status_text.c - how the command of a dead letter ended, in words. */
#include "status_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define EXIT_STATUSES 256 /* a signal's number stands behind them */
#define SIGNALS       64

const char *status_text(int status, char text[STATUS_TEXT_MAX])
{
	const char *name = status > EXIT_STATUSES ? sigabbrev_np(status - EXIT_STATUSES) : NULL;

	if (status < 0)
		return "-";
	if (status < EXIT_STATUSES)
		snprintf(text, STATUS_TEXT_MAX, "%d", status);
	else if (name)
		snprintf(text, STATUS_TEXT_MAX, "SIG%s", name);
	else
		snprintf(text, STATUS_TEXT_MAX, "SIG%d", status - EXIT_STATUSES);
	return text;
}

/* Digits only, up to max; else -1. */
static int number(const char *text, long max)
{
	char *end;
	long n;

	if (*text < '0' || *text > '9' || strlen(text) > 4)
		return -1;
	n = strtol(text, &end, 10);
	return *end || n > max ? -1 : (int)n;
}

int status_parse(const char *text)
{
	const char *name = text;
	int n = number(text, EXIT_STATUSES - 1);

	if (n >= 0)
		return n;
	if (strncasecmp(text, "SIG", 3) == 0) {
		name += 3;
		n = number(name, SIGNALS);
		if (n > 0)
			return EXIT_STATUSES + n;
	}
	for (int sig = 1; sig <= SIGNALS; sig++) {
		const char *known = sigabbrev_np(sig);

		if (known && strcasecmp(name, known) == 0)
			return EXIT_STATUSES + sig;
	}
	return -1;
}
