"""Transactions, logs and topics of the Kafka adapter alone, against a real broker: what drive.c prints is compared with what is there."""

import os
import signal
import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from harness import Broker, Process
from harness.daemon import program

pytestmark = pytest.mark.release_only


class Drive(Process):
    """kafka-transactions-drive from the folder of the delightd under test, and its output in words."""

    def __init__(self, folder, bootstrap, verb, properties=None, name="drive", wishes=(), **options):
        binary = Path(
            os.environ.get("KAFKA_TRANSACTIONS_DRIVE") or program("delightd", "DELIGHTD").parent / "kafka-transactions-drive"
        )
        arguments = [binary, verb]
        for wish in wishes:
            arguments += ["--wish", wish]
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

    def finished(self, timeout=60):
        """Waits for its end, and returns itself."""
        assert self.wait(timeout) == 0, self.log()
        self.check_sanitizers()
        return self

    def notes(self, text):
        return sum(text in line for line in self.log().splitlines())

    def statuses(self):
        """{number of the transaction: how it ended}."""
        return {line[0]: line[1] for line in self.lines("run")}


def values(records):
    """NUMBER:RECORD of each, in the order of the log."""
    return [record.value.decode().rstrip("v").rstrip(":") for record in records]


def expected(transactions, records=10):
    return [f"{number}:{record}" for number in transactions for record in range(records)]


def committed(broker, group, topic):
    """The group's position in partition 0, None: none."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": group, "log_level": 3})
    try:
        offset = consumer.committed([TopicPartition(topic, 0)], timeout=30)[0].offset
        return offset if offset >= 0 else None
    finally:
        consumer.close()


def test_records_and_positions_are_there_together(broker, new_topic, tmp_path):
    to, source = new_topic(name="to"), new_topic(name="source")
    group = f"group-{to}"
    options = {"to": to, "id": to, "source": source, "transactions": 3, "hold": 3, "next": 5}
    with Drive(tmp_path, broker.bootstrap, "run", {"group.id": group, "log_level": 0}, **options) as process:
        process.wait_line("holding")
        # The third is written and not committed: neither its records nor its position are there.
        process.wait_until(lambda: len(broker.consume_all(to, "read_uncommitted")) == 30, 30, "the records of the open transaction")
        assert values(broker.consume_all(to)) == expected([1, 2]) and committed(broker, group, source) == 6
        process.send_signal(signal.SIGUSR1)
        process.finished()
    assert values(broker.consume_all(to)) == expected([1, 2, 3]) and committed(broker, group, source) == 7
    records = broker.consume_all(to)
    assert [line[1:5] for line in process.lines("run")] == [
        ["ok", records[10 * n - 1].offset, n, 0] for n in (1, 2, 3)
    ], "status, offset of the last record, committed, aborted"
    assert not process.log()


def test_given_up_is_aborted(broker, new_topic, tmp_path):
    to = new_topic()
    with Drive(tmp_path, broker.bootstrap, "run", to=to, id=to, transactions=3, hold=2) as process:
        process.wait_line("holding")
        process.wait_until(lambda: len(broker.consume_all(to, "read_uncommitted")) == 20, 30, "the records of the open transaction")
        assert process.stop() == 0
        assert process.statuses() == {1: "ok", 2: "stopped"} and process.lines("run")[-1][3:5] == [1, 1]
    assert values(broker.consume_all(to)) == expected([1])
    # The abort is written at once, not by the timeout: what comes next is read.
    Drive(tmp_path, broker.bootstrap, "run", to=to, id=f"{to}-other", name="other").start().finished()
    assert values(broker.consume_all(to)) == expected([1, 1])


def test_a_second_producer_fences_the_first(broker, new_topic, tmp_path):
    to = new_topic()
    with Drive(tmp_path, broker.bootstrap, "run", to=to, id=to, transactions=2, hold=2, name="first") as first:
        first.wait_line("holding")
        Drive(tmp_path, broker.bootstrap, "run", to=to, id=to, name="second").start().finished()
        first.send_signal(signal.SIGUSR1)
        first.finished()
        assert first.statuses() == {1: "ok", 2: "fenced"} and first.lines("run")[-1][6] == 1
        assert "another process has this instance's place in Kafka" in first.log()
    assert values(broker.consume_all(to)) == expected([1, 1])


def test_records_in_doubt_are_not_taken_for_later_ones(broker, new_topic, tmp_path):
    """Records that a broker wrote without anybody hearing of it, of a transaction that is then aborted: those of the next one must not
    be taken for them."""
    to = new_topic()
    with Drive(tmp_path, broker.bootstrap, "run", {"socket.timeout.ms": 1000}, to=to, id=to, transactions=3, hold=2, after=10) as process:
        process.wait_line("holding")
        process.wait_until(lambda: len(broker.consume_all(to, "read_uncommitted")) == 20, 30, "the first records of the second transaction")
        broker.pause_node()
        try:
            process.send_signal(signal.SIGUSR1)
            process.wait_log("no Kafka broker answers", timeout=60)  # The request has timed out, and lies in the broker's socket.
            process.send_signal(signal.SIGUSR2)
            process.wait_until(lambda: 2 in process.statuses(), 60, "the second transaction to be left")
        finally:
            broker.resume_node()
        process.finished()
    assert len(broker.consume_all(to, "read_uncommitted")) >= 30, "the broker has not written them: this tests nothing"
    good = [number for number, status in process.statuses().items() if status == "ok"]
    assert values(broker.consume_all(to)) == expected(good)
    assert process.statuses() == {1: "ok", 2: "stopped", 3: "fatal"}, process.log()


@pytest.mark.parametrize("how", ["unwanted", "expired"])
def test_records_of_an_abort_that_kafka_leaves_out_stay_in_the_dark(how, tmp_path):
    """Kafka writes no end of a transaction into a partition that has no leader at that moment, and takes it for ended all the same: the
    next commit would bring the records of the aborted one to light. Aborted by the producer, or by Kafka, which gives the producer up."""
    with Broker(nodes=3) as broker:
        to = broker.create_topic("to", config={"min.insync.replicas": 1}, replication=1)
        options = {"to": to, "id": to, "transactions": 4, "hold": 2, "timeout": 60000, "again": "yes"}
        if how == "expired":
            options |= {"timeout": 10000, "after": 1}  # Something fails before the commit: how that ends, nobody could know.
        with Drive(tmp_path, broker.bootstrap, "run", {"log_level": 0}, **options) as process:
            process.wait_line("holding")
            process.wait_until(lambda: len(broker.consume_all(to, "read_uncommitted")) == 20, 30, "the records of the open transaction")
            node = process.wait_until(lambda: broker.leader(to), 60, "the partition's leader to be told")
            broker.stop_node(node, kill=True)
            process.wait_until(lambda: broker.leader(to) == -1, 60, "the partition to be without a leader")

            def left_out():
                told = f"Set({to}-0) while trying to send"
                return [line for log in broker.logs() for line in log.read_text().splitlines() if told in line]

            if how == "expired":
                process.wait_until(left_out, 60, "Kafka to end the transaction")
            else:
                process.send_signal(signal.SIGUSR2)
            process.send_signal(signal.SIGUSR1)
            process.wait_until(lambda: 2 in process.statuses(), 60, "the second transaction to be left")
            assert process.statuses()[2] == ("fatal" if how == "expired" else "stopped")
            process.wait_until(left_out, 60, "Kafka to leave the end out")
            broker.start_node(node)
            process.finished(120)
        good = [number for number, status in process.statuses().items() if status == "ok"]
        assert 2 not in good and len(good) == 3, process.log()
        assert values(broker.consume_all(to)) == expected(good)


def test_a_successor_ends_what_a_kill_left_open(broker, new_topic, tmp_path):
    to = new_topic()
    with Drive(tmp_path, broker.bootstrap, "run", to=to, id=to, transactions=2, hold=2, timeout=300000, name="killed") as killed:
        killed.wait_line("holding")
        killed.wait_until(lambda: len(broker.consume_all(to, "read_uncommitted")) == 20, 30, "the records of the open transaction")
        killed.kill9()
    # A transaction of another, begun behind the open one, is not read before that has ended.
    Drive(tmp_path, broker.bootstrap, "run", to=to, id=f"{to}-other", name="other").start().finished()
    assert values(broker.consume_all(to)) == expected([1])
    successor = Drive(tmp_path, broker.bootstrap, "run", to=to, id=to, init="yes", transactions=0, name="successor").start().finished()
    assert successor.lines("init")[0][0] == "ok"
    assert values(broker.consume_all(to)) == expected([1, 1])


def test_a_stale_member_commits_nothing(broker, new_topic, tmp_path):
    to, source = new_topic(name="to"), new_topic(name="source")
    options = {"to": to, "id": to, "source": source, "generation": 7}
    with Drive(tmp_path, broker.bootstrap, "run", **options) as process:
        process.finished()
        assert process.statuses() == {1: "stopped"} and process.lines("run")[-1][3:6] == [0, 1, 0]
        assert process.log().count("dropped: its partitions were given to others") == 1
    assert not broker.consume_all(to) and committed(broker, "stale-group", source) is None


def test_what_is_too_large_is_made_smaller(broker, new_topic, tmp_path):
    to = new_topic(config={"max.message.bytes": 20000})
    # Among small ones, in one batch that is refused whole, or far above a batch by itself.
    options = {"records": 40, "bytes": 1000, "large": 100000, "transactions": 2}
    none = {"compression.type": "none"}
    with Drive(tmp_path, broker.bootstrap, "run", none, to=to, id=to, **options) as process:
        process.finished()
        assert process.statuses() == {1: "ok", 2: "ok"}
        assert [line[0] for line in process.lines("smaller")][:3] == [50000, 25000, 12500]
        assert "doesn" not in process.log() and "refuses" not in process.log()
    records = broker.consume_all(to)
    assert values(records) == expected([1, 2], 40)
    assert [len(record.value) for record in records if len(record.value) > 1000] == [12500, 12500]


def test_too_large_and_cannot_be_smaller(broker, new_topic, tmp_path):
    to = new_topic(config={"max.message.bytes": 500})
    with Drive(tmp_path, broker.bootstrap, "run", {"compression.type": "none"}, to=to, id=to, records=3, bytes=1000) as process:
        process.finished()
        assert process.statuses() == {1: "refused"} and "raise its max.message.bytes" in process.log()
    assert not broker.consume_all(to)


def test_letters_go_along_and_are_cut(broker, new_topic, tmp_path):
    to, dead = new_topic(name="to"), new_topic(name="dead", partitions=2, config={"max.message.bytes": 5000})
    options = {"to": to, "id": to, "letters": dead, "letter_bytes": 20000, "transactions": 2}
    with Drive(tmp_path, broker.bootstrap, "run", {"compression.type": "none"}, **options) as process:
        process.finished()
        assert process.statuses() == {1: "ok", 2: "ok"}
        # The second transaction knows what the topic takes.
        assert process.lines("fill").count([2]) == 1
    assert values(broker.consume_all(to)) == expected([1, 2])
    letters = sorted(broker.consume_all(dead), key=lambda record: dict(record.headers)["__delightd.errors.offset"])
    assert len(letters) == 6
    for number, letter in enumerate(letters):
        headers = dict(letter.headers)
        assert letter.key == b"key" and headers["trace"] == b"abc"
        assert headers["__delightd.errors.topic"] == b"cx.feedback" and headers["__delightd.errors.partition"] == b"2"
        assert headers["__delightd.errors.reason"] == b"not_json" and headers["__delightd.errors.timestamp"] == b"1700000000000"
        if number // 2 == 1:
            assert 2500 < len(letter.value) < 5000
            assert headers["__delightd.errors.detail"].decode() == f"byte 7; value cut from 20000 to {len(letter.value)} bytes"
        else:
            assert len(letter.value) == 10 and headers["__delightd.errors.detail"] == b"byte 7"


def test_log_over_markers_and_an_open_and_an_aborted_tail(broker, new_topic, tmp_path):
    to = new_topic()

    def read(name, **options):
        return Drive(tmp_path, broker.bootstrap, "log", topic=to, name=name, **options).start().finished()

    empty = read("empty")
    assert empty.lines("bounds")[0][:3] == ["ok", 0, 0] and empty.lines("read")[0][0] == "ok" and not empty.lines("record")
    Drive(tmp_path, broker.bootstrap, "run", to=to, id=to, transactions=3, name="first").start().finished()
    with Drive(tmp_path, broker.bootstrap, "run", to=to, id=to, hold=1, name="open") as process:
        process.wait_line("holding")
        process.wait_until(lambda: len(broker.consume_all(to, "read_uncommitted")) == 40, 30, "the records of the open transaction")
        opened = read("opened")
        assert process.stop() == 0
    aborted = read("aborted")
    offsets = [record.offset for record in broker.consume_all(to)]
    assert opened.lines("bounds")[0][:3] == ["ok", 0, 33], "the open transaction begins behind three records and their markers"
    assert aborted.lines("bounds")[0][:3] == ["ok", 0, 46], "ten that are aborted, one more that is, and their markers"
    for process in (opened, aborted):
        assert [line[0] for line in process.lines("read")] == ["ok", "ok"]
        assert [line[0] for line in process.lines("record")] == offsets * 2
        assert {tuple(line[1:3]) for line in process.lines("record")} == {("timed", "keyed")}
    part = read("part", **{"from": 5, "until": 15})
    assert [line[0] for line in part.lines("record")] == [5, 6, 7, 8, 9, 11, 12, 13, 14] * 2
    broker.delete_records(to, {0: 20})
    assert [line[0] for line in read("gone", **{"from": 5, "until": 15}).lines("read")] == ["empty"]


def test_log_that_is_missing_or_has_several_partitions(broker, new_topic, tmp_path):
    missing = Drive(tmp_path, broker.bootstrap, "log", topic=new_topic(create=False), name="missing").start().finished()
    assert missing.lines("bounds")[0][0] == "empty"
    several = Drive(tmp_path, broker.bootstrap, "log", topic=new_topic(partitions=3), name="several").start().finished()
    assert several.lines("bounds")[0][0] == "refused" and "a topic must have one partition" in several.log()


def test_topics_created_and_checked(broker, new_topic, tmp_path):
    state, tallies, there = (new_topic(create=False, name=name) for name in ("state", "tallies", "there"))
    wishes = [f"{state}:1!:cleanup.policy=compact", f"{tallies}:1!:retention.ms=86400000", f"{there}:4"]

    def ask(verb, name, wanted=wishes):
        return Drive(tmp_path, broker.bootstrap, verb, wishes=wanted, name=name).start().finished()

    faults = ask("check", "before").lines("fault")
    assert faults == [[name, "does", "not", "exist"] for name in (state, tallies, there)]
    broker.create_topic(there, 4)
    assert ask("create", "create").lines("created") == [[state], [tallies]]
    assert broker.topics()[state] == 1 and broker.topics()[there] == 4
    assert not ask("check", "after").lines("fault") and not ask("create", "again").lines("created")
    others = [f"{state}:2:cleanup.policy=delete", f"{tallies}:1:retention.ms=86400001", f"{there}:3!", f"{tallies}:1:retention.ms=1"]
    assert [" ".join(map(str, line)) for line in ask("check", "others", others).lines("fault")] == [
        f"{state} has 1 partition and should have at least 2",
        f"{state} cleanup.policy is compact and should be delete",
        f"{tallies} retention.ms is 86400000 and should be 86400001 or more",
        f"{there} has 4 partitions and should have 3",
    ]
    refused = ask("create", "refused", [f"{state}-other:1:cleanup.policy=nonsense"])
    assert refused.lines("topics")[0][0] == "refused" and "cleanup.policy" in refused.out()


def test_socket_timeout_above_the_transaction_timeout(tmp_path):
    properties = {"socket.timeout.ms": 60000}
    process = Drive(tmp_path, "127.0.0.1:1", "run", properties, to="to", init="no").start()
    assert process.wait(10) == 78
    assert "socket.timeout.ms is 60000, and a transaction of kafka mode ends after 10000" in process.log()


def test_no_broker(tmp_path):
    with Drive(tmp_path, "127.0.0.1:1", "run", to="to") as process:
        process.wait_log("no Kafka broker answers")
        begun = time.monotonic()
        assert process.stop() == 0 and time.monotonic() - begun < 5
        assert process.lines("init")[0][0] == "stopped" and process.notes("") == 1, process.log()


def test_a_broker_away_while_it_runs(tmp_path):
    with Broker() as broker:
        to, source = broker.create_topic("to"), broker.create_topic("source")
        options = {"to": to, "source": source, "transactions": 6, "hold": 2, "timeout": 60000}
        with Drive(tmp_path, broker.bootstrap, "run", {"group.id": "away", "log_level": 0}, **options) as process:
            process.wait_line("holding")
            broker.stop_node(kill=True)
            process.send_signal(signal.SIGUSR1)
            broker.start_node()
            process.finished(90)
            statuses = process.statuses()
            assert statuses[1] == "ok" and process.notes("no Kafka broker answers") <= 1, process.log()
            # What the broker's return does to a member is the group's affair: a transaction is whole, once, or not there.
            good = [number for number, status in statuses.items() if status == "ok"]
            assert set(statuses.values()) <= {"ok", "stopped"} and len(good) >= 2, process.log()
        assert values(broker.consume_all(to)) == expected(good)
        assert committed(broker, "away", source) == good[-1]
