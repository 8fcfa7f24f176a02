#include "gates.h"

#include "child.h"
#include "coordinator.h"
#include "log.h"

#include <stdlib.h>
#include <string.h>

/* What a gate's command says by its exit status. */
enum { COMMAND_SUCCEEDED = 0, COMMAND_FAILED = 1, COMMAND_INCONCLUSIVE = 2 };

/* A look under way, or its answer that waits for the turn. */
typedef struct Look {
    struct Look *next;
    Gates *gates;
    Uuid rollout_id;
    uint32_t gate;
    uint64_t token;
    uint64_t until_ms;
    Child *child; /* NULL: none at work */
    bool answered;
    GateVerdict verdict;
    char message[256];
} Look;

struct Gates {
    Coordinator *coordinator;
    uv_loop_t *loop;
    Look *looks;
};

Gates *gates_new(Coordinator *coordinator, uv_loop_t *loop)
{
    Gates *gates = xcalloc(1, sizeof *gates);
    gates->coordinator = coordinator;
    gates->loop = loop;
    return gates;
}

void gates_free(Gates *gates)
{
    if (gates == NULL)
        return;
    while (gates->looks != NULL) {
        Look *look = gates->looks;
        gates->looks = look->next;
        if (look->child != NULL)
            child_kill(look->child);
        free(look);
    }
    free(gates);
}

static void answer(Look *look, GateVerdict verdict, const char *fmt, ...) PRINTF_LIKE(3, 4);

static void answer(Look *look, GateVerdict verdict, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(look->message, sizeof look->message, fmt, args);
    va_end(args);
    look->verdict = verdict;
    look->answered = true;
}

/* --- commands --------------------------------------------------------------------------------- */

static const GateCommand *find_command(const Coordinator *coordinator, const char *name)
{
    const ConfigList *commands = &coordinator->settings.gate_commands;
    const GateCommand *items = commands->items;
    for (size_t i = 0; i < commands->count; i++) {
        if (strcmp(items[i].name, name) == 0)
            return &items[i];
    }
    return NULL;
}

/* The last line that it said, for people. */
static const char *last_line(const char *text)
{
    const char *line = text;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '\n' && at[1] != '\0')
            line = at + 1;
    }
    return line;
}

static void on_command_end(const ChildResult *result, void *data)
{
    Look *look = data;
    look->child = NULL;
    const char *said = result->errors[0] != '\0' ? result->errors : result->output;
    int length = (int)strcspn(last_line(said), "\r\n");
    if (result->term_signal != 0)
        answer(look, GATE_ERROR, "ended by signal %d", result->term_signal);
    else if (result->exit_status == COMMAND_SUCCEEDED)
        answer(look, GATE_SUCCEEDED, "%.*s", length, last_line(said));
    else if (result->exit_status == COMMAND_FAILED)
        answer(look, GATE_FAILED, "%.*s", length, last_line(said));
    else if (result->exit_status == COMMAND_INCONCLUSIVE)
        answer(look, GATE_INCONCLUSIVE, "%.*s", length, last_line(said));
    else
        answer(look, GATE_ERROR, "exit status %d: %.*s", (int)result->exit_status, length,
               last_line(said));
}

static void start_command(Look *look, const RolloutEntry *entry, const RolloutLookAtGate *asked)
{
    const GatePlan *gate = &entry->header.gates[asked->gate];
    const GateCommand *command = find_command(look->gates->coordinator, gate->text);
    if (command == NULL) {
        answer(look, GATE_ERROR, "this coordinator has no command '%s'", gate->text);
        return;
    }
    AUTO_ARENA Arena *arena = arena_new();
    const char **argv = ARENA_ARRAY(arena, const char *, command->argv.count + 1);
    for (size_t i = 0; i < command->argv.count; i++)
        argv[i] = command->argv.items[i];
    const char *path = getenv("PATH");
    const char *when = asked->when == GATE_BEFORE   ? "before"
                       : asked->when == GATE_DURING ? "during"
                                                    : "after";
    const char *env[] = {
        arena_printf(arena, "PATH=%s", path == NULL ? "/usr/bin:/bin" : path),
        arena_printf(arena, "PGTIDE_ROLLOUT=%s", entry->header.name),
        arena_printf(arena, "PGTIDE_GATE=%s", gate->name),
        arena_printf(arena, "PGTIDE_WAVE=%u", asked->wave + 1),
        arena_printf(arena, "PGTIDE_WHEN=%s", when),
        NULL,
    };
    Error err;
    ChildArgs args = {.program = argv[0], .argv = argv, .env = env};
    if (child_start(look->gates->loop, &args, on_command_end, look, &look->child, &err) != ERR_OK)
        answer(look, GATE_ERROR, "%s", err.message);
}

/* --- looks ------------------------------------------------------------------------------------ */

void gates_look(Gates *gates, const RolloutEntry *entry, const RolloutLookAtGate *asked)
{
    const GatePlan *gate = &entry->header.gates[asked->gate];
    Look *look = xcalloc(1, sizeof *look);
    *look = (Look){.next = gates->looks,
                   .gates = gates,
                   .rollout_id = entry->header.rollout_id,
                   .gate = asked->gate,
                   .token = asked->token,
                   .until_ms = gates->coordinator->now_ms + gate->timeout_ms};
    gates->looks = look;
    if (gate->kind == GATE_KIND_PERSON)
        answer(look, GATE_INCONCLUSIVE, "%s", gate->text);
    else
        start_command(look, entry, asked);
}

static bool has_ended(Look *look)
{
    if (!look->answered && look->until_ms <= look->gates->coordinator->now_ms) {
        child_kill(look->child);
        look->child = NULL;
        answer(look, GATE_ERROR, "no answer in time");
    }
    return look->answered;
}

static void give(Gates *gates, const Look *look)
{
    static const char *const names[GATE_VERDICT_COUNT] = {"", "succeeded", "failed", "inconclusive",
                                                          "error"};
    RolloutEntry *entry = rollouts_find_id(gates->coordinator->rollouts, &look->rollout_id);
    if (entry == NULL)
        return;
    log_event(LOG_INFO, "gate.looked", "rollout", entry->header.name, "gate",
              entry->header.gates[look->gate].name, "verdict", names[look->verdict], "message",
              look->message, NULL);
    RolloutGateEvent event = {look->gate, look->token, look->verdict, look->message};
    rollouts_gate(gates->coordinator->rollouts, entry, &event);
}

void gates_take(Gates *gates)
{
    /* An answer may ask for the next look: what is taken now is taken off first. */
    Look *ended = NULL;
    Look **at = &gates->looks;
    while (*at != NULL) {
        Look *look = *at;
        if (has_ended(look)) {
            *at = look->next;
            look->next = ended;
            ended = look;
        } else {
            at = &look->next;
        }
    }
    while (ended != NULL) {
        Look *look = ended;
        ended = look->next;
        give(gates, look);
        free(look);
    }
}

ErrCode gates_check(const Coordinator *coordinator, const GatePlan *gate, Error *err)
{
    if (gate->kind == GATE_KIND_PERSON)
        return ERR_OK;
    if (gate->kind != GATE_KIND_COMMAND)
        return err_set(err, ERR_CONFIG, "gate '%s' is of a kind that this version can't look at",
                       gate->name);
    if (find_command(coordinator, gate->text) != NULL)
        return ERR_OK;
    err_set(err, ERR_CONFIG, "gate '%s': the coordinator has no command '%.80s'", gate->name,
            gate->text);
    err_hint(err, "Its configuration names them in `gate-commands`.");
    return ERR_CONFIG;
}
