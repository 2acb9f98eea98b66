/* SPDX-License-Identifier: MIT */
/* main.c - mqsub: prints the messages of topics. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "args.h"
#include "out.h"
#include "run.h"
#include "tool.h"
#include "topics.h"

/* Told now, not when the first message comes. */
static void need_output(void)
{
	if (fcntl(STDOUT_FILENO, F_GETFD) < 0)
		die(EX_IOERR, "standard output is closed: %s", strerror(errno));
}

static void tell_beginning(const struct topics *t)
{
	for (size_t i = 0; i < t->count; i++)
		note("reading topic '%s' of %s", t->name[i], shmq_dir(t->broker));
}

int main(int argc, char **argv)
{
	static struct args args;
	static struct topics topics;
	struct out out;
	int64_t start = monotonic_ns();

	tool_name = "mqsub";
	args_read(&args, argc, argv);
	need_output();
	signals_install();
	out_init(&out, STDOUT_FILENO);
	topics_open(&topics, &args, &out, deadline_ns(start, args.wait_ns));
	if (args.verbose)
		tell_beginning(&topics);

	struct ending e = run(&topics, &args, &out, start);
	topics_close(&topics);
	out_free(&out);
	if (args.verbose)
		note("%llu messages printed", (unsigned long long)e.printed);
	if (e.signal)
		die_of_signal(e.signal);
	/* some file systems tell only now that they could not store what they took */
	if (close(STDOUT_FILENO) != 0 && e.status == EX_OK)
		die(EX_IOERR, "standard output: %s", strerror(errno));
	return e.status;
}
