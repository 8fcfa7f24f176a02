#include "lint.h"

#include "str.h"

enum {
    SQUAWK = 1 << 0,
    EUGENE = 1 << 1,
    STRONG = 1 << 2,
    ATLAS = 1 << 3,
    ATLAS_PRO = 1 << 4,
    DJANGO = 1 << 5,
    SAFE_PG = 1 << 6,
    HA = 1 << 7,
};

typedef struct PeerRow {
    const char *what;
    LintRule rule;
    unsigned tools;
} PeerRow;

static const PeerRow peers[] = {
#define X(what, rule, tools) {what, LINT_##rule, tools},
#include "lint_peers.def"
#undef X
};

void lint_markdown(Str *out)
{
    str_append(out, "| rule | severity | by | lock | meanwhile | what is wrong with it | the safe "
                    "form | |\n|---|---|---|---|---|---|---|---|\n");
    for (LintRule rule = (LintRule)0; rule < LINT_RULE_COUNT; rule++) {
        LintInfo info = lint_info(rule);
        bool locks = info.lint_class != LINT_NONE;
        str_printf(out, "| `%s` | %s | %s | %s | %s | %s | %s | %s |\n", lint_rule_id(rule),
                   lint_severity_name(lint_rule_severity(rule)), lint_decided_name(info.decided),
                   info.lock, locks ? lint_class_name(info.lint_class) : "", info.why, info.safe,
                   info.written ? "written" : "");
    }
}

void lint_peers_markdown(Str *out)
{
    static const unsigned columns[] = {SQUAWK, EUGENE, STRONG, 0, DJANGO, SAFE_PG, HA};
    str_append(out, "| | pgtide | squawk | eugene | strong_migrations | Atlas | django-zd | "
                    "safe-pg | pg_ha |\n|---|---|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < sizeof peers / sizeof peers[0]; i++) {
        str_printf(out, "| %s | `%s` |", peers[i].what, lint_rule_id(peers[i].rule));
        for (size_t k = 0; k < sizeof columns / sizeof columns[0]; k++) {
            bool has = (peers[i].tools & columns[k]) != 0;
            if (columns[k] == 0)
                str_append(out, (peers[i].tools & ATLAS) != 0       ? " yes |"
                                : (peers[i].tools & ATLAS_PRO) != 0 ? " Pro |"
                                                                    : " |");
            else
                str_append(out, has ? " yes |" : " |");
        }
        str_append_char(out, '\n');
    }
}
