/* What the operator is told: once per change of state. */
#include "link.h"

#include <stdio.h>
#include <string.h>

void dl_told_fault(struct dl_redis *redis, enum dl_fault fault, const char *detail, int64_t retry_ms)
{
    detail = detail ? detail : "";
    /* A connection that is refused, reset or ended by turns is one state; a certificate that is
     * now expired instead of unknown is news. */
    bool same_detail = dl_fault_rank(fault) < DL_FAULT_RANK_DETAIL || strcmp(redis->told_detail, detail) == 0;
    if (redis->told_anything && redis->told == fault && same_detail)
        return;
    redis->told_anything = true;
    redis->told = fault;
    snprintf(redis->told_detail, sizeof redis->told_detail, "%s", detail);
    enum dl_note_level level = fault == DL_FAULT_CLUSTER ? DL_NOTE_ERROR : DL_NOTE_WARNING;
    if (*detail)
        dl_note(redis->options.notes, level, dl_fault_sentence(fault), DL_TEXT("redis", redis->address),
                DL_TEXT("detail", redis->told_detail), DL_NUMBER("retry_ms", retry_ms));
    else
        dl_note(redis->options.notes, level, dl_fault_sentence(fault), DL_TEXT("redis", redis->address),
                DL_NUMBER("retry_ms", retry_ms));
}

/* Called when the link comes up and with every answer until the news is out. */
void dl_told_up(struct dl_redis *redis)
{
    if (redis->told_anything && redis->told == DL_FAULT_NONE)
        return;
    /* A replica lets us in, too, and says READONLY only then: no news until it has lasted. */
    if (dl_fault_while_up(redis->told) && uv_now(redis->loop) - redis->up_since_ms < DL_LINK_SETTLED_MS)
        return;
    redis->told_anything = true;
    redis->told = DL_FAULT_NONE;
    dl_note(redis->options.notes, DL_NOTE_NOTICE, "redis is connected", DL_TEXT("redis", redis->address),
            DL_NUMBER("database", redis->url.database));
}
