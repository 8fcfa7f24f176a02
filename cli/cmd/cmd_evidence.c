/* Evidence of a rollout: fetched from the coordinator, checked without it. */
#include "client.h"
#include "evidence_tell.h"

#include "digest.h"
#include "file.h"
#include "proto_read.h"

#include <poll.h>
#include <stdlib.h>

enum { ASK_AGAIN_MS = 20 };

/* --- rollout evidence ------------------------------------------------------------------------- */

static void progress_tell(const CommandContext *context, const ClientAnswer *answer)
{
    if (context->terminal && !context->quiet && !context->json)
        fprintf(stderr, "\r%lld of %lld journal records",
                (long long)answer_int(answer->result, "records"),
                (long long)answer_int(answer->result, "of"));
}

/* The coordinator makes it bit by bit, each time it is asked. */
static ErrCode evidence_fetch(CommandContext *context, Client *client, uint8_t **ret_bytes,
                              size_t *ret_length, Error *err)
{
    Pgtide__V1__MakeEvidence message = PGTIDE__V1__MAKE_EVIDENCE__INIT;
    RequestMessage request = PGTIDE__V1__REQUEST__INIT;
    ClientAnswer answer;
    Digest digest;
    bool shown = false;
    message.rollout = proto_from_text(context_argument(context, 0));
    message.with_bundle = context_has(context, "with-bundle");
    request.body_case = PGTIDE__V1__REQUEST__BODY_MAKE_EVIDENCE;
    request.make_evidence = &message;
    ErrCode code = client_request(client, &request, &answer, err);
    while (code == ERR_OK && !answer_bool(answer.result, "ready")) {
        progress_tell(context, &answer);
        shown = true;
        (void)poll(NULL, 0, ASK_AGAIN_MS);
        code = client_request(client, &request, &answer, err);
    }
    if (shown && context->terminal && !context->quiet && !context->json)
        fputs("\r\x1b[K", stderr);
    if (code != ERR_OK)
        return code;
    if (!digest_parse(answer_text(answer.result, "evidence_blob_digest"), &digest))
        return err_set(err, ERR_PROTOCOL, "the coordinator names no evidence");
    return client_download(client, &digest, ret_bytes, ret_length, err);
}

static ErrCode run_make(CommandContext *context, Error *err)
{
    const char *output = context_option(context, "output");
    if (output == NULL || output[0] == '\0') {
        err_set(err, ERR_USAGE, "where to?");
        err_hint(err, "Say -o FILE.evidence.");
        return ERR_USAGE;
    }
    AUTO_CLIENT Client *client = NULL;
    uint8_t *bytes;
    size_t length;
    EvidenceSummary summary = {0};
    ErrCode code = client_open(context, &client, err);
    if (code == ERR_OK)
        code = evidence_fetch(context, client, &bytes, &length, err);
    if (code != ERR_OK)
        return code;
    code = evidence_check(context->arena, bytes, length, client_trust(client), &summary, err);
    bool kept = code == ERR_OK || context_has(context, "unverified");
    if (!kept) {
        err_wrap(err, "what the coordinator has made does not hold");
        err_hint(err, "It was not written; --unverified writes it all the same.");
        return code;
    }
    Error why = *err;
    ErrCode written = file_write_new(output, bytes, length, 0644, err);
    EvidenceRead file = {output, length, sha256_bytes(bytes, length)};
    if (written == ERR_OK && code == ERR_OK)
        evidence_tell(context, &file, &summary);
    else if (written == ERR_OK)
        *err = why;
    evidence_summary_done(&summary);
    return written != ERR_OK ? written : code;
}

/* --- evidence verify -------------------------------------------------------------------------- */

static ErrCode trust_find(const CommandContext *context, Trust **ret_trust, Error *err)
{
    const char *path = context_option(context, "trust");
    if (path == NULL)
        path = getenv("PGTIDE_TRUST");
    if (path == NULL || path[0] == '\0') {
        err_set(err, ERR_USAGE, "no trust file given");
        err_hint(err, "Say --trust FILE or set PGTIDE_TRUST: evidence is only as good as the trust "
                      "file it is held against.");
        return ERR_USAGE;
    }
    return trust_load(path, 0, ret_trust, err); /* expired since: what was signed then still is */
}

static ErrCode run_verify(CommandContext *context, Error *err)
{
    const char *path = context_argument(context, 0);
    AUTO_TRUST Trust *trust = NULL;
    EvidenceRead file;
    EvidenceSummary summary = {0};
    ErrCode code = trust_find(context, &trust, err);
    if (code == ERR_OK)
        code = evidence_open(context->arena, path, trust, &file, &summary, err);
    if (code != ERR_OK)
        return code;
    evidence_tell(context, &file, &summary);
    evidence_summary_done(&summary);
    return ERR_OK;
}

static const CommandOption make_options[] = {
    {"output", 'o', "FILE", "where to; never over a file that is there"},
    {"with-bundle", 0, NULL, "the SQL files too, not only their digests"},
    {"unverified", 0, NULL, "write it even when it does not hold"},
    CLIENT_OPTIONS,
    {0},
};
static const CommandOption verify_options[] = {
    {"trust", 0, "FILE", "the trust file to hold it against (PGTIDE_TRUST)"},
    {0},
};

const CliCommand cmd_rollout_evidence = {
    .words = "rollout evidence",
    .arguments = "ROLLOUT",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "fetch a rollout's signed evidence into a file",
    .details =
        "Plan, approvals, requests and reports as they were signed, and the journal's records "
        "in between.\nOf a rollout that is not over: as far as it has come. What was fetched "
        "is verified before it is written.",
    .options = make_options,
    .run = run_make,
};
const CliCommand cmd_evidence_verify = {
    .words = "evidence verify",
    .arguments = "FILE",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "check evidence offline and tell what it proves",
    .details =
        "Exit status 0: genuine. 1: not genuine; the message names the part that was changed or "
        "that\ncontradicts what others have signed. 2: no evidence file, or not readable. 5: this "
        "trust file does not\nvouch for it.",
    .options = verify_options,
    .run = run_verify,
};
