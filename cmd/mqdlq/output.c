/* SPDX-License-Identifier: MIT */
/* output.c - what mqdlq prints on standard output. */
#include "output.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "out.h"
#include "tool.h"

static struct out out = {.fd = STDOUT_FILENO};

static void wrote(int error)
{
	if (error == EPIPE)
		die_of_signal(SIGPIPE);
	if (error)
		die(EX_IOERR, "standard output: %s", strerror(error));
}

struct bytes *output(void)
{
	return &out.held;
}

void output_more(void)
{
	wrote(out_full(&out));
}

void output_all(void)
{
	wrote(out_flush(&out));
	out_free(&out);
}
