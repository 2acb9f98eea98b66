/* SPDX-License-Identifier: MIT */
/* in_hand.h - a message in a consumer's hands, for in_hand.c and not_done.c. */
#ifndef SHMQ_IN_HAND_H
#define SHMQ_IN_HAND_H

#include "group.h"

struct in_hand {
	struct lane *lane;
	uint64_t offset, word;
};

/* The word of a delivery, if it is still ours: 0 or SHMQ_LATE. */
int find_word(struct shmq_group *c, const struct shmq_delivery *d, struct in_hand *h);

/* CAS from the word that was found; it has left our hands. 0 or SHMQ_LATE. */
int set_word(struct shmq_group *c, struct in_hand *h, uint64_t next);

/* It has left our hands otherwise. */
void put_down(struct shmq_group *c, const struct in_hand *h);

#endif
