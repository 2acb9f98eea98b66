/* SPDX-License-Identifier: MIT */
/* ask.c - questions on the terminal before something is lost. */
#include "ask.h"

#include <stdio.h>
#include <unistd.h>

#include "tool.h"

bool ask_can(void)
{
	return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

bool ask_confirmed(const char *what)
{
	char answer[64];
	bool answered;

	fprintf(stderr, "%s: %s? [y/N] ", tool_name, what);
	answered = fgets(answer, sizeof(answer), stdin) != NULL;
	if (!answered)
		fputc('\n', stderr);
	if (stop_signal)
		die_of_signal(stop_signal);
	return answered && (*answer == 'y' || *answer == 'Y');
}
