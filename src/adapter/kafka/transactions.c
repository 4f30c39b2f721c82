#include "kafka_transactions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t refused_backoff_ms = 1000, refused_backoff_ms_max = 15000;
/* Waiting longer than this is told, whatever the reason. */
static const int64_t patience_ms = 4000;
/* What librdkafka's main thread has still to do for a call that was resumed. */
static const int64_t settle_ms = 20;

/* ---- Notes ---- */

/* Once for each reason: one right may be missing behind another. What librdkafka adds of elapsed time is no other reason. */
void dl_transactions_note_unwell(struct dl_transactions *transactions)
{
    const char *elapsed = strstr(transactions->outcome.reason, " (after ");
    size_t bytes = elapsed ? (size_t)(elapsed - transactions->outcome.reason) : strlen(transactions->outcome.reason);
    bool told = transactions->unwell && strncmp(transactions->outcome.reason, transactions->told, bytes) == 0 &&
                transactions->told[bytes] == '\0';
    memcpy(transactions->told, transactions->outcome.reason, bytes);
    transactions->told[bytes] = '\0';
    if (!told)
        dl_note(transactions->notes, DL_NOTE_WARNING, "a Kafka transaction does not come about; retrying",
                DL_TEXT("client", transactions->name), DL_TEXT("reason", transactions->outcome.reason));
    transactions->unwell = true;
}

void dl_transactions_well(struct dl_transactions *transactions)
{
    dl_kafka_trouble_answered(&transactions->trouble);
    transactions->attempt = 0;
    if (transactions->unwell)
        dl_note(transactions->notes, DL_NOTE_NOTICE, "Kafka transactions come about again", DL_TEXT("client", transactions->name));
    transactions->unwell = false;
}

static void note_fenced(struct dl_transactions *transactions)
{
    dl_note(transactions->notes, DL_NOTE_WARNING,
            "another process has this instance's place in Kafka (is the same instance name running twice?)",
            DL_TEXT("client", transactions->name), DL_TEXT("transactional_id", transactions->transactional_id),
            DL_TEXT("reason", transactions->outcome.reason));
}

/* ---- The client ---- */

static enum dl_status open_client(struct dl_transactions *transactions, char *error, size_t error_size)
{
    transactions->trouble.fatal = false;
    transactions->client = dl_kafka_client_create(transactions->conf, DL_KAFKA_TRANSACTIONS, error, error_size);
    if (!transactions->client)
        return DL_INVALID;
    transactions->queue = rd_kafka_queue_get_main(transactions->client);
    (void)rd_kafka_set_log_queue(transactions->client, transactions->queue);
    transactions->phase = DL_TRANSACTIONS_NEW;
    return DL_OK;
}

static void close_client(struct dl_transactions *transactions)
{
    if (!transactions->client)
        return;
    dl_transactions_free_topics(transactions);
    rd_kafka_queue_destroy(transactions->queue);
    (void)dl_kafka_client_destroy(transactions->client, 1000);
    transactions->client = NULL;
    transactions->phase = DL_TRANSACTIONS_DEAD;
}

void dl_transactions_abandon_client(struct dl_transactions *transactions)
{
    dl_transactions_free_topics(transactions);
    rd_kafka_queue_destroy(transactions->queue);
    transactions->client = NULL;
    transactions->phase = DL_TRANSACTIONS_DEAD;
}

void dl_transactions_serve(struct dl_transactions *transactions, int timeout_ms)
{
    (void)rd_kafka_poll(transactions->client, timeout_ms);
}

/* ---- Steps ---- */

bool dl_transactions_leave(struct dl_transactions *transactions)
{
    const struct dl_transaction *run = transactions->run;
    return (transactions->give_up && transactions->give_up(transactions->context)) ||
           (run && run->unwanted && run->unwanted(run->context));
}

/* librdkafka says "fenced" too when Kafka has ended a transaction that took too
 * long: then nobody else needs to be there. */
static bool expired(const struct dl_transactions *transactions)
{
    return transactions->phase != DL_TRANSACTIONS_NEW &&
           dl_kafka_now_ms() - transactions->begun_ms >= transactions->timeout_ms;
}

static enum dl_transactions_end judge_fatal(struct dl_transactions *transactions)
{
    bool late = expired(transactions), fenced = transactions->outcome.code == RD_KAFKA_RESP_ERR__FENCED && !late;
    transactions->phase = DL_TRANSACTIONS_DEAD;
    if (transactions->outcome.code == RD_KAFKA_RESP_ERR__FENCED && late)
        (void)snprintf(transactions->outcome.reason, sizeof transactions->outcome.reason,
                       "the transaction took longer than %d ms, and Kafka ended it", transactions->timeout_ms);
    if (fenced) {
        atomic_fetch_add_explicit(&transactions->fenced, 1, memory_order_relaxed); /* a count, read alone */
        note_fenced(transactions);
    }
    return fenced ? DL_TRANSACTIONS_FENCED : DL_TRANSACTIONS_FATAL;
}

enum dl_transactions_end dl_transactions_judge(struct dl_transactions *transactions, rd_kafka_error_t *error)
{
    if (!error)
        return DL_TRANSACTIONS_DONE;
    enum dl_transactions_end end = DL_TRANSACTIONS_FATAL;
    transactions->outcome.code = rd_kafka_error_code(error);
    (void)snprintf(transactions->outcome.reason, sizeof transactions->outcome.reason, "%s", rd_kafka_error_string(error));
    if (rd_kafka_error_is_fatal(error))
        end = judge_fatal(transactions);
    else if (rd_kafka_error_txn_requires_abort(error))
        end = DL_TRANSACTIONS_ABORT;
    else if (rd_kafka_error_is_retriable(error))
        end = DL_TRANSACTIONS_AGAIN;
    else if (transactions->outcome.code == RD_KAFKA_RESP_ERR__STATE)
        end = DL_TRANSACTIONS_STATE;
    else
        transactions->phase = DL_TRANSACTIONS_DEAD;
    rd_kafka_error_destroy(error);
    return end;
}

/* A call that ran into its timeout is resumed by calling it again. The outcomes
 * of its parts are not told apart then: a part may be taken for done that has not
 * begun (so up to 2.8 at least, rd_kafka_txn_op_req0). So a success that was
 * resumed is asked for once more: it is done when librdkafka says so again, or
 * that it is not in the state for that call, which it says of a part that was
 * skipped, too, but then not twice. */
enum dl_transactions_end dl_transactions_insist(struct dl_transactions *transactions, dl_transactions_call *call,
                                                bool (*leave)(struct dl_transactions *transactions))
{
    bool resumed = false, done = false, odd = false;
    int64_t since_ms = dl_kafka_now_ms();
    for (;;) {
        enum dl_transactions_end end = dl_transactions_judge(transactions, call(transactions->client, DL_TRANSACTIONS_STEP_MS));
        dl_transactions_serve(transactions, 0);
        switch (end) {
        case DL_TRANSACTIONS_DONE:
            if (!resumed || done)
                return end;
            done = true;
            dl_kafka_sleep_ms(settle_ms);
            break;
        case DL_TRANSACTIONS_STATE:
            if (!resumed) {
                transactions->phase = DL_TRANSACTIONS_DEAD;
                return DL_TRANSACTIONS_FATAL;
            }
            if (done || odd)
                return DL_TRANSACTIONS_DONE;
            odd = true;
            break;
        case DL_TRANSACTIONS_AGAIN:
            resumed = true;
            done = odd = false;
            dl_kafka_trouble_silent(&transactions->trouble, transactions->outcome.reason);
            if (dl_kafka_now_ms() - since_ms > patience_ms && !dl_kafka_trouble_any(&transactions->trouble))
                dl_transactions_note_unwell(transactions);
            if (leave && leave(transactions))
                return DL_TRANSACTIONS_LEAVE;
            break;
        default:
            return end;
        }
    }
}

void dl_transactions_back_off(struct dl_transactions *transactions, int64_t base_ms, int64_t max_ms)
{
    int64_t until_ms = dl_kafka_now_ms() + dl_kafka_backoff_ms(transactions->attempt++, base_ms, max_ms);
    for (int64_t now_ms; (now_ms = dl_kafka_now_ms()) < until_ms && !dl_transactions_leave(transactions);) {
        int64_t left_ms = until_ms - now_ms;
        if (transactions->client)
            dl_transactions_serve(transactions, (int)(left_ms < 100 ? left_ms : 100));
        else
            dl_kafka_sleep_ms(left_ms < 100 ? left_ms : 100);
    }
}

/* ---- Init ---- */

/* Fatal to the client, yet somebody may put it right. */
static bool refused(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED ||
           code == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED || code == RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT;
}

static void note_refused(struct dl_transactions *transactions)
{
    const char *sentence =
        transactions->outcome.code == RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT
            ? "Kafka does not allow transactions that long; retrying (raise the broker's transaction.max.timeout.ms)"
            : "not allowed to make transactions; retrying (grant Write and Describe on the transactional id)";
    if (!transactions->unwell)
        dl_note(transactions->notes, DL_NOTE_ERROR, sentence, DL_TEXT("client", transactions->name),
                DL_TEXT("transactional_id", transactions->transactional_id), DL_TEXT("reason", transactions->outcome.reason));
    transactions->unwell = true;
}

/* After librdkafka gave the client up for what may pass. */
static enum dl_status open_again(struct dl_transactions *transactions)
{
    char error[DL_KAFKA_ERROR_SIZE] = "";
    note_refused(transactions);
    close_client(transactions);
    dl_transactions_back_off(transactions, refused_backoff_ms, refused_backoff_ms_max);
    if (dl_transactions_leave(transactions))
        return DL_STOPPED;
    if (open_client(transactions, error, sizeof error) == DL_OK)
        return DL_OK;
    dl_note(transactions->notes, DL_NOTE_ERROR, "a new Kafka producer cannot be made", DL_TEXT("reason", error));
    return DL_FATAL;
}

enum dl_status dl_transactions_init(struct dl_transactions *transactions)
{
    DL_ASSERT(transactions->phase == DL_TRANSACTIONS_NEW);
    for (;;) {
        enum dl_transactions_end end =
            dl_transactions_insist(transactions, rd_kafka_init_transactions, dl_transactions_leave);
        if (end == DL_TRANSACTIONS_DONE) {
            transactions->phase = DL_TRANSACTIONS_READY;
            dl_transactions_well(transactions);
            if (!transactions->left_open)
                return DL_OK;
            end = dl_transactions_close_left(transactions);
            if (end == DL_TRANSACTIONS_DONE)
                return DL_OK;
        }
        if (end == DL_TRANSACTIONS_LEAVE)
            return DL_STOPPED;
        if (end == DL_TRANSACTIONS_FENCED)
            return DL_FENCED;
        if (!refused(transactions->outcome.code)) {
            dl_note(transactions->notes, DL_NOTE_WARNING, "a transactional producer is given up",
                    DL_TEXT("client", transactions->name), DL_TEXT("reason", transactions->outcome.reason));
            return DL_FATAL;
        }
        enum dl_status status = open_again(transactions);
        if (status != DL_OK)
            return status;
    }
}

/* ---- Life ---- */

static void free_transactions(struct dl_transactions *transactions)
{
    if (transactions->conf)
        rd_kafka_conf_destroy(transactions->conf);
    free(transactions->name);
    free(transactions->transactional_id);
    free(transactions->group);
    free(transactions->left_open);
    free(transactions);
}

enum dl_status dl_transactions_create(const struct dl_transactions_options *options, struct dl_transactions **made)
{
    DL_ASSERT(options->timeout_ms > 0);
    struct dl_transactions *transactions = calloc(1, sizeof *transactions);
    if (!transactions)
        return DL_MEMORY;
    transactions->notes = options->kafka.notes;
    transactions->timeout_ms = options->timeout_ms;
    transactions->give_up = options->give_up;
    transactions->context = options->context;
    transactions->last_offset = -1;
    transactions->name = strdup(options->name);
    transactions->transactional_id = strdup(options->transactional_id);
    transactions->group = options->group ? strdup(options->group) : NULL;
    transactions->left_open = options->left_open ? strdup(options->left_open) : NULL;
    if (!transactions->name || !transactions->transactional_id || (options->group && !transactions->group) ||
        (options->left_open && !transactions->left_open)) {
        free_transactions(transactions);
        return DL_MEMORY;
    }
    dl_kafka_trouble_init(&transactions->trouble, transactions->notes, transactions->name);
    char error[DL_KAFKA_ERROR_SIZE] = "";
    enum dl_status status = dl_kafka_conf_transactions(&options->kafka, options->transactional_id, options->timeout_ms,
                                                       &transactions->conf, error, sizeof error);
    if (status == DL_OK) {
        dl_kafka_trouble_attach(&transactions->trouble, transactions->conf);
        rd_kafka_conf_set_dr_msg_cb(transactions->conf, dl_transactions_on_report);
        status = open_client(transactions, error, sizeof error);
    }
    if (status != DL_OK) {
        dl_note(transactions->notes, DL_NOTE_ERROR, "Kafka transactions cannot be made with these properties",
                DL_TEXT("client", transactions->name), DL_TEXT("reason", error));
        free_transactions(transactions);
        return status;
    }
    *made = transactions;
    return DL_OK;
}

void dl_transactions_destroy(struct dl_transactions *transactions, int wait_ms)
{
    if (!transactions)
        return;
    if (wait_ms > 0)
        (void)dl_transactions_settle_within(transactions, wait_ms);
    close_client(transactions);
    free_transactions(transactions);
}

int64_t dl_transactions_last_offset(const struct dl_transactions *transactions)
{
    return transactions->last_offset;
}

void dl_transactions_counts(const struct dl_transactions *transactions, struct dl_transactions_counts *counts)
{
    /* Relaxed: each is a number by itself. */
    *counts = (struct dl_transactions_counts){
        .committed = atomic_load_explicit(&transactions->committed, memory_order_relaxed),
        .aborted = atomic_load_explicit(&transactions->aborted, memory_order_relaxed),
        .retried = atomic_load_explicit(&transactions->retried, memory_order_relaxed),
        .fenced = atomic_load_explicit(&transactions->fenced, memory_order_relaxed),
    };
}
