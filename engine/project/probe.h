/*
 * What a known statement that can't run in a transaction is about, and how the catalog tells
 * whether it has happened: CREATE INDEX, DROP INDEX, REINDEX INDEX and TABLE, DETACH PARTITION with
 * CONCURRENTLY; CREATE and DROP of DATABASE and TABLESPACE. Nothing here talks to a server.
 */
#pragma once

#include "split.h"

typedef enum ProbeForm {
    PROBE_UNSPECIFIED,
    PROBE_CREATE_INDEX,
    PROBE_DROP_INDEX,
    PROBE_REINDEX_INDEX,
    PROBE_REINDEX_TABLE,
    PROBE_DETACH_PARTITION,
    PROBE_CREATE_DATABASE,
    PROBE_DROP_DATABASE,
    PROBE_CREATE_TABLESPACE,
    PROBE_DROP_TABLESPACE,
    PROBE_AGAIN, /* ALTER SYSTEM, ALTER DATABASE ... SET TABLESPACE: again is as good as once */
    PROBE_FORM_COUNT,
} ProbeForm;

typedef struct Probe {
    ProbeForm form;
    const char *what;  /* "CREATE INDEX CONCURRENTLY messages_channel", for people */
    StrList relation;  /* its name's parts: the table, or the index that is dropped or rebuilt */
    StrList partition; /* what is detached */
    const char *name;  /* of the index, database or tablespace; '' where `relation` says it */
    bool missing_ok;   /* IF EXISTS */
    /* CREATE INDEX: the same index on pg_temp.<table>, without CONCURRENTLY and named pgtide_twin,
     * whose definition the server can be asked for; NULL when it can't be written. */
    const char *twin;
    /* CREATE INDEX: on a partitioned table, what stands behind the index's name in the statement
     * that makes it on the table alone; NULL when it can't be written. */
    const char *root_tail;
    bool is_unique;
    bool has_tablespace; /* the statement names one */
} Probe;

/* CONCURRENTLY: it waits for others by itself, and holds up only its like. */
static inline bool probe_is_concurrent(ProbeForm form)
{
    return form >= PROBE_CREATE_INDEX && form <= PROBE_DETACH_PARTITION;
}

/* What the catalog says; the names stand in the first column of a probe's query. */
typedef enum ProbeState {
    PROBE_STATE_UNSPECIFIED,
    PROBE_STATE_ABSENT,      /* the effect is not there: run it */
    PROBE_STATE_THERE,       /* it has happened */
    PROBE_STATE_SAME,        /* a valid index has the name: there, if its definition is the same */
    PROBE_STATE_LEFTOVER,    /* of an attempt that was cut off: clean it up and look again */
    PROBE_STATE_PARTITIONED, /* the table is: the index is not whole, and is built in pieces */
    PROBE_STATE_REFUSED,     /* something else has the name */
    PROBE_STATE_COUNT,
} ProbeState;

/* What a known form is about. *ret_probe is NULL when the statement is none. Errors (SCRIPT, with
 * file and line): a form that leaves nothing to be recognised by, such as an index without a name.
 */
ErrCode probe_parse(Arena *arena, const char *file, const Statement *statement,
                    const Probe **ret_probe, Error *err) MUST_CHECK;

/*
 * Reading the state takes a transaction of two statements. The first finds `relation` and
 * `partition` under the author's search path; the second runs under `pg_catalog, pg_temp`.
 *
 * probe_find_sql: 1 parts of `relation`, 2 parts of `partition` (text[]).
 * probe_query:    1 name, 2 the facts that were noted before the statement ran (NULL: it has not
 *                 been tried), 3 missing_ok.
 * Answers: state, facts (to be noted), message (of a refusal), statements that clean up (text[]),
 * the index's oid (of a created index).
 */
extern const char probe_find_sql[];
const char *probe_query(ProbeForm form);
ProbeState probe_state_from_name(const char *name);
/*
 * Of an index on a partitioned table, behind probe_find_sql: 1 name. No row while the index is not
 * there: it is made on the table alone first. Answers: the next piece (a statement; NULL = none is
 * left), whether it waits for locks as any statement does (the rest is CONCURRENTLY), how many
 * partitions are done and how many there are, why it can't be done (NULL = it can).
 */
extern const char probe_piece_sql[];
/* 1 the index's oid, 2 with tablespace: whether it has the definition of its twin; its
 * own; the twin's. */
extern const char probe_compare_sql[];
