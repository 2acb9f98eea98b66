/* SPDX-License-Identifier: MIT */
/* peer_zmq.h - is ZeroMQ there? */
#ifndef PEER_ZMQ_H
#define PEER_ZMQ_H

#include "bench.h"

/* NULL, or why its rows are skipped. */
const char *zmq_missing(const struct bench *b);

#endif
