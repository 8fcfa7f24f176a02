/*
 * What may be asked of a running coordinator on its own host: a unix socket in the state directory,
 * which only its user may enter. One question a connection, one line of JSON each way.
 */
#pragma once

#include "coordinator.h"
#include "state_backup.h"

typedef struct Control Control;

/* The coordinator has the journal, so a socket that is there is a dead one's. */
ErrCode control_open(Coordinator *coordinator, uv_loop_t *loop, Control **ret_control,
                     Error *err) MUST_CHECK;
/* Breaks off what is under way and waits for it; before the journal is closed. NULL-safe. */
void control_stop(Control *control);
void control_free(Control *control); /* when the loop has closed its handles; NULL-safe */

/* The other side, a program of its own: asks the coordinator of this state directory for a backup,
 * and waits. ERR_CONNECT: none is running. */
ErrCode control_ask_backup(const char *state_path, const char *directory, bool with_key,
                           StateBackup *ret_backup, Error *err) MUST_CHECK;
