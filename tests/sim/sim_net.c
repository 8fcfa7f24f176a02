#include "sim.h"

/* The receiver may be another life than the one it was meant for: it decides by boot, epoch and
 * sequence, as the real ones do. */
static void deliver(Sim *sim, const SimArgs *args)
{
    const SimMessage *message = args->data;
    const SimAgent *agent = &sim->agents[message->agent];
    if (message->to_coordinator ? agent->cut_out : agent->cut_in)
        return;
    if (message->to_coordinator)
        sim_coord_receive(sim, message);
    else
        sim_agent_receive(sim, message->agent, message);
}

static void send_once(Sim *sim, SimMessage *message)
{
    uint64_t delay_ms = 1 + sim_random(sim, 5);
    if (!sim->healed)
        delay_ms += sim_random(sim, sim->options.delay_ms);
    if (!sim->healed && sim->options.delay_ms > 1 && sim_chance(sim, 2))
        delay_ms *= 1 + sim_random(sim, 20); /* one that everybody has forgotten */
    sim_later(sim, delay_ms, deliver, (SimArgs){.data = message});
}

void sim_send(Sim *sim, const SimMessage *message)
{
    SimMessage *copy = arena_memdup(sim->arena, message, sizeof *message);
    if (!sim->healed && sim_chance(sim, sim->options.drop_percent))
        return;
    send_once(sim, copy);
    if (!sim->healed && sim_chance(sim, sim->options.double_percent))
        send_once(sim, copy);
}
