/*
 * Blobs that nothing needs: bundles that were uploaded and never planned with, plans that were made
 * and never submitted, evidence that was fetched. What any rollout of the journal refers to stays:
 * it is read again at each start, and a finished one may still be taken back.
 */
#pragma once

#include "coordinator.h"

/* Before requests are taken. What is younger than a day stays too. */
void blobs_sweep(Coordinator *coordinator);
