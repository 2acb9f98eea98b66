/* SPDX-License-Identifier: MIT */
/* progress.c - how far it is, on stderr, for those who wait. */
#include "progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "tool.h"

#define SECOND_NS   INT64_C(1000000000)
#define PATIENCE_NS (2 * SECOND_NS) /* what nobody minds to wait without a word */

static int64_t monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * SECOND_NS + t.tv_nsec;
}

void progress_start(struct progress *p, bool forced, unsigned data_fds)
{
	int64_t now = monotonic_ns();

	*p = (struct progress){.off = tool_quiet && !forced,
			       .forced = forced,
			       .data_fds = data_fds,
			       .start_ns = now,
			       .next_ns = now + (forced ? SECOND_NS : PATIENCE_NS)};
}

/* "950 B", "12.3 kB", "4.56 MB": three digits and a multiple of the unit. */
static void short_number(char *text, size_t size, double n, const char *unit)
{
	static const char prefixes[][2] = {"", "k", "M", "G", "T", "P"};
	size_t i = 0;

	while (n >= 999.5 && i + 1 < sizeof(prefixes) / sizeof(prefixes[0])) {
		n /= 1000;
		i++;
	}
	snprintf(text, size, "%.*f %s%s",
		 i == 0 || n >= 99.95 ? 0
		 : n >= 9.995         ? 1
				      : 2,
		 n, prefixes[i], unit);
}

static void clear(void)
{
	fputs("\r\033[K", stderr);
}

static void show(struct progress *p, int64_t now, const struct input *in, uint64_t records)
{
	double seconds = (double)(now - p->start_ns) / (double)SECOND_NS;
	char rate[32], size[32], percent[32] = "", line[256];

	if (p->total > 0)
		snprintf(percent, sizeof(percent), ", %.0f %%",
			 100.0 * (double)in->bytes / (double)p->total);
	short_number(size, sizeof(size), (double)in->bytes, "B");
	short_number(rate, sizeof(rate), seconds > 0 ? (double)records / seconds : 0, "/s");
	snprintf(line, sizeof(line), "%llu records, %s%s, %s", (unsigned long long)records, size,
		 percent, rate);
	if (p->terminal) {
		fprintf(stderr, "\r%s: %s\033[K", tool_name, line);
		tool_before_line = clear;
	} else {
		warn_line("%s", line);
	}
	p->shown = true;
	p->next_ns = now + (p->terminal ? SECOND_NS / 5 : SECOND_NS);
}

/* Asked when it is to be shown for the first time, as most runs are short. */
static void look_around(struct progress *p, const struct input *in)
{
	p->terminal = isatty(STDERR_FILENO);
	p->total = input_total(in);
	if (p->forced)
		return;
	p->off = !p->terminal;
	for (int fd = 0; fd < STDERR_FILENO; fd++)
		if ((p->data_fds >> fd & 1) != 0 && isatty(fd))
			p->off = true;
}

void progress_tick(struct progress *p, const struct input *in, uint64_t records)
{
	int64_t now;

	if (p->off)
		return;
	now = monotonic_ns();
	if (now < p->next_ns)
		return;
	if (!p->shown)
		look_around(p, in);
	if (!p->off)
		show(p, now, in, records);
}

void progress_end(struct progress *p, const struct input *in, uint64_t records)
{
	if (p->off || (!p->shown && !p->forced))
		return;
	if (!p->shown)
		look_around(p, in);
	show(p, monotonic_ns(), in, records);
	if (p->terminal)
		fputc('\n', stderr);
	tool_before_line = NULL;
}
