"""durability: kafka with no more rights than README.md lists, in Kafka (KRaft's StandardAuthorizer) and in Redis."""

import re

import pytest
import yaml
from harness import Broker, Daemon, Loader, Record, RedisServer, poll, run_delightd
from kafka_mode import KafkaMode
from test_exactly_once import traffic, verify

ALICE = "User:alice"
SASL = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "alice", "sasl.password": "secret"}
REDIS_USER = (
    "daemon on >s3cret ~cx:* &cx:changed +eval +get +set +exists +del +unlink +pexpire +hset +hdel +sadd +srem +zadd +zrem +publish "
    "+scan +sscan +zscan +ping +select +client|setname"
)


def grants(mode, instance, roles):
    """(operation, resource) of each grant: README.md's table."""
    group, found = mode.source, []
    if "ingest" in roles:
        found += [
            ("Read", {"topic": mode.source}),
            ("Write", {"topic": mode.dead}),
            ("Write", {"topic": mode.tallies}),
            ("Read", {"topic": mode.tallies}),
            ("Read", {"topic": mode.state}),
            ("Read", {"group": group}),
            ("Write", {"transactional_id": f"{group}-ingest-{instance}"}),
        ]
    if "score" in roles:
        found += [
            ("Read", {"topic": mode.tallies}),
            ("Read", {"topic": mode.state}),
            ("Write", {"topic": mode.state}),
            ("Read", {"group": f"{group}-score"}),
            ("Write", {"transactional_id": f"{group}-score-0"}),
        ]
    return [grant for number, grant in enumerate(found) if grant not in found[:number]]


def allow(broker, wanted):
    """A call for all of one operation: each costs a second."""
    for operation in sorted({operation for operation, _ in wanted}):
        resources = [resource for other, resource in wanted if other == operation]
        words = [word for resource in resources for kind, name in resource.items() for word in (f"--{kind.replace('_', '-')}", name)]
        broker.tool("org.apache.kafka.tools.AclCommand", "--add", "--allow-principal", ALICE, "--operation", operation, *words)


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


@pytest.fixture
def redis():
    with RedisServer(password="admin", users=[REDIS_USER]) as running:
        yield running


@pytest.fixture
def guarded_topic(guarded, request):
    made = []
    stem = re.sub(r"[^A-Za-z0-9]+", "-", request.node.name).strip("-")

    def make(partitions=1, config=None, name="topic", create=True):
        made.append(f"{stem}-{name}")
        return guarded.create_topic(made[-1], partitions, config) if create else made[-1]

    yield make
    for name in made:
        guarded.delete_topic(name)


class Guarded(KafkaMode):
    """Whose processes log in as alice; delight-load, which recounts, as anybody."""

    def __init__(self, broker, redis, new_topic, folder):
        super().__init__(broker, redis, new_topic, partitions=3, windows=["24h"])
        (folder / "password").write_text("s3cret\n")
        self.login = {"url": f"redis://daemon@127.0.0.1:{redis.port}/0", "password_file": str(folder / "password")}
        self.loader_config = folder / "loader.yaml"
        (folder / "admin").write_text("admin\n")
        admin = {"password_file": str(folder / "admin")}
        self.loader_config.write_text(yaml.safe_dump(self.config("loader", redis=admin)))

    def guarded(self, instance, **extra):
        properties = {"bootstrap.servers": self.broker.bootstrap_of("CLIENT"), **SASL}
        return self.config(instance, redis=self.login, kafka={"properties": properties}, **extra)

    def traffic(self, **more):
        return traffic(self.loader_config, 5000, **more)


def refusals(redis):
    """What Redis has refused to its users, of any kind."""
    return [(entry["username"], entry["reason"], entry["object"]) for entry in redis.client().acl_log()]


def denials(broker, since=0):
    """What Kafka has refused, each once."""
    lines = broker.logs()[0].read_text()[since:].splitlines()
    return {line[line.index("Denied") :] for line in lines if "Denied" in line}


@pytest.mark.release_only
@pytest.mark.parametrize("split", [False, True], ids=["both roles in one", "a process each"])
def test_least_rights(guarded, redis, guarded_topic, tmp_path, split):
    mode = Guarded(guarded, redis, guarded_topic, tmp_path)
    mark = len(guarded.logs()[0].read_text())
    shares = {"one": ["ingest"], "two": ["score"]} if split else {"one": ["ingest", "score"]}
    allow(guarded, [grant for instance, roles in shares.items() for grant in grants(mode, instance, roles)])
    daemons = [Daemon(mode.guarded(instance, roles=roles), tmp_path, name=instance) for instance, roles in shares.items()]
    try:
        for daemon in daemons:
            daemon.start()
        words = mode.traffic()
        Loader().run(*words, "--verify", "--verify-timeout", "60s", "--verify-dead-letters", mode.dead)
        for daemon in daemons:
            daemon.restart()
        daemons[-1].wait_log("caught up: publishing", timeout=60)
        verify(mode, words)
        # Redis forgets: the sweep and the whole of it again.
        redis.client().flushall()
        verify(mode, words)
        for daemon in daemons:
            assert daemon.stop() == 0
            assert "level=error" not in daemon.log(), daemon.log()
    finally:
        for daemon in daemons:
            if daemon.running():
                daemon.kill9()
    # A reader of single topics asks for its group's coordinator, too, and does not need the answer.
    assert not [line for line in denials(guarded, mark) if "for request = FindCoordinator" not in line or not split]
    assert not refusals(redis)


@pytest.mark.long
@pytest.mark.release_only
def test_a_missing_right_is_told_and_heals(guarded, redis, guarded_topic, tmp_path):
    """All of them, one after the other: told by name, granted, until events are counted."""
    mode = Guarded(guarded, redis, guarded_topic, tmp_path)
    wanted = grants(mode, "one", ["ingest", "score"])
    refused_partition = "Failed to add partition.*{}.*authorization failed"
    missing = [
        (("Write", {"transactional_id": f"{mode.source}-ingest-one"}), f"not allowed to make transactions.*transactional_id={mode.source}-ingest-one"),
        (("Read", {"group": mode.source}), "not allowed to use the consumer group"),
        (("Read", {"topic": mode.source}), f"not allowed to read a topic.*topic={mode.source}"),
        (("Read", {"topic": mode.state}), f"not allowed to read a topic.*topic={mode.state}"),
        (("Read", {"topic": mode.tallies}), f"not allowed to read a topic.*topic={mode.tallies}"),
        (("Write", {"topic": mode.tallies}), refused_partition.format(mode.tallies)),
        (("Write", {"topic": mode.dead}), f"a Kafka transaction does not come about.*{mode.dead}.*authorization failed"),
        (("Read", {"group": f"{mode.source}-score"}), "not allowed to use the score group"),
        (("Write", {"transactional_id": f"{mode.source}-score-0"}), f"not allowed to make transactions.*transactional_id={mode.source}-score-0"),
        (("Write", {"topic": mode.state}), refused_partition.format(mode.state)),
    ]
    assert sorted(map(str, wanted)) == sorted(str(grant) for grant, _ in missing)
    with Daemon(mode.guarded("one"), tmp_path) as daemon:
        words = mode.traffic()
        Loader().run(*words)
        for (operation, resource), sentence in missing:
            daemon.wait_log(sentence, timeout=60)
            guarded.allow(ALICE, operation, **resource)
        verify(mode, words)
        mark = daemon.mark()
        assert daemon.stop() == 0 and "level=error" not in daemon.log(mark)


def test_topics_made_and_checked_with_least_rights(guarded, redis, guarded_topic, tmp_path):
    mode = Guarded(guarded, redis, lambda **how: guarded_topic(**how | {"create": False}), tmp_path)
    path = tmp_path / "topics.yaml"
    path.write_text(yaml.safe_dump(mode.guarded("one")))
    names = (mode.source, mode.dead, mode.tallies, mode.state)

    def topics(verb, expect):
        done = run_delightd("topics", "-c", path, verb)
        assert done.returncode == expect, done.stdout + done.stderr
        return done

    assert "grant" in topics("--create", 1).stderr
    allow(guarded, [(operation, {"topic": name}) for name in names for operation in ("Create", "Describe", "DescribeConfigs")])
    assert topics("--create", 0).stdout.endswith("4 topics: good\n")
    assert topics("--check", 0).stdout == "4 topics: good\n"

    def fault(sentence):  # Kafka answers before what was taken back is in force.
        poll(lambda: f"{mode.state}: {sentence}" in run_delightd("topics", "-c", path, "--check").stdout, what=sentence)
        assert f"{mode.state}: {sentence}" in topics("--check", 1).stdout

    guarded.disallow(ALICE, "DescribeConfigs", topic=mode.state)
    fault("its settings cannot be read")
    guarded.disallow(ALICE, "Describe", "Create", topic=mode.state)
    fault("does not exist, or this user may not see it")


@pytest.mark.release_only
def test_dead_letters_read_and_sent_again_with_least_rights(guarded, redis, guarded_topic, tmp_path):
    mode = Guarded(guarded, redis, guarded_topic, tmp_path)
    path = tmp_path / "deadletter.yaml"
    path.write_text(yaml.safe_dump(mode.guarded("one")))
    errors = {"topic": mode.source, "partition": "0", "offset": "0", "timestamp": "1700000000000", "reason": "not_json", "detail": ""}
    guarded.produce(mode.dead, [Record(b"x", headers=[(f"__delightd.errors.{name}", text) for name, text in errors.items()])])

    def deadletter(*arguments, expect=0):
        done = run_delightd("deadletter", "-c", path, *arguments)
        assert done.returncode == expect, done.stdout + done.stderr
        return done

    assert f"topic {mode.dead}: does not exist, or this user may not see it" in deadletter(expect=1).stderr
    allow(guarded, [("Read", {"topic": mode.dead}), ("Describe", {"topic": mode.source})])
    assert "1 dead letters" in deadletter().stdout
    resend = ["--resend", "--from", "beginning"]
    refused = deadletter(*resend, expect=1)
    assert "(grant Write on the topic)" in refused.stderr and "not sent: --only " in refused.stdout, refused.stdout + refused.stderr
    allow(guarded, [("Write", {"topic": mode.source})])
    assert "1 of 1 dead letters sent" in deadletter(*resend).stdout
    assert [record.value for record in guarded.consume_all(mode.source)] == [b"x"]
