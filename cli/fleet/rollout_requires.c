#include "rollout_requires.h"

#include "evidence_tell.h"

#include "digest.h"
#include "file.h"
#include "named_limits.h"
#include "proto_read.h"

#include <string.h>

static ErrCode other_bundle(const EvidenceSummary *summary, const Digest *bundle, Error *err)
{
    char theirs[DIGEST_TEXT_SIZE];
    char ours[DIGEST_TEXT_SIZE];
    digest_format(&summary->header.bundle_digest, theirs);
    digest_format(bundle, ours);
    err_set(err, ERR_REFUSED, "rollout %s was of another bundle", summary->header.name);
    err_detail(err, "it was %s of bundle %s, this one is %s", theirs, summary->bundle.name, ours);
    err_hint(err, "Roll out here what was rolled out there: the same bundle file.");
    return ERR_REFUSED;
}

static ErrCode judge(const EvidenceSummary *summary, const RolloutSpec *spec, const char *wanted,
                     const Digest *bundle, Error *err)
{
    const PlanHeader *header = &summary->header;
    if (wanted[0] != '\0' && strcmp(wanted, header->name) != 0)
        return err_set(err, ERR_REFUSED, "it is of rollout %s, not of %s", header->name, wanted);
    if (!digest_equal(&header->bundle_digest, bundle))
        return other_bundle(summary, bundle, err);
    if (!uuid_is_nil(&header->rollback_of))
        return err_set(err, ERR_REFUSED, "rollout %s took another one back", header->name);
    if (header->direction != (Direction)spec->plan.direction)
        return err_set(err, ERR_REFUSED, "the direction of rollout %s was %s, here it is %s",
                       header->name, direction_name(header->direction),
                       direction_name((Direction)spec->plan.direction));
    if (summary->state != ROLLOUT_SUCCEEDED) {
        err_set(err, ERR_REFUSED, "rollout %s had not succeeded: it was %s", header->name,
                rollout_state_name(summary->state));
        err_hint(err, "Fetch its evidence again when it has: pgtide rollout evidence %s.",
                 header->name);
        return ERR_REFUSED;
    }
    return ERR_OK;
}

static void fill(Arena *arena, const EvidenceSummary *summary, const EvidenceRead *file,
                 const Digest *trust_sha256, Pgtide__V1__Requirement *out)
{
    const PlanHeader *header = &summary->header;
    Pgtide__V1__RequiredEvidence *evidence = ARENA_NEW(arena, Pgtide__V1__RequiredEvidence);
    struct {
        Digest sha256, trust, bundle;
        Uuid fleet, rollout;
    } *kept = arena_alloc(arena, sizeof *kept);
    kept->sha256 = file->sha256;
    kept->trust = *trust_sha256;
    kept->bundle = header->bundle_digest;
    kept->fleet = header->fleet_id;
    kept->rollout = header->rollout_id;
    pgtide__v1__required_evidence__init(evidence);
    evidence->sha256 = proto_from_digest(&kept->sha256);
    evidence->trust_sha256 = proto_from_digest(&kept->trust);
    evidence->bundle_digest = proto_from_digest(&kept->bundle);
    evidence->fleet_id = proto_from_uuid(&kept->fleet);
    evidence->rollout_id = proto_from_uuid(&kept->rollout);
    evidence->target = arena_strdup(arena, header->target);
    out->rollout = arena_strdup(arena, header->name);
    out->evidence = evidence;
}

/* Expired since: what was signed then still is. */
static ErrCode trust_read(Arena *arena, const char *path, Trust **ret_trust, Digest *ret_sha256,
                          Error *err)
{
    uint8_t *bytes;
    size_t length;
    ErrCode code = file_read_all(arena, path, LIMIT_TRUST_FILE_BYTES, &bytes, &length, err);
    if (code == ERR_OK && (code = trust_open(bytes, length, 0, ret_trust, err)) != ERR_OK)
        err_wrap(err, "%s", path);
    if (code == ERR_OK)
        *ret_sha256 = sha256_bytes(bytes, length);
    return code;
}

static ErrCode meet(Arena *arena, RolloutSpec *spec, const EvidenceAsked *asked,
                    const Digest *bundle, Error *err)
{
    AUTO_ARENA Arena *work = arena_new(); /* evidence may be large */
    AUTO_TRUST Trust *trust = NULL;
    Pgtide__V1__Requirement *required = spec->plan.requires[asked->index];
    Digest trust_sha256;
    EvidenceRead file;
    EvidenceSummary summary = {0};
    ErrCode code = trust_read(work, asked->trust, &trust, &trust_sha256, err);
    if (code == ERR_OK)
        code = evidence_open(work, asked->path, trust, &file, &summary, err);
    if (code == ERR_OK)
        code = judge(&summary, spec, required->rollout, bundle, err);
    if (code == ERR_OK)
        fill(arena, &summary, &file, &trust_sha256, required);
    evidence_summary_done(&summary);
    return code;
}

ErrCode rollout_requires_meet(Arena *arena, RolloutSpec *spec, const Digest *bundle, Error *err)
{
    for (size_t i = 0; i < spec->evidence_count; i++) {
        const EvidenceAsked *asked = &spec->evidence[i];
        ErrCode code = meet(arena, spec, asked, bundle, err);
        if (code == ERR_OK)
            continue;
        const char *slash = strrchr(asked->path, '/');
        err_wrap(err, "evidence %s", slash == NULL ? asked->path : slash + 1);
        err_at(err, spec->path, asked->line);
        return code;
    }
    return ERR_OK;
}
