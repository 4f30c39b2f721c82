/* Scores of every view, as /metrics has them. Pure but for the text it writes to. */
#pragma once

#include "codec.h"
#include "config.h"

#include <delight/engine.h>

/* Adds the scores that http.scores asks for, in either format. true: some are left out, because http.scores_max was reached
 * or 50,000 views had none of them. Out of memory: text->failed. */
bool dl_metrics_scores(struct dl_text *text, bool openmetrics, const struct dl_engine *engine, const struct dl_config *config,
                       const struct dl_score_options *options);
