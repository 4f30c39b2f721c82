"""durability: kafka: a changed configuration over existing state."""

import json
import re
from contextlib import ExitStack

import pytest
from feedback import now_ms, scores, survey, wait_score
from harness import Daemon, Loader, merge
from kafka_mode import KafkaMode

pytestmark = pytest.mark.release_only

ALARMS = "source chain|(is|are) lost|went back|deleted from a topic|cannot be read"
HOUR, TWO_HOURS = b"P\x3c", b"P\x78"  # how keys of panes begin: the window in minutes


def traffic(config_path, count, **more):
    options = {
        "config": config_path, "count": count, "span": "6h", "start": "2026-03-01T06:00:00Z", "record-time": "event", "seed": 7,
        "late": "2%", "malformed": "1%", "retractions": "1%", "segments": "channel=app:5|web:3|branch:2", "touchpoints": 20,
    }  # fmt: skip
    return [word for name, value in (options | more).items() for word in (f"--{name}", str(value))]


def verify(mode, words, timeout="60s"):
    Loader().run(*words, "--no-send", "--verify", "--verify-timeout", timeout, "--verify-dead-letters", mode.dead)


def restart_with(daemon, config, timeout=60):
    """Returns the log's mark before it."""
    if daemon.running():
        assert daemon.stop() == 0
    mark = daemon.mark()
    daemon.write_config(config)
    daemon.start()
    daemon.wait_log("caught up: publishing", since=mark, timeout=timeout)
    return mark


def newest(broker, topic):
    """{key: value}: what compaction would leave of the state."""
    return {record.key: record.value for record in broker.consume_all(topic)}


def checkpointed(broker, mode):
    """tallies_next of the newest head: the varint that its body begins with."""
    body = newest(broker, mode.state)[b"H"][7:]
    length = next(i for i, byte in enumerate(body) if byte < 128) + 1
    return sum((byte & 127) << 7 * i for i, byte in enumerate(body[:length]))


def test_a_window_goes_and_another_comes(broker, redis_server, new_topic, tmp_path):
    mode = KafkaMode(broker, redis_server, new_topic, windows=["1h", "24h"])
    with Daemon(mode.config(), tmp_path) as daemon:
        words = traffic(daemon.config_path, 5000)
        Loader().run(*words, "--verify", "--verify-dead-letters", mode.dead)
        mark = restart_with(daemon, mode.config(windows=["24h", "2h"]))
        daemon.wait_log("new windows are filled from the tallies.*from=0 to=\\d+", since=mark)
        daemon.wait_log('a new window is filled.*window=2h since="the first event"', since=mark)
        verify(mode, words)
        assert daemon.stop() == 0
        state = newest(broker, mode.state)
        hours = [value for key, value in state.items() if key.startswith(HOUR)]
        assert hours and not any(hours), f"{sum(map(bool, hours))} records of the removed window are left"
        assert any(value for key, value in state.items() if key.startswith(TWO_HOURS))
        # Not filled a second time, and whole after the checkpoint.
        mark = daemon.mark()
        daemon.start()
        daemon.wait_log("caught up: publishing", since=mark, timeout=60)
        verify(mode, words)
        assert "new window" not in daemon.log(mark)


@pytest.mark.release_only
def test_a_new_window_is_filled_as_far_as_the_tallies_reach(broker, redis_server, new_topic, tmp_path):
    mode = KafkaMode(broker, redis_server, new_topic, windows=["24h"])
    with Daemon(mode.config(), tmp_path) as daemon:
        broker.produce(mode.source, [survey("desk") for _ in range(20)])
        wait_score(daemon, redis_server, "all", "events", 20, window="24h")
        gone, before_ms = broker.watermarks(mode.tallies)[0][1], now_ms()
        broker.produce(mode.source, [survey("desk") for _ in range(7)])
        wait_score(daemon, redis_server, "all", "events", 27, window="24h")
        assert daemon.stop() == 0
        broker.delete_records(mode.tallies, {0: gone})
        mark = restart_with(daemon, mode.config(windows=["24h", "7d"]))
        daemon.wait_log(r"a new window is filled.*window=7d since=20\d\d-", since=mark)
        wait_score(daemon, redis_server, "all", "events", 7, window="7d")
        since = json.loads(redis_server.client().hget("cx:meta", "windows_since"))
        assert list(since) == ["7d"] and before_ms <= since["7d"] <= now_ms()
        assert scores(redis_server, "all", "24h")["events"] == "27"
        # Else the end of the last transaction is behind the checkpoint, and looks as if it had been a batch.
        daemon.wait_until(lambda: checkpointed(broker, mode) == broker.watermarks(mode.tallies)[0][1], 30, "a checkpoint of all")
        assert daemon.stop() == 0
        broker.delete_records(mode.tallies, {0: -1})
        mark = restart_with(daemon, mode.config(windows=["24h", "7d", "2h"]))
        daemon.wait_log(r"a new window is filled.*window=2h since=20\d\d-", since=mark)
        broker.produce(mode.source, [survey("desk")])
        wait_score(daemon, redis_server, "all", "events", 1, window="2h")
        restart_with(daemon, mode.config(windows=["24h", "7d", "2h"]))
        assert [scores(redis_server, "all", w)["events"] for w in ("24h", "7d", "2h")] == ["28", "8", "1"]


def test_a_new_window_while_events_come(broker, redis_server, new_topic, tmp_path):
    mode = KafkaMode(broker, redis_server, new_topic, windows=["24h"])
    with Daemon(mode.config(), tmp_path) as daemon:
        words = traffic(daemon.config_path, 6000)
        with Loader().start(tmp_path, *words, "--rate", "1500") as loader:
            daemon.wait_until(lambda: int(scores(redis_server, "all", "24h").get("events", 0)) > 1500, 60, "some events")
            daemon.kill9()
            daemon.write_config(mode.config(windows=["24h", "2h"]))
            daemon.start()
            assert loader.wait(60) == 0
        verify(mode, words)
        assert not re.search(ALARMS, daemon.log())


def test_a_segment_comes_and_another_goes(broker, redis_server, new_topic, tmp_path):
    """A new segment begins with what is counted from now on; of a removed one nothing stays."""
    mode = KafkaMode(broker, redis_server, new_topic, windows=["24h"])
    event = survey("desk", channel="app", tier="vip")

    def expect(**counts):
        for subject, count in counts.items():
            wait_score(daemon, redis_server, subject.replace("__", "|").replace("_is_", "="), "events", count, window="24h")

    with Daemon(mode.config(segments=["channel"]), tmp_path) as daemon:
        broker.produce(mode.source, [event] * 10)
        expect(all=10, all__channel_is_app=10)
        mark = restart_with(daemon, mode.config(segments=["tier", "channel"]))
        daemon.wait_log("a segment is new: its scores begin with what is counted from now on.*segment=tier", since=mark)
        broker.produce(mode.source, [event] * 5)
        expect(all=15, all__channel_is_app=15, all__tier_is_vip=5)
        restart_with(daemon, mode.config(segments=["tier"]))
        client = redis_server.client()
        daemon.wait_until(lambda: not client.exists("cx:{all|channel=app}:24h"), 60, "the removed segment's scores to be gone")
        broker.produce(mode.source, [event])
        expect(all=16, all__tier_is_vip=6)
        assert daemon.stop() == 0
        assert not any(value for key, value in newest(broker, mode.state).items() if key.endswith(b"|channel=app"))
        restart_with(daemon, mode.config(segments=["channel"]))
        broker.produce(mode.source, [event] * 3)
        expect(all=19, all__channel_is_app=3)


def test_another_prefix_and_another_instance(broker, redis_server, new_topic, tmp_path):
    """Killed under one name and started under another: what the first left open is over after its timeout."""
    mode = KafkaMode(broker, redis_server, new_topic, windows=["24h"])
    with Daemon(mode.config(), tmp_path) as daemon:
        words = traffic(daemon.config_path, 6000)
        with Loader().start(tmp_path, *words, "--rate", "1500") as loader:
            daemon.wait_until(lambda: int(scores(redis_server, "all", "24h").get("events", 0)) > 1500, 60, "some events")
            daemon.kill9()
            daemon.write_config(mode.config("renamed", redis={"prefix": "dx"}))
            daemon.start()
            assert loader.wait(60) == 0
        verify(mode, words)
        assert redis_server.client().exists("dx:owner")
        assert not re.search(ALARMS, daemon.log())


def test_another_catalogue(broker, redis_server, new_topic, tmp_path):
    """It says where events belong that are counted from now on; what was counted stays where it is."""
    mode = KafkaMode(broker, redis_server, new_topic, windows=["24h"])

    def catalogue(stage):
        return {"catalogue": {"journeys": [{"name": "fly", "stages": [{"name": stage, "touchpoints": ["desk"]}]}]}}

    with Daemon(mode.config(), tmp_path) as daemon:
        broker.produce(mode.source, [survey("desk")] * 4)
        wait_score(daemon, redis_server, "all", "events", 4, window="24h")
        restart_with(daemon, mode.config(**catalogue("check-in")))
        broker.produce(mode.source, [survey("desk")] * 3)
        wait_score(daemon, redis_server, "stage:check-in", "events", 3, window="24h")
        restart_with(daemon, mode.config(**catalogue("boarding")))
        broker.produce(mode.source, [survey("desk")] * 2)
        wait_score(daemon, redis_server, "stage:boarding", "events", 2, window="24h")
        found = {subject: scores(redis_server, subject, "24h")["events"] for subject in ("touchpoint:desk", "stage:check-in", "journey:fly")}
        assert found == {"touchpoint:desk": "9", "stage:check-in": "3", "journey:fly": "5"}


@pytest.mark.parametrize("kill", [False, pytest.param(True, marks=pytest.mark.long)], ids=["stopped", "killed"])
def test_from_memory_mode_to_kafka_mode_and_back(broker, redis_server, new_topic, tmp_path, kill):
    """One group, one prefix. A memory mode that was killed leaves its fence, which lasts a minute."""
    mode = KafkaMode(broker, redis_server, new_topic, windows=["24h"])
    memory = merge(mode.config(), {"durability": "memory"})
    with Daemon(memory, tmp_path) as daemon:
        words = traffic(daemon.config_path, 3000)
        Loader().run(*words, "--verify")
        daemon.kill9() if kill else daemon.stop()
        mark = daemon.mark()
        daemon.write_config(mode.config())
        daemon.start()
        daemon.wait_log("caught up: publishing", since=mark, timeout=60)
        client = redis_server.client()
        daemon.wait_until(lambda: int(client.get("cx:owner") or 10**12) < 10**12, 75 if kill else 10, "the scores to be kafka mode's")
        Loader().run(*words, "--no-send", "--verify", "--verify-timeout", "60s")
        assert ("another process publishes under this prefix" in daemon.log(mark)) == kill
        restart_with(daemon, memory)
        daemon.wait_until(lambda: int(client.get("cx:owner") or 0) > 10**12, 10, "the scores to be memory mode's")
        Loader().run(*words, "--no-send", "--verify", "--verify-timeout", "60s")
        # Kafka mode goes on where it was, and counts what came meanwhile.
        restart_with(daemon, mode.config())
        more = traffic(daemon.config_path, 3000)
        Loader().run(*more, "--no-send", "--verify", "--verify-timeout", "60s")


def test_rolling_upgrade_of_the_record_version_and_back(broker, redis_server, new_topic, tmp_path):
    """Two processes, one at a time; readers of 2 read 1."""
    mode = KafkaMode(broker, redis_server, new_topic, windows=["2h", "24h"])

    def config(number, version):
        return mode.config(f"test-{number}", kafka={"record_version": version})

    with ExitStack() as stack:
        daemons = [stack.enter_context(Daemon(config(n, 1), tmp_path, name=f"daemon-{n}")) for n in range(2)]
        words = traffic(daemons[0].config_path, 9000)
        loader = stack.enter_context(Loader().start(tmp_path, *words, "--rate", "1000"))
        for daemon in daemons:
            daemon.wait_log("the group has assigned partitions", timeout=60)
        for version in (2, 1):
            for number, daemon in enumerate(daemons):
                assert daemon.stop() == 0
                mark = daemon.mark()
                daemon.write_config(config(number, version))
                daemon.start()
                daemon.wait_log("the group has assigned partitions", since=mark, timeout=60)
        assert loader.wait(120) == 0
        verify(mode, words)
        text = "".join(daemon.log() for daemon in daemons)
        assert not re.search(ALARMS, text)
        versions = {record.value[2] for record in broker.consume_all(mode.tallies)}
        assert versions == {1, 2}
