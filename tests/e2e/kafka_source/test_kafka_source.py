"""The Kafka adapter alone, against a real broker: what drive.c prints is compared with what the topics hold."""

import collections
import os
import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from harness import Broker, Process, Record, poll
from harness.daemon import program

pytestmark = pytest.mark.release_only  # test_kafka.py takes the adapter through the sanitizers

SASL = {
    "security.protocol": "SASL_PLAINTEXT",
    "sasl.mechanism": "PLAIN",
    "sasl.username": "alice",
    "sasl.password": "secret",
}
# Small fetches (of small batches), so that the reader's queue holds little and it can be overtaken. With librdkafka 2.0.2 this
# is a fetch a second.
SHORT_QUEUE = {"queued.min.messages": 1, "max.partition.fetch.bytes": 2000, "fetch.max.bytes": 2000, "message.max.bytes": 1000}


class Drive(Process):
    """kafka-source-drive from the folder of the delightd under test, and its output in words."""

    def __init__(self, folder, bootstrap, verb, topics, properties=None, name="drive", **options):
        binary = Path(os.environ.get("KAFKA_SOURCE_DRIVE") or program("delightd", "DELIGHTD").parent / "kafka-source-drive")
        arguments = [binary, verb]
        for topic in [topics] if isinstance(topics, str) else topics:
            arguments += ["--topic", topic]
        for key, value in options.items():
            arguments += [f"--{key.replace('_', '-')}", value]
        for key, value in {"bootstrap.servers": bootstrap, **(properties or {})}.items():
            arguments.append(f"{key}={value}")
        super().__init__(arguments, Path(folder) / f"{name}.log", out=Path(folder) / f"{name}.out", name=name)

    def lines(self, kind):
        """The lines of a kind that are complete, as lists of words (numbers as int)."""
        text = self.out()
        complete = text[: text.rfind("\n") + 1].splitlines()
        words = [line.split() for line in complete if line.split()[:1] == [kind]]
        return [[int(word) if word.lstrip("-").isdigit() else word for word in line[1:]] for line in words]

    def wait_line(self, kind, timeout=30):
        return self.wait_until(lambda: self.lines(kind), timeout, f"a line '{kind}'")

    def wait_read(self, *places, timeout=60):
        """Waits until each [topic, partition, next] is a position that was told as the partition's end."""

        def read():
            positions = self.lines("position")
            return all([*place, place[-1]] in positions for place in places)

        self.wait_until(read, timeout, f"{places} to be read")

    def finish(self):
        """Ends it, in about a second at most; returns {(topic, partition): (records, warm_up, first, last)}."""
        assert self.stop() == 0
        return self.totals()

    def totals(self):
        assert all(line[-1] == 0 for line in self.lines("total")), "records out of order"
        return {(line[0], line[1]): tuple(line[2:6]) for line in self.lines("total")}

    def notes(self, text):
        return sum(text in line for line in self.log().splitlines())


@pytest.fixture
def drive(broker, tmp_path):
    """A function that makes a Drive of the shared broker."""
    return lambda *arguments, **options: Drive(tmp_path, broker.bootstrap, *arguments, **options)


def numbered(count, partitions, first=0, size=10):
    return [Record(f"{i:0{size}d}", partition=i % partitions) for i in range(first, first + count)]


def run_to_caught_up(drive, topics, properties=None, **options):
    with drive("read", topics, properties, until="caught-up", **options) as process:
        assert process.wait(60) == 0
        return process


# ---- Reading ----


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_reads_all_of_twelve_partitions_in_order(broker, drive, new_topic, codec):
    topic = new_topic(partitions=12)
    written = broker.produce(topic, numbered(6000, 12), compression=codec)
    process = run_to_caught_up(drive, topic, records="yes")
    assert process.totals() == {(0, p): (500, 0, 0, 499) for p in range(12)}
    read = {(line[1], line[2]) for line in process.lines("record")}
    assert read == {(record.partition, record.offset) for record in written}
    assert process.lines("caught-up")[0][:2] == [6000, 6000]
    assert len(process.lines("start")) == 12


def test_headers_keys_and_empty_values(broker, drive, topic):
    headers = [(f"h{i}", f"v{i}") for i in range(70)]
    broker.produce(topic, [Record("x", headers=headers, partition=0), Record(None, partition=0), Record("", key="k", partition=0)])
    records = run_to_caught_up(drive, topic, records="yes").lines("record")
    assert [line[5:7] for line in records] == [[1, 64], [0, 0], [0, 0]]
    assert records[0][7] == "h0=v0" and records[0][-1] == "h63=v63"


def test_start_by_time_with_warm_up(broker, drive, new_topic):
    topic = new_topic(partitions=2)
    now = 1700000000000
    broker.produce(topic, [Record("x", partition=0, timestamp_ms=now + i * 1000) for i in range(100)])
    broker.produce(topic, [Record("x", partition=1, timestamp_ms=now) for i in range(10)])
    process = run_to_caught_up(drive, topic, start=now + 60000, warm_up=25)
    # Partition 1 has nothing so young: its end, with the warm-up before it.
    assert sorted(process.lines("start")) == [[0, 0, 60], [0, 1, 10]]
    assert process.totals() == {(0, 0): (40, 25, 60, 99), (0, 1): (0, 10, 0, 9)}
    assert process.lines("caught-up")[0][:2] == [75, 75]
    # More warm-up than there is: from the first record.
    assert run_to_caught_up(drive, topic, start=now + 60000, warm_up=1000, name="all").totals()[0, 0] == (40, 60, 60, 99)


def test_empty_topics_and_missing_topics_are_caught_up(drive, new_topic):
    process = run_to_caught_up(drive, [new_topic(), new_topic(create=False, name="absent")])
    assert process.lines("caught-up")[0][:2] == [0, 0]
    assert process.notes("does not exist") == 1


def test_topic_created_later_and_grown_is_read_from_its_first_record(broker, drive, new_topic):
    there, later = new_topic(name="there"), new_topic(create=False, name="later")
    with drive("read", [there, later], {"topic.metadata.refresh.interval.ms": 500}, start=int(time.time() * 1000)) as process:
        process.wait_line("caught-up")
        broker.create_topic(later, 2)
        broker.produce(later, [Record("x", partition=p, timestamp_ms=1700000000000) for p in (0, 1) * 10])
        process.wait_read([1, 0, 10], [1, 1, 10])
        broker.add_partitions(later, 4)
        broker.produce(later, numbered(40, 4))
        broker.produce(there, numbered(5, 1))
        process.wait_read([1, 0, 20], [1, 1, 20], [1, 2, 10], [1, 3, 10], [0, 0, 5])
        assert process.finish() == {
            (0, 0): (5, 0, 0, 4),
            (1, 0): (20, 0, 0, 19),
            (1, 1): (20, 0, 0, 19),
            (1, 2): (10, 0, 0, 9),
            (1, 3): (10, 0, 0, 9),
        }
        assert not process.lines("loss")
        assert process.notes("does not exist") == 1 and process.notes("that was missing is there") == 1


def test_aborted_and_open_transactions(broker, drive, new_topic):
    topic = new_topic(partitions=2)
    producer = broker.transactional_producer("writer")
    for end in (producer.commit_transaction, producer.abort_transaction, producer.commit_transaction, producer.abort_transaction):
        producer.begin_transaction()
        broker.produce(topic, numbered(100, 2), producer=producer)
        end(60)
    # Markers and aborted records at the end are no records: only the end of the partition tells that all is read.
    process = run_to_caught_up(drive, topic)
    assert {key: value[0] for key, value in process.totals().items()} == {(0, 0): 100, (0, 1): 100}
    assert process.lines("caught-up")[0][:2] == [408, 408]
    producer.begin_transaction()
    broker.produce(topic, numbered(10, 2), producer=producer)
    with drive("read", topic, name="open") as process:
        process.wait_line("caught-up")
        assert not any(line[2] > 204 for line in process.lines("position"))
        producer.commit_transaction(60)
        process.wait_read([0, 0, 210], [0, 1, 210])
        assert {key: value[0] for key, value in process.finish().items()} == {(0, 0): 105, (0, 1): 105}


def test_records_deleted_before_they_were_read_are_a_loss(broker, drive, new_topic):
    topic = new_topic(config={"segment.bytes": 1048576})
    broker.produce(topic, numbered(2000, 1, size=200), batch_num_messages=50)
    with drive("read", topic, SHORT_QUEUE, pace=500) as process:
        process.wait_until(lambda: [line for line in process.lines("position") if line[2] > 0], 30, "the first records")
        process.pause()
        broker.delete_records(topic, {0: 1500})
        process.resume()
        (loss,) = process.wait_line("loss")
        process.wait_read([0, 0, 2000])
        ((records, _, first, last),) = process.finish().values()
        assert loss[:2] == [0, 0] and loss[3] == 1500 and 0 < loss[2] < 1500
        assert (first, last) == (0, 1999) and records == 2000 - (1500 - loss[2])
        assert [line[2] for line in process.lines("start")] == [0, 1500]
        assert process.notes("deleted from a topic before they were read") == 1
    # What was gone before the start is no loss.
    process = run_to_caught_up(drive, topic, name="after")
    assert process.totals() == {(0, 0): (500, 0, 1500, 1999)} and not process.lines("loss")


def test_a_queue_that_was_full_is_filled_on_as_soon_as_there_is_room(broker, drive, new_topic):
    # Each fetch brings one batch, which fills the queue; librdkafka 2.0.2 by itself would fetch once a second, for 160 seconds.
    topic = new_topic()
    broker.produce(topic, numbered(400000, 1), batch_num_messages=2500, linger_ms=1000)
    limits = {"queued.min.messages": 2500, "max.partition.fetch.bytes": 10000, "fetch.max.bytes": 10000, "message.max.bytes": 1000}
    with drive("read", topic, limits, until="caught-up") as process:
        assert process.wait(120) == 0
    assert process.totals() == {(0, 0): (400000, 0, 0, 399999)}


@pytest.mark.parametrize("noticed", [True, False])
def test_topic_deleted_and_created_again(broker, drive, new_topic, noticed):
    topic = new_topic(partitions=2)
    broker.produce(topic, numbered(1000, 2))
    # Unless the daemon looks in between, it learns from the offsets, which went back.
    with drive("read", topic, {"topic.metadata.refresh.interval.ms": 500 if noticed else 60000}) as process:
        process.wait_read([0, 0, 500], [0, 1, 500])
        broker.delete_topic(topic)
        if noticed:
            process.wait_log("does not exist", 30)
        broker.create_topic(topic, 2)
        broker.produce(topic, numbered(200, 2))
        process.wait_read([0, 0, 100], [0, 1, 100])
        assert process.stop() == 0
        assert sorted(process.lines("start")) == [[0, 0, 0]] * 2 + [[0, 1, 0]] * 2
        assert [line[2] for line in process.lines("total")] == [600, 600]
        assert not process.lines("loss")


def test_short_retention_is_warned_about(drive, new_topic):
    short = new_topic(config={"retention.ms": 60000}, name="short")
    long = new_topic(config={"retention.ms": -1}, name="long")
    compacted = new_topic(config={"retention.ms": 60000, "cleanup.policy": "compact"}, name="compacted")
    with drive("read", [short, long, compacted], retention=3600000) as process:
        process.wait_log(rf'keeps records for less time .*topic="{short}" retention_ms=60000 window_ms=3600000')
        process.finish()
        assert process.notes("keeps records for less time") == 1


# ---- When Kafka is away, or refuses ----


def test_broker_killed_paused_and_restarted_while_reading(tmp_path):
    with Broker() as broker:
        topic = broker.create_topic("cx.feedback", 3)
        broker.produce(topic, numbered(3000, 3, size=200), batch_num_messages=50)
        with Drive(tmp_path, broker.bootstrap, "read", topic, SHORT_QUEUE, pace=500) as process:
            process.wait_until(lambda: len(process.lines("position")) >= 3, 30, "the first records")
            broker.stop_node(1, kill=True)
            process.wait_log("no Kafka broker answers", 30)
            assert process.cpu_share(2) < 0.3
            broker.start_node(1)
            process.wait_log("Kafka answers again", 30)
            process.wait_read(*([0, p, 1000] for p in range(3)))
            broker.pause_node(1)
            process.wait_until(lambda: process.notes("no Kafka broker answers") == 2, 120, "a note that it does not answer")
            broker.resume_node(1)
            process.wait_until(lambda: process.notes("Kafka answers again") == 2, 60, "a note that it answers")
            broker.produce(topic, numbered(30, 3))
            process.wait_read(*([0, p, 1010] for p in range(3)))
            assert process.finish() == {(0, p): (1010, 0, 0, 1009) for p in range(3)}
            assert not process.lines("loss") and len(process.lines("start")) == 3
            assert process.notes("no Kafka broker answers") == 2 and process.notes("Kafka answers again") == 2


def test_nobody_there(tmp_path):
    with Drive(tmp_path, "127.0.0.1:1", "read", "cx.feedback", retention=1) as process:
        process.wait_log("no Kafka broker answers")
        assert process.cpu_share(2) < 0.2
        assert process.notes("no Kafka broker answers") == 1 and not process.lines("caught-up")
        begun = time.monotonic()
        process.finish()
        assert time.monotonic() - begun < 2.5


@pytest.fixture(scope="module")
def guarded():
    """A broker that lets alice do what an ACL allows, and anybody on the plaintext listener everything."""
    login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    settings = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "listener.name.client.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.client.plain.sasl.jaas.config": f'{login} user_alice="secret";',
    }
    with Broker(settings=settings, listeners={"CLIENT": "SASL_PLAINTEXT"}) as running:
        yield running


def test_wrong_password(guarded, tmp_path):
    properties = {**SASL, "sasl.password": "wrong"}
    with Drive(tmp_path, guarded.bootstrap_of("CLIENT"), "read", "cx.feedback", properties) as process:
        process.wait_log("Kafka refuses the login")
        assert process.cpu_share(3) < 0.2
        assert process.notes("") < 4 and process.notes("Kafka refuses the login") == 1, process.log()
        assert not process.lines("caught-up")
        process.finish()


def test_untrusted_broker(certificates, tmp_path):
    other = type(certificates)(tmp_path / "other")
    settings = {"listener.name.tls.ssl.keystore.type": "PEM", "listener.name.tls.ssl.keystore.location": certificates.keystore()}
    with Broker(settings=settings, listeners={"TLS": "SSL"}) as tls:
        topic = tls.create_topic("cx.feedback", 1)
        tls.produce(topic, numbered(10, 1))
        address, properties = tls.bootstrap_of("TLS"), {"security.protocol": "ssl", "ssl.ca.location": certificates.ca}
        with Drive(tmp_path, address, "read", topic, properties, until="caught-up") as process:
            assert process.wait(30) == 0 and process.notes("") == 0, process.log()
        with Drive(tmp_path, address, "read", topic, {**properties, "ssl.ca.location": other.ca}, name="other") as process:
            process.wait_log("no TLS connection to Kafka.*certificate verify failed")
            assert process.cpu_share(3) < 0.2 and not process.lines("caught-up")
            assert process.notes("") == 1, process.log()
        with Drive(tmp_path, address, "read", topic, name="plain") as process:
            process.wait_log("no Kafka broker answers")
            assert process.cpu_share(3) < 0.2 and process.notes("") == 1, process.log()


def test_read_refused_then_granted_without_any_right_to_the_group(guarded, tmp_path):
    topic = guarded.create_topic("refused", 2)
    guarded.produce(topic, numbered(100, 2))
    with Drive(tmp_path, guarded.bootstrap_of("CLIENT"), "read", topic, SASL, retention=1) as process:
        process.wait_log("not allowed to read a topic")
        assert process.cpu_share(2) < 0.2 and not process.lines("caught-up")
        guarded.allow("User:alice", "Read", topic=topic)
        process.wait_line("caught-up", 40)
        guarded.disallow("User:alice", "Read", topic=topic)
        process.wait_until(lambda: process.notes("not allowed to read a topic") == 2, 40, "a note that it is refused again")
        guarded.produce(topic, numbered(100, 2))
        guarded.allow("User:alice", "Read", topic=topic)
        process.wait_read([0, 0, 100], [0, 1, 100])
        assert process.finish() == {(0, p): (100, 0, 0, 99) for p in range(2)}
        again, refused = process.notes("a topic can be read again"), process.notes("not allowed to read a topic")
        assert (again, refused) == (2, 2), process.log()


def test_describe_alone_is_not_enough_to_read(guarded, tmp_path):
    topic = guarded.create_topic("described", 2)
    guarded.produce(topic, numbered(100, 2))
    guarded.allow("User:alice", "Describe", topic=topic)
    properties = {**SASL, "topic.metadata.refresh.interval.ms": 300}
    with Drive(tmp_path, guarded.bootstrap_of("CLIENT"), "read", topic, properties) as process:
        process.wait_log("not allowed to read a topic")
        assert process.cpu_share(3) < 0.2 and not process.lines("caught-up")
        assert process.notes("") == 1, process.log()
        guarded.allow("User:alice", "Read", topic=topic)
        process.wait_line("caught-up", 40)
        process.finish()
        assert process.notes("not allowed to read a topic") == 1 and process.notes("a topic can be read again") == 1


# ---- Dead letters ----

ERRORS = "__delightd.errors."


def letters(broker, topic):
    """Every record of a dead-letter topic as (partition, offset, value, key, headers of ours)."""
    count = broker.topics()[topic]
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "letters", "enable.partition.eof": True,
                         "fetch.message.max.bytes": 33554432, "isolation.level": "read_committed"})  # fmt: skip
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(count)])
    read, ended = [], set()

    def step():
        for message in consumer.consume(5000, 0.2):
            if message.error() is None:
                read.append(message)
            elif message.error().code() == KafkaError._PARTITION_EOF:
                ended.add(message.partition())
        return len(ended) == count

    poll(step, 60, f"{topic} to be read")
    consumer.close()
    return [(m.partition(), m.offset(), m.value(), m.key(), errors_of(m)) for m in read]


def errors_of(message):
    return {name: value.decode() for name, value in message.headers() if name.startswith(ERRORS)}


def check_once_in_order(found, expected):
    """Each source partition's letters lie in one partition, in the order of their offsets, each once."""
    places = collections.defaultdict(list)
    for partition, _, _, _, errors in found:
        places[errors[ERRORS + "topic"], errors[ERRORS + "partition"]].append((partition, int(errors[ERRORS + "offset"])))
    for offsets in places.values():
        assert [offset for _, offset in offsets] == sorted({offset for _, offset in offsets})
    assert sum(map(len, places.values())) == expected
    return places


def send(drive, to, count, **options):
    with drive("send", ["a", "b"], to=to, count=count, until="done", **options) as process:
        assert process.wait(90) == 0
        assert process.lines("delivered") == [[count]]
        assert process.lines("recall")[0][0] == "ok"
        return process


def test_dead_letters_once_in_order_and_recalled(broker, drive, new_topic):
    topic = new_topic(partitions=3)
    send(drive, topic, 6000)
    found = letters(broker, topic)
    places = check_once_in_order(found, 6000)
    assert len(places) == 8 and all(len({p for p, _ in offsets}) == 1 for offsets in places.values())
    assert {errors[ERRORS + "reason"] + errors[ERRORS + "detail"] for *_, errors in found} == {"not_jsonbyte 7"}
    assert {(value, key) for _, _, value, key, _ in found} == {(b"v" * 100, b"key")}
    assert found[0][4][ERRORS + "timestamp"] == str(1700000000000 + int(found[0][4][ERRORS + "offset"]))
    # Another run finds how far this one came; more partitions do not confuse that.
    broker.add_partitions(topic, 5)
    process = send(drive, topic, 1000, name="again", **{"from": 6000})
    newest = {(("a", "b")[line[0]], str(line[1])): line[2] for line in process.lines("recalled")}
    assert newest == {source: max(offset for _, offset in offsets) for source, offsets in places.items()}
    check_by_source = collections.Counter(errors[ERRORS + "offset"] for *_, errors in letters(broker, topic))
    assert len(check_by_source) == 7000 and set(check_by_source.values()) == {1}
    newest = {line[2] for line in send(drive, topic, 0, name="third").lines("recalled")}
    assert max(newest) == 6999


def test_recall_since_a_time(broker, drive, new_topic):
    topic = new_topic(partitions=2)
    send(drive, topic, 100)
    process = send(drive, topic, 0, name="late", since=int(time.time() * 1000) + 3600000)
    assert {line[2] for line in process.lines("recalled")} == {-1}


@pytest.mark.parametrize("limit", [20000, 500000])
def test_too_large_letters_are_cut(broker, drive, new_topic, limit):
    topic = new_topic(partitions=2, config={"max.message.bytes": limit})
    send(drive, topic, 400, large=3000000)
    found = letters(broker, topic)
    check_once_in_order(found, 400)
    cut = [(len(value), errors[ERRORS + "detail"]) for _, _, value, _, errors in found if value != b"v" * 100]
    assert len(cut) == 4 and {f"byte 7; value cut from 3000000 to {size} bytes" for size, _ in cut} == {text for _, text in cut}
    assert all(limit - 1500 < size < limit for size, _ in cut)


@pytest.mark.parametrize("limit", [20000, 500000])
def test_too_large_letters_are_cut_without_knowing_the_limit(guarded, tmp_path, limit):
    topic = guarded.create_topic(f"cut-{limit}", 2, {"max.message.bytes": limit})
    guarded.allow("User:alice", "Write", "Read", topic=topic)
    with Drive(tmp_path, guarded.bootstrap_of("CLIENT"), "send", "a", SASL, to=topic, count=2000, large=3000000, until="done") as process:
        assert process.wait(90) == 0
        assert not process.notes(""), process.log()
    found = letters(guarded, topic)
    check_once_in_order(found, 2000)
    cut = [len(value) for _, _, value, _, _ in found if value != b"v" * 100]
    assert len(cut) == 20 and all(limit / 4 < size < limit for size in cut)


def test_letters_wait_for_their_topic(broker, drive, new_topic):
    topic = new_topic(create=False)
    with drive("send", ["a", "b"], to=topic, count=500) as process:
        process.wait_line("sent")
        process.wait_log("the dead-letter topic does not exist")
        assert process.cpu_share(2) < 0.2
        broker.create_topic(topic, 2)
        assert process.wait_line("delivered") == [[500]]
        assert process.stop() == 0
        assert process.notes("does not exist") == 1 and process.notes("the dead-letter topic is there") == 1
    check_once_in_order(letters(broker, topic), 500)


def test_letters_wait_for_the_right_to_write(guarded, tmp_path):
    topic = guarded.create_topic("letters", 2)
    guarded.allow("User:alice", "Describe", "Read", topic=topic)
    with Drive(tmp_path, guarded.bootstrap_of("CLIENT"), "send", "a", SASL, to=topic, count=500) as process:
        process.wait_log("not allowed to write dead letters")
        tries = lambda: [line[0] for line in process.lines("debug") if line[1:4] == ["a", "new", "producer"]]  # noqa: E731
        process.wait_until(lambda: len(tries()) >= 4, 30, "four producers that were refused")
        assert tries()[3] - tries()[0] >= 1750  # half of 0.5, 1 and 2 s: they come ever more seldom
        guarded.allow("User:alice", "Write", topic=topic)
        assert process.wait_line("delivered", 40) == [[500]]
        assert process.stop() == 0
        assert process.notes("not allowed") == 1 and process.notes("dead letters are taken again") == 1
    check_once_in_order(letters(guarded, topic), 500)


def test_broker_killed_while_letters_are_sent(tmp_path):
    with Broker() as broker:
        topic = broker.create_topic("cx.deadletter", 3)
        with Drive(tmp_path, broker.bootstrap, "send", "a", to=topic, count=60000, bytes=2000) as process:
            begun = lambda: sum(high for _, high in broker.watermarks(topic).values()) > 500  # noqa: E731
            poll(begun, 30, "the first letters", ignore=(KafkaException,))
            broker.stop_node(1, kill=True)
            process.wait_log("no Kafka broker answers", 60)
            broker.start_node(1)
            assert process.wait_line("delivered", 90) == [[60000]]
            assert process.stop() == 0
        check_once_in_order(letters(broker, topic), 60000)


def test_letters_left_at_the_end_are_told(tmp_path):
    with Drive(tmp_path, "127.0.0.1:1", "send", "a", to="cx.deadletter", count=20, wait=500) as process:
        process.wait_line("sent", 30)
        assert process.lines("recall")[0][0] in ("away", "timeout")
        assert process.stop() == 0
        assert process.notes('were not confirmed before the end topic="cx.deadletter" letters=20') == 1
        assert process.lines("end")[0][0] < 2000
