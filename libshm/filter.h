/* SPDX-License-Identifier: MIT */
/* filter.h - key patterns of the AMQP topic exchange. Matching is public: shmq_filter_match(). */
#ifndef SHMQ_FILTER_H
#define SHMQ_FILTER_H

/* 0, or SHMQ_EINVAL when a '*' or '#' stands inside a longer word: "a*", "##". The matcher would
 * take such a word literally, which is never what was meant. Empty words are allowed. */
int filter_check(const char *pattern);

#endif
