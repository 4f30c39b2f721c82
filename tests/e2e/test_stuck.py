"""Kafka mode: where partitions go on is not to be had. That is an alarm, nothing is counted at a guess, and it ends by itself.

The build with failpoints, impatient: it gives the alarm after 2 s instead of 25.
"""

import socket
import struct

import pytest
from confluent_kafka import Consumer, TopicPartition
from harness import Broker, Daemon, Loader, RedisServer
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


def text(value):
    return struct.pack(">h", len(value)) + value.encode()


def pending(broker, group, transactional_id, topic, positions):
    """Positions of the group that an ended transaction of that producer has sent and that Kafka has not ended: what is left where the end
    was not written, for the partition had no leader at that moment. By TxnOffsetCommit, of the producer's own id and epoch."""
    told = broker.tool("org.apache.kafka.tools.TransactionsCommand", "describe", "--transactional-id", transactional_id)
    head, row = (line.split("\t") for line in told.splitlines()[:2])
    state = {name.strip(): value.strip() for name, value in zip(head, row, strict=False)}
    assert state["TransactionState"] == "CompleteCommit", told
    partitions = b"".join(struct.pack(">iq", p, next_) + struct.pack(">h", -1) for p, next_ in positions.items())
    body = text(transactional_id) + text(group) + struct.pack(">qh", int(state["ProducerId"]), int(state["ProducerEpoch"]))
    body += struct.pack(">i", 1) + text(topic) + struct.pack(">i", len(positions)) + partitions
    request = struct.pack(">hhi", 28, 0, 1) + text("pending") + body
    host, port = broker.bootstrap.split(":")
    with socket.create_connection((host, int(port)), 30) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        answer = connection.makefile("rb")
        (size,) = struct.unpack(">i", answer.read(4))
        answer = answer.read(size)
    at = 12 + 2 + len(topic) + 4
    codes = [struct.unpack(">h", answer[at + 6 * i + 4 : at + 6 * i + 6])[0] for i in range(len(positions))]
    assert codes == [0] * len(positions), answer


def group_positions(broker, group, topic, partitions):
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": group, "isolation.level": "read_committed", "log_level": 2})
    try:
        return {t.partition: t.offset for t in consumer.committed([TopicPartition(topic, p) for p in range(partitions)], timeout=30)}
    finally:
        consumer.close()


def at_rest(daemon, positions, watermarks):
    """The positions when all is read."""
    return daemon.wait_until(lambda: (now := positions()) == {p: end for p, (_, end) in watermarks.items()} and now, 60, "all to be read")


def set_back(broker, group, topic, positions):
    """As if what is pending had never been told."""
    producer = broker.transactional_producer(f"back-{group}", transaction_timeout_ms=60000)
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": group})
    producer.begin_transaction()
    there = [TopicPartition(topic, p, next_) for p, next_ in positions.items()]
    producer.send_offsets_to_transaction(there, consumer.consumer_group_metadata(), 30)
    producer.commit_transaction(30)
    consumer.close()


def test_the_end_of_the_last_transaction_that_kafka_lost(tmp_path):
    """Its positions are held back for ever, and a rebalance asks for them: the process whose transaction it was ends it once more."""
    with Broker(settings={"transaction.partition.verification.enable": "false"}) as broker, RedisServer() as redis:
        number = iter(range(100))

        def new_topic(partitions=1, config=None, name="topic"):
            return broker.create_topic(f"{name}-{next(number)}", partitions, config)

        mode = KafkaMode(broker, redis, new_topic, windows=["24h"])
        with Daemon(mode.config("one"), tmp_path, name="one", binary=FAILPOINTS, env={"DELIGHT_BREAK": "impatient"}) as one:
            words = traffic(one.config_path, 6000)
            loader = Loader().start(tmp_path, *words, "--rate", "1500")
            assert loader.wait(60) == 0, loader.log()
            verify(mode, words, "60s")
            before = at_rest(one, lambda: group_positions(broker, mode.source, mode.source, 6), broker.watermarks(mode.source))
            set_back(broker, mode.source, mode.source, {p: next_ - 10 for p, next_ in before.items()})
            pending(broker, mode.source, f"{mode.source}-ingest-one", mode.source, before)
            with Daemon(mode.config("two"), tmp_path, name="two", binary=FAILPOINTS, env={"DELIGHT_BREAK": "impatient"}) as two:
                one.wait_log("the last one of this process was ended once more", timeout=60)
                for daemon in (one, two):
                    daemon.wait_log(OVER, timeout=60)
                assert group_positions(broker, mode.source, mode.source, 6) == before
                verify(mode, words, "60s")
                broker.produce(mode.source, [{"type": "contact", "touchpoint": f"later-{p}"} for p in range(60)])
                client = redis.client()
                keys = [f"cx:{{touchpoint:later-{p}}}:24h" for p in range(60)]
                two.wait_until(lambda: all(client.hget(key, "events") == "1" for key in keys), 60, "all of what came later")
