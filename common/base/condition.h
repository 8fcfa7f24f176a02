/*
 * What must hold of a number: `result < 0.01`, `result >= 1 and result < 5`, `result == 0 or result
 * > 10`. `and` binds closer than `or`; there are no parentheses. Numbers are decimal, with a sign,
 * a point and an exponent if you like. Never true of NaN.
 */
#pragma once

#include "error.h"

enum { CONDITION_COMPARISONS_MAX = 16 };

typedef enum ConditionOperator {
    CONDITION_LESS,
    CONDITION_LESS_EQUAL,
    CONDITION_GREATER,
    CONDITION_GREATER_EQUAL,
    CONDITION_EQUAL,
    CONDITION_NOT_EQUAL
} ConditionOperator;

typedef struct Condition {
    struct ConditionComparison {
        ConditionOperator op;
        double number;
        bool begins_alternative; /* `or` comes before it */
    } items[CONDITION_COMPARISONS_MAX];
    size_t count;
} Condition;

/* ERR_CONFIG with what was expected and at which character, from 1. */
ErrCode condition_parse(const char *text, Condition *ret_condition, Error *err) MUST_CHECK;
bool condition_holds(const Condition *condition, double result);
