/* Users as text: ACL files, and the `user` lines of a config file.
 *
 * An ACL file has a line for each user, "user <name> <rules>", with spaces between the words and no
 * quotes. It is read whole: one error anywhere, and nothing of it is taken. */
#pragma once

#include "core/base/attr.h"
#include "core/base/buf.h"
#include "core/base/slice.h"

struct acl;
struct acl_user;
struct acl_grammar;
struct engine;
struct fault;
struct session;

#define ACL_FILE_ERROR_BYTES 700 /* of error texts are told: an error reply holds 1,023 */

/* The users of a file's text, for acl_replace; or NULL, and `why` tells file, line and reason of
 * each error in Redis' words. */
struct acl *acl_file_read(const struct engine *engine, const char *path, struct slice text,
                          struct buf *why);
/* All users, as acl_file_read reads them. */
void acl_file_write(const struct acl *acl, struct buf *out);
/* The same as lines of a config file, where quotes have a meaning; without the default user if it
 * is what requirepass makes of it, and without those that another file defines. */
void acl_file_write_config(const struct engine *engine, struct buf *out);

/* ACL LOAD: KV_EFORMAT with the errors in `why`, or another code with `fault` if the file can't be
 * read. */
must_check int acl_file_load(struct engine *engine, struct session *actor, struct buf *why,
                             struct fault *fault);
/* ACL SAVE. */
must_check int acl_file_save(struct engine *engine, struct fault *fault);
