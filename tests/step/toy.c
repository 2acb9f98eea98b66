/* SPDX-License-Identifier: MIT */
/*
 * toy.c - operations of the harness' own, to prove that it finds what it is for: two words that
 * must be each other's complement. The bad writers change them one after the other, or fall back
 * on a lock; the good one packs them into one word that it changes by one compare-and-swap.
 * step.c expects the bad ones to be found.
 */
#include <unistd.h>

#include "scenario.h"

static void toy_wait(void)
{
	step_mark(MARK_READY);
	step_mark(MARK_BEGIN);
}

/* number[0]: the packed word; [1] and [2]: the two words; [3]: a lock */
static volatile int64_t *words(void)
{
	return world.shared->number;
}

static void good_writer(void)
{
	toy_wait();
	_Atomic int64_t *w = (_Atomic int64_t *)&world.shared->number[0];
	int64_t old = atomic_load(w);

	while (!atomic_compare_exchange_strong(w, &old, old + 1))
		;
	step_mark(MARK_END);
}

static void torn_writer(void)
{
	toy_wait();
	words()[1]++;
	words()[2]--;
	step_mark(MARK_END);
}

static bool toy_lock(unsigned tries)
{
	_Atomic int64_t *lock = (_Atomic int64_t *)&world.shared->number[3];
	int64_t free = 0;

	while (!atomic_compare_exchange_strong(lock, &free, 1) && --tries > 0)
		free = 0;
	return tries > 0;
}

static void locking_writer(void)
{
	toy_wait();
	if (!toy_lock(1000))
		broken("toy: the child did not get the lock");
	words()[1]++;
	words()[2]--;
	words()[3] = 0;
	step_mark(MARK_END);
}

static void good_others(void)
{
	_Atomic int64_t *w = (_Atomic int64_t *)&world.shared->number[0];
	int64_t n = atomic_load(w);

	if (n < 0 || n > 1)
		broken("toy: the word is %lld", (long long)n);
}

static void torn_others(void)
{
	if (words()[1] + words()[2] != 0)
		broken("toy: words %lld and %lld do not belong together", (long long)words()[1],
		       (long long)words()[2]);
}

static void locking_others(void)
{
	if (!toy_lock(1000))
		broken("toy: somebody holds the lock for ever");
	words()[3] = 0;
}

/* Loops, string instructions, system calls and sleeps: [0], [1] and [2] say how far it is. */
static void busy_child(void)
{
	static char from[5000], to[5000];

	toy_wait();
	for (int i = 0; i < 24; i++) {
		size_t n = sizeof(to);
		void *d = to;
		const void *s = from;

		words()[0]++;
		if (i % 5 == 0)
			__asm__ volatile("rep movsb" : "+c"(n), "+D"(d), "+S"(s) : : "memory");
		if (i % 7 == 0)
			getppid();
		if (i % 11 == 0)
			step_mark(MARK_SLEEP);
		words()[1]++;
	}
	step_mark(MARK_END);
}

static void busy_asleep(int which)
{
	(void)which;
	words()[2]++;
}

static void busy_others(void)
{
	world.outcome->capacity = (uint32_t)(words()[0] + 100 * words()[1] + 10000 * words()[2]);
}

const struct scenario toy_scenarios[] = {
	{ .name = "toy", .says = "one compare-and-swap", .variants = KILL | STOP | STOP_KILL,
	  .children = 1, .child = { good_writer }, .others = good_others },
	{ .name = "both-ways", .says = "breakpoint and single steps lead to the same place",
	  .variants = KILL, .children = 1, .both_ways = true, .child = { busy_child },
	  .asleep = busy_asleep, .others = busy_others },
	{ .name = "toy-torn", .says = "two stores: must be found", .variants = KILL | STOP,
	  .children = 1, .child = { torn_writer }, .others = torn_others },
	{ .name = "toy-lock", .says = "a lock: must be found", .variants = KILL | STOP,
	  .children = 1, .child = { locking_writer }, .others = locking_others },
	{ .name = NULL },
};
