/*
 * What `pgtide init` can make. The files lie in cli/templates/NAME and are part of the program.
 */
#pragma once

#include <stddef.h>

typedef struct TemplateFile {
    const char *name; /* relative to the project */
    const char *text;
} TemplateFile;

typedef struct Template {
    const char *name;
    const char *summary;
    const TemplateFile *files; /* pgtide.yaml first */
    size_t file_count;
} Template;

const Template *templates_all(void);             /* ended by one without a name */
const Template *template_find(const char *name); /* NULL when there is none */
