"""delightd topics: the topics that a configuration needs, made or checked."""

import pytest
import yaml
from feedback import survey
from harness import Daemon, config_for, free_port, merge, run_delightd
from kafka_mode import KafkaMode

WEEK_MS, DAY_MS = 7 * 86400000, 86400000


class Names:
    """Four names that nobody has used, and the configuration with them; nothing is asked of Redis."""

    url = staticmethod(lambda: "redis://127.0.0.1:1/0")

    def __init__(self, broker, new_topic, tmp_path, **extra):
        self.broker, self.path = broker, tmp_path / "delightd.yaml"
        self.source, self.dead, self.tallies, self.state = (
            new_topic(name=name, create=False) for name in ("in", "dead", "tallies", "state")
        )
        self.sections = {
            "durability": "kafka",
            "windows": ["5m", "30d"],
            "kafka": {"dead_letter_topic": self.dead, "tallies_topic": self.tallies, "state_topic": self.state},
        }
        self.write(**extra)

    def write(self, **extra):
        config = config_for(self.broker, self, self.source, **merge(self.sections, extra))
        self.path.write_text(yaml.safe_dump(config))

    def run(self, *arguments, expect=0):
        done = run_delightd("topics", "-c", self.path, *arguments)
        assert done.returncode == expect, done.stdout + done.stderr
        return done

    def check(self, *told):
        """Nothing else is told than these sentences, in this order, and then the end is as it should be."""
        done = self.run("--check", expect=1 if told else 0)
        assert done.stdout.splitlines() == (list(told) or ["4 topics: good"])

    def config_of(self, topic, key):
        words = ["--describe", "--all", "--entity-type", "topics", "--entity-name", topic]
        text = self.broker.tool("kafka.admin.ConfigCommand", *words)
        return next(line.split("=", 1)[1].split()[0] for line in text.splitlines() if line.strip().startswith(f"{key}="))


def whole_ms(longest_ms):
    """A window reaches back a pane further, and the clock of an event may be five minutes ahead."""
    return longest_ms + longest_ms // 60 + 300000


def test_topics_are_made_once_and_are_good(broker, new_topic, tmp_path):
    names = Names(broker, new_topic, tmp_path)
    names.check(*(f"{topic}: does not exist" for topic in (names.source, names.dead, names.tallies, names.state)))
    made = names.run("--create", "--partitions", "6", "--replication", "1").stdout.splitlines()
    assert made == [f"{topic}: created" for topic in (names.source, names.dead, names.tallies, names.state)] + ["4 topics: good"]
    partitions = broker.topics()
    assert [partitions[topic] for topic in (names.source, names.dead, names.tallies, names.state)] == [6, 1, 1, 1]
    assert names.config_of(names.tallies, "cleanup.policy") == "delete"
    assert names.config_of(names.tallies, "retention.ms") == str(whole_ms(30 * DAY_MS))
    assert names.config_of(names.state, "cleanup.policy") == "compact"
    assert names.config_of(names.source, "retention.ms") == str(WEEK_MS)
    assert names.run("--create").stdout == "4 topics: good\n"
    names.check()


def test_memory_mode_needs_no_topics_of_its_own_and_the_longest_window_of_events(broker, new_topic, tmp_path):
    names = Names(broker, new_topic, tmp_path, durability="memory", windows=["400d"])
    made = names.run("--create").stdout.splitlines()
    assert made == [f"{names.source}: created", f"{names.dead}: created", "2 topics: good"]
    assert names.config_of(names.source, "retention.ms") == str(whole_ms(400 * DAY_MS))


def test_every_fault_is_told(broker, new_topic, tmp_path):
    names = Names(broker, new_topic, tmp_path)
    broker.create_topic(names.source, 2, {"retention.ms": 3600000})
    broker.create_topic(names.dead, 3)
    broker.create_topic(names.tallies, 2, {"cleanup.policy": "compact", "retention.ms": DAY_MS})
    broker.create_topic(names.state, 1, {"cleanup.policy": "delete"})
    told = [
        f"{names.source}: retention.ms is 3600000 and should be {WEEK_MS} or more",
        f"{names.tallies}: has 2 partitions and should have 1",
        f"{names.tallies}: cleanup.policy is compact and should be delete",
        f"{names.tallies}: retention.ms is {DAY_MS} and should be {whole_ms(30 * DAY_MS)} or more",
        f"{names.state}: cleanup.policy is delete and should be compact",
    ]
    names.check(*told)
    # What is there is not changed.
    assert names.run("--create", "--partitions", "2", expect=1).stdout.splitlines() == told
    assert names.run("--check", "--partitions", "4", expect=1).stdout.splitlines()[0] == f"{names.source}: has 2 partitions and should have at least 4"
    replication = "has replication 1 and should have at least 3; that of a topic that is there is not changed"
    done = names.run("--create", "--replication", "3", expect=1).stdout.splitlines()
    assert [line for line in done if line not in told] == [f"{topic}: {replication}" for topic in (names.source, names.dead, names.tallies, names.state)]
    assert names.run("--check", "--replication", "1", expect=1).stdout.splitlines() == told
    broker.configure_topic(names.source, {"retention.ms": -1})
    broker.configure_topic(names.state, {"cleanup.policy": "compact"})
    names.check(*told[1:4])


def test_what_the_broker_refuses_is_told(broker, new_topic, tmp_path):
    names = Names(broker, new_topic, tmp_path)
    done = names.run("--create", "--replication", "3", expect=1)
    assert done.stdout == "" and names.source in done.stderr and "eplication" in done.stderr, done.stderr


def test_nobody_there_and_wrong_words(broker, new_topic, tmp_path):
    names = Names(broker, new_topic, tmp_path)
    names.write(kafka={"properties": {"bootstrap.servers": f"127.0.0.1:{free_port()}"}})
    done = names.run("--check", expect=1)
    assert done.stdout == "" and "no broker answers" in done.stderr
    for words in ((), ("--create", "--check")):
        assert "expected --create or --check" in names.run(*words, expect=64).stderr
    for words in (("--create", "--partitions", "0"), ("--create", "--replication", "many")):
        names.run(*words, expect=64)
    names.write(durability="both")
    names.run("--check", expect=78)


@pytest.mark.release_only
def test_a_topic_made_after_the_start_is_read_soon(broker, redis_server, new_topic, tmp_path):
    """By default: librdkafka's own is to look for topics every five minutes. And check names every topic that is needed."""
    mode = KafkaMode(broker, redis_server, new_topic, partitions=2, windows=["24h"])
    later = new_topic(create=False, name="later")
    config = mode.config()
    del config["kafka"]["properties"]["topic.metadata.refresh.interval.ms"]
    config["kafka"]["topics"] = [mode.source, later]
    with Daemon(config, tmp_path) as daemon:
        broker.produce(mode.source, [survey("desk")])
        count = lambda: int(redis_server.client().hget("cx:{all}:24h", "events") or 0)  # noqa: E731
        daemon.wait_until(lambda: count() == 1, 60, "the event of the topic that is there")
        checked = run_delightd("check", "-c", daemon.config_path, "--connect")
        assert checked.returncode == 1 and f"topic {later}: does not exist" in checked.stdout
        assert f"topic {mode.tallies}: 1 partitions" in checked.stdout and f"topic {mode.state}: 1 partitions" in checked.stdout
        broker.create_topic(later, 2)
        broker.produce(later, [survey("desk"), survey("desk")])
        daemon.wait_until(lambda: count() == 3, 60, "those of the one made now")
