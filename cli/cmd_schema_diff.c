#include "named_limits.h"
#include "schema_diff.h"
#include "schema_source.h"
#include "schema_tell.h"

#include <stdio.h>
#include <string.h>

enum { EXIT_DIFFERENT = 3 };

/* The command at work. */
typedef struct Differ {
    CommandContext *context;
    SchemaReadArgs args;
    SchemaModel from;
    SchemaModel to;
    SchemaRename *renames;
    size_t rename_count;
    SchemaDiff up;
    SchemaDiff down;
} Differ;

/* --- renames ---------------------------------------------------------------------------------- */

/* The last '=' that is in no quoted name. */
static const char *find_equals(const char *text)
{
    const char *found = NULL;
    bool quoted = false;
    for (const char *at = text; *at != '\0'; at++) {
        quoted = quoted != (*at == '"');
        found = *at == '=' && !quoted ? at : found;
    }
    return found;
}

/* "public.users.name=full_name", "public.users=people": what it is called in the first schema. */
static ErrCode read_rename(const Differ *differ, const char *text, SchemaRename *ret_rename,
                           Error *err)
{
    Arena *arena = differ->context->arena;
    const char *equals = find_equals(text);
    if (equals == NULL || equals == text || equals[1] == '\0') {
        err_set(err, ERR_USAGE, "--rename %.150s: OLD=NEW is needed", text);
        err_hint(err, "OLD as in a dump (public.users, public.users.name), NEW its new last part.");
        return ERR_USAGE;
    }
    SchemaRename rename = {.from = arena_strndup(arena, text, (size_t)(equals - text)),
                           .to = arena_strdup(arena, equals + 1)};
    rename.kind = schema_find(&differ->from, "table", rename.from) != NULL ? "table" : "column";
    *ret_rename = rename;
    return ERR_OK;
}

static ErrCode read_renames(Differ *differ, Error *err)
{
    StrList texts = context_options(differ->context, "rename");
    if (texts.count > LIMIT_SCHEMA_RENAMES)
        return err_set(err, ERR_LIMIT, "--rename: at most %d", LIMIT_SCHEMA_RENAMES);
    differ->renames = ARENA_ARRAY(differ->context->arena, SchemaRename, texts.count + 1);
    for (size_t i = 0; i < texts.count; i++) {
        ErrCode code = read_rename(differ, texts.items[i], &differ->renames[i], err);
        if (code != ERR_OK)
            return code;
    }
    differ->rename_count = texts.count;
    return ERR_OK;
}

/* The same renames, for the way back: the last first. */
static SchemaRename *renames_back(const Differ *differ)
{
    Arena *arena = differ->context->arena;
    SchemaRename *back = ARENA_ARRAY(arena, SchemaRename, differ->rename_count + 1);
    for (size_t i = 0; i < differ->rename_count; i++) {
        const SchemaRename *rename = &differ->renames[differ->rename_count - 1 - i];
        size_t last = 0; /* where the last part of the name begins */
        bool quoted = false;
        for (size_t at = 0; rename->from[at] != '\0'; at++) {
            quoted = quoted != (rename->from[at] == '"');
            last = rename->from[at] == '.' && !quoted ? at + 1 : last;
        }
        back[i] = (SchemaRename){
            .kind = rename->kind,
            .from = arena_printf(arena, "%.*s%s", (int)last, rename->from, rename->to),
            .to = arena_strdup(arena, rename->from + last),
        };
    }
    return back;
}

/* --- telling ---------------------------------------------------------------------------------- */

static void write_script(const SchemaDiff *diff)
{
    bool begun = false;
    for (size_t i = 0; i < diff->count; i++) {
        const SchemaOperation *operation = &diff->items[i];
        if (operation->reason != NULL)
            continue;
        if (!begun && !operation->alone) {
            puts("BEGIN;\nSET LOCAL check_function_bodies = off;");
            begun = true;
        }
        if (operation->destructive)
            printf("-- rows are lost: %s %s\n", operation->kind, operation->name);
        for (size_t j = 0; j < operation->sql.count; j++)
            printf("%s;\n", operation->sql.items[j]);
    }
    if (begun)
        puts("COMMIT;");
    for (size_t i = 0; i < diff->count; i++) {
        const SchemaOperation *operation = &diff->items[i];
        if (operation->reason != NULL)
            printf("-- NOT DONE: %s %s: %s\n", operation->kind, operation->name, operation->reason);
    }
}

static void tell(Differ *differ)
{
    CommandContext *context = differ->context;
    const SchemaDiff *diff = &differ->up;
    JsonWriter json = context_json(context);
    json_object_begin(&json);
    json_field_bool(&json, "different", diff->count > 0);
    json_field_uint(&json, "cannot", diff->cannot);
    schema_tell_json(&json, "upgrade", diff);
    schema_tell_json(&json, "downgrade", &differ->down);
    json_object_end(&json);
    if (context_has(context, "sql") && !context->json && diff->count > 0)
        write_script(diff);
    for (size_t i = 0; !context_has(context, "sql") && i < diff->count; i++)
        schema_tell_operation(context, &diff->items[i]);
    if (diff->cannot > 0 && !context->json)
        note(context, "%zu difference%s can't be said in SQL", diff->cannot,
             diff->cannot == 1 ? "" : "s");
    if (diff->count > 0)
        context->exit_status = EXIT_DIFFERENT;
}

/* --- the command ------------------------------------------------------------------------------ */

static ErrCode read_both(Differ *differ, Error *err)
{
    CommandContext *context = differ->context;
    Scratch *scratch = NULL;
    Wait wait;
    wait_open(&wait);
    ErrCode code = schema_source_read(context, &wait, context_argument(context, 0), &differ->args,
                                      &scratch, &differ->from, err);
    if (code == ERR_OK)
        code = schema_source_read(context, &wait, context_argument(context, 1), &differ->args,
                                  &scratch, &differ->to, err);
    scratch_close(scratch);
    wait_close(&wait);
    return code;
}

static ErrCode run(CommandContext *context, Error *err)
{
    Differ differ = {.context = context};
    ErrCode code = schema_source_args(context, &differ.args, err);
    if (code == ERR_OK)
        code = read_both(&differ, err);
    if (code == ERR_OK)
        code = read_renames(&differ, err);
    if (code == ERR_OK)
        code = schema_diff(context->arena, &differ.from, &differ.to, differ.renames,
                           differ.rename_count, &differ.up, err);
    if (code == ERR_OK && context->json)
        code = schema_diff(context->arena, &differ.to, &differ.from, renames_back(&differ),
                           differ.rename_count, &differ.down, err);
    if (code == ERR_OK)
        tell(&differ);
    return code;
}

static const CommandOption options[] = {
    {"sql", 0, NULL, "print a script that leads from FROM to TO"},
    {"rename", 0, "OLD=NEW", "a table or column that has a new name; may be given again"},
    {"schema", 0, "SCHEMA", "compare this schema alone, its own name in no text"},
    {"owners", 0, NULL, "compare who owns what, too"},
    {"scratch-url", 0, "URL", "the server for scratch databases (PGTIDE_URL)"},
    {0},
};

const CliCommand cmd_schema_diff = {
    .words = "schema diff",
    .arguments = "FROM TO",
    .arguments_min = 2,
    .arguments_max = 2,
    .summary = "tell how two schemas differ, and the SQL that leads from one to the other",
    .details =
        "FROM and TO are each a url, a file or a folder of SQL, or what `pgtide schema dump "
        "--json` "
        "wrote. SQL is run on a scratch database, made on the server of --scratch-url or "
        "PGTIDE_URL "
        "and dropped at the end, or else on a temporary server that is started from the PostgreSQL "
        "that is installed here; a folder's *.sql run in the order of their names.\n\n"
        "Operations are listed in the order in which they run: what stands on something that "
        "changes is dropped before and made again after. Labels are added to enums, which are "
        "never "
        "made anew. Nothing is taken for renamed but what --rename says: "
        "public.users.name=full_name, public.users=people. What there is no SQL for is listed with "
        "the reason. With --json the way back is told too.\n\n"
        "Exit status: 0 no difference; 3 a difference; 1 a statement failed; 2 wrong use, or no "
        "such "
        "file; 6 a server can't be reached.",
    .options = options,
    .run = run,
};
