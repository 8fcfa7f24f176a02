/*
 * Evidence that a real coordinator makes, held against the trust file: genuine as it comes, and
 * refused by name after every kind of change. A stranger can only change bytes; a coordinator that
 * lies can chain and sign anew, and has only what others have signed against it.
 */
#include "../shell_world.h"

#include "chain.h"
#include "evidence_check.h"
#include "evidence_make.h"
#include "named_limits.h"

#include <dirent.h>

static ByteSpan make(World *world, const char *name, bool with_bundle)
{
    RolloutEntry *entry;
    EvidenceProgress progress = {.ready = false};
    ByteSpan out;
    uint8_t *bytes;
    assert_ok(rollouts_find(world->coordinator->rollouts, name, &entry, err));
    world_settle(world);
    for (int i = 0; i < 1000 && !progress.ready; i++)
        assert_ok(evidence_make(world->coordinator->evidence, entry, with_bundle, &progress, err));
    assert_true(progress.ready);
    assert_ok(blob_read(world->coordinator->blobs, world->arena, &progress.blob, &bytes,
                        &out.length, err));
    assert_int_equal(progress.bytes, out.length);
    out.bytes = bytes;
    return out;
}

#define assert_genuine(world, evidence, summary)                                                   \
    assert_ok(evidence_check((world)->arena, (evidence).bytes, (evidence).length,                  \
                             (world)->coordinator->trust, (summary), err))

static void refused(World *world, ByteSpan evidence, ErrCode code, const char *words)
{
    AUTO_ARENA Arena *arena = arena_new();
    EvidenceSummary summary;
    Error err = {0};
    ErrCode found = evidence_check(arena, evidence.bytes, evidence.length,
                                   world->coordinator->trust, &summary, &err);
    if (found != code || strstr(err.message, words) == NULL)
        fail_msg("%s: %s, expected %s: %s", err_code_name(found), err.message, err_code_name(code),
                 words);
}

/* A wave of one that succeeds, a pause and a resume, a failure, a retry, a shard that is skipped.
 */
static void world_story(World *world, const char *name)
{
    world_fleet(world);
    world_put_bundle(world);
    world_approved_plan(world, name);
    world_start(world, name);
    world_job_ends(world, name, 0, OUTCOME_SUCCEEDED);
    AUTO_ANSWER Answer paused = world_control(world, BOB, name, CONTROL(PAUSE));
    assert_refused(paused, "");
    world_settle(world);
    AUTO_ANSWER Answer resumed = world_control(world, OTTO, name, CONTROL(RESUME));
    assert_refused(resumed, "");
    world_settle(world);
}

static bool is_flying(const World *world, const char *name, uint32_t index)
{
    RolloutEntry *entry;
    RolloutShardView view;
    assert_ok(rollouts_find(world->coordinator->rollouts, name, &entry, err));
    rollout_shard(entry->core, index, &view);
    return view.in_flight;
}

static void world_finish(World *world, const char *name)
{
    for (int turn = 0; turn < 20; turn++) {
        for (uint32_t i = 1; i < 6; i++) {
            if (is_flying(world, name, i))
                world_job_ends(world, name, i, OUTCOME_SUCCEEDED);
        }
    }
}

/* --- genuine ---------------------------------------------------------------------------------- */

static void what_happened_is_proven(void **state)
{
    World *world = *state;
    world_story(world, "first");
    world_job_ends(world, "first", 2, OUTCOME_FAILED);
    world_finish(world, "first");
    AUTO_ANSWER Answer retried = world_control(world, OTTO, "first", CONTROL(RETRY));
    world_settle(world);
    world_finish(world, "first");
    ByteSpan evidence = make(world, "first", false);
    EvidenceSummary summary;
    assert_genuine(world, evidence, &summary);
    assert_string_equal(summary.author, "otto");
    assert_int_equal(summary.approval_count, 1);
    assert_string_equal(summary.approvals[0].name, "bob");
    assert_true(summary.started);
    assert_int_equal(summary.agent_count, 2);
    assert_string_equal(summary.agents[0].admitted_by, "alice");
    assert_string_equal(summary.actions[0].what, "start");
    assert_string_equal(summary.actions[1].what, "pause");
    assert_string_equal(summary.actions[1].name, "bob");
    assert_string_equal(summary.actions[2].what, "resume");
    assert_false(summary.has_files);
    assert_int_equal(summary.bundle.signers.count, 1);
    RolloutEntry *entry;
    assert_ok(rollouts_find(world->coordinator->rollouts, "first", &entry, err));
    assert_int_equal(summary.state, rollout_entry_state(entry));
    for (uint32_t i = 0; i < 6; i++) {
        RolloutShardView here;
        RolloutShardView there;
        rollout_shard(entry->core, i, &here);
        rollout_shard(summary.core, i, &there);
        assert_int_equal(here.state, there.state);
        assert_int_equal(here.outcome, there.outcome);
        assert_int_equal(here.attempt, there.attempt);
    }
    evidence_summary_done(&summary);
    evidence = make(world, "first", true);
    assert_genuine(world, evidence, &summary);
    assert_true(summary.has_files);
    evidence_summary_done(&summary);
}

static void of_what_is_not_over_it_says_so(void **state)
{
    World *world = *state;
    EvidenceSummary summary;
    world_fleet(world);
    world_put_bundle(world);
    world_approved_plan(world, "draft");
    assert_genuine(world, make(world, "draft", false), &summary);
    assert_int_equal(summary.state, ROLLOUT_APPROVED);
    assert_false(summary.started);
    evidence_summary_done(&summary);
    world_start(world, "draft");
    assert_genuine(world, make(world, "draft", false), &summary);
    assert_int_equal(summary.state, ROLLOUT_RUNNING);
    assert_int_equal(summary.finished_unix_ms, 0);
    evidence_summary_done(&summary);
}

static void a_restart_in_the_middle_changes_nothing(void **state)
{
    World *world = *state;
    EvidenceSummary summary;
    world_story(world, "first");
    world_close(world);
    world_open(world);
    world_agent_up(world, "boston");
    world_agent_up(world, "chennai");
    world_settle(world);
    world_finish(world, "first");
    ByteSpan evidence = make(world, "first", false);
    assert_genuine(world, evidence, &summary);
    assert_int_equal(summary.state, ROLLOUT_SUCCEEDED);
    assert_true(summary.finished_unix_ms > 0);
    evidence_summary_done(&summary);
}

static void another_rollout_is_not_shown(void **state)
{
    World *world = *state;
    EvidenceSummary summary;
    world_story(world, "first");
    AUTO_ANSWER Answer made = world_make_plan(world, BETH, "secret", 1);
    assert_refused(made, "");
    AUTO_ANSWER Answer submitted = world_submit(world, BETH, &made);
    assert_refused(submitted, "");
    ByteSpan evidence = make(world, "first", false);
    assert_null(memmem(evidence.bytes, evidence.length, "secret", 6));
    assert_genuine(world, evidence, &summary);
    assert_true(summary.shown_count < summary.record_count);
    evidence_summary_done(&summary);
}

/* --- changed by a stranger -------------------------------------------------------------------- */

/* The item that the byte at this place belongs to, as an error names it; NULL: none. */
static const char *place_name(Arena *arena, const EvidenceFile *file, const uint8_t *at)
{
    for (size_t i = 0; i < file->index.item_count; i++) {
        if (at >= file->items[i].bytes && at < file->items[i].bytes + file->items[i].length)
            return evidence_item_name(arena, &file->index, i);
    }
    return NULL;
}

static void every_byte_counts(void **state)
{
    World *world = *state;
    world_story(world, "first");
    ByteSpan evidence = make(world, "first", false);
    uint8_t *bytes = arena_memdup(world->arena, evidence.bytes, evidence.length);
    EvidenceFile file;
    size_t named = 0;
    assert_ok(evidence_read(world->arena, bytes, evidence.length, &file, err));
    const uint8_t *body = memmem(bytes, evidence.length, file.body.bytes, file.body.length);
    assert_non_null(body);
    for (size_t at = 0; at < evidence.length; at++) {
        AUTO_ARENA Arena *arena = arena_new();
        EvidenceSummary summary;
        Error err = {0};
        const char *name = NULL;
        if (bytes + at >= body)
            name = place_name(arena, &file, file.body.bytes + (bytes + at - body));
        bytes[at] ^= (uint8_t)(1u << at % 8);
        ErrCode code = evidence_check(arena, bytes, evidence.length, world->coordinator->trust,
                                      &summary, &err);
        bytes[at] ^= (uint8_t)(1u << at % 8);
        if (code == ERR_OK)
            fail_msg("byte %zu of %zu was changed, and nobody noticed", at, evidence.length);
        if (name != NULL && !str_starts_with(err.message, name))
            fail_msg("byte %zu is of %s: %s", at, name, err.message);
        named += name != NULL ? 1 : 0;
    }
    assert_int_equal(named, file.body.length);
    for (size_t length = 0; length < evidence.length; length += 7) {
        AUTO_ARENA Arena *arena = arena_new();
        EvidenceSummary summary;
        assert_int_not_equal(
            evidence_check(arena, bytes, length, world->coordinator->trust, &summary, &(Error){0}),
            ERR_OK);
    }
    uint8_t *longer = arena_alloc(world->arena, evidence.length + 1);
    memcpy(longer, bytes, evidence.length);
    refused(world, (ByteSpan){longer, evidence.length + 1}, ERR_EVIDENCE, "outer form");
    refused(world, (ByteSpan){(const uint8_t *)"PGDMP", 5}, ERR_USAGE, "no evidence file");
}

/* --- changed by a coordinator that signs it anew ---------------------------------------------- */

/* Changes one item, or leaves it out (empty), and everything that follows from it. */
typedef struct Lie Lie;
struct Lie {
    World *world;
    const char *what; /* for the change below */
    bool (*change)(Lie *lie, EvidenceKind kind, EvidenceRecord *record, ByteSpan *bytes);
    Evidence index;
    const SecretKey *key;
};

static ByteSpan retold(World *world, ByteSpan evidence, Lie *lie)
{
    EvidenceFile file;
    EvidenceMaker *maker = evidence_maker_new();
    ByteSpan out;
    uint8_t *bytes;
    assert_ok(evidence_read(world->arena, evidence.bytes, evidence.length, &file, err));
    lie->world = world;
    lie->index = file.index;
    Digest hash = file.index.chain_before;
    uint64_t seq = file.index.first_seq;
    for (size_t i = 0; i < file.index.item_count; i++) {
        const EvidenceItem *item = &file.index.items[i];
        ByteSpan span = file.items[i];
        EvidenceRecord record = {0};
        if (item->kind == EVIDENCE_RECORD)
            assert_ok(evidence_record_decode(world->arena, span, &record, err));
        if (!lie->change(lie, item->kind, &record, &span))
            continue;
        if (item->kind != EVIDENCE_RECORD) {
            assert_ok(evidence_add(maker, item->kind, item->name, span, err));
            continue;
        }
        record.seq = seq++;
        if (record.shown)
            record.payload_digest = sha256_bytes(record.payload.bytes, record.payload.length);
        hash = chain_hash(&hash, record.seq, record.epoch, record.kind, &record.payload_digest);
        record.hash = hash;
        assert_ok(evidence_add_record(maker, &record, err));
    }
    assert_ok(evidence_seal(maker, world->arena, &lie->index,
                            lie->key != NULL ? lie->key : world->coordinator_key, &bytes,
                            &out.length, err));
    evidence_maker_free(maker);
    out.bytes = bytes;
    return out;
}

static bool leave(Lie *lie, EvidenceKind kind, EvidenceRecord *record, ByteSpan *bytes)
{
    (void)lie;
    (void)kind;
    (void)record;
    (void)bytes;
    return true;
}

static bool change_decision(Lie *lie, RolloutRecord *record)
{
    const char *what = lie->what;
    RolloutShardRecord *shard = record->shard_count > 0 ? &record->shards[0] : NULL;
    if (strcmp(what, "outcome") == 0 && record->kind == ROLLOUT_RECORD_SHARD_ENDED)
        shard->outcome = OUTCOME_FAILED;
    else if (strcmp(what, "rows") == 0 && record->kind == ROLLOUT_RECORD_SHARD_ENDED)
        shard->rows = (StrList){0};
    else if (strcmp(what, "who") == 0 && record->state == ROLLOUT_PAUSED)
        record->who = "beth";
    else if (strcmp(what, "reason") == 0 && record->state == ROLLOUT_PAUSED)
        record->reason = "beth wanted it";
    else if (strcmp(what, "expired") == 0 && record->kind == ROLLOUT_RECORD_STARTED)
        record->at_unix_ms += 2 * 3600 * 1000;
    else if (strcmp(what, "wave") == 0 && record->kind == ROLLOUT_RECORD_WAVE_OPENED)
        record->wave++;
    else
        return false;
    return true;
}

static bool lie_in_decisions(Lie *lie, EvidenceKind kind, EvidenceRecord *record, ByteSpan *bytes)
{
    Uuid rollout;
    RolloutRecord decision;
    (void)bytes;
    if (kind != EVIDENCE_RECORD || !record->shown || record->kind != JOURNAL_ROLLOUT_RECORD)
        return true;
    assert_ok(rollout_record_decode(lie->world->arena, record->payload, &rollout, &decision, err));
    if (change_decision(lie, &decision))
        record->payload = rollout_record_encode(lie->world->arena, &rollout, &decision);
    return true;
}

static void a_coordinator_that_lies_is_found(void **state)
{
    static const struct {
        const char *what;
        const char *words;
    } lies[] = {
        {"outcome", "its agent has signed something else"},
        {"rows", "its agent has signed something else"},
        {"who", "in the name of 'beth': no such request was signed"},
        {"reason", "in the name of 'bob': no such request was signed"},
        {"expired", "the start: "},
        {"wave", "rollout record"},
    };
    World *world = *state;
    world_story(world, "first");
    ByteSpan evidence = make(world, "first", false);
    EvidenceSummary summary;
    Lie none = {.what = "", .change = leave};
    assert_genuine(world, retold(world, evidence, &none), &summary);
    evidence_summary_done(&summary);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        Lie lie = {.what = lies[i].what, .change = lie_in_decisions};
        refused(world, retold(world, evidence, &lie), ERR_EVIDENCE, lies[i].words);
    }
}

static bool leave_out(Lie *lie, EvidenceKind kind, EvidenceRecord *record, ByteSpan *bytes)
{
    (void)bytes;
    if (kind == EVIDENCE_RECORD && record->shown && record->kind == (uint32_t)atoi(lie->what))
        return false;
    return kind != EVIDENCE_SHARD || strcmp(lie->what, "shards") != 0;
}

static bool hide(Lie *lie, EvidenceKind kind, EvidenceRecord *record, ByteSpan *bytes)
{
    (void)bytes;
    if (kind == EVIDENCE_RECORD && record->kind == (uint32_t)atoi(lie->what))
        record->shown = false;
    return true;
}

static void what_is_left_out_or_hidden_is_missed(void **state)
{
    static const struct {
        const char *kind;
        const char *words;
    } cases[] = {
        {"2", "does not begin with the plan"},
        {"3", "the start: the plan needs 1 approvals, 0 held"},
        {"4", "no such request was signed"},
        {"8", "no report of its agent"},
        {"shards", "the plan's shards"},
    };
    World *world = *state;
    world_story(world, "first");
    ByteSpan evidence = make(world, "first", false);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Lie lie = {.what = cases[i].kind, .change = leave_out};
        refused(world, retold(world, evidence, &lie), ERR_EVIDENCE, cases[i].words);
        Lie hidden = {.what = cases[i].kind, .change = hide};
        if (strcmp(cases[i].kind, "shards") != 0)
            refused(world, retold(world, evidence, &hidden), ERR_EVIDENCE, cases[i].words);
    }
}

/* Signs something of the evidence with a key that has no right to. */
static bool sign_wrongly(Lie *lie, EvidenceKind kind, EvidenceRecord *record, ByteSpan *bytes)
{
    World *world = lie->world;
    bool report = strcmp(lie->what, "report") == 0;
    uint32_t wanted = report                               ? JOURNAL_REPORT_KEPT
                      : strcmp(lie->what, "approval") == 0 ? JOURNAL_APPROVAL_RECORDED
                                                           : JOURNAL_AGENT_ADMITTED;
    MessageType type = report                                ? MESSAGE_REPORT
                       : wanted == JOURNAL_APPROVAL_RECORDED ? MESSAGE_APPROVAL
                                                             : MESSAGE_ADMISSION;
    const SecretKey *key = report ? world->coordinator_key : world->operators[OTTO];
    ByteSpan envelope = *bytes;
    const uint8_t *payload;
    size_t length;
    if (kind == EVIDENCE_RECORD && record->shown && record->kind == wanted)
        assert_ok(journal_envelope_decode(world->arena, (JournalKind)wanted, record->payload,
                                          &envelope, err));
    else if (kind != EVIDENCE_ADMISSION || wanted != JOURNAL_AGENT_ADMITTED)
        return true;
    assert_ok(envelope_peek_unverified(world->arena, envelope.bytes, envelope.length, type,
                                       &payload, &length, NULL, err));
    envelope.bytes = world_sign(world, type, payload, length, key, &envelope.length);
    if (kind == EVIDENCE_RECORD)
        record->payload = journal_envelope_encode(world->arena, (JournalKind)wanted, envelope);
    else
        *bytes = envelope;
    return true;
}

static void only_whose_it_is_may_sign(void **state)
{
    static const struct {
        const char *what;
        const char *words;
    } cases[] = {
        {"report", "the report of shard boston/tenant_01"},
        {"approval", "approval 1 by otto: who signed it may not approve"},
        {"admission", "the admission of agent boston"},
    };
    World *world = *state;
    world_story(world, "first");
    ByteSpan evidence = make(world, "first", false);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Lie lie = {.what = cases[i].what, .change = sign_wrongly};
        refused(world, retold(world, evidence, &lie), ERR_EVIDENCE, cases[i].words);
    }
    Lie stranger = {.what = "", .change = leave, .key = world->agent_keys[0]};
    refused(world, retold(world, evidence, &stranger), ERR_KEY_UNKNOWN, "the index");
}

/* --- the trust file --------------------------------------------------------------------------- */

static Trust *other_trust(World *world, uint64_t version, const SecretKey *root,
                          const SecretKey *signing, const SecretKey *coordinator)
{
    TrustParts parts = *trust_parts(world->coordinator->trust);
    uint8_t *payload;
    uint8_t *bytes;
    size_t length;
    Trust *trust;
    const SecretKey *keys[] = {root, signing};
    parts.version = version;
    parts.root = (TrustKeyRole){1, key_public(root), 1};
    parts.coordinators = key_public(coordinator);
    assert_ok(trust_encode(world->arena, &parts, &payload, &length, err));
    assert_ok(envelope_sign(world->arena, MESSAGE_TRUST, payload, length, keys,
                            signing == NULL ? 1 : 2, &bytes, &length, err));
    assert_ok(trust_open(bytes, length, 0, &trust, err));
    return trust;
}

static ErrCode check_with(World *world, ByteSpan evidence, const Trust *trust, bool *ret_retired)
{
    EvidenceSummary summary = {0};
    Error err;
    ErrCode code =
        evidence_check(world->arena, evidence.bytes, evidence.length, trust, &summary, &err);
    *ret_retired = summary.signer_retired;
    evidence_summary_done(&summary);
    return code;
}

static void the_trust_file_given_has_to_vouch(void **state)
{
    World *world = *state;
    bool retired = false;
    SecretKey *new_root = fixed_key("root2", 77);
    SecretKey *new_coordinator = fixed_key("coordinator2", 78);
    world_story(world, "first");
    ByteSpan evidence = make(world, "first", false);
    /* A later version by the same roots, whose coordinator is another one. */
    AUTO_TRUST Trust *later = other_trust(world, 4, world->root, NULL, new_coordinator);
    assert_int_equal(check_with(world, evidence, later, &retired), ERR_OK);
    assert_true(retired);
    /* Other roots have never heard of it, whatever version they say they are. */
    AUTO_TRUST Trust *foreign = other_trust(world, 1, new_root, NULL, world->coordinator_key);
    assert_int_equal(check_with(world, evidence, foreign, &retired), ERR_KEY_UNKNOWN);
    AUTO_TRUST Trust *changed = other_trust(world, 2, new_root, world->root, new_coordinator);
    assert_int_equal(check_with(world, evidence, changed, &retired), ERR_KEY_UNKNOWN);
    /* The same version with other content is not the one in force then. */
    AUTO_TRUST Trust *twin = other_trust(world, 1, world->root, NULL, new_coordinator);
    assert_int_equal(check_with(world, evidence, twin, &retired), ERR_KEY_UNKNOWN);
    key_free(new_root);
    key_free(new_coordinator);
}

/* --- making ----------------------------------------------------------------------------------- */

static size_t count_blobs(const World *world)
{
    size_t count = 0;
    char path[128];
    snprintf(path, sizeof path, "%s/state/blobs", world->directory);
    DIR *directory = opendir(path);
    assert_non_null(directory);
    for (const struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory))
        count += entry->d_name[0] != '.' ? 1 : 0;
    closedir(directory);
    return count;
}

static void only_the_last_few_files_are_kept(void **state)
{
    World *world = *state;
    world_story(world, "first");
    size_t before = count_blobs(world);
    ByteSpan first = make(world, "first", false);
    ByteSpan again = make(world, "first", false);
    assert_int_equal(first.length, again.length);
    assert_memory_equal(first.bytes, again.bytes, first.length); /* nothing has happened since */
    assert_int_equal(count_blobs(world), before + 1);
    world_job_ends(world, "first", 1, OUTCOME_SUCCEEDED);
    ByteSpan later = make(world, "first", false);
    assert_true(later.length > first.length);
    assert_int_equal(count_blobs(world), before + 1);
    world_close(world);
    world_open(world);
    assert_int_equal(count_blobs(world), before);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_happened_is_proven),
        TEST(of_what_is_not_over_it_says_so),
        TEST(a_restart_in_the_middle_changes_nothing),
        TEST(another_rollout_is_not_shown),
        TEST(every_byte_counts),
        TEST(a_coordinator_that_lies_is_found),
        TEST(what_is_left_out_or_hidden_is_missed),
        TEST(only_whose_it_is_may_sign),
        TEST(the_trust_file_given_has_to_vouch),
        TEST(only_the_last_few_files_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
