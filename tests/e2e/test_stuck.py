"""Kafka mode: where partitions go on is not to be had. That is an alarm, nothing is counted at a guess, and it ends by itself.

The build with failpoints, impatient: it gives the alarm after 2 s instead of 25.
"""

import pytest
from confluent_kafka import Consumer, TopicPartition
from harness import Daemon, Loader
from kafka_mode import KafkaMode
from test_exactly_once import FAILPOINTS, traffic, verify
from test_http import ask, scrape

pytestmark = pytest.mark.release_only

ALARM = "nothing of some partitions is counted"
OVER = "no partition of this process waits any more"


def hanging(broker, group, topic, partitions):
    """A producer with a transaction that has sent positions of the group and stays open, for ten minutes."""
    producer = broker.transactional_producer(f"hanging-{group}", transaction_timeout_ms=600000)
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": group})
    producer.begin_transaction()
    producer.send_offsets_to_transaction([TopicPartition(topic, p, 0) for p in partitions], consumer.consumer_group_metadata(), 30)
    consumer.close()
    return producer


def counted_half_way(mode, tmp_path):
    """Ends a daemon that has counted some of what is on its way; returns what sends it, and its words."""
    with Daemon(mode.config(), tmp_path, name="before") as daemon:
        words = traffic(daemon.config_path, 5000)
        loader = Loader().start(tmp_path, *words, "--rate", "1500")
        client = mode.redis.client()
        daemon.wait_until(lambda: int(client.hget("cx:{all}:24h", "events") or 0) > 1000, 40, "the first scores")
    return loader, words


def lines(daemon, text):
    return [line for line in daemon.log().splitlines() if text in line]


def test_a_transaction_that_hangs_on_positions_of_the_group(broker, redis_server, new_topic, tmp_path):
    """The partitions it holds wait, the others are counted; an operator is told once, and by /readyz and /metrics."""
    mode = KafkaMode(broker, redis_server, new_topic, windows=["24h"], http={"listen": "127.0.0.1:0"})
    loader, words = counted_half_way(mode, tmp_path)
    producer = hanging(broker, mode.source, mode.source, [1, 4])
    with loader, Daemon(mode.config(), tmp_path, binary=FAILPOINTS, env={"DELIGHT_BREAK": "impatient"}) as daemon:
        daemon.wait_log(ALARM, timeout=60)
        assert loader.wait(60) == 0, loader.log()
        daemon.wait_until(lambda: len({labels for name, labels in scrape(daemon).values if name == "delightd_partition_lag_records"}) == 4,
                          60, "the other partitions to be read")  # fmt: skip
        told = lines(daemon, ALARM)
        assert len(told) == 1 and "kafka-transactions.sh" in told[0] and "partitions=2" in told[0]
        assert f'which="{mode.source}/1 {mode.source}/4"' in told[0]
        daemon.wait_until(lambda: scrape(daemon)("delightd_partitions_stuck") == 2, what="the metric, which is told once a second")
        answer = ask(daemon, "/readyz")
        assert answer.status == 503 and "where some partitions go on" in answer.json()["missing"][0]
        producer.abort_transaction(30)
        verify(mode, words, "60s")
        daemon.wait_log(OVER)
        daemon.wait_until(lambda: scrape(daemon)("delightd_partitions_stuck") == 0 and ask(daemon, "/readyz").status == 200, 30, "to be ready")
        assert len(lines(daemon, ALARM)) == 1


def test_a_sending_of_positions_that_never_returns(broker, redis_server, new_topic, tmp_path):
    """As librdkafka's does when the group's coordinator moves at that moment: the client is given up, and every event counted once."""
    mode = KafkaMode(broker, redis_server, new_topic, windows=["24h"])
    with Daemon(mode.config(), tmp_path, binary=FAILPOINTS, env={"DELIGHT_BREAK": "deaf_sender"}) as daemon:
        words = traffic(daemon.config_path, 5000)
        Loader().run(*words)
        daemon.wait_log("librdkafka does not return from the sending of positions", timeout=60)
        verify(mode, words, "60s")
        assert len(lines(daemon, "librdkafka does not return")) == 1
