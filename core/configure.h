/* What the configuration says that only the engine can judge: rename-command, and the users of
 * `user` lines or of aclfile. */
#pragma once

#include "core/base/attr.h"

struct engine;
struct fault;

/* Once, before there is any session. On an error `fault` names file, line and reason: the server
 * must not start, as it would not be as closed as it was meant to be. */
must_check int configure_engine(struct engine *engine, struct fault *fault);
