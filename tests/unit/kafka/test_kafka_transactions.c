/* A transaction whose positions find no way, and librdkafka that waits for ever. */
#include "kafka_membership.h"
#include "kafka_transactions.h"
#include "mock.h"

#include <stdlib.h>

enum {
    TIMEOUT_MS = 3000,
    SETTLED_MS = 1000, /* librdkafka asks once more for the transactions' coordinator after half a second */
    FIND_COORDINATOR = 10, /* keys of Kafka's protocol */
    TXN_OFFSET_COMMIT = 28,
};

static struct mock mock;
static struct dl_transactions *transactions;

static bool give_up(void *context)
{
    (void)context;
    return false;
}

static enum dl_status fill(void *context, struct dl_transactions *to)
{
    (void)context;
    return dl_transactions_produce(to, "tallies", 0, NULL, 0, "x", 1, NULL);
}

static void open_transactions(void)
{
    const struct dl_transactions_options options = {
        .kafka = mock.options, .transactional_id = "t", .timeout_ms = TIMEOUT_MS, .name = "batches", .give_up = give_up};
    ck_assert_int_eq(dl_transactions_create(&options, &transactions), DL_OK);
    ck_assert_int_eq(dl_transactions_init(transactions), DL_OK);
}

static struct dl_kafka_membership *member_of(const char *group)
{
    struct dl_kafka_membership *membership = malloc(sizeof *membership);
    ck_assert_ptr_nonnull(membership);
    *membership = (struct dl_kafka_membership){.metadata = rd_kafka_consumer_group_metadata_new(group), .holders = 1};
    return membership;
}

static enum dl_status run_one(struct dl_kafka_membership *membership)
{
    const struct dl_kafka_position position = {"events", 0, 5};
    const struct dl_transaction transaction = {.fill = fill, .positions = &position, .position_count = 1, .membership = membership};
    return dl_transactions_run(transactions, &transaction);
}

/* The group's coordinator has moved, and for a moment nobody knows where to. librdkafka asks three times within 0.3 s,
 * and then waits for a connection that changes its state: it never returns, whatever its timeout. */
START_TEST(a_coordinator_that_is_not_to_be_found_for_a_moment_holds_up_nothing_for_good)
{
    static const char group[] = "gr\xc3\xbcn"; /* librdkafka writes it, but would not read it back */
    struct dl_kafka_membership *membership = member_of(group);
    const rd_kafka_resp_err_t unknown = RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE;
    mock_open(&mock, 3);
    ck_assert_int_eq(rd_kafka_mock_topic_create(mock.cluster, "tallies", 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    ck_assert_int_eq(rd_kafka_mock_topic_create(mock.cluster, "events", 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR); /* 2.8 looks for it */
    (void)rd_kafka_mock_coordinator_set(mock.cluster, "transaction", "t", 1);
    (void)rd_kafka_mock_coordinator_set(mock.cluster, "group", group, 2);
    open_transactions();
    for (int64_t until_ms = dl_kafka_now_ms() + SETTLED_MS; dl_kafka_now_ms() < until_ms;)
        ck_assert_int_eq(run_one(membership), DL_OK);

    rd_kafka_mock_push_request_errors(mock.cluster, TXN_OFFSET_COMMIT, 1, RD_KAFKA_RESP_ERR_NOT_COORDINATOR);
    rd_kafka_mock_push_request_errors(mock.cluster, FIND_COORDINATOR, 4, unknown, unknown, unknown, unknown);
    enum dl_status status = run_one(membership);
    /* A librdkafka that has mended it says that it takes too long, or finds the way. */
    ck_assert_msg(status == DL_FATAL || status == DL_OK, "status %d", (int)status);
    ck_assert_int_eq(mock_notes(&mock, "librdkafka does not return"), status == DL_FATAL);

    rd_kafka_mock_clear_request_errors(mock.cluster, FIND_COORDINATOR);
    dl_transactions_destroy(transactions, 1000);
    open_transactions();
    ck_assert_int_eq(run_one(membership), DL_OK);
    dl_transactions_destroy(transactions, 1000);
    dl_kafka_membership_destroy(membership);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kafka_transactions");
    TCase *positions = tcase_create("positions");
    tcase_set_timeout(positions, 60);
    tcase_add_test(positions, a_coordinator_that_is_not_to_be_found_for_a_moment_holds_up_nothing_for_good);
    suite_add_tcase(suite, positions);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
