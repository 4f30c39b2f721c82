#include "stall.h"

static const uint64_t minute_ns = UINT64_C(60000000000);

/* libuv counts the time that it waits in the kernel for something to happen; the rest of a turn is work. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct dl_stall *stall = prepare->data;
    uint64_t now_ns = uv_hrtime(), idle_ns = uv_metrics_idle_time(prepare->loop), minute = now_ns / minute_ns;
    int64_t busy_ns = (int64_t)(now_ns - stall->last_ns) - (int64_t)(idle_ns - stall->idle_ns);
    stall->last_ns = now_ns;
    stall->idle_ns = idle_ns;
    if (minute != stall->minute) {
        stall->longest_ns[1] = minute == stall->minute + 1 ? stall->longest_ns[0] : 0;
        stall->longest_ns[0] = 0;
        stall->minute = minute;
    }
    if (busy_ns > stall->longest_ns[0])
        stall->longest_ns[0] = busy_ns;
    dl_durations_add(&stall->turns, busy_ns);
}

void dl_stall_start(struct dl_stall *stall, uv_loop_t *loop)
{
    *stall = (struct dl_stall){.last_ns = uv_hrtime()};
    stall->minute = stall->last_ns / minute_ns;
    (void)uv_loop_configure(loop, UV_METRICS_IDLE_TIME); /* cannot fail: libuv knows it since 1.39 */
    uv_prepare_init(loop, &stall->prepare);
    stall->prepare.data = stall;
    uv_prepare_start(&stall->prepare, on_prepare);
}

void dl_stall_stop(struct dl_stall *stall)
{
    uv_close((uv_handle_t *)&stall->prepare, NULL);
}

int64_t dl_stall_longest_ns(const struct dl_stall *stall)
{
    return stall->longest_ns[0] > stall->longest_ns[1] ? stall->longest_ns[0] : stall->longest_ns[1];
}
