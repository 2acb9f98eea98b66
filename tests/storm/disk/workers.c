/* SPDX-License-Identifier: MIT */
/* workers.c - what all processes of the storm do: open, and say what they are doing. */
#include "disk.h"

#include <stdio.h>
#include <unistd.h>

struct worker *me;
struct rng *rng;
shmq *q;

void doing(const char *what)
{
	if (me == NULL)
		return;
	snprintf(me->doing, sizeof me->doing, "%s", what);
	me->steps++;
}

_Noreturn void fatal(const char *what, int result)
{
	violation("%s: %d, %s", what, result, q != NULL ? shmq_error(q) : "");
	_exit(1);
}

#define BACK_MS 20000u /* mqd is killed while it brings topics back: it may take a few */

void broker_open(enum topic topic)
{
	struct shmq_open_options o = {.dir = dir, .flags = SHMQ_CREATE, .program = "storm"};
	uint64_t end = now_ms() + BACK_MS;
	struct shmq_topic_info info;
	int r;

	doing("shmq_open");
	r = shmq_open(&q, &o);
	if (r != 0)
		fatal("shmq_open", r);
	doing("shmq_topic_info");
	info.logs = NULL;
	while ((r = shmq_topic_info(q, topic_names[topic], &info)) == SHMQ_ENOENT && now_ms() < end && !board->stop_consuming)
		usleep(2000);
	if (r == SHMQ_ENOENT && board->stop_consuming)
		_exit(0);
	if (r != 0)
		fatal("shmq_topic_info", r);
}
