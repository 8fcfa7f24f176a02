#include "compat_gate.h"

#include <string.h>

CompatGateDepth compat_gate_depth(const GatePlan *gate)
{
    static const char *const names[] = {[COMPAT_GATE_OBJECTS] = "objects",
                                        [COMPAT_GATE_STATEMENTS] = "statements",
                                        [COMPAT_GATE_STRICT] = "strict"};
    for (size_t i = COMPAT_GATE_OBJECTS; i <= COMPAT_GATE_STRICT; i++) {
        if (strcmp(gate->text, names[i]) == 0)
            return (CompatGateDepth)i;
    }
    return COMPAT_GATE_UNKNOWN;
}

ErrCode compat_gate_check(const GatePlan *gate, Error *err)
{
    if (compat_gate_depth(gate) == COMPAT_GATE_UNKNOWN)
        return err_set(err, ERR_CONFIG,
                       "gate '%s': `compat` is objects, statements or strict, not '%.80s'",
                       gate->name, gate->text);
    if (gate->when != GATE_BEFORE)
        return err_set(err, ERR_CONFIG,
                       "gate '%s': `compat` is looked at before a wave: give it `when: [before]`",
                       gate->name);
    return ERR_OK;
}
