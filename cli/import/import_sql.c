#include "import_sql.h"

#include "import_parts.h"

/* What a section needs to be one transaction, or why it can't. */
static bool section_begin(Import *import, const char *file, int line, const char *sql,
                          bool no_transaction, SqlParts *ret)
{
    SqlParts parts = {
        .import = import, .file = file, .first_line = line, .in_block = !no_transaction};
    parts.text = arena_strdup(import->arena, sql);
    if (!parts_read(&parts) || !parts_group(&parts))
        return false;
    *ret = parts;
    return true;
}

/* A verify section only looks, and a transaction around it is always taken back. */
static void verify_tidy(Import *import, ImportedRevision *item)
{
    size_t notes = import->note_count;
    SqlParts parts = {.import = import,
                      .file = item->file,
                      .first_line = 1,
                      .in_block = true,
                      .takes_back = true,
                      .text = arena_strdup(import->arena, item->verify)};
    bool read = parts_read(&parts) && parts_group(&parts) && !parts_need_units(&parts);
    import->note_count = notes;
    if (read) {
        item->verify = parts_render(&parts, false);
        return;
    }
    item->verify = NULL;
    import_note(import, item->file, 0, "its verify script does more than look: left out");
}

bool import_tidy(Import *import, ImportedRevision *item)
{
    SqlParts up;
    SqlParts down;
    bool has_down = item->down != NULL && item->kind == SCRIPT_REVISION;
    const char *down_file = item->down_file != NULL ? item->down_file : item->file;
    if (!section_begin(import, item->file, item->up_line, item->up, item->no_transaction, &up))
        return false;
    if (has_down && !section_begin(import, down_file, item->down_line, item->down,
                                   item->down_no_transaction, &down))
        return false;
    bool units = parts_need_units(&up) || (has_down && parts_need_units(&down));
    if (!units && item->verify != NULL && up.adds_value) {
        import_note(import, item->file, 0,
                    "adds an enum's value, which its verify script may need: `transaction: none`");
        units = true;
    }
    item->no_transaction = units;
    item->up = parts_render(&up, units);
    if (has_down)
        item->down = parts_render(&down, units);
    if (item->verify != NULL)
        verify_tidy(import, item);
    return true;
}
