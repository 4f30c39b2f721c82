#include "kafka_transactions.h"

#include "failpoint.h"
#include "kafka_membership.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* Positions are sent from a thread of their own, since rd_kafka_send_offsets_to_transaction may never return, whatever
 * its timeout. When the group's coordinator is moving it asks three times within 0.3 s where that is; then it waits for
 * some broker connection to change its state, for ever if none does (2.0.2; the time-out of rd_kafka_coord_req,
 * creq_ts_timeout, is set and never looked at up to 2.15; upstream's #3847 is open). Nothing of the process would be
 * counted any more, without a word. By the time that Kafka ends the transaction anyway the client is given up instead,
 * and left to the thread that is inside it. */

struct call {
    rd_kafka_t *client;
    rd_kafka_topic_partition_list_t *positions;
    struct dl_kafka_membership *membership; /* held: the thread may outlive the batch */
    int timeout_ms;
    rd_kafka_error_t *error; /* the outcome */
    pthread_mutex_t lock;    /* of what follows */
    pthread_cond_t changed;
    bool returned, abandoned;
};

static void free_call(struct call *call)
{
    if (call->positions)
        rd_kafka_topic_partition_list_destroy(call->positions);
    dl_kafka_membership_destroy(call->membership);
    pthread_cond_destroy(&call->changed);
    pthread_mutex_destroy(&call->lock);
    free(call);
}

static void *run(void *context)
{
    static atomic_bool hung; /* as it does once in a while */
    struct call *call = context;
    if (dl_broken("deaf_sender") && !atomic_exchange(&hung, true))
        for (;;)
            (void)pause();
    call->error = rd_kafka_send_offsets_to_transaction(call->client, call->positions, call->membership->metadata, call->timeout_ms);
    pthread_mutex_lock(&call->lock);
    call->returned = true;
    bool abandoned = call->abandoned;
    pthread_cond_signal(&call->changed);
    pthread_mutex_unlock(&call->lock);
    if (abandoned) {
        rd_kafka_error_destroy(call->error);
        (void)dl_kafka_client_destroy(call->client, 1000);
        free_call(call);
    }
    return NULL;
}

static struct call *make_call(struct dl_transactions *transactions, int timeout_ms)
{
    const struct dl_transaction *run_of = transactions->run;
    struct call *call = calloc(1, sizeof *call);
    if (!call)
        return NULL;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&call->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&call->lock, NULL);
    call->client = transactions->client;
    call->timeout_ms = timeout_ms;
    call->membership = run_of->membership;
    dl_kafka_membership_hold(call->membership);
    call->positions = rd_kafka_topic_partition_list_new((int)run_of->position_count);
    for (size_t i = 0; i < run_of->position_count; i++)
        rd_kafka_topic_partition_list_add(call->positions, run_of->positions[i].topic, run_of->positions[i].partition)->offset =
            run_of->positions[i].next;
    return call;
}

/* False: it has not returned by then, and is the thread's now. */
static bool wait_for(struct call *call, int64_t until_ms)
{
    const struct timespec until = {.tv_sec = (time_t)(until_ms / 1000), .tv_nsec = (long)(until_ms % 1000) * 1000000};
    pthread_mutex_lock(&call->lock);
    while (!call->returned && pthread_cond_timedwait(&call->changed, &call->lock, &until) != ETIMEDOUT)
        continue;
    bool returned = call->returned;
    call->abandoned = !returned;
    pthread_mutex_unlock(&call->lock);
    return returned;
}

static enum dl_transactions_end fail(struct dl_transactions *transactions, rd_kafka_resp_err_t code, const char *reason)
{
    transactions->phase = DL_TRANSACTIONS_DEAD;
    transactions->outcome.code = code;
    (void)snprintf(transactions->outcome.reason, sizeof transactions->outcome.reason, "%s", reason);
    return DL_TRANSACTIONS_FATAL;
}

enum dl_transactions_end dl_transactions_send_positions(struct dl_transactions *transactions, int timeout_ms)
{
    struct call *call = make_call(transactions, timeout_ms);
    pthread_t thread;
    if (!call)
        return fail(transactions, RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE, "out of memory");
    if (pthread_create(&thread, NULL, run, call) != 0) {
        free_call(call);
        return fail(transactions, RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE, "no thread can be started");
    }
    if (!wait_for(call, dl_kafka_now_ms() + transactions->timeout_ms)) {
        (void)pthread_detach(thread);
        dl_transactions_abandon_client(transactions);
        return fail(transactions, RD_KAFKA_RESP_ERR__TIMED_OUT, "librdkafka does not return from the sending of positions");
    }
    (void)pthread_join(thread, NULL);
    enum dl_transactions_end end = dl_transactions_judge(transactions, call->error);
    free_call(call);
    return end;
}
