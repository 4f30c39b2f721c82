/* libmicrohttpd looks at every connection in one run, and at those that have sent
 * the next request already again in the run after. So that a hundred costly
 * answers do not hold up the loop, who asks after the time of a turn is over
 * waits, suspended, in a queue:
 *
 *     turn      answers for turn_ms_max: the queue, one at least; without a queue, whoever asks
 *       │       all others: to the end of the queue
 *       ▼
 *     other handles of the loop, then the next turn */
#include "http_inside.h"

static void on_timer(uv_timer_t *timer);
static void on_soon(uv_idle_t *idle);

void dl_http_turn_soon(struct dl_http *http)
{
    /* Not a timer of 0 ms: as long as it starts itself again, libuv 1.44 lets nothing else run. */
    if (!http->closing)
        uv_idle_start(&http->soon, on_soon);
}

/* ---- The queue ---- */

static struct dl_http_connection *take_first(struct dl_http *http)
{
    struct dl_http_connection *first = http->waiting;
    http->waiting = first->waiting_after;
    if (http->waiting == NULL)
        http->waiting_last = NULL;
    first->waiting_after = NULL;
    return first;
}

static void add_last(struct dl_http *http, struct dl_http_connection *connection)
{
    if (http->waiting_last == NULL)
        http->waiting = connection;
    else
        http->waiting_last->waiting_after = connection;
    http->waiting_last = connection;
}

static void let_first(struct dl_http *http)
{
    struct dl_http_connection *first = take_first(http);
    first->its_turn = true;
    MHD_resume_connection(first->waiting_handle);
}

static bool over(const struct dl_http *http)
{
    return uv_hrtime() - http->turn_ns >= (uint64_t)http->options.turn_ms_max * 1000000;
}

bool dl_http_wait_turn(struct dl_http_connection *connection, struct MHD_Connection *handle)
{
    struct dl_http *http = connection->http;
    if (connection->its_turn || (http->waiting == NULL && !(http->answered && over(http)))) {
        connection->its_turn = false;
        http->answered = true;
        return false;
    }
    http->counts.waited++;
    connection->waiting_handle = handle;
    add_last(http, connection);
    MHD_suspend_connection(handle);
    return true;
}

void dl_http_wait_end_all(struct dl_http *http)
{
    while (http->waiting != NULL)
        let_first(http);
}

/* ---- A turn ---- */

/* Reads, writes, answers; and says when it wants to be called again though nothing comes. */
static void turn(struct dl_http *http)
{
    unsigned long long wait_ms = 0;
    uv_idle_stop(&http->soon);
    uv_timer_stop(&http->later);
    if (http->daemon == NULL)
        return;
    int64_t before = http->counts.connections;
    http->turn_ns = uv_hrtime();
    do {
        http->answered = http->waiting != NULL;
        if (http->waiting != NULL)
            let_first(http);
        (void)MHD_run(http->daemon);
    } while (http->waiting != NULL && !over(http));
    bool timed = MHD_get_timeout(http->daemon, &wait_ms) == MHD_YES;
    bool accepts_again = http->counts.connections < before; /* at the limit: from its next turn on */
    if (http->waiting != NULL || accepts_again || (timed && wait_ms == 0))
        dl_http_turn_soon(http);
    else if (timed)
        uv_timer_start(&http->later, on_timer, wait_ms, 0);
}

static void on_timer(uv_timer_t *timer)
{
    turn(timer->data);
}

static void on_soon(uv_idle_t *idle)
{
    turn(idle->data);
}

void dl_http_on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    turn(poll->data);
}
