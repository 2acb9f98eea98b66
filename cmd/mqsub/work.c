/* SPDX-License-Identifier: MIT */
/* work.c - gives the messages of a group to processes: the loop that all ways of it share. */
#include "work.h"

#include <stdlib.h>
#include <unistd.h>

#include "events.h"
#include "exec_env.h"
#include "follow.h"
#include "tool.h"

/* How long it sleeps at most before it looks whether anybody still reads its output. */
#define SLICE_NS INT64_C(1000000000)

void work_stop(struct work *w, int status)
{
	w->stopping = true;
	if (w->status == EX_OK)
		w->status = status;
}

void work_stop_by_signal(struct work *w, int sig)
{
	w->stopping = true;
	if (w->signal == 0)
		w->signal = sig;
}

bool work_output_gone(struct work *w)
{
	struct pollfd p = {.fd = STDOUT_FILENO};

	if (w->into || w->args->worker) /* nothing is printed */
		return false;
	if (poll(&p, 1, 0) != 1 || !(p.revents & (POLLERR | POLLHUP)))
		return false;
	work_stop_by_signal(w, SIGPIPE);
	return true;
}

/* ---- starting ---- */

/* Takes a message whose turn it is. False: there is none now; *turn_ns: how long the rate says to
 * wait. */
static bool next_message(struct work *w, int64_t *turn_ns)
{
	*turn_ns = 0;
	if (!w->next_there) {
		enum groups_result result = groups_next(&w->groups, &w->next);

		if (result == GROUPS_OVER)
			work_stop(w, w->groups.status);
		if (result != GROUPS_MESSAGE)
			return false;
		w->next_there = true;
	}
	*turn_ns = rate_take(&w->args->rate);
	return *turn_ns == 0;
}

/* Gives out what there is to those that have nothing to do; returns how long to wait before the
 * next one may be, or 0. */
static int64_t start_more(struct work *w)
{
	int64_t turn_ns = 0;
	struct job *job;

	while (!w->stopping && (job = pool_idle(&w->pool)) && !work_output_gone(w) &&
	       next_message(w, &turn_ns)) {
		w->next_there = false;
		w->kind->start(w, job, &w->next);
	}
	return turn_ns;
}

/* ---- waiting ---- */

void work_notice_signals(struct work *w)
{
	if (events_stops == events_stops_known)
		return;
	events_stops_known = events_stops;
	work_stop_by_signal(w, stop_signal);
	if (events_stops_known < 2)
		return;
	w->hurry = true;
	pool_end(&w->pool);
}

static void wait_for_files(struct work *w, int64_t ns)
{
	pool_files(&w->pool, false);
	if (events_poll(w->pool.polls, w->pool.poll_count, ns) < 0)
		w->pool.poll_count = 0; /* they say nothing */
}

static void wait_for_message(struct work *w, int64_t ns)
{
	if (w->pool.busy > 0)
		groups_busy(&w->groups);
	pool_files(&w->pool, true);
	groups_wait(&w->groups, w->pool.polls, w->pool.poll_count, shorter(ns, SLICE_NS));
	if (poll(w->pool.polls, w->pool.poll_count, 0) < 0)
		w->pool.poll_count = 0;
}

static void wait_for_something(struct work *w, int64_t turn_ns)
{
	int64_t ns = pool_next_ns(&w->pool);

	if (turn_ns > 0)
		ns = shorter(ns, shorter(turn_ns, SLICE_NS));
	if (!w->stopping)
		ns = shorter(ns, follow_pause_ns(w->groups.topics));
	if (w->stopping || turn_ns > 0 || !pool_idle(&w->pool))
		wait_for_files(w, ns);
	else
		wait_for_message(w, ns);
	work_notice_signals(w);
	if (!w->stopping)
		groups_follow(&w->groups);
	pool_serve(&w->pool);
	groups_renew(&w->groups);
	if (w->groups.status != EX_OK)
		work_stop(w, w->groups.status);
}

/* ---- all of it ---- */

static void look_at_all(struct work *w)
{
	for (unsigned i = 0; i < w->pool.count; i++)
		if (w->pool.jobs[i].child.pid != 0 || w->pool.jobs[i].busy)
			w->kind->look(w, &w->pool.jobs[i]);
}

static void loop(struct work *w)
{
	for (;;) {
		int64_t turn_ns = start_more(w);

		if (w->stopping && w->pool.busy == 0)
			break;
		wait_for_something(w, turn_ns);
		look_at_all(w);
	}
	if (w->kind->finish)
		w->kind->finish(w);
}

static struct child_plan plan;

void work_find(const struct args *args)
{
	int status = child_find(&plan, args->command);

	if (status == 127)
		die(status, "cannot start %s: there is no such program", plan.name);
	if (status != 0)
		die(status, "cannot start %s: it is no program that one may execute", plan.name);
}

struct ending work_run(struct topics *t, struct args *args, int64_t since_ns)
{
	static struct work w;

	w = (struct work){.args = args, .kind = args->worker ? &worker_kind : &command_kind};
	w.plan = plan;
	w.plan.catch_output = args->jobs > 1 || args->into || args->worker;
	w.plan.feed = args->worker;
	exec_env_init(shmq_dir(t->broker));
	groups_init(&w.groups, t, args, since_ns);
	pool_init(&w.pool, args->jobs);
	if (args->into) {
		w.into = topics_publisher(t, args->into);
		for (size_t i = 0; i < t->count && !shmq_pub_on_disk(w.into); i++)
			if (shmq_group_on_disk(t->group[i]))
				die(EX_DATAERR, TOPICS_INTO_MEMORY, args->into, t->name[i]);
		w.pool.out_max = shmq_pub_message_max(w.into);
	}
	loop(&w);
	shmq_pub_close(w.into);
	pool_free(&w.pool);
	if (w.groups.damage && w.status == EX_OK)
		w.status = EX_DATAERR;
	if (w.failed && (w.status == EX_OK || w.status == EXIT_AGAIN))
		w.status = EXIT_FAILED;
	return (struct ending){
	    .status = w.status, .signal = w.signal, .printed = w.groups.given_out};
}
