#include "template.h"

#include "template_multi_tenant_databases.h"
#include "template_multi_tenant_pgtide.h"
#include "template_multi_tenant_readme.h"
#include "template_multi_tenant_rollout.h"
#include "template_plain_pgtide.h"
#include "template_plain_readme.h"

#include <string.h>

static const TemplateFile plain[] = {
    {"pgtide.yaml", template_plain_pgtide},
    {"README.md", template_plain_readme},
};

static const TemplateFile multi_tenant[] = {
    {"pgtide.yaml", template_multi_tenant_pgtide},
    {"README.md", template_multi_tenant_readme},
    {"databases.txt", template_multi_tenant_databases},
    {"rollout.yaml", template_multi_tenant_rollout},
};

#define FILES_OF(list) list, sizeof(list) / sizeof(list)[0]

static const Template templates[] = {
    {"plain", "one database: pgtide.yaml, versions/, safe/", FILES_OF(plain)},
    {"multi-tenant", "many databases or schemas of one shape: also a list of them and a rollout",
     FILES_OF(multi_tenant)},
    {0},
};

const Template *templates_all(void)
{
    return templates;
}

const Template *template_find(const char *name)
{
    for (const Template *at = templates; at->name != NULL; at++) {
        if (strcmp(at->name, name) == 0)
            return at;
    }
    return NULL;
}
