/* What schemas are to be, which others are all right, and where one differs: its agent reads that.
 */
#include "drift_codec.h"
#include "drifting.h"
#include "named_limits.h"
#include "requests_asked.h"

#include <string.h>

static ErrCode read_place(const Asked *asked, char **rows, size_t row_count, bool in_schema,
                          uint32_t major, DriftPlace *ret_place, Error *err)
{
    *ret_place = (DriftPlace){.in_schema = in_schema, .major = major};
    if (major < DRIFT_MAJOR_MIN || major > DRIFT_MAJOR_MAX)
        return err_set(err, ERR_USAGE, "server_major is that of a PostgreSQL, not %u", major);
    return proto_rows(asked->arena, rows, row_count, &ret_place->rows, err);
}

static ErrCode finish(Asked *asked, size_t shards)
{
    Coordinator *coordinator = asked->coordinator;
    coordinator_changed(coordinator);
    JsonWriter json = json_writer(&asked->json);
    json_object_begin(&json);
    json_field_uint(&json, "shards", shards);
    json_object_end(&json);
    return ERR_OK;
}

static size_t count_at(const Coordinator *coordinator, const DriftPlace *place)
{
    size_t count = 0;
    for (size_t i = 0; i < inventory_shard_count(coordinator->inventory); i++) {
        const FleetShard *shard = inventory_shard_at(coordinator->inventory, i);
        DriftShard seen = drifting_shard(coordinator, shard);
        count += !shard->standby && drift_place_equal(&seen.place, place) ? 1 : 0;
    }
    return count;
}

static ErrCode expect_schema(Asked *asked, const Pgtide__V1__ExpectSchema *in, Error *err)
{
    Coordinator *coordinator = asked->coordinator;
    uint64_t length;
    uint8_t byte;
    size_t read;
    DriftExpectation expectation = {.who = asked->signer->key.name,
                                    .at_unix_ms = coordinator->unix_ms};
    ErrCode code = read_place(asked, in->rows, in->n_rows, in->in_schema != 0, in->server_major,
                              &expectation.place, err);
    if (code == ERR_OK)
        code = proto_digest(&in->fingerprint, "fingerprint", &expectation.fingerprint, err);
    if (code == ERR_OK)
        code = proto_digest(&in->dump_blob_digest, "dump", &expectation.dump, err);
    if (code == ERR_OK)
        code = blob_read_piece(coordinator->blobs, &expectation.dump, 0, &byte, 1, &read, &length,
                               err);
    if (code == ERR_OK && drift_expectation(coordinator->drift, &expectation.place) == NULL &&
        drift_expectation_count(coordinator->drift) >= LIMIT_DRIFT_EXPECTATIONS)
        code =
            err_set(err, ERR_LIMIT, "schemas are expected at %d places", LIMIT_DRIFT_EXPECTATIONS);
    if (code == ERR_OK)
        code = asked_mark_done(asked, err);
    if (code != ERR_OK)
        return code;
    coordinator_append(coordinator, JOURNAL_SCHEMA_EXPECTED,
                       schema_expected_encode(asked->arena, &expectation));
    drift_expect(coordinator->drift, &expectation);
    return finish(asked, count_at(coordinator, &expectation.place));
}

/* --- accepting -------------------------------------------------------------------------------- */

/* What is accepted is what the operator has seen: the shard must still be that. */
static ErrCode accept_shard(const Asked *asked, const char *name, DriftAcceptance *acceptance,
                            Error *err)
{
    const FleetShard *shard;
    ErrCode code = view_find_shard(asked->coordinator, name, &shard, err);
    if (code != ERR_OK)
        return code;
    DriftShard seen = drifting_shard(asked->coordinator, shard);
    if (!drift_place_equal(&seen.place, &acceptance->place) ||
        !digest_equal(&seen.fingerprint, &acceptance->fingerprint)) {
        err_set(err, ERR_STATE, "%.200s is not what it was when it was looked at", name);
        err_hint(err, "Look again with `pgtide fleet drift %.200s`.", name);
        return ERR_STATE;
    }
    acceptance->shard = shard->uuid;
    return ERR_OK;
}

static ErrCode accept_drift(Asked *asked, const Pgtide__V1__AcceptDrift *in, Error *err)
{
    Coordinator *coordinator = asked->coordinator;
    DriftAcceptance first = {.who = asked->signer->key.name, .at_unix_ms = coordinator->unix_ms};
    size_t count = in->n_shards == 0 ? 1 : in->n_shards;
    ErrCode code = read_place(asked, in->rows, in->n_rows, in->in_schema != 0, in->server_major,
                              &first.place, err);
    if (code == ERR_OK)
        code = proto_digest(&in->fingerprint, "fingerprint", &first.fingerprint, err);
    if (code == ERR_OK)
        code = proto_text(in->reason, "reason", &first.reason, err);
    if (code == ERR_OK && first.reason[0] == '\0')
        code = err_set(err, ERR_USAGE, "this needs a reason: it is kept in the journal");
    if (code == ERR_OK)
        code = proto_count(in->n_shards, LIMIT_SHARDS_PER_REQUEST, "shards", err);
    if (code == ERR_OK &&
        drift_acceptance_count(coordinator->drift) + count > LIMIT_DRIFT_ACCEPTANCES)
        code = err_set(err, ERR_LIMIT, "more than %d words on drift", LIMIT_DRIFT_ACCEPTANCES);
    DriftAcceptance *all = ARENA_ARRAY(asked->arena, DriftAcceptance, count);
    for (size_t i = 0; i < count; i++) {
        all[i] = first;
        if (code == ERR_OK && in->n_shards > 0)
            code = accept_shard(asked, in->shards[i], &all[i], err);
    }
    if (code == ERR_OK)
        code = asked_mark_done(asked, err);
    if (code != ERR_OK)
        return code;
    for (size_t i = 0; i < count; i++) {
        coordinator_append(coordinator, JOURNAL_DRIFT_ACCEPTED,
                           drift_accepted_encode(asked->arena, &all[i]));
        drift_accept(coordinator->drift, &all[i]);
    }
    return finish(asked, count);
}

ErrCode handle_change_drift(Asked *asked, Error *err)
{
    const Pgtide__V1__ChangeDrift *in = asked->request->change_drift;
    switch (in->verb_case) {
    case PGTIDE__V1__CHANGE_DRIFT__VERB_EXPECT:
        return expect_schema(asked, in->expect, err);
    case PGTIDE__V1__CHANGE_DRIFT__VERB_ACCEPT:
        return accept_drift(asked, in->accept, err);
    default:
        return err_set(err, ERR_PROTOCOL, "a word on drift that this version does not know");
    }
}
