#include "prometheus.h"

#include "condition.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { STATUS_OK = 200, LABELS_SHOWN = 200 };

const char *prometheus_form(Arena *arena, const char *query, uint32_t timeout_ms)
{
    static const char hex[] = "0123456789ABCDEF";
    AUTO_STR Str form = {0};
    str_append(&form, "query=");
    for (const char *at = query; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '_' || c == '.' || c == '~';
        if (plain) {
            str_append_char(&form, *at);
            continue;
        }
        str_append_char(&form, '%');
        str_append_char(&form, hex[c >> 4]);
        str_append_char(&form, hex[c & 15]);
    }
    str_printf(&form, "&timeout=%ums", timeout_ms);
    return arena_strdup(arena, str_text(&form));
}

/* --- conditions ------------------------------------------------------------------------------- */

typedef struct Judge {
    Arena *arena;
    Condition success;
    Condition failure;
    bool has_success;
    bool has_failure;
    GateVerdict verdict;
    const char *message;
    size_t samples;
} Judge;

static const char *labels_text(Arena *arena, const json_t *metric)
{
    char *text = json_is_object(metric) && json_object_size(metric) > 0
                     ? json_dumps(metric, JSON_COMPACT | JSON_SORT_KEYS)
                     : NULL;
    const char *copy = text == NULL ? "" : arena_printf(arena, " of %.*s", LABELS_SHOWN, text);
    free(text);
    return copy;
}

static GateVerdict judge_number(const Judge *judge, double number)
{
    if (number != number)
        return GATE_INCONCLUSIVE;
    if (judge->has_failure && condition_holds(&judge->failure, number))
        return GATE_FAILED;
    if (judge->has_success)
        return condition_holds(&judge->success, number) ? GATE_SUCCEEDED
               : judge->has_failure                     ? GATE_INCONCLUSIVE
                                                        : GATE_FAILED;
    return GATE_SUCCEEDED;
}

/* [ time, "0.25" ] */
static void judge_sample(Judge *judge, const json_t *value, const json_t *metric)
{
    const char *text = json_string_value(json_array_get(value, 1));
    char *end = NULL;
    double number = text == NULL ? 0 : strtod(text, &end);
    GateVerdict verdict = GATE_ERROR;
    const char *said = "the server's answer has a sample without a number";
    if (text != NULL && end != text && *end == '\0') {
        verdict = judge_number(judge, number);
        said = arena_printf(judge->arena, "result%s is %.40s", labels_text(judge->arena, metric),
                            text);
    }
    judge->samples++;
    if (!gate_verdict_is_worse(verdict, judge->verdict))
        return;
    judge->verdict = verdict;
    judge->message = said;
}

static void judge_error(Judge *judge, const char *message)
{
    judge->verdict = GATE_ERROR;
    judge->message = message;
}

static void judge_data(Judge *judge, const json_t *data)
{
    const char *type = json_string_value(json_object_get(data, "resultType"));
    const json_t *result = json_object_get(data, "result");
    type = type == NULL ? "" : type;
    if (strcmp(type, "scalar") == 0) {
        judge_sample(judge, result, NULL);
        return;
    }
    if (strcmp(type, "vector") != 0 || !json_is_array(result)) {
        judge_error(judge,
                    arena_printf(judge->arena, "the query gives a %.20s, not a vector or scalar",
                                 type[0] == '\0' ? "nothing" : type));
        return;
    }
    for (size_t i = 0; i < json_array_size(result); i++) {
        const json_t *sample = json_array_get(result, i);
        judge_sample(judge, json_object_get(sample, "value"), json_object_get(sample, "metric"));
    }
    if (judge->samples == 0) {
        judge->verdict = GATE_INCONCLUSIVE;
        judge->message = "the query gives no data";
    }
}

static void judge_answer(Judge *judge, int status, const char *body, size_t length)
{
    json_t *root = json_loadb(body, length, 0, NULL);
    const char *word = json_string_value(json_object_get(root, "status"));
    const char *error = json_string_value(json_object_get(root, "error"));
    if (status == STATUS_OK && word != NULL && strcmp(word, "success") == 0)
        judge_data(judge, json_object_get(root, "data"));
    else if (error != NULL)
        judge_error(judge,
                    arena_printf(judge->arena, "the server answered %d: %.300s", status, error));
    else
        judge_error(judge, arena_printf(judge->arena,
                                        "the server answered %d, and no JSON of "
                                        "Prometheus's",
                                        status));
    json_decref(root);
}

GateVerdict prometheus_judge(Arena *arena, const GatePlan *gate, int status, const char *body,
                             size_t length, const char **ret_message)
{
    Judge judge = {.arena = arena, .message = ""};
    Error err;
    ErrCode code = ERR_OK;
    judge.has_success = gate->success[0] != '\0';
    judge.has_failure = gate->failure[0] != '\0';
    if (judge.has_success)
        code = condition_parse(gate->success, &judge.success, &err);
    if (code == ERR_OK && judge.has_failure)
        code = condition_parse(gate->failure, &judge.failure, &err);
    if (code != ERR_OK)
        judge_error(&judge, arena_strdup(arena, err.message));
    else
        judge_answer(&judge, status, body, length);
    *ret_message = judge.message;
    return judge.verdict;
}
