/* SPDX-License-Identifier: MIT */
/* exec_env.h - what a command is told of its message: its environment. */
#ifndef MQSUB_EXEC_ENV_H
#define MQSUB_EXEC_ENV_H

#include "origin.h"
#include "shmq.h"

/* The environment of this process without what is said of a message, and with MQ_DIR. */
void exec_env_init(const char *dir);

/* The same with what there is to say of this message; valid until the next call. m NULL: nothing.
 */
char **exec_env(const struct origin *origin, const struct shmq_message *m);

#endif
