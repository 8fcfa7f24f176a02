#include "gate.h"

const char *gate_verdict_name(GateVerdict verdict)
{
    static const char *const names[GATE_VERDICT_COUNT] = {"unspecified", "succeeded", "failed",
                                                          "inconclusive", "error"};
    return (unsigned)verdict < GATE_VERDICT_COUNT ? names[verdict] : names[0];
}

static int weight_of(GateVerdict verdict)
{
    static const int weights[GATE_VERDICT_COUNT] = {
        [GATE_SUCCEEDED] = 1, [GATE_INCONCLUSIVE] = 2, [GATE_ERROR] = 3, [GATE_FAILED] = 4};
    return (unsigned)verdict < GATE_VERDICT_COUNT ? weights[verdict] : 0;
}

bool gate_verdict_is_worse(GateVerdict verdict, GateVerdict than)
{
    return weight_of(verdict) > weight_of(than);
}
