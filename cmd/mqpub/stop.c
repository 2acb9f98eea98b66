/* SPDX-License-Identifier: MIT */
/* stop.c - waits that a signal to stop ends, whenever it comes. */
#include "stop.h"

#include <signal.h>
#include <stddef.h>
#include <sys/time.h>

#include "tool.h"

#define SECOND_NS  INT64_C(1000000000)
#define AGAIN_USEC 200000

bool stop_wait(struct pollfd *p, int64_t ns)
{
	struct timespec limit = {ns / SECOND_NS, ns % SECOND_NS};
	sigset_t stops, before;
	int n = 0;

	/* a handler that ran before ppoll() would not interrupt it: they run inside it only */
	sigemptyset(&stops);
	sigaddset(&stops, SIGINT);
	sigaddset(&stops, SIGTERM);
	sigprocmask(SIG_BLOCK, &stops, &before);
	if (!stop_signal)
		n = ppoll(p, p ? 1 : 0, ns == SHMQ_FOREVER ? NULL : &limit, &before);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return n > 0;
}

static void (*handle_stop)(int); /* of signals_install() */

static void on_alarm(int sig)
{
	(void)sig;
}

static void on_stop(int sig)
{
	static const struct sigaction alarm_act = {.sa_handler = on_alarm};
	/* repeated: one alarm alone could come between two sleeps as well */
	static const struct itimerval timer = {.it_value.tv_usec = AGAIN_USEC,
					       .it_interval.tv_usec = AGAIN_USEC};

	handle_stop(sig);
	sigaction(SIGALRM, &alarm_act, NULL); /* now only: an alarm set before us ends us */
	setitimer(ITIMER_REAL, &timer, NULL); /* both are safe here */
}

static void follow(int sig)
{
	struct sigaction act;

	sigaction(sig, NULL, &act);
	if (act.sa_handler == SIG_IGN) /* as a shell wants it for background commands */
		return;
	handle_stop = act.sa_handler;
	act.sa_handler = on_stop;
	sigaction(sig, &act, NULL);
}

void stop_install(void)
{
	follow(SIGINT);
	follow(SIGTERM);
}
