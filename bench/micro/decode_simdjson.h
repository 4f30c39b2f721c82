/* The same decoder over simdjson On-Demand, for comparison only (C++). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct simdjson_name {
    const char *data;
    size_t bytes;
};

struct simdjson_kano {
    struct simdjson_name feature;
    uint8_t category;
};

/* As struct dl_event, whose header C++ cannot read. */
struct simdjson_event {
    int type, sign, outcome;
    int64_t time_ms, wait_ms, handle_ms, duration_ms;
    struct simdjson_name id, touchpoint, stage, journey, segment[2];
    int8_t nps, csat, ces, expectation, first_contact, resolvable, closed, satisfied;
    uint8_t kano_count;
    struct simdjson_kano kano[32];
};

struct simdjson_decoder;

/* NULL: not built. Segments are channel and tier. */
struct simdjson_decoder *simdjson_decoder_create(int csat_max);
void simdjson_decoder_destroy(struct simdjson_decoder *decoder);
/* data has 64 readable bytes behind it. Whether it is a good event; names are valid until
 * the next call. */
bool simdjson_decode(struct simdjson_decoder *decoder, const char *data, size_t bytes, struct simdjson_event *event);

/* delightd's own, for both: C++ cannot read its headers. */
int simdjson_time_parse(const char *text, size_t bytes, int64_t *time_ms);
uint8_t simdjson_kano_category(int functional, int dysfunctional);

#ifdef __cplusplus
}
#endif
