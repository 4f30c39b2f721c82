"""Kafka mode's consumers alone, against a real broker: what drive.c prints is compared with what the topics hold."""

import ctypes
import itertools
import os
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition
from harness import Broker, Process, Record, poll
from harness.daemon import program

pytestmark = pytest.mark.release_only

SETTINGS = {
    "group.min.session.timeout.ms": 500,
    "group.initial.rebalance.delay.ms": 0,
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": 500,
    # alice may do what an ACL allows, and anybody on the plaintext listener everything.
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS",
    "listener.name.client.sasl.enabled.mechanisms": "PLAIN",
    "listener.name.client.plain.sasl.jaas.config": 'org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="secret";',
}
ALICE = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "alice", "sasl.password": "secret"}
QUICK = {"session.timeout.ms": 1500, "heartbeat.interval.ms": 200, "topic.metadata.refresh.interval.ms": 500}
PATIENT = {"session.timeout.ms": 60000, "heartbeat.interval.ms": 200}

_numbers = itertools.count(1)
libc = ctypes.CDLL(None, use_errno=True)


@pytest.fixture(scope="module")
def broker():
    with Broker(settings=SETTINGS, listeners={"CLIENT": "SASL_PLAINTEXT"}) as running:
        yield running


class Drive(Process):
    """kafka-group-drive from the folder of the delightd under test, and its output in words."""

    def __init__(self, folder, bootstrap, verb, topics, properties=None, name="drive", **options):
        binary = Path(os.environ.get("KAFKA_GROUP_DRIVE") or program("delightd", "DELIGHTD").parent / "kafka-group-drive")
        self.control = Path(folder) / f"{name}.control"
        self.control.write_text("")
        arguments = [binary, verb, "--control", self.control]
        for topic in [topics] if isinstance(topics, str) else topics:
            arguments += ["--topic", topic]
        for key, value in options.items():
            arguments += [f"--{key.replace('_', '-')}", value]
        for key, value in {"bootstrap.servers": bootstrap, **(properties or {})}.items():
            arguments.append(f"{key}={value}")
        super().__init__(arguments, Path(folder) / f"{name}.log", out=Path(folder) / f"{name}.out", name=name)

    def all_lines(self):
        """The complete lines so far as lists of words, numbers as int."""
        text = self.out()
        lines = text[: text.rfind("\n") + 1].splitlines()
        return [[int(word) if word.lstrip("-").isdigit() else word for word in line.split()] for line in lines]

    def lines(self, kind, since=0):
        return [line[1:] for line in self.all_lines()[since:] if line[0] == kind]

    def here(self):
        return len(self.all_lines())

    def wait_line(self, *words, timeout=30, since=0):
        """Waits for a line that begins with these words; returns the first."""

        def found():
            return [line for line in self.all_lines()[since:] if line[: len(words)] == list(words)]

        return self.wait_until(found, timeout, f"a line {words}", logs=[self.out_path])[0]

    def wait_read(self, *places, timeout=30):
        """Waits until each [topic, partition, next] is the position that was told last."""

        def read():
            told = {tuple(line[:2]): line[2] for line in self.lines("position")}
            return all(told.get((topic, partition)) == position for topic, partition, position in places)

        self.wait_until(read, timeout, f"{places} to be read", logs=[self.out_path])

    def wait_starts(self, count, since=0):
        """Waits for the starts of so many partitions; returns their lines."""
        self.wait_until(lambda: len(self.lines("start", since)) >= count, 30, f"{count} starts", logs=[self.out_path])
        return self.lines("start", since)

    def tell(self, command):
        with self.control.open("a") as file:
            file.write(command + "\n")

    def commit(self):
        """Commits where it is; returns when that is done."""
        since = self.here()
        self.tell("commit")
        assert self.wait_line("committed", since=since) == ["committed", "ok"]

    def records(self, since=0, kind="new"):
        return [tuple(line[:3]) for line in self.lines("record", since) if line[3] == kind]

    def notes(self, text):
        return sum(text in line for line in self.log().splitlines())


@pytest.fixture
def drive_with(tmp_path):
    """drive, for a broker of the test's own."""
    return lambda broker: maker(broker, tmp_path)


@pytest.fixture
def drive(broker, tmp_path):
    """A function that makes a Drive of a group of this test's own: drive("member", topic, PROPERTIES, name=…, …)."""
    return maker(broker, tmp_path)


def maker(broker, tmp_path):
    group = f"group-{next(_numbers)}"

    def make(verb, topics, properties=QUICK, name="drive", **options):
        if verb == "tallies":
            options.setdefault("group", group)
        bootstrap = broker.bootstrap_of("CLIENT") if "sasl.username" in properties else broker.bootstrap
        return Drive(tmp_path, bootstrap, verb, topics, {"group.id": group, **properties}, name, **options)

    make.group = group
    return make


def trace(request, thread):
    if libc.ptrace(request, ctypes.c_long(thread), None, None) != 0:
        raise OSError(ctypes.get_errno(), f"thread {thread} cannot be traced: {os.strerror(ctypes.get_errno())}")


@contextmanager
def held_threads(pid, name):
    """The process's threads of that name stand still, whatever the others do."""
    attach, detach, all_kinds = 16, 17, 0x40000000  # PTRACE_ATTACH, PTRACE_DETACH, __WALL
    named = [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir() if (task / "comm").read_text().strip() == name]
    assert named
    held = []
    try:
        for thread in named:
            trace(attach, thread)
            held.append(thread)
            os.waitpid(thread, all_kinds)
        yield
    finally:
        for thread in held:
            trace(detach, thread)


def numbered(count, partitions, first=0):
    return [Record(f"{i}", partition=i % partitions) for i in range(first, first + count)]


def offsets(broker, group, topic, positions, transactional_id="commits"):
    """A producer with a transaction that is open and holds the positions {partition: offset} of the group."""
    producer = broker.transactional_producer(transactional_id)
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": group})
    producer.begin_transaction()
    producer.send_offsets_to_transaction(
        [TopicPartition(topic, partition, offset) for partition, offset in positions.items()],
        consumer.consumer_group_metadata(),
        30,
    )
    consumer.close()
    return producer


def commit_offsets(broker, group, topic, positions):
    offsets(broker, group, topic, positions).commit_transaction(30)


def wait_members(broker, group, count):
    """Waits until the group is stable with so many members."""

    def there():
        found = broker.admin().list_groups(group, timeout=10)
        return found and found[0].state == "Stable" and len(found[0].members) == count

    poll(there, 30, f"{count} members of {group}", broker.logs(), ignore=(KafkaException,))


# ---- The source ----


def test_members_share_and_each_record_is_delivered_from_the_committed_offset(broker, drive, new_topic):
    topic = new_topic(partitions=4)
    broker.produce(topic, numbered(400, 4))
    with drive("member", topic, name="a", id="a") as a:
        a.wait_read(*([0, p, 100] for p in range(4)))
        assert a.lines("begin") == [["stranger"]] and sorted(a.lines("missing")) == [[0, p] for p in range(4)]
        assert a.lines("assign") == [[4]]
        a.tell("member")
        a.wait_line("member")
        with drive("member", topic, name="b", id="b") as b:
            b.wait_line("assign", 2)
            a.wait_line("assign", 2)
            assert a.lines("revoke") == [["kept", "member"]] and a.lines("committed") == [["ok"]]
            broker.produce(topic, numbered(400, 4, first=400))
            of_a = [line[1] for line in a.wait_starts(6)[4:]]
            a.wait_read(*([0, p, 200] for p in of_a))
            of_b = [line[1] for line in b.wait_starts(2)]
            b.wait_read(*([0, p, 200] for p in of_b))
            assert sorted(of_a + of_b) == [0, 1, 2, 3]
            # Every record once, in order, by one of the two.
            assert sorted(a.records() + b.records()) == sorted((0, p, i) for p in range(4) for i in range(200))
            b.commit()
            broker.produce(topic, numbered(40, 4, first=800))
            b.wait_read(*([0, p, 210] for p in of_b))
            here = a.here()
            b.kill9()
            a.wait_line("assign", 4, since=here)
            a.wait_starts(4, here)
            a.wait_read(*([0, p, 210] for p in range(4)))
        # What the dead one had read and not committed is read again; the living one's was committed in the revocation.
        assert sorted(a.lines("start", here)) == sorted([0, p, 200 if p in of_b else 210] for p in range(4))
        assert sorted(a.records(here)) == sorted((0, p, i) for p in of_b for i in range(200, 210))


def test_a_member_that_ends_leaves_at_once(broker, drive, new_topic):
    topic = new_topic(partitions=2)
    with drive("member", topic, PATIENT, name="a", id="a") as a, drive("member", topic, PATIENT, name="b", id="b") as b:
        a.wait_line("assign", 1)
        b.wait_line("assign", 1)
        assert a.stop() == 0
        assert a.lines("end")[0][0] == 1 and a.lines("end")[0][2] < 2500
        # Destroying calls nobody back.
        assert a.all_lines()[-1][0] == "end" and a.lines("revoke")[-1:] != [["lost", "stranger"]]
        b.wait_line("assign", 2)


def test_a_lost_assignment_is_told_before_anything_else(broker, drive, new_topic):
    topic = new_topic(partitions=2)
    broker.produce(topic, numbered(20, 2))
    with drive("member", topic, name="a", id="a") as a:
        a.wait_read([0, 0, 10], [0, 1, 10])
        a.commit()
        a.pause()
        here = a.here()
        with drive("member", topic, name="b", id="b") as b:
            b.wait_line("assign", 2)
            broker.produce(topic, numbered(20, 2, first=20))
            b.wait_read([0, 0, 20], [0, 1, 20])
            b.commit()
            a.resume()
            a.wait_line("assign", 1, since=here)
            happenings = [line for line in a.all_lines()[here:] if line[0] != "position"]
            assert happenings[0] == ["revoke", "lost", "stranger"]
            a.wait_starts(1, here)
            a.wait_line("position", since=here)
            # Nothing twice: what it had fetched before is dropped, and the other has committed since.
            assert a.records(here) == []


def test_a_lost_assignment_is_told_first_though_librdkafka_finds_it_out_late(broker, drive, new_topic):
    topic = new_topic(partitions=1)
    broker.produce(topic, numbered(10, 1))
    with drive("member", topic, name="a", id="a") as a:
        a.wait_read([0, 0, 10])
        a.commit()
        a.pause()
        here = a.here()
        with drive("member", topic, name="b", id="b") as b:
            b.wait_line("assign", 1)
        broker.produce(topic, numbered(10, 1, first=10))
        # The session is looked after by one of librdkafka's threads, and records are fetched by another.
        with held_threads(a.pid, "rdk:main"):
            a.resume()
            time.sleep(1)  # so that they are there before the loss is known
        a.wait_read([0, 0, 20])
        assert [line for line in a.all_lines()[here:] if line[0] != "position"][0] == ["revoke", "lost", "stranger"]
        assert a.records(here) == [(0, 0, i) for i in range(10, 20)]


def test_a_missing_offset_is_asked_for_until_it_is_known(broker, drive, new_topic):
    topic = new_topic(partitions=1)
    broker.produce(topic, numbered(30, 1))
    with drive("member", topic, answer=-2) as member:
        member.wait_until(lambda: len(member.lines("missing")) >= 2, 30, "a second question")
        assert member.lines("start") == [] and member.records() == []
        member.tell("answer 12")
        member.wait_read([0, 0, 30])
        assert member.lines("start") == [[0, 0, 12]] and member.records() == [(0, 0, i) for i in range(12, 30)]


def test_an_end_that_was_asked_before_the_position_was_known_is_asked_again(broker, drive, new_topic):
    """A process that stood still between the two: others have read and counted on meanwhile."""
    topic = new_topic(partitions=1)
    with drive("member", topic, answer=12, linger=3000) as member:
        member.wait_line("missing")
        broker.produce(topic, numbered(30, 1))
        member.wait_read([0, 0, 30])
        assert member.lines("start") == [[0, 0, 12]] and member.lines("loss") == []
        assert member.lines("forgotten") == [[0, 0, 12, 30]]
        assert member.notes("went back") == 0


def test_warm_up_comes_before_the_committed_offset(broker, drive, new_topic):
    topic = new_topic(partitions=1)
    broker.produce(topic, numbered(30, 1))
    commit_offsets(broker, drive.group, topic, {0: 20})
    with drive("member", topic, warm_up=5) as member:
        member.wait_read([0, 0, 30])
        assert member.lines("start") == [[0, 0, 20]]
        assert member.records(kind="warm") == [(0, 0, i) for i in range(15, 20)]
        assert member.records() == [(0, 0, i) for i in range(20, 30)]
        assert member.lines("missing") == []


def test_committed_offsets_that_are_out_of_range(broker, drive, new_topic):
    topic = new_topic(partitions=2)
    broker.produce(topic, numbered(200, 2))
    commit_offsets(broker, drive.group, topic, {0: 10, 1: 500})
    broker.delete_records(topic, {0: 50})
    with drive("member", topic, warm_up=5) as member:
        member.wait_read([0, 0, 100], [0, 1, 100])
        assert sorted(member.lines("start")) == [[0, 0, 50], [0, 1, 100]]
        assert sorted(member.lines("loss")) == [[0, 0, 10, 50], [0, 1, 500, 100]]  # the second: the log was cut off
        assert member.records() == [(0, 0, i) for i in range(50, 100)]
        assert member.records(kind="warm") == [(0, 1, i) for i in range(95, 100)]
        assert member.notes("records were deleted") == 1 and member.notes("log was truncated") == 1


def test_records_deleted_while_they_are_read(broker, drive, new_topic):
    topic = new_topic(partitions=2)
    broker.produce(topic, numbered(20, 2))
    with drive("member", topic) as member:
        member.wait_read([0, 0, 10], [0, 1, 10])
        member.pause()
        broker.produce(topic, numbered(20, 2, first=20))
        broker.delete_records(topic, {0: 15})
        member.resume()
        member.wait_read([0, 0, 20], [0, 1, 20], timeout=40)
        read = {record for record in member.records() if record[2] >= 10}
        # What librdkafka had fetched before the deletion may still come.
        assert {(0, 1, i) for i in range(10, 20)} | {(0, 0, i) for i in range(15, 20)} <= read


def test_an_open_transaction_of_a_predecessor_is_waited_for(broker, drive, new_topic):
    topic = new_topic(partitions=3)
    broker.produce(topic, numbered(60, 3))
    commit_offsets(broker, drive.group, topic, {0: 5, 1: 5, 2: 5})
    predecessor = offsets(broker, drive.group, topic, {0: 15, 1: 15}, "predecessor")
    with drive("member", topic) as member:
        member.wait_log("is a transaction open")
        # The third one has nothing to do with that transaction.
        member.wait_read([0, 2, 20])
        assert member.lines("assign") == [[3]] and member.lines("start") == [[0, 2, 5]]
        predecessor.commit_transaction(30)
        member.wait_read([0, 0, 20], [0, 1, 20])
        assert sorted(member.lines("start")) == [[0, 0, 15], [0, 1, 15], [0, 2, 5]]


def test_a_dead_predecessors_transaction_ends_by_its_timeout(broker, drive, new_topic):
    topic = new_topic(partitions=1)
    broker.produce(topic, numbered(20, 1))
    commit_offsets(broker, drive.group, topic, {0: 5})
    producer = broker.transactional_producer("dead", transaction_timeout_ms=3000)
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": drive.group})
    producer.begin_transaction()
    producer.send_offsets_to_transaction([TopicPartition(topic, 0, 15)], consumer.consumer_group_metadata(), 30)
    with drive("member", topic) as member:
        member.wait_read([0, 0, 20])
        assert member.lines("start") == [[0, 0, 5]]
    consumer.close()


def test_rewind_goes_on_at_the_committed_offset(broker, drive, new_topic):
    topic = new_topic(partitions=2)
    broker.produce(topic, numbered(20, 2))
    with drive("member", topic, id="a") as member:
        member.wait_read([0, 0, 10], [0, 1, 10])
        member.commit()
        broker.produce(topic, numbered(20, 2, first=20))
        member.wait_read([0, 0, 20], [0, 1, 20])
        here = member.here()
        member.tell("rewind")
        member.wait_until(lambda: len(member.records(here)) == 20, 30, "20 records again")
        assert sorted(member.lines("start", here)) == [[0, 0, 10], [0, 1, 10]]
        assert sorted(member.records(here)) == [(0, p, i) for p in (0, 1) for i in range(10, 20)]
        assert member.lines("revoke") == []


def test_topics_created_later_and_grown(broker, drive, new_topic):
    there, later = new_topic(name="there"), new_topic(create=False, name="later")
    with drive("member", [there, later]) as member:
        member.wait_log("does not exist")
        broker.create_topic(later, 1)
        broker.produce(later, numbered(10, 1))
        member.wait_read([1, 0, 10], timeout=40)
        broker.add_partitions(later, 2)
        broker.produce(later, [Record("x", partition=1)] * 3)
        member.wait_read([1, 1, 3], timeout=40)
        assert member.notes("does not exist") == 1 and member.notes("is there") == 1


def test_cooperative_sticky_where_librdkafka_can(broker, drive, new_topic):
    topic = new_topic(partitions=4)
    cooperative = {**QUICK, "partition.assignment.strategy": "cooperative-sticky"}
    with drive("member", topic, cooperative, "a", id="a") as a:
        poll(lambda: not a.running() or a.lines("assign"), 30, "a member, or none")
        if not a.running():
            assert a.wait() == 1 and a.notes("before 2.6.1") == 1
            return
        broker.produce(topic, numbered(400, 4))
        a.wait_read(*([0, p, 100] for p in range(4)))
        here = a.here()
        with drive("member", topic, cooperative, "b", id="b") as b:
            of_b = {line[1] for line in b.wait_starts(2)}
            of_a = set(range(4)) - of_b
            broker.produce(topic, numbered(400, 4, first=400))
            a.wait_read(*([0, p, 200] for p in of_a))
            b.wait_read(*([0, p, 200] for p in of_b))
            # What stays is begun again at what was committed for it in the revocation.
            assert a.lines("revoke", here)[0] == ["kept", "member"] and ["ok"] in a.lines("committed", here)
            assert sorted(a.records() + b.records()) == sorted((0, p, i) for p in range(4) for i in range(200))
            assert b.stop() == 0
            a.wait_read(*([0, p, 200] for p in range(4)))


def test_too_long_between_polls_is_lost_and_over(broker, drive, new_topic):
    topic = new_topic(partitions=1)
    broker.produce(topic, numbered(10, 1))
    with drive("member", topic, {**QUICK, "max.poll.interval.ms": 1500}) as member:
        member.wait_read([0, 0, 10])
        here = member.here()
        member.tell("busy 3000")
        member.wait_line("revoke", "lost", "stranger", since=here)
        member.wait_line("record", 0, 0, 9, since=here)
        assert member.notes("not asked for records in time") == 1


def test_a_fatal_error_gives_a_new_client(broker, drive, new_topic):
    topic = new_topic(partitions=1)
    broker.produce(topic, numbered(10, 1))
    same = {**QUICK, "group.instance.id": "twin"}
    with drive("member", topic, same, name="a") as a:
        a.wait_read([0, 0, 10])
        here = a.here()
        with drive("member", topic, same, name="b") as b:
            b.wait_read([0, 0, 10])
            a.wait_log("gave up its consumer")
            a.wait_line("revoke", "lost", since=here)
            a.wait_line("assign", 1, since=here)
            a.wait_line("record", 0, 0, 9, since=here)


def test_a_group_that_may_not_be_used_is_said_once(broker, drive, new_topic):
    topic = new_topic(partitions=1)
    broker.allow("User:alice", "Read", "Describe", topic=topic)
    broker.produce(topic, numbered(10, 1))
    with drive("member", topic, {**QUICK, **ALICE}) as member, drive("tallies", topic, {**QUICK, **ALICE}, "t", group="t") as tallies:
        member.wait_log("grant Read on the group")
        tallies.wait_log("grant Read on the group")
        assert member.cpu_share() < 0.3
        broker.allow("User:alice", "Read", group=drive.group)
        broker.allow("User:alice", "Read", group="t")
        member.wait_read([0, 0, 10])
        tallies.wait_line("position", 10, 10)
        assert member.notes("grant Read") == 1 and member.notes("takes this process") == 1 and tallies.notes("grant Read") == 1


@pytest.mark.parametrize("verb", ["member", "tallies"])
def test_nobody_there(tmp_path, verb):
    with Drive(tmp_path, "127.0.0.1:1", verb, "cx.feedback", QUICK, **({"group": "g"} if verb == "tallies" else {})) as process:
        process.wait_log("no Kafka broker answers")
        assert process.cpu_share() < 0.2 and process.notes("no Kafka broker answers") == 1
        assert process.stop() == 0
        assert process.lines("end")[0][2] < 2500


@pytest.mark.long
def test_a_broker_that_stands_still_and_comes_back(broker, drive, new_topic):
    topic, tallies_topic = new_topic(partitions=1), new_topic(partitions=1)
    broker.produce(topic, numbered(10, 1))
    broker.produce(tallies_topic, ["a"])
    quick = {**QUICK, "socket.timeout.ms": 2000}
    with drive("member", topic, quick) as member, drive("tallies", tallies_topic, quick, "t", group="t2") as tallies:
        tallies.wait_line("position", 1, 1)
        with drive("member", topic, PATIENT, "c") as second, drive("tallies", tallies_topic, PATIENT, "u", group="t2") as standby:
            member.wait_line("assign")
            second.wait_line("assign")
            wait_members(broker, "t2", 2)
            broker.pause_node()
            try:
                for process in (second, standby):
                    assert process.stop() == 0
                    assert process.lines("end")[0][2] < 3500
            finally:
                broker.resume_node()
        broker.produce(topic, numbered(10, 1, first=10))
        broker.produce(tallies_topic, ["b"])
        member.wait_read([0, 0, 20], timeout=60)
        tallies.wait_line("position", 2, 2, timeout=60)


@pytest.mark.long
def test_a_broker_that_is_killed_and_comes_back(drive_with):
    with Broker(settings=SETTINGS, listeners={"CLIENT": "SASL_PLAINTEXT"}) as broker, ExitStack() as stack:
        drive = drive_with(broker)
        topic, tallies_topic = broker.create_topic("in"), broker.create_topic("tallies")
        broker.produce(topic, numbered(10, 1))
        broker.produce(tallies_topic, ["a"])
        member = stack.enter_context(drive("member", topic, name="member"))
        member.wait_read([0, 0, 10])
        # Several, as what their clients do then depends on what they are just waiting for.
        several = []
        for i in range(4):
            several.append(stack.enter_context(drive("tallies", tallies_topic, name=f"t{i}", group="t")))
            several[0].wait_line("position", 1, 1)
        wait_members(broker, "t", len(several))
        broker.stop_node(1, kill=True)
        several[0].wait_line("lost")  # as its session is over
        for process in (member, *several):
            process.wait_log("no Kafka broker answers")
        for process in (member, *several):
            assert process.cpu_share(2.0) < 0.3 and process.notes("answers again") == 0, process.log()
        broker.start_node(1)
        broker.produce(topic, numbered(10, 1, first=10))
        broker.produce(tallies_topic, ["b"])
        member.wait_read([0, 0, 20], timeout=60)
        poll(lambda: any(["position", 2, 2] in process.all_lines() for process in several), 60, "an owner that reads on", broker.logs())
        for process in (member, *several):
            process.wait_log("Kafka answers again")
            assert process.notes("no Kafka broker answers") == 1, process.log()


# ---- The tallies ----


def test_tallies_have_one_owner_and_a_standby_takes_over(broker, drive, new_topic):
    topic = new_topic(partitions=1)
    broker.produce(topic, ["a", "b"])
    with drive("tallies", topic, name="a") as a:
        a.wait_line("position", 2, 2)
        with drive("tallies", topic, PATIENT, name="b") as b:
            wait_members(broker, drive.group, 2)
            with drive("tallies", topic, PATIENT, name="c") as c:
                wait_members(broker, drive.group, 3)
                # Standbys have come, and the owner stays: it reads on without hearing of that.
                broker.produce(topic, ["c"])
                a.wait_line("position", 3, 3)
                # Where the end of the log is may be told before anything is read.
                assert [line[0] for line in a.all_lines() if line[0] != "position"] == ["owner", "record", "record", "record"]
                assert b.all_lines() == c.all_lines() == []
                a.kill9()
                # Who is there longest.
                b.wait_line("position", 3, 3)
                assert [line[0] for line in b.lines("record")] == [0, 1, 2]
                # The session would last a minute: it has left.
                assert b.stop() == 0
                assert b.lines("end")[0][2] < 2500
                c.wait_line("position", 3, 3)
                assert b.lines("lost") == [] and c.lines("lost") == []


def test_an_owner_that_stood_still_is_told_that_it_lost(broker, drive, new_topic):
    topic = new_topic(partitions=1)
    broker.produce(topic, ["a"])
    with drive("tallies", topic, name="a") as owner:
        owner.wait_line("position", 1, 1)
        with drive("tallies", topic, name="b") as standby:
            wait_members(broker, drive.group, 2)
            owner.pause()
            standby.wait_line("owner")
            broker.produce(topic, ["b"])
            standby.wait_line("position", 2, 2)
            owner.resume()
            owner.wait_line("lost")
            kinds = [line[0] for line in owner.all_lines()]
            lost = kinds.index("lost")
            # Kafka does not fence reading: what it fetched before it hears of the loss may still come (its writes are fenced).
            assert kinds[0] == "owner" and set(kinds[1:lost]) == {"record", "position"}
            assert owner.lines("record")[0][0] == 0
            # The one that is there longest is made the owner again; it reads nothing before that.
            owner.wait_line("owner", since=lost)
            assert owner.all_lines()[lost + 1] == ["owner"]
            standby.wait_line("lost")


def test_tallies_begin_where_they_are_told_to(broker, drive, new_topic):
    topic = new_topic(partitions=1)
    for i in range(3):
        with broker.transaction("t") as producer:
            broker.produce(topic, [f"{i}-{j}" for j in range(4)], producer=producer)
    # 0-3 and the marker 4, 5-8 and 9, 10-13 and 14.
    with drive("tallies", topic, begin=6) as tallies:
        tallies.wait_line("position", 15, 15)
        assert [line[0] for line in tallies.lines("record")] == [6, 7, 8, 10, 11, 12, 13]
        here = tallies.here()
        tallies.tell("begin 12")
        tallies.wait_line("position", 15, 15, since=here)
        assert [line[0] for line in tallies.lines("record", here)] == [12, 13]
        here = tallies.here()
        tallies.tell("begin 0")
        tallies.wait_line("position", 15, 15, since=here)
        assert [line[0] for line in tallies.lines("record", here)] == [0, 1, 2, 3, 5, 6, 7, 8, 10, 11, 12, 13]
        open_one = broker.transactional_producer("open")
        open_one.begin_transaction()
        broker.produce(topic, ["x"], producer=open_one)
        open_one.abort_transaction(30)
        tallies.wait_line("position", 17, 17)
        assert tallies.stop() == 0
        assert tallies.lines("lost") == [] and tallies.lines("loss") == []


def test_tallies_wait_for_begin(broker, drive, new_topic):
    topic = new_topic(partitions=1)
    broker.produce(topic, [str(i) for i in range(500)])
    with drive("tallies", topic, begin=-1) as tallies:
        tallies.wait_line("owner")
        tallies.tell("busy 300")
        tallies.tell("begin 100")
        tallies.wait_line("position", 500, 500)
        assert [line[0] for line in tallies.lines("record")] == list(range(100, 500))
        # It sleeps while there is nothing to do.
        assert tallies.cpu_share() < 0.2


def test_tallies_that_retention_took(broker, drive, new_topic):
    topic = new_topic(partitions=1)
    broker.produce(topic, [str(i) for i in range(20)])
    broker.delete_records(topic, {0: 8})
    with drive("tallies", topic, begin=3) as tallies:
        tallies.wait_line("position", 20, 20)
        assert tallies.lines("loss") == [[3, 8]]
        assert [line[0] for line in tallies.lines("record")] == list(range(8, 20))
        # Beyond the end: another log of that name, or one that was cut.
        here = tallies.here()
        tallies.tell("begin 100")
        tallies.wait_line("position", 20, 20, since=here)
        assert tallies.lines("loss", here) == [[100, 8]]
        broker.delete_records(topic, {0: -1})
        here = tallies.here()
        tallies.tell("begin 8")
        tallies.wait_line("position", 20, 20, since=here)
        assert tallies.lines("loss", here) == [[8, 20]]
        broker.produce(topic, ["more"])
        tallies.wait_line("position", 21, 21, since=here)
        assert [line[0] for line in tallies.lines("record", here)] == [20]


def test_the_topic_of_the_tallies_is_missing_or_has_several_partitions(broker, drive, new_topic):
    missing = new_topic(create=False)
    with drive("tallies", missing) as tallies:
        tallies.wait_log("delightd topics --create")
        broker.create_topic(missing, 2)
        tallies.wait_line("owner", timeout=40)
        tallies.wait_log("must have one partition")
        broker.produce(missing, [Record("x", partition=p) for p in (0, 1)])
        tallies.wait_line("position", 1, 1)
        assert len(tallies.lines("record")) == 1 and tallies.notes("does not exist") == 1
