/* SPDX-License-Identifier: MIT */
/* main.c - mqsub: prints the messages of topics, or gives them to commands. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "args.h"
#include "browse.h"
#include "events.h"
#include "out.h"
#include "run.h"
#include "stream.h"
#include "tool.h"
#include "topics.h"
#include "work.h"

/* Told now, not when the first message comes. */
static void need_output(void)
{
	if (fcntl(STDOUT_FILENO, F_GETFD) < 0)
		die(EX_IOERR, "standard output is closed: %s", strerror(errno));
}

static void tell_beginning(const struct topics *t)
{
	for (size_t i = 0; i < t->count; i++)
		topics_tell(t, i);
}

static struct ending run_kind(struct topics *t, struct args *args, struct out *out, int64_t start)
{
	if (!args->group)
		return run(t, args, out, start);
	if (args->browse)
		return browse_run(t, args, out);
	events_install();
	return args->command ? work_run(t, args, start) : stream_run(t, args, start);
}

int main(int argc, char **argv)
{
	static struct args args;
	static struct topics topics;
	struct out out;
	int64_t start = monotonic_ns();

	tool_name = "mqsub";
	args_read(&args, argc, argv);
	if (args.command)
		work_find(&args);
	if (!args.into && !args.worker)
		need_output();
	signals_install();
	if (args.group &&
	    !args.browse) /* what stands in a pipe is not acked: it stays as small as it is */
		out = (struct out){.fd = args.into || args.worker ? -1 : STDOUT_FILENO};
	else
		out_init(&out, STDOUT_FILENO);
	topics_open(&topics, &args, &out, deadline_ns(start, args.wait_ns));
	if (args.verbose)
		tell_beginning(&topics);

	if (args.ack_disk && !topics_on_disk(&topics))
		die(EX_USAGE, TOPICS_NEVER_ON_DISK);

	struct ending e = run_kind(&topics, &args, &out, start);
	if (args.ack_disk) {
		int status = topics_sync(&topics, args.wait_ns);

		e.status = e.status == EX_OK ? status : e.status;
	}
	topics_close(&topics);
	out_free(&out);
	if (args.verbose)
		note("%llu messages %s", (unsigned long long)e.printed,
		     args.command ? "given out" : "printed");
	if (e.signal)
		die_of_signal(e.signal);
	/* some file systems tell only now that they could not store what they took */
	if (close(STDOUT_FILENO) != 0 && e.status == EX_OK)
		die(EX_IOERR, "standard output: %s", strerror(errno));
	return e.status;
}
