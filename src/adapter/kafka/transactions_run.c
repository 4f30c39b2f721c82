#include "kafka_transactions.h"

#include "failpoint.h"
#include "kafka_membership.h"

#include <stdio.h>
#include <stdlib.h>

static const int64_t backoff_ms = 100, backoff_ms_max = 10000;
/* What is not wanted any more is brought to an end for so long. */
static const int leave_ms = 2000;
/* librdkafka does not resume the sending of positions, and aborts what it cannot
 * finish in this time; a busy broker should not cause that. */
static const int positions_ms = 2000;
static const int64_t positions_pause_ms = 100;

static void failpoint(const struct dl_transactions *transactions, const char *step)
{
#ifdef DELIGHT_FAILPOINTS
    char name[64];
    (void)snprintf(name, sizeof name, "%s.%s", transactions->name, step);
    dl_failpoint(name);
#else
    (void)transactions, (void)step;
#endif
}

/* ---- Steps ---- */

static enum dl_transactions_end begin(struct dl_transactions *transactions)
{
    transactions->is_committed = transactions->outcome.stale = false;
    transactions->begun_ms = dl_kafka_now_ms();
    dl_transactions_forget_records(transactions);
    enum dl_transactions_end end = dl_transactions_judge(transactions, rd_kafka_begin_transaction(transactions->client));
    if (end == DL_TRANSACTIONS_DONE)
        transactions->phase = DL_TRANSACTIONS_OPEN;
    else if (end != DL_TRANSACTIONS_FENCED) {
        transactions->phase = DL_TRANSACTIONS_DEAD;
        end = DL_TRANSACTIONS_FATAL;
    }
    return end;
}

/* No later try can change that: the broker knows this member, or this generation, no more. */
static bool is_stale(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION || code == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID ||
           code == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID;
}

static enum dl_transactions_end send_positions(struct dl_transactions *transactions)
{
    const struct dl_transaction *run = transactions->run;
    enum dl_transactions_end end = DL_TRANSACTIONS_DONE;
    if (run->position_count == 0)
        return end;
    transactions->sent = true;
    while ((end = dl_transactions_send_positions(transactions, positions_ms)) == DL_TRANSACTIONS_AGAIN) {
        dl_kafka_trouble_silent(&transactions->trouble, transactions->outcome.reason);
        dl_transactions_serve(transactions, (int)positions_pause_ms);
        if (dl_transactions_leave(transactions)) {
            end = DL_TRANSACTIONS_LEAVE;
            break;
        }
    }
    transactions->outcome.stale = end == DL_TRANSACTIONS_ABORT && is_stale(transactions->outcome.code);
    return end == DL_TRANSACTIONS_STATE ? DL_TRANSACTIONS_ABORT : end;
}

/* ---- To an end ---- */

static void forget_touched(struct dl_transactions *transactions)
{
    for (size_t i = 0; i < transactions->topic_count; i++)
        transactions->topics[i]->touched_count = 0;
    transactions->sent = false;
}

static enum dl_transactions_end commit(struct dl_transactions *transactions,
                                       bool (*leave)(struct dl_transactions *transactions))
{
    transactions->phase = DL_TRANSACTIONS_COMMITTING;
    transactions->unknown = true;
    enum dl_transactions_end end = dl_transactions_insist(transactions, rd_kafka_commit_transaction, leave);
    if (end == DL_TRANSACTIONS_ABORT)
        transactions->phase = DL_TRANSACTIONS_ABORTING;
    if (end == DL_TRANSACTIONS_ABORT || end == DL_TRANSACTIONS_DONE)
        transactions->unknown = false;
    if (end != DL_TRANSACTIONS_DONE)
        return end;
    transactions->phase = DL_TRANSACTIONS_READY;
    transactions->is_committed = true;
    forget_touched(transactions);
    transactions->last_offset = transactions->produced_offset;
    atomic_fetch_add_explicit(&transactions->committed, 1, memory_order_relaxed); /* a count, read alone */
    dl_transactions_well(transactions);
    return end;
}

static bool late(struct dl_transactions *transactions)
{
    return dl_kafka_now_ms() >= transactions->until_ms;
}

/* ---- Once more ----
 *
 * Kafka writes the end of a transaction into every partition that it has touched, but leaves out one that has no leader at
 * that moment ("likely deleted already", up to 4.3.1): that of a broker that stood still, and was taken for dead. The
 * transaction counts as ended, and there it stays open: positions of the group are not told any more, nothing behind it is
 * read, and the next commit brings the records of an aborted one to light. The end of another transaction of the same
 * producer ends it as well, wherever both have been. So one that is aborted is followed by another, which touches the same
 * partitions and is aborted, too. */

static bool too_late(void *context)
{
    return late(context);
}

/* Touches what was touched: nobody ever sees what is in it. */
static enum dl_transactions_end touch(struct dl_transactions *transactions)
{
    if (!dl_transactions_touch(transactions))
        return transactions->outcome.failed ? DL_TRANSACTIONS_ABORT : DL_TRANSACTIONS_LEAVE;
    enum dl_transactions_end end = send_positions(transactions);
    return end == DL_TRANSACTIONS_DONE ? dl_transactions_deliver(transactions) : end;
}

static enum dl_transactions_end abort_once(struct dl_transactions *transactions,
                                           bool (*leave)(struct dl_transactions *transactions))
{
    enum dl_transactions_end end;
    transactions->phase = DL_TRANSACTIONS_ABORTING;
    while ((end = dl_transactions_insist(transactions, rd_kafka_abort_transaction, leave)) == DL_TRANSACTIONS_ABORT) {
        if (leave(transactions))
            return DL_TRANSACTIONS_LEAVE;
        dl_transactions_serve(transactions, (int)backoff_ms);
    }
    if (end == DL_TRANSACTIONS_DONE)
        transactions->phase = DL_TRANSACTIONS_READY;
    return end;
}

/* A position of a topic of our own, which nobody asks the group for; by no member, for this process may be none now. */
static enum dl_transactions_end once_more(struct dl_transactions *transactions,
                                          bool (*leave)(struct dl_transactions *transactions))
{
    const struct dl_transaction *run = transactions->run;
    const struct dl_transactions_outcome outcome = transactions->outcome;
    const bool sends = transactions->sent && transactions->group && transactions->topic_count > 0;
    struct dl_kafka_membership *membership = sends ? dl_kafka_membership_of_nobody(transactions->group) : NULL;
    const struct dl_kafka_position position = {sends ? transactions->topics[0]->name : NULL, 0, 0};
    const struct dl_transaction again = {
        .unwanted = too_late, .context = transactions,
        .positions = &position, .position_count = membership != NULL, .membership = membership};
    if (sends && !membership)
        return DL_TRANSACTIONS_LEAVE;
    if (leave != late)
        transactions->until_ms = dl_kafka_now_ms() + transactions->timeout_ms / 2; /* Kafka does not end it before */
    transactions->run = &again;
    enum dl_transactions_end end = begin(transactions);
    if (end == DL_TRANSACTIONS_DONE)
        end = touch(transactions);
    if (end == DL_TRANSACTIONS_DONE || end == DL_TRANSACTIONS_ABORT)
        end = abort_once(transactions, dl_transactions_leave);
    transactions->run = run;
    dl_kafka_membership_destroy(membership);
    if (end == DL_TRANSACTIONS_DONE || end == DL_TRANSACTIONS_LEAVE) {
        bool in_doubt = transactions->outcome.in_doubt;
        transactions->outcome = outcome;
        transactions->outcome.in_doubt |= in_doubt;
    }
    return end;
}

static bool has_touched(const struct dl_transactions *transactions)
{
    bool touched = transactions->sent;
    for (size_t i = 0; i < transactions->topic_count; i++)
        touched |= transactions->topics[i]->touched_count > 0;
    return touched;
}

/* ---- Back to READY ---- */

/* A record that was sent and not confirmed leaves librdkafka's queue with an abort, and its sequence number goes to the
 * next record of the same partition (from 2.0 to 2.15, rd_kafka_toppar_purge_queues; no upstream issue is known): if the
 * broker has the first one after all, it takes the next one for it, answers as if it had written it, and writes
 * nothing. Only a new producer epoch helps, and so another client. */
static enum dl_transactions_end leave_doubt(struct dl_transactions *transactions)
{
    transactions->phase = DL_TRANSACTIONS_DEAD;
    transactions->outcome.code = RD_KAFKA_RESP_ERR__INCONSISTENT;
    (void)snprintf(transactions->outcome.reason, sizeof transactions->outcome.reason,
                   "records of an aborted transaction may have been written, and the next ones would be taken for them");
    return DL_TRANSACTIONS_FATAL;
}

/* READY, but what was aborted may be open still. */
static enum dl_transactions_end make_sure(struct dl_transactions *transactions,
                                          bool (*leave)(struct dl_transactions *transactions))
{
    enum dl_transactions_end end = DL_TRANSACTIONS_DONE;
    while (end == DL_TRANSACTIONS_DONE && has_touched(transactions)) {
        if (leave == late && late(transactions))
            return DL_TRANSACTIONS_LEAVE;
        end = once_more(transactions, leave);
        if (end == DL_TRANSACTIONS_DONE)
            forget_touched(transactions);
        else if (end == DL_TRANSACTIONS_LEAVE && !leave(transactions)) /* a partition is without a leader still */
            end = abort_once(transactions, leave);
    }
    return end;
}

static enum dl_transactions_end abort_open(struct dl_transactions *transactions,
                                           bool (*leave)(struct dl_transactions *transactions))
{
    enum dl_transactions_end end = abort_once(transactions, leave);
    if (end != DL_TRANSACTIONS_DONE)
        return end;
    atomic_fetch_add_explicit(&transactions->aborted, 1, memory_order_relaxed); /* a count, read alone */
    end = make_sure(transactions, leave);
    return end == DL_TRANSACTIONS_DONE && transactions->outcome.in_doubt ? leave_doubt(transactions) : end;
}

static enum dl_transactions_end settle(struct dl_transactions *transactions,
                                       bool (*leave)(struct dl_transactions *transactions))
{
    enum dl_transactions_end end = DL_TRANSACTIONS_DONE;
    if (transactions->phase == DL_TRANSACTIONS_NEW || transactions->phase == DL_TRANSACTIONS_DEAD)
        return DL_TRANSACTIONS_FATAL;
    if (transactions->phase == DL_TRANSACTIONS_COMMITTING)
        end = commit(transactions, leave);
    if (transactions->phase == DL_TRANSACTIONS_OPEN || transactions->phase == DL_TRANSACTIONS_ABORTING)
        end = abort_open(transactions, leave);
    else if (transactions->phase == DL_TRANSACTIONS_READY)
        end = make_sure(transactions, leave);
    return end;
}

enum dl_transactions_end dl_transactions_close_left(struct dl_transactions *transactions)
{
    transactions->sent = transactions->group != NULL;
    if (!dl_transactions_mark(transactions, transactions->left_open, 0))
        return DL_TRANSACTIONS_FATAL;
    return make_sure(transactions, dl_transactions_leave);
}

bool dl_transactions_left_open(const struct dl_transactions *transactions)
{
    return has_touched(transactions) && !transactions->unknown;
}

enum dl_transactions_end dl_transactions_settle_within(struct dl_transactions *transactions, int wait_ms)
{
    transactions->until_ms = dl_kafka_now_ms() + wait_ms - DL_TRANSACTIONS_STEP_MS;
    return settle(transactions, late);
}

/* ---- One try ---- */

/* librdkafka refuses records, or gave them back, and does not say why: the call
 * that is wrong now is answered with the reason. */
static enum dl_transactions_end ask_why(struct dl_transactions *transactions)
{
    if (transactions->outcome.explained)
        return DL_TRANSACTIONS_ABORT;
    enum dl_transactions_end end = dl_transactions_judge(transactions, rd_kafka_begin_transaction(transactions->client));
    return end == DL_TRANSACTIONS_FENCED || end == DL_TRANSACTIONS_FATAL ? end : DL_TRANSACTIONS_ABORT;
}

/* The records have to be there before the positions are sent only where librdkafka
 * waits for them: at the commit. So both are on their way at once. */
static enum dl_transactions_end try_once(struct dl_transactions *transactions, enum dl_status *filled)
{
    const struct dl_transaction *run = transactions->run;
    enum dl_transactions_end end = begin(transactions);
    if (end == DL_TRANSACTIONS_DONE && dl_broken("offsets_outside") && run->position_count > 0) {
        end = send_positions(transactions);
        if (end == DL_TRANSACTIONS_DONE)
            end = commit(transactions, dl_transactions_leave);
        if (end == DL_TRANSACTIONS_DONE)
            end = begin(transactions);
    }
    if (end != DL_TRANSACTIONS_DONE)
        return end;
    failpoint(transactions, "begin");
    *filled = run->fill(run->context, transactions);
    if (dl_transactions_leave(transactions))
        return DL_TRANSACTIONS_LEAVE;
    if (transactions->outcome.failed)
        return ask_why(transactions);
    if (*filled != DL_OK)
        return DL_TRANSACTIONS_ABORT;
    failpoint(transactions, "produced");
    if (!dl_broken("offsets_outside"))
        end = send_positions(transactions);
    if (end == DL_TRANSACTIONS_DONE) {
        failpoint(transactions, "offsets");
        end = dl_transactions_deliver(transactions);
    }
    if (end == DL_TRANSACTIONS_ABORT && transactions->outcome.failed)
        end = ask_why(transactions);
    if (end == DL_TRANSACTIONS_DONE)
        end = commit(transactions, dl_transactions_leave);
    if (end == DL_TRANSACTIONS_DONE)
        failpoint(transactions, "committed");
    return end;
}

/* ---- Until it is done ---- */

static enum dl_status status_of(struct dl_transactions *transactions, enum dl_transactions_end end)
{
    if (end == DL_TRANSACTIONS_FENCED)
        return DL_FENCED;
    if (end != DL_TRANSACTIONS_FATAL)
        return transactions->is_committed ? DL_OK : DL_STOPPED;
    dl_note(transactions->notes, DL_NOTE_WARNING, "a transactional producer is given up",
            DL_TEXT("client", transactions->name), DL_TEXT("reason", transactions->outcome.reason));
    return DL_FATAL;
}

/* After an abort. DL_OK: once more. */
static enum dl_status try_again(struct dl_transactions *transactions, enum dl_status filled)
{
    if (!transactions->outcome.failed && filled != DL_OK)
        return filled;
    if (transactions->outcome.stale) {
        dl_note(transactions->notes, DL_NOTE_INFO, "a transaction was dropped: its partitions were given to others meanwhile",
                DL_TEXT("client", transactions->name));
        return DL_STOPPED;
    }
    atomic_fetch_add_explicit(&transactions->retried, 1, memory_order_relaxed); /* a count, read alone */
    if (transactions->outcome.refused_count > 0)
        return dl_transactions_shrink(transactions) ? DL_OK : DL_REFUSED;
    dl_transactions_back_off(transactions, backoff_ms, backoff_ms_max);
    return DL_OK;
}

static enum dl_status run_wanted(struct dl_transactions *transactions)
{
    for (;;) {
        enum dl_status filled = DL_OK;
        if (dl_transactions_leave(transactions))
            return DL_STOPPED;
        enum dl_transactions_end end = try_once(transactions, &filled);
        if (end == DL_TRANSACTIONS_ABORT) {
            const struct dl_transactions_outcome *outcome = &transactions->outcome;
            bool told = outcome->refused_count > 0 || outcome->stale || (filled != DL_OK && !outcome->failed);
            if (!told)
                dl_transactions_note_unwell(transactions);
            end = settle(transactions, dl_transactions_leave);
            enum dl_status status = end == DL_TRANSACTIONS_DONE ? try_again(transactions, filled) : DL_OK;
            if (status != DL_OK)
                return status;
            if (end == DL_TRANSACTIONS_DONE)
                continue;
        }
        if (end == DL_TRANSACTIONS_LEAVE)
            end = dl_transactions_settle_within(transactions, leave_ms);
        return status_of(transactions, end);
    }
}

enum dl_status dl_transactions_run(struct dl_transactions *transactions, const struct dl_transaction *transaction)
{
    DL_ASSERT(transactions->phase != DL_TRANSACTIONS_NEW && !transactions->run);
    DL_ASSERT(transaction->position_count == 0 || transaction->membership);
    transactions->run = transaction;
    enum dl_transactions_end end = settle(transactions, dl_transactions_leave);
    transactions->is_committed = false;
    enum dl_status status =
        end == DL_TRANSACTIONS_DONE ? run_wanted(transactions) : status_of(transactions, end);
    transactions->run = NULL;
    return status;
}
