/* SPDX-License-Identifier: MIT */
/* case.c - one case from the birth of its children to the verdict. */
#include "case.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

const struct scenario *scenario;

static struct tracee children[CHILDREN];

static void child_body(void *argument)
{
	world.child = (int)(intptr_t)argument;
	scenario->child[world.child]();
}

static void child_asleep(struct tracee *t, void *context)
{
	(void)context;
	if (scenario->asleep)
		scenario->asleep((int)(t - children));
}

/* What a child that did not do what was expected has to say. */
static _Noreturn void child_broke(const struct tracee *t, enum event e, const char *expected)
{
	int which = (int)(t - children);

	if (world.shared->complaint[0])
		broken("child %d: %s", which, world.shared->complaint);
	if (e == EVENT_SIGNAL)
		broken("child %d: signal %d at %s before %s", which, WSTOPSIG(t->status),
		       trace_symbol(t->pc), expected);
	if (e == EVENT_GONE)
		broken("child %d: ended with status %#x before %s", which, (unsigned)t->status,
		       expected);
	broken("child %d: at mark %d instead of %s", which, (int)tracee_mark(t), expected);
}

static void run_to_mark(struct tracee *t, enum mark mark, const char *name)
{
	deadline("child %d on its way to %s", (int)(t - children), name);
	enum event e = tracee_run(t);

	if (e != EVENT_MARK || tracee_mark(t) != mark)
		child_broke(t, e, name);
	calm();
}

static void run_to_end(struct tracee *t)
{
	deadline("child %d on its way to its end", (int)(t - children));
	enum event e = tracee_run(t);

	if (e != EVENT_GONE || !WIFEXITED(t->status) || WEXITSTATUS(t->status) != 0)
		child_broke(t, e, "its end");
	calm();
}

static void case_begin(const struct scenario *s, enum variant variant, struct outcome *outcome,
                       const char *dir)
{
	scenario = s;
	world_begin(outcome, dir, variant);
	for (unsigned i = 0; i < s->children; i++) {
		children[i].asleep = child_asleep;
		tracee_start(&children[i], child_body, (void *)(intptr_t)i);
	}
	if (s->setup)
		s->setup();
	for (unsigned i = 0; i < s->children; i++)
		run_to_mark(&children[i], MARK_READY, "readiness");
	if (s->ready)
		s->ready();
	for (unsigned i = 0; i < s->children; i++)
		run_to_mark(&children[i], MARK_BEGIN, "the operation");
}

static _Noreturn void case_end(enum verdict verdict)
{
	if (verdict == VERDICT_PASS && scenario->finish)
		scenario->finish();
	alarm(0);
	for (unsigned i = 0; i < scenario->children; i++)
		tracee_kill(&children[i]);
	remove_tree(world.dir);
	world.outcome->verdict = verdict;
	_exit(0);
}

static void others(void)
{
	deadline("the others");
	scenario->others();
	calm();
}

void case_record(const struct scenario *s, int which, struct trace *trace, struct outcome *outcome,
                 const char *dir)
{
	case_begin(s, CONTROL, outcome, dir);
	deadline("recording");
	alarm(30);
	enum event e = tracee_record(&children[which], trace);

	if (e != EVENT_MARK || tracee_mark(&children[which]) != MARK_END)
		child_broke(&children[which], e, "the end of the operation");
	for (unsigned i = 0; i < s->children; i++) {
		if ((int)i != which)
			run_to_mark(&children[i], MARK_END, "the end of the operation");
		run_to_end(&children[i]);
	}
	others();
	case_end(VERDICT_PASS);
}

static void go_there(struct tracee *t, const struct trace *trace, uint32_t k, bool stepping)
{
	deadline("child %d on its way to instruction %u", (int)(t - children), k);
	enum event e = stepping ? tracee_step(t, k) : tracee_goto(t, trace, k);

	if (e == EVENT_SIGNAL || (e == EVENT_GONE && world.shared->complaint[0]))
		child_broke(t, e, "its point");
	/* What the other one of a pair did may make this one's way shorter: its end is a point, too. */
	bool ended = e == EVENT_MARK && scenario->children > 1 && tracee_at_end(t);

	if (e != EVENT_POINT && !ended)
		case_end(VERDICT_UNREACHED);
	world.outcome->pc[t - children] = t->pc;
	calm();
}

/* Lets the stopped ones finish; who is first alternates with the point. */
static void let_go(unsigned first)
{
	for (unsigned i = 0; i < scenario->children; i++) {
		struct tracee *t = &children[(first + i) % scenario->children];

		if (!tracee_at_end(t))
			run_to_mark(t, MARK_END, "the end of the operation");
		run_to_end(t);
	}
}

void case_run(const struct scenario *s, enum variant variant, const struct point *at,
              const struct trace *traces, uint32_t baseline, struct outcome *outcome,
              const char *dir)
{
	case_begin(s, variant, outcome, dir);
	world.baseline = baseline;
	for (unsigned i = 0; i < s->children; i++)
		go_there(&children[i], &traces[i], at->k[i], at->stepping);
	world.shared->stopped = variant != KILL;
	for (unsigned i = 0; variant == KILL && i < s->children; i++)
		tracee_kill(&children[i]);
	others();
	if (variant == STOP) {
		let_go(at->k[0] + at->k[1]);
	} else if (variant == STOP_KILL) {
		for (unsigned i = 0; i < s->children; i++)
			tracee_kill(&children[i]);
		world.shared->stopped = false;
		others();
	}
	case_end(VERDICT_PASS);
}
