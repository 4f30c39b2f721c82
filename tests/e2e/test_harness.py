"""The harness itself, on real parts: what every other end-to-end test relies on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis as redis_library

from harness import Broker, Daemon, HarnessError, Loader, Record, RedisServer, gone, listening_addresses, poll, run_delightd
from harness.broker import SCRIPT

pytestmark = pytest.mark.release_only

# Stands in for the daemon where Daemon itself is tested: logs, reloads, and ends by SIGTERM with exit code 0.
STAND_IN = f"""#!{sys.executable}
import signal, socket, os, sys
print("config:", open(sys.argv[3]).read().split()[0], file=sys.stderr, flush=True)
signal.signal(signal.SIGHUP, lambda *_: print("reloaded", file=sys.stderr, flush=True))
def end(*_):
    print(os.environ.get("LAST_WORDS", "ended"), file=sys.stderr, flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
if os.environ["NOTIFY_SOCKET"]:
    to = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    to.connect("\\0" + os.environ["NOTIFY_SOCKET"][1:])
    to.send(b"READY=1\\nSTATUS=here")
print("started", file=sys.stderr, flush=True)
while True:
    signal.pause()
"""


@pytest.fixture
def stand_in(tmp_path):
    path = tmp_path / "stand-in"
    path.write_text(STAND_IN)
    path.chmod(0o755)
    return path


# -- polling --


def test_poll_says_what_was_awaited_and_shows_logs(tmp_path):
    log = tmp_path / "x.log"
    log.write_text("the reason\n")
    with pytest.raises(HarnessError, match=r"in vain for the moon; last: 0[\s\S]*the reason"):
        poll(lambda: 0, 0.05, "the moon", [log])


def test_poll_passes_on_what_it_was_not_told_to_ignore():
    with pytest.raises(ZeroDivisionError):
        poll(lambda: 1 / 0, 0.05, "a division", ignore=(KeyError,))
    with pytest.raises(HarnessError, match="ZeroDivisionError"):
        poll(lambda: 1 / 0, 0.05, "a division", ignore=(ZeroDivisionError,))


# -- broker --


@pytest.mark.parametrize("compression", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_produce_and_consume(broker, topic, compression):
    sent = [
        Record(f'{{"n": {n}}}', key=str(n % 7), partition=n % 4, timestamp_ms=1_000_000_000_000 + n, headers=[("h", b"%d" % n)])
        for n in range(5000)
    ]
    broker.produce(topic, sent, compression=compression)
    got = broker.consume_all(topic)
    assert [(r.partition, r.offset) for r in got] == [(p, o) for p in range(4) for o in range(1250)]
    by_n = {r.json()["n"]: r for r in got}
    assert len(by_n) == len(sent)
    for n, record in by_n.items():
        assert (record.partition, record.offset) == (sent[n].partition, sent[n].offset) == (n % 4, n // 4)
        assert (record.key, record.timestamp_ms, record.header("h")) == (str(n % 7).encode(), 1_000_000_000_000 + n, str(n))


def test_any_value_and_any_timestamp(broker, new_topic):
    topic = new_topic()
    values = [None, b"", "text", {"a": "ü"}, [1], b"\xff\x00", b"x" * 20_000_000]
    for number, value in enumerate(values):
        broker.produce(topic, [Record(value, timestamp_ms=[1, 4_000_000_000_000][number % 2])])
    got = broker.consume_all(topic)
    assert [r.value for r in got] == [None, b"", b"text", '{"a": "ü"}'.encode(), b"[1]", b"\xff\x00", b"x" * 20_000_000]
    assert {r.timestamp_ms for r in got} == {1, 4_000_000_000_000}


def test_a_topic_appears_grows_and_goes(broker, new_topic):
    name = new_topic(create=False)
    assert name not in broker.topics()
    with pytest.raises(HarnessError, match="not acknowledged"):
        broker.produce(name, ["x"], message_timeout_ms=1000)
    broker.create_topic(name, 2, {"retention.ms": 3600000})
    assert broker.topics()[name] == 2
    broker.add_partitions(name, 5)
    broker.produce(name, [Record("x", partition=4)])
    assert broker.watermarks(name) == {0: (0, 0), 1: (0, 0), 2: (0, 0), 3: (0, 0), 4: (0, 1)}
    broker.configure_topic(name, {"retention.ms": None, "max.message.bytes": 1000})
    with pytest.raises(HarnessError, match="[Mm]essage size too large"):
        broker.produce(name, ["x" * 2000])
    broker.delete_topic(name)
    assert name not in broker.topics()


def test_deleted_records_move_the_low_watermark(broker, new_topic):
    topic = new_topic()
    broker.produce(topic, [str(n) for n in range(10)])
    broker.delete_records(topic, {0: 7})
    assert broker.watermarks(topic) == {0: (7, 10)}
    assert [r.value for r in broker.consume_all(topic)] == [b"7", b"8", b"9"]


def test_transactions(broker, new_topic):
    topic = new_topic()
    with broker.transaction("harness-1") as producer:
        broker.produce(topic, ["committed"], producer=producer)
    with pytest.raises(RuntimeError, match="on purpose"), broker.transaction("harness-1") as producer:
        broker.produce(topic, ["aborted"], producer=producer)
        raise RuntimeError("on purpose")
    left_open = broker.transactional_producer("harness-2")
    left_open.begin_transaction()
    broker.produce(topic, ["open"], producer=left_open)
    broker.produce(topic, ["after"])
    assert [r.value for r in broker.consume_all(topic)] == [b"committed"]
    everything = [b"committed", b"aborted", b"open", b"after"]
    assert [r.value for r in broker.consume_all(topic, isolation="read_uncommitted")] == everything
    left_open.abort_transaction(30)
    assert [r.value for r in broker.consume_all(topic)] == [b"committed", b"after"]


def test_the_broker_listens_on_loopback_only(broker):
    addresses = [address for pid in broker.pids() for address in listening_addresses(pid)]
    assert broker.bootstrap in addresses
    assert all(address.startswith("127.0.0.1:") for address in addresses), addresses


def test_three_nodes_lose_one_and_leave_nothing():
    with Broker(nodes=3) as cluster:
        topic = cluster.create_topic("three", partitions=3)
        cluster.produce(topic, [str(n) for n in range(100)])
        pids, folder = cluster.pids(), Path(cluster.folder)
        assert len(pids) == 3
        cluster.stop_node(2, kill=True)
        assert len(cluster.pids()) == 2
        cluster.produce(topic, [str(n) for n in range(100, 200)])
        assert sorted(int(r.value) for r in cluster.consume_all(topic)) == list(range(200))
        cluster.start_node(2)
        pids += cluster.pids()
        assert len(set(pids)) == 4
    assert not folder.exists()
    assert all(gone(pid) for pid in pids)


def test_a_node_keeps_port_and_data_over_a_stop_and_a_pause():
    with Broker() as cluster:
        topic, address = cluster.create_topic("t"), cluster.bootstrap
        cluster.produce(topic, ["before"])
        cluster.stop_node()
        with pytest.raises(HarnessError, match="not acknowledged"):
            cluster.produce(topic, ["lost"], message_timeout_ms=500)
        cluster.start_node()
        cluster.pause_node()
        with pytest.raises(HarnessError, match="not acknowledged"):
            cluster.produce(topic, ["lost"], message_timeout_ms=500)
        cluster.resume_node()
        cluster.produce(topic, ["after"])
        assert cluster.bootstrap == address
        assert [r.value for r in cluster.consume_all(topic)] == [b"before", b"after"]


def test_acls_and_sasl():
    settings = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "listener.name.client.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.client.plain.sasl.jaas.config": "org.apache.kafka.common.security.plain.PlainLoginModule required "
        'user_alice="secret";',
    }
    with Broker(settings=settings, listeners={"CLIENT": "SASL_PLAINTEXT"}) as cluster:
        topic = cluster.create_topic("t")
        login = {
            "bootstrap_servers": cluster.bootstrap_of("CLIENT"),
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "PLAIN",
            "sasl_username": "alice",
            "sasl_password": "secret",
            # An idempotent producer may be refused as a whole, before or after its record is.
            "enable_idempotence": False,
        }
        with pytest.raises(HarnessError, match="[Aa]uthorization failed"):
            cluster.produce(topic, ["x"], message_timeout_ms=5000, **login)
        cluster.allow("User:alice", "Write", topic=topic)
        cluster.produce(topic, ["allowed"], **login)
        cluster.disallow("User:alice", "Write", topic=topic)
        with pytest.raises(HarnessError, match="[Aa]uthorization failed"):
            cluster.produce(topic, ["x"], message_timeout_ms=5000, **login)
        with pytest.raises(HarnessError, match="not acknowledged"):
            cluster.produce(topic, ["x"], message_timeout_ms=2000, **(login | {"sasl_password": "wrong"}))
        assert [r.value for r in cluster.consume_all(topic)] == [b"allowed"]


def test_a_broker_ends_with_its_owner():
    with subprocess.Popen(["tail", "-f", os.devnull]) as owner:
        done = subprocess.run([SCRIPT, "start", "--owner", str(owner.pid)], capture_output=True, text=True, check=True)
        facts = dict(line.split("=", 1) for line in done.stdout.splitlines())
        assert Path(facts["dir"]).exists()
        owner.kill()
    poll(lambda: not Path(facts["dir"]).exists(), 15, "the cluster's folder to be removed")
    assert gone(facts["pids"])


def test_without_java_a_test_is_skipped_and_in_ci_it_fails(monkeypatch):
    monkeypatch.setenv("JAVA_HOME", "/nonexistent")
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no Kafka broker: .*no Java"):
        Broker().start()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no Kafka broker: .*no Java"):
        Broker().start()


# -- redis --


def test_redis_forgets_on_restart_and_keeps_its_port(redis_server):
    port = redis_server.port
    for kill in (False, True):
        redis_server.client().set("a", 1)
        redis_server.restart(kill=kill)
        assert (redis_server.client().get("a"), redis_server.port) == (None, port)
    assert listening_addresses(redis_server.pid) == [f"127.0.0.1:{port}"]


def test_redis_down_paused_and_back(redis_server):
    redis_server.client().set("a", 1)
    impatient = redis_server.client(socket_timeout=0.2)
    redis_server.pause()
    with pytest.raises(redis_library.TimeoutError):
        impatient.get("a")
    redis_server.resume()
    assert redis_server.client().get("a") == "1"
    redis_server.stop()
    with pytest.raises(redis_library.ConnectionError):
        redis_server.client().get("a")
    redis_server.start()
    assert redis_server.client().get("a") is None


def test_redis_users_socket_memory_and_persistence():
    users = ["daemon on >secret ~cx:* &cx:* +@all -@dangerous"]
    with RedisServer(password="root", users=users, unixsocket=True, maxmemory="3mb", persistent=True) as server:
        daemon = server.client(username="daemon", password="secret")
        daemon.set("cx:a", 1)
        with pytest.raises(redis_library.exceptions.NoPermissionError):
            daemon.set("other", 1)
        with pytest.raises(redis_library.AuthenticationError):
            server.client(password=None).get("cx:a")
        server.restart(kill=True)
        with redis_library.Redis(unix_socket_path=str(server.socket_path), password="root") as local:
            assert local.get("cx:a") == b"1"
        with pytest.raises(redis_library.ResponseError, match="^(OOM )?command not allowed when used memory > 'maxmemory'"):
            for number in range(100):
                daemon.set(f"cx:{number}", "x" * 100000)


def test_redis_with_tls(certificates):
    with RedisServer(certificates=certificates, client_certificates=True) as server:
        assert server.url().startswith("rediss://")
        server.client().set("a", 1)
        with pytest.raises(redis_library.ConnectionError):
            server.client(ssl_certfile=None, ssl_keyfile=None).get("a")


def test_redis_leaves_nothing():
    with RedisServer() as server:
        pid, folder = server.pid, server.folder
        assert folder.exists()
    assert not folder.exists()
    assert gone(pid)


# -- daemon --


def test_daemon_life(tmp_path, stand_in):
    with Daemon({"windows": ["1h"]}, tmp_path, binary=stand_in, notify=True) as daemon:
        daemon.wait_log(r"^started$")
        assert "config: windows:" in daemon.log()
        daemon.wait_ready()
        assert daemon.notifications() == [{"READY": "1", "STATUS": "here"}]
        assert 1_000_000 < daemon.rss() <= daemon.rss_peak() < 200_000_000
        assert daemon.cpu_share(0.3) < 0.5
        mark = daemon.reload({"other": 1})
        daemon.wait_log("reloaded", since=mark)
        assert daemon.stop() == 0
        daemon.start()
        daemon.wait_log("config: other:")
        daemon.kill9()
        assert daemon.wait() == -signal.SIGKILL
        daemon.start()


def test_daemon_failures_show_the_log(tmp_path, stand_in):
    with Daemon({}, tmp_path, binary=stand_in) as daemon:
        daemon.wait_log("started")
        with pytest.raises(HarnessError, match=r"a log line like /no such line/[\s\S]*started"):
            daemon.wait_log("no such line", timeout=0.1)
        daemon.kill9()
        began = time.monotonic()
        with pytest.raises(HarnessError, match=r"was killed by signal 9 while it was awaited: something[\s\S]*started"):
            daemon.wait_until(lambda: False, 60, "something")
        assert time.monotonic() - began < 10
    with pytest.raises(HarnessError, match="build it first"):
        Daemon({}, tmp_path, binary=tmp_path / "missing").start()


@pytest.mark.parametrize(
    "words",
    [
        "==1==ERROR: AddressSanitizer: heap-use-after-free",
        "a.c:1:2: runtime error: signed integer overflow",
        "WARNING: ThreadSanitizer: data race",
        "ERROR: LeakSanitizer: detected memory leaks",
    ],
)
def test_a_sanitizers_report_fails_the_test(tmp_path, stand_in, words):
    with pytest.raises(HarnessError, match="a sanitizer reports"):
        with Daemon({}, tmp_path, binary=stand_in, env={"LAST_WORDS": words}) as daemon:
            daemon.wait_log("started")


def test_loader_and_commands(tmp_path, monkeypatch):
    script = tmp_path / "program"
    script.write_text('#!/bin/sh\necho "out $*"\necho err >&2\nexit 3\n')
    script.chmod(0o755)
    monkeypatch.setenv("DELIGHT_LOAD", str(script))
    monkeypatch.setenv("DELIGHTD", str(script))
    assert Loader().run("--a", 1, expect=3).stdout == "out --a 1\n"
    with pytest.raises(HarnessError, match=r"exit code 3, expected 0[\s\S]*err[\s\S]*out --a"):
        Loader().run("--a")
    with Loader().start(tmp_path, "--b") as load:
        assert load.wait() == 3
        assert load.out() == "out --b\n"
    done = run_delightd("check", "-c", "x")
    assert (done.returncode, done.stdout) == (3, "out check -c x\n")
