/* SPDX-License-Identifier: MIT */
/* pool.c - the processes that work on messages at the same time. */
#include "pool.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "events.h"
#include "tool.h"

#define FILES 3 /* of one process */

static void *need(void *memory)
{
	if (!memory)
		die(EX_OSERR, "no memory for the commands");
	return memory;
}

void pool_init(struct pool *p, unsigned count)
{
	*p = (struct pool){.count = count, .out_max = SIZE_MAX};
	p->jobs = need(calloc(count, sizeof *p->jobs));
	p->polls = need(calloc((size_t)FILES * count, sizeof *p->polls));
	p->polled = need(calloc((size_t)FILES * count, sizeof *p->polled));
	for (unsigned i = 0; i < count; i++)
		p->jobs[i].child = (struct child){.in = -1, .out = -1, .err = -1};
}

void pool_free(struct pool *p)
{
	for (unsigned i = 0; i < p->count; i++) {
		struct job *job = &p->jobs[i];

		child_close(&job->child);
		bytes_free(&job->child.said);
		bytes_free(&job->key);
		bytes_free(&job->out);
		bytes_free(&job->in);
	}
	free(p->jobs);
	free(p->polls);
	free(p->polled);
	*p = (struct pool){0};
}

/* ---- messages ---- */

struct job *pool_idle(const struct pool *p)
{
	if (p->busy == p->count)
		return NULL;
	for (unsigned i = 0; i < p->count; i++)
		if (!p->jobs[i].busy)
			return &p->jobs[i];
	return NULL;
}

void pool_take(struct pool *p, struct job *job, const struct given *given)
{
	const struct shmq_message *m = &given->delivery.message;

	job->busy = true;
	job->given = *given;
	job->has_key = m->key != NULL;
	job->key.len = 0;
	bytes_add(&job->key, m->key, m->key ? m->key_len : 0);
	job->timed_out = false;
	job->deadline_ns = INT64_MAX;
	job->again_ns = job->pause_ns = job->full_since_ns = 0;
	p->busy++;
}

void pool_done(struct pool *p, struct job *job)
{
	job->busy = false;
	job->deadline_ns = INT64_MAX;
	p->busy--;
}

/* ---- files ---- */

static void add_file(struct pool *p, struct job *job, int fd, short events)
{
	p->polls[p->poll_count] = (struct pollfd){.fd = fd, .events = events};
	p->polled[p->poll_count++] = job;
}

static void watch_child(struct child *c)
{
	if (c->watched)
		return;
	c->watched = true;
	if (c->in >= 0)
		events_watch(c->in);
	if (c->out >= 0)
		events_watch(c->out);
	if (c->err >= 0)
		events_watch(c->err);
}

void pool_files(struct pool *p, bool watch)
{
	p->poll_count = 0;
	for (unsigned i = 0; i < p->count && p->living > 0; i++) {
		struct job *job = &p->jobs[i];
		struct child *c = &job->child;

		if (c->pid == 0)
			continue;
		if (watch)
			watch_child(c);
		if (c->out >= 0)
			add_file(p, job, c->out, POLLIN);
		if (c->err >= 0)
			add_file(p, job, c->err, POLLIN);
		if (c->in >= 0 && job->in_at < job->in.len)
			add_file(p, job, c->in, POLLOUT);
	}
}

/* What goes beyond the limit is read all the same: else it would wait for ever. */
static void read_output(struct pool *p, struct job *job)
{
	child_read_output(&job->child, &job->out);
	if (job->out.len > p->out_max) {
		job->out_dropped += job->out.len - p->out_max;
		job->out.len = p->out_max;
	}
}

/* Who does not read its input to the end says something by its answer, or its end. */
void pool_feed(struct job *job)
{
	ssize_t n = write(job->child.in, job->in.data + job->in_at, job->in.len - job->in_at);

	if (n > 0)
		job->in_at += (size_t)n;
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		job->in_at = job->in.len;
}

static void serve_file(struct pool *p, struct job *job, int fd)
{
	if (fd == job->child.out)
		read_output(p, job);
	else if (fd == job->child.err)
		child_read_error(&job->child);
	else if (fd == job->child.in)
		pool_feed(job);
}

/* ---- ends ---- */

static struct job *job_of(struct pool *p, pid_t pid)
{
	for (unsigned i = 0; i < p->count; i++)
		if (p->jobs[i].child.pid == pid)
			return &p->jobs[i];
	return NULL; /* a child that the process had before it became mqsub */
}

/* What it left in its pipes is there now; others that it started and that still hold them open are
 * not waited for. */
static void ended(struct pool *p, struct job *job, int status)
{
	job->child.ended = true;
	job->child.status = status;
	job->child.kill_ns = job->deadline_ns = INT64_MAX;
	p->living--;
	if (job->child.out >= 0)
		read_output(p, job);
	if (job->child.err >= 0)
		child_read_error(&job->child);
}

static void reap(struct pool *p)
{
	int status;
	pid_t pid;

	if (!events_child)
		return;
	events_child = 0;
	while (p->living > 0 && (pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct job *job = job_of(p, pid);

		if (job)
			ended(p, job, status);
	}
}

/* ---- the clock ---- */

static int64_t job_next_ns(const struct job *job)
{
	int64_t at = job->deadline_ns;

	if (job->child.kill_ns < at)
		at = job->child.kill_ns;
	if (job->again_ns > 0 && job->again_ns < at)
		at = job->again_ns;
	return at;
}

int64_t pool_next_ns(const struct pool *p)
{
	int64_t first = INT64_MAX, now;

	for (unsigned i = 0; i < p->count; i++)
		if ((p->jobs[i].busy || p->jobs[i].child.pid != 0) &&
		    job_next_ns(&p->jobs[i]) < first)
			first = job_next_ns(&p->jobs[i]);
	if (first == INT64_MAX)
		return SHMQ_FOREVER;
	now = monotonic_ns();
	return first > now ? first - now : 0;
}

static void end_late(struct pool *p)
{
	int64_t now = 0;

	for (unsigned i = 0; i < p->count; i++) {
		struct job *job = &p->jobs[i];
		struct child *c = &job->child;

		if (c->pid == 0 || c->ended ||
		    (job->deadline_ns == INT64_MAX && c->kill_ns == INT64_MAX))
			continue;
		now = now ? now : monotonic_ns();
		if (now >= job->deadline_ns) {
			job->deadline_ns = INT64_MAX;
			job->timed_out = true;
			child_end(c);
		} else if (now >= c->kill_ns) {
			child_kill(c);
		}
	}
}

void pool_serve(struct pool *p)
{
	for (size_t i = 0; i < p->poll_count; i++)
		if (p->polls[i].revents)
			serve_file(p, p->polled[i], p->polls[i].fd);
	reap(p);
	end_late(p);
}

void pool_end(struct pool *p)
{
	for (unsigned i = 0; i < p->count; i++)
		if (p->jobs[i].child.pid != 0 && !p->jobs[i].child.ended)
			child_end(&p->jobs[i].child);
}
