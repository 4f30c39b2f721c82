/* From the configuration to what each layer wants of it. Everything borrows
 * from the configuration, which must outlive the result. */
#pragma once

#include "codec.h"
#include "config.h"
#include "kafka.h"
#include "redis.h"

struct dl_kafka_options dl_settings_kafka(const struct dl_config *config, struct dl_note_sink *notes);
/* group.id of kafka.properties, else "delightd". */
const char *dl_settings_group(const struct dl_config *config);
bool dl_settings_has_role(const struct dl_config *config, const char *role); /* "ingest" or "score" */
struct dl_score_options dl_settings_score(const struct dl_config *config);
struct dl_engine_options dl_settings_engine(const struct dl_config *config);
struct dl_batch_options dl_settings_batch(const struct dl_config *config);
struct dl_decode_options dl_settings_decode(const struct dl_config *config, const struct dl_catalogue *catalogue);
/* catalogue_json is borrowed too. */
struct dl_view_options dl_settings_view(const struct dl_config *config, struct dl_note_sink *notes,
                                        const char *catalogue_json);

/* NULL: out of memory. */
struct dl_catalogue *dl_settings_catalogue(const struct dl_config *config);
/* {"journeys":[{"name":…,"stages":[{"name":…,"touchpoints":[…]}]}]}, for cx:meta. NULL: out of memory; free it. */
char *dl_settings_catalogue_json(const struct dl_config *config);

/* Where a re-read must start so that every window is whole: now - longest window
 * - its pane - 5 min; INT64_MIN with `clock: event`. */
int64_t dl_settings_start_ms(const struct dl_config *config, int64_t now_ms);
int64_t dl_settings_longest_window_ms(const struct dl_config *config);
