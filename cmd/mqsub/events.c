/* SPDX-License-Identifier: MIT */
/*
 * events.c - waits that end when something happens.
 *
 * Messages wake a futex, and the rest is files and signals: no call of the system waits for both.
 * So the rest is made signals (O_ASYNC for files), and these interrupt the futex. One that comes
 * between the look and the sleep would be slept over; so a handler that runs while a wait is on
 * starts a timer that repeats it until the wait is over.
 */
#include "events.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tool.h"

#define SECOND_NS INT64_C(1000000000)
#define AGAIN_NS  1000000 /* often enough not to be felt, seldom enough not to cost */

volatile sig_atomic_t events_stops, events_child, events_tick;
int events_stops_known;
void (*events_on_tick)(void);

static volatile sig_atomic_t bytes_came;
static volatile sig_atomic_t waiting, repeating;
static timer_t again, tick;
static sigset_t ours, inherited;

static const int signals[] = {SIGHUP, SIGINT, SIGTERM, SIGCHLD, SIGIO, SIGALRM};

/* ---- handlers ---- */

static void interrupt_wait(void)
{
	static const struct itimerspec soon = {{0, AGAIN_NS}, {0, AGAIN_NS}};

	if (!waiting || repeating)
		return;
	repeating = 1;
	timer_settime(again, 0, &soon, NULL);
}

static void on_stop(int sig)
{
	int error = errno;

	if (events_stops == 2) {
		signal(sig, SIG_DFL);
		raise(sig); /* blocked until this handler returns, then deadly */
	} else if (events_stops++ == 0) {
		stop_signal = sig;
	}
	interrupt_wait();
	errno = error;
}

static void on_event(int sig)
{
	int error = errno;

	if (sig == SIGCHLD)
		events_child = 1;
	else if (sig == SIGIO)
		bytes_came = 1;
	interrupt_wait();
	errno = error;
}

static void on_alarm(int sig, siginfo_t *info, void *context)
{
	int error = errno;

	(void)sig;
	(void)context;
	if (info->si_value.sival_ptr == &tick)
		events_tick = 1;
	interrupt_wait();
	errno = error;
}

/* ---- beginning ---- */

static void make_timer(timer_t *timer)
{
	struct sigevent event = {
	    .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM, .sigev_value.sival_ptr = timer};

	if (timer_create(CLOCK_MONOTONIC, &event, timer) != 0)
		die(EX_OSERR, "cannot make a timer: %s", strerror(errno));
}

/* A shell without job control starts background commands with INT ignored, nohup with HUP. */
static bool is_ignored(int sig)
{
	struct sigaction was;

	return sigaction(sig, NULL, &was) == 0 && was.sa_handler == SIG_IGN;
}

static void catch (int sig)
{
	struct sigaction act = {.sa_mask = ours};

	if (sig == SIGALRM) {
		act.sa_flags = SA_SIGINFO;
		act.sa_sigaction = on_alarm;
	} else if (sig == SIGCHLD || sig == SIGIO) {
		act.sa_handler = on_event; /* CHLD ignored would take away the exit statuses */
	} else if (is_ignored(sig)) {
		return;
	} else {
		act.sa_handler = on_stop;
	}
	sigaction(sig, &act, NULL); /* no SA_RESTART: calls that block must return */
}

void events_install(void)
{
	sigset_t needed;

	sigemptyset(&ours);
	for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
		sigaddset(&ours, signals[i]);
	make_timer(&again);
	make_timer(&tick);
	events_stops = stop_signal ? 1 : 0;
	for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
		catch (signals[i]);
	/* those that are ours alone; who blocked the others meant it */
	sigemptyset(&needed);
	sigaddset(&needed, SIGCHLD);
	sigaddset(&needed, SIGIO);
	sigaddset(&needed, SIGALRM);
	sigprocmask(SIG_UNBLOCK, &needed, &inherited);
}

void events_every(int64_t tick_ns)
{
	struct itimerspec period;

	period.it_value = (struct timespec){tick_ns / SECOND_NS, tick_ns % SECOND_NS};
	period.it_interval = period.it_value;
	timer_settime(tick, 0, &period, NULL);
}

const sigset_t *events_inherited_mask(void)
{
	return &inherited;
}

void events_watch(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	fcntl(fd, F_SETOWN, getpid());
	fcntl(fd, F_SETFL, flags | O_ASYNC);
}

/* ---- waiting ---- */

static bool pending(void)
{
	return events_stops != events_stops_known || events_child || events_tick;
}

int events_poll(struct pollfd *polls, size_t count, int64_t ns)
{
	struct timespec limit = {ns / SECOND_NS, ns % SECOND_NS};
	int n = -1;
	sigset_t before;

	/* a handler that ran before ppoll() would not interrupt it: they run inside it only */
	sigprocmask(SIG_BLOCK, &ours, &before);
	if (!pending())
		n = ppoll(polls, count, ns == SHMQ_FOREVER ? NULL : &limit, &before);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return n;
}

static int write_failed(int fd)
{
	if (errno == EAGAIN) /* somebody shares it and made it non-blocking */
		poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
	else if (errno != EINTR)
		return errno;
	if (events_tick && events_on_tick)
		events_on_tick();
	return events_stops >= 2 ? EINTR : 0;
}

int events_write(int fd, const void *data, size_t len)
{
	const char *from = data;
	int error = 0;

	while (len > 0 && error == 0) {
		ssize_t n = write(fd, from, len);

		if (n < 0) {
			error = write_failed(fd);
		} else {
			from += n;
			len -= (size_t)n;
		}
	}
	return error;
}

static void end_wait(void)
{
	static const struct itimerspec never;

	waiting = 0;
	if (repeating)
		timer_settime(again, 0, &never, NULL);
	repeating = 0;
}

int events_guard(int (*call)(void *context), void *context)
{
	int rc = SHMQ_INTERRUPTED;

	waiting = 1;
	if (!pending())
		rc = call(context);
	end_wait();
	return rc;
}

struct group_wait {
	shmq_group *const *groups;
	size_t count;
	int64_t ns;
};

static int wait_for_groups(void *context)
{
	const struct group_wait *w = context;

	return bytes_came ? SHMQ_INTERRUPTED : shmq_group_wait(w->groups, w->count, w->ns);
}

int events_wait(shmq_group *const *groups, size_t group_count, const struct pollfd *polls,
		size_t count, int64_t ns)
{
	struct group_wait w = {groups, group_count, ns};

	/* what came before the signal was asked for, or behind the last look, is there now */
	bytes_came = 0;
	if (count > 0 && poll((struct pollfd *)polls, count, 0) > 0)
		return SHMQ_INTERRUPTED;
	return events_guard(wait_for_groups, &w);
}
