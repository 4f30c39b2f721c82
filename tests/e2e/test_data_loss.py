"""durability: kafka: data loss is never silent. on_data_loss: stop says what is lost and ends, publishing nothing wrong;
continue goes on without it, and says it too. Where nothing is lost, the recount is exact."""

import re

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition
from feedback import survey
from harness import Daemon, Loader, Record, poll
from kafka_mode import KafkaMode

ALARMS = "source chain|(is|are) lost|went back|deleted from a topic|cannot be read"
STOPPING = "stopping, for on_data_loss is stop"


def events(redis, window="24h"):
    return int(redis.client().hget(f"cx:{{all}}:{window}", "events") or 0)


def surveys(count, touchpoint="desk", partition=0):
    return [Record(survey(touchpoint), partition=partition) for _ in range(count)]


class Scene:
    """One daemon and its topics; every event counts, since all are surveys of now."""

    def __init__(self, broker, redis, new_topic, folder, partitions=2, **extra):
        self.broker, self.redis, self.new_topic = broker, redis, new_topic
        self.mode = KafkaMode(broker, redis, new_topic, partitions=partitions, windows=["24h"], **extra)
        self.daemon = Daemon(self.mode.config(), folder)

    def wait_events(self, count, timeout=60):
        try:
            self.daemon.wait_until(lambda: events(self.redis) == count, timeout, f"{count} events")
        except AssertionError as error:
            raise AssertionError(f"{events(self.redis)} events in Redis: {error}") from None

    def send(self, count, partition=0):
        return self.broker.produce(self.mode.source, surveys(count, partition=partition))

    def expect_stop(self, *patterns, publishes=False, **extra):
        """Starts it: it says what is lost, ends with 1, and what is in Redis stays. publishes: the scores are whole, so it may."""
        before, mark = events(self.redis), self.daemon.mark()
        self.daemon.write_config(self.mode.config(**extra))
        self.daemon.start()
        assert self.daemon.wait(60) == 1, self.daemon.log(mark)
        log = self.daemon.log(mark)
        for pattern in (*patterns, STOPPING):
            assert re.search(pattern, log), f"/{pattern}/ is not in\n{log}"
        assert "shutdown_timeout has passed" not in log  # it does not wait for what cannot come
        assert publishes or "caught up: publishing" not in log
        assert events(self.redis) == before

    def start_continuing(self, *patterns, **extra):
        mark = self.daemon.mark()
        self.daemon.write_config(self.mode.config(on_data_loss="continue", **extra))
        self.daemon.start()
        for pattern in patterns:
            self.daemon.wait_log(pattern, since=mark, timeout=60)
        self.daemon.wait_log("caught up: publishing", since=mark, timeout=60)

    def restart_strict(self):
        """What was said once does not stop the next start."""
        assert self.daemon.stop() == 0
        mark = self.daemon.mark()
        self.daemon.write_config(self.mode.config())
        self.daemon.start()
        self.daemon.wait_log("caught up: publishing", since=mark, timeout=60)
        return mark

    def recreate(self, topic, partitions=1, config=None):
        self.broker.delete_topic(topic)
        self.broker.create_topic(topic, partitions, config)


@pytest.fixture
def scene(broker, redis_server, new_topic, tmp_path):
    scene = Scene(broker, redis_server, new_topic, tmp_path)
    with scene.daemon:
        scene.send(100)
        scene.send(10, partition=1)
        scene.wait_events(110)
        yield scene


def test_source_records_deleted_before_they_were_counted(scene):
    assert scene.daemon.stop() == 0
    scene.send(50)
    scene.broker.delete_records(scene.mode.source, {0: 130})
    lost = rf"topic={scene.mode.source} partition=0 from=100 to=130"
    scene.expect_stop(lost, publishes=True)
    scene.expect_stop(lost, publishes=True)  # and again, as nothing was decided
    scene.start_continuing(lost)
    scene.wait_events(130)
    scene.restart_strict()
    scene.send(5)
    scene.wait_events(135)


def test_source_topic_made_anew_while_the_daemon_was_down(scene):
    assert scene.daemon.stop() == 0
    scene.recreate(scene.mode.source, 2)
    scene.send(7)
    scene.expect_stop(rf"offsets went back.*topic={scene.mode.source} partition=[01] from=1?\d0 to=0", publishes=True)
    scene.start_continuing("offsets went back")
    scene.wait_events(117)
    scene.send(3, partition=1)
    scene.wait_events(120)
    mark = scene.restart_strict()
    scene.send(3, partition=1)
    scene.wait_events(123)
    assert "source chain" not in scene.daemon.log(mark)


@pytest.mark.release_only
def test_source_topic_made_anew_while_the_daemon_runs(scene):
    scene.recreate(scene.mode.source, 2)
    scene.send(7)
    assert scene.daemon.wait(90) == 1
    assert re.search(rf"offsets went back.*topic={scene.mode.source}", scene.daemon.log()), scene.daemon.log()[-3000:]
    scene.start_continuing()
    scene.wait_events(117)


@pytest.mark.release_only
def test_source_topic_made_anew_while_the_daemon_runs_and_goes_on(scene):
    assert scene.daemon.stop() == 0
    scene.start_continuing()
    scene.recreate(scene.mode.source, 2)
    scene.send(7)
    scene.send(8, partition=1)
    scene.wait_events(125, timeout=90)
    scene.restart_strict()
    scene.send(5)
    scene.wait_events(130)


@pytest.mark.release_only
def test_committed_positions_beyond_the_end(scene):
    """As after an unclean election: what was counted stays counted, and what comes behind the end is."""
    assert scene.daemon.stop() == 0
    commit(scene, 1, 500)
    lost = rf"offsets went back.*topic={scene.mode.source} partition=1 from=500 to=10"
    scene.expect_stop(lost, publishes=True)
    scene.start_continuing(lost)
    scene.send(5, partition=1)
    scene.wait_events(115)
    scene.restart_strict()
    scene.send(5, partition=1)
    scene.wait_events(120)


@pytest.mark.release_only
def test_committed_positions_set_back(scene):
    """What would be counted twice is an overlap, whatever the policy."""
    assert scene.daemon.stop() == 0
    commit(scene, 1, 0)
    scene.daemon.write_config(scene.mode.config(on_data_loss="continue"))
    assert scene.daemon.start().wait(60) == 1
    assert re.search(rf"an overlap in the source chain.*topic={scene.mode.source} partition=1 from=0 to=10", scene.daemon.log())
    assert events(scene.redis) == 110


def commit(scene, partition, offset):
    """Sets a position of the group, which has no member now."""
    consumer = Consumer({"bootstrap.servers": scene.broker.bootstrap, "group.id": scene.mode.source})
    position = TopicPartition(scene.mode.source, partition, offset)
    poll(lambda: consumer.commit(offsets=[position], asynchronous=False), 30, "the position to be set", ignore=(KafkaException,))
    consumer.close()


def test_tallies_deleted_before_they_were_scored(scene):
    """The scorer is away while ingest goes on, and retention takes what it has not seen."""
    assert scene.daemon.stop() == 0
    ingest = scene.mode.config("ingest", roles=["ingest"])
    with Daemon(ingest, scene.daemon.folder, name="ingest") as other:
        before = scene.broker.watermarks(scene.mode.tallies)[0][1]
        scene.send(40)
        other.wait_until(lambda: scene.broker.watermarks(scene.mode.tallies)[0][1] > before, 60, "a batch of tallies")
        assert other.stop() == 0
    end = scene.broker.watermarks(scene.mode.tallies)[0][1]
    scene.broker.delete_records(scene.mode.tallies, {0: -1})
    lost = rf"counted batches are lost.*topic={scene.mode.tallies} partition=0 from=\d+ to={end}"
    scene.expect_stop(lost)
    scene.start_continuing(lost)
    scene.send(5)
    # The next batch says which records of the source those were.
    scene.daemon.wait_log(rf"a gap in the source chain.*topic={scene.mode.source} partition=0 from=100 to=140")
    scene.wait_events(115)
    scene.restart_strict()
    scene.send(5)
    scene.wait_events(120)


def test_tallies_topic_made_anew(scene):
    assert scene.daemon.stop() == 0
    scene.recreate(scene.mode.tallies)
    lost = rf"counted batches are lost.*truncated or made anew.*topic={scene.mode.tallies} partition=0 from=0 to=\d+"
    # Without ingest: what it writes would refill the topic beyond the old position before the scorer looks.
    scene.expect_stop(lost, roles=["score"])
    scene.start_continuing(lost, roles=["score"])
    assert scene.daemon.stop() == 0
    scene.start_continuing()
    scene.send(5)
    scene.wait_events(115)  # nothing was lost after all: all of it had been scored
    mark = scene.restart_strict()
    scene.send(5)
    scene.wait_events(120)
    assert not re.search(ALARMS, scene.daemon.log(mark))


def test_state_topic_made_anew_is_recounted_from_the_tallies(scene):
    assert scene.daemon.stop() == 0
    scene.recreate(scene.mode.state, config={"cleanup.policy": "compact"})
    scene.redis.client().delete("cx:owner")  # tokens begin anew with the topic: else the fence lasts a minute
    mark = scene.daemon.mark()
    scene.daemon.start()
    scene.daemon.wait_log("caught up: publishing", since=mark, timeout=60)
    scene.send(5)
    scene.wait_events(115)
    assert not re.search(ALARMS, scene.daemon.log(mark)), scene.daemon.log(mark)


def test_state_topic_made_anew_when_the_tallies_do_not_reach_back(scene):
    assert scene.daemon.stop() == 0
    scene.recreate(scene.mode.state, config={"cleanup.policy": "compact"})
    end = scene.broker.watermarks(scene.mode.tallies)[0][1]
    scene.broker.delete_records(scene.mode.tallies, {0: -1})
    scene.redis.client().delete("cx:owner")
    lost = rf"counted batches are lost.*no checkpoint.*topic={scene.mode.tallies} partition=0 from=0 to={end}"
    scene.expect_stop(lost)
    scene.start_continuing(lost)
    scene.send(5)
    scene.wait_events(5)
    scene.restart_strict()
    scene.wait_events(5)


@pytest.mark.parametrize("checkpoints", [True, False], ids=["checkpoint", "tallies-only"])
def test_group_offsets_deleted(broker, redis_server, new_topic, tmp_path, checkpoints):
    """Counting goes on where the source chain ends: in the checkpoint, or in the tallies behind it."""
    interval = "500ms" if checkpoints else "10m"
    mode = KafkaMode(broker, redis_server, new_topic, windows=["24h"], checkpoint_interval=interval)
    words = traffic_words(count=6000)
    with Daemon(mode.config(), tmp_path) as daemon:
        words = ["--config", str(daemon.config_path), *words]
        with Loader().start(tmp_path, *words, "--rate", "2000") as loader:
            daemon.wait_until(lambda: events(redis_server) > 1000, 60, "some events")
            if checkpoints:
                assert daemon.stop() == 0
            else:
                daemon.kill9()
            delete_group(broker, mode.source)
            mark = daemon.mark()
            daemon.start()
            daemon.wait_log(f"level=error.*the group has no committed offset for a partition that was counted.*topic={mode.source} partition=\\d+ from=\\d+ to=\\d+", since=mark, timeout=60)
            assert loader.wait(60) == 0
        Loader().run(*words, "--no-send", "--verify", "--verify-timeout", "60s", "--verify-dead-letters", mode.dead)
        assert not re.search(ALARMS, daemon.log()), daemon.log()


def traffic_words(count):
    return ["--count", str(count), "--span", "6h", "--start", "2026-03-01T06:00:00Z", "--record-time", "event", "--seed", "7", "--late", "2%",
            "--malformed", "1%", "--retractions", "1%", "--segments", "channel=app:5|web:3|branch:2", "--touchpoints", "20"]  # fmt: skip


def delete_group(broker, group):
    """A group whose member was killed is there until its session is over."""

    def deleted():
        text = broker.tool("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", "--delete", "--group", group)
        return "successful" in text

    poll(deleted, 60, f"group {group} to be deleted")


# -- Records that cannot be read --


def xxh32(data):
    """XXH32 with seed 0, as in src/codec/record.h."""
    p1, p2, p3, p4, p5, mask = 2654435761, 2246822519, 3266489917, 668265263, 374761393, 0xFFFFFFFF

    def rotated(value, bits):
        value &= mask
        return (value << bits | value >> (32 - bits)) & mask

    def word(at):
        return int.from_bytes(data[at : at + 4], "little")

    at, size = 0, len(data)
    if size >= 16:
        lanes = [p1 + p2, p2, 0, -p1]
        while at + 16 <= size:
            lanes = [rotated(lane + word(at + 4 * i) * p2, 13) * p1 & mask for i, lane in enumerate(lanes)]
            at += 16
        total = sum(rotated(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18)))
    else:
        total = p5
    total += size
    while at + 4 <= size:
        total = rotated(total + word(at) * p3, 17) * p4
        at += 4
    for byte in data[at:]:
        total = rotated(total + byte * p5, 11) * p1
    total &= mask
    total = (total ^ total >> 15) * p2 & mask
    total = (total ^ total >> 13) * p3 & mask
    return total ^ total >> 16


def signed(key, head, body):
    return head + xxh32(key + head + body).to_bytes(4, "little") + body


def newer(record):
    """The record as a delightd of a later version would have written it."""
    value = record.value
    return signed(record.key or b"", value[:2] + b"\x63", value[7:])


def flipped(record):
    return record.value[:-1] + bytes([record.value[-1] ^ 1])


BROKEN = {"foreign": lambda record: b"nonsense", "corrupt": flipped, "unknown_version": newer, "foreign|corrupt": lambda record: b""}


def expect_alarms(scene, what, topic, bad):
    """Each has its alarm, with its offset; said once, they are passed over."""
    alarms = [rf"{what}.*topic={topic} offset={record.offset} fault=({fault})" for record, fault in zip(bad, BROKEN)]
    scene.expect_stop(alarms[0])
    scene.start_continuing(*alarms)
    scene.send(5)
    scene.wait_events(115)
    mark = scene.restart_strict()
    scene.send(5)
    scene.wait_events(120)
    assert not re.search(ALARMS, scene.daemon.log(mark)), scene.daemon.log(mark)


def test_records_of_the_tallies_that_cannot_be_read(scene):
    assert scene.daemon.stop() == 0
    good = next(iter(scene.broker.consume_all(scene.mode.tallies)))
    bad = scene.broker.produce(scene.mode.tallies, [broken(good) for broken in BROKEN.values()])
    expect_alarms(scene, "a record of the tallies topic cannot be read", scene.mode.tallies, bad)


def test_a_record_of_the_tallies_that_cannot_be_read_behind_others(scene):
    """What is taken in and not counted yet is of no use any more."""
    assert scene.daemon.stop() == 0
    scene.daemon.write_config(scene.mode.config(checkpoint_interval="10m"))
    scene.daemon.start()
    scene.send(5)
    scene.wait_events(115)
    scene.daemon.kill9()
    (bad,) = scene.broker.produce(scene.mode.tallies, [b"nonsense"])
    scene.expect_stop(rf"a record of the tallies topic cannot be read.*offset={bad.offset}")


def test_group_offsets_deleted_and_a_record_of_the_tallies_cannot_be_read(scene):
    """Where counting goes on is not known for sure: an alarm, too."""
    scene.daemon.kill9()
    (bad,) = scene.broker.produce(scene.mode.tallies, [b"nonsense"])
    delete_group(scene.broker, scene.mode.source)
    scene.expect_stop(rf"cannot be read.*offset={bad.offset}", publishes=True)
    scene.start_continuing(rf"cannot be read.*offset={bad.offset}", "the group has no committed offset")
    scene.send(5)
    scene.wait_events(115)


def test_records_of_the_state_that_cannot_be_read(scene):
    """Keys of their own, so nothing is lost with them; after the alarm they are deleted."""
    assert scene.daemon.stop() == 0
    good = next(r for r in scene.broker.consume_all(scene.mode.state) if r.key[:1] == b"P" and r.value)
    keys = [good.key + b"-%d" % number for number in range(len(BROKEN))]
    records = [Record(broken(Record(good.value, key)), key=key) for key, broken in zip(keys, BROKEN.values())]
    records[1].value = flipped(good)
    bad = scene.broker.produce(scene.mode.state, records)
    expect_alarms(scene, "a record of the state topic cannot be read", scene.mode.state, bad)


@pytest.mark.parametrize("fault", ["corrupt", "unknown_version"])
def test_the_head_of_the_state_cannot_be_read(scene, fault):
    """Older heads do not fit the panes: everything is recounted from the tallies."""
    assert scene.daemon.stop() == 0
    good = [r for r in scene.broker.consume_all(scene.mode.state) if r.key == b"H"][-1]
    (bad,) = scene.broker.produce(scene.mode.state, [Record(BROKEN[fault](good), key=b"H")])
    alarm = rf"a record of the state topic cannot be read.*topic={scene.mode.state} offset={bad.offset} fault={fault}"
    scene.expect_stop(alarm)
    scene.start_continuing(alarm)
    # One checkpoint deletes the panes that had no head, and writes those of the recount under the same keys.
    mark = scene.restart_strict()
    scene.send(5)
    scene.wait_events(115)
    scene.restart_strict()
    scene.send(5)
    scene.wait_events(120)
    assert not re.search(ALARMS, scene.daemon.log(mark))


@pytest.mark.release_only
def test_one_pane_of_the_state_cannot_be_read(scene):
    assert scene.daemon.stop() == 0
    good = [r for r in scene.broker.consume_all(scene.mode.state) if r.key[:1] == b"P" and r.key.endswith(b"all") and r.value][-1]
    (bad,) = scene.broker.produce(scene.mode.state, [Record(newer(good), key=good.key)])
    alarm = rf"cannot be read.*topic={scene.mode.state} offset={bad.offset} fault=unknown_version"
    scene.expect_stop(alarm)
    scene.start_continuing(alarm)
    scene.send(5)
    poll(lambda: events(scene.redis) >= 5, 30, "the new events")
    mark = scene.restart_strict()
    assert "cannot be read" not in scene.daemon.log(mark)


def test_the_checksum_of_these_tests():
    assert [xxh32(b""), xxh32(b"a"), xxh32(b"abc")] == [0x02CC5D05, 0x550D7456, 0x32D153FF]
