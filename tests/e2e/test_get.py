"""delightd get: one subject's scores from Redis."""

import json
import select
import socket
import socketserver
import threading

import pytest
from feedback import scores, survey, wait_score
from harness import Daemon, config_for, free_port, run_delightd


def get(*arguments, expect=0):
    done = run_delightd("get", *arguments)
    assert done.returncode == expect, done.stdout + done.stderr
    return done


def test_the_scores_of_a_subject_are_those_in_redis(broker, redis_server, topic, tmp_path):
    config = config_for(broker, redis_server, topic, windows=["5m", "1h"], segments=["tier"])
    with Daemon(config, tmp_path) as daemon:
        kano = {"feature": "wifi", "functional": 1, "dysfunctional": 5}
        events = [survey("check in", nps=nps, csat=5, kano=kano, tier="vip", journey="fly", stage="gate") for nps in (10, 9, 0)]
        broker.produce(topic, events)
        wait_score(daemon, redis_server, "touchpoint:check%20in|tier=vip", "nps_n", 3)
        wait_score(daemon, redis_server, "journey:fly|stage=gate", "nps_n", 3)
        where = ["-c", daemon.config_path]

        answer = json.loads(get("touchpoint:check in|tier=vip", "--format", "json", *where).stdout)
        windows = answer["subjects"]["touchpoint:check%20in|tier=vip"]
        assert list(windows) == ["5m", "1h"] and answer["as_of"].endswith("Z")
        stored = scores(redis_server, "touchpoint:check%20in|tier=vip")
        given = {name: value if isinstance(value, str) else f"{value:.4f}" if "." in stored[name] else str(value) for name, value in windows["1h"].items()}
        assert {**given, "as_of": None} == {**stored, "as_of": None} and given["kano_category"] == "one_dimensional"

        table = get("journey:fly|stage=gate", "--window", "1h", *where).stdout.splitlines()
        assert table[0].startswith("journey:fly|stage=gate, as of 20")
        assert table[1].split() == ["field", "unit", "1h", "meaning"]
        rows = [line.split()[0] for line in table[2:]]
        known = [line.split()[0] for line in run_delightd("help", "fields").stdout.splitlines() if line.startswith("  ")]
        assert rows == [name for name in known if name in scores(redis_server, "journey:fly|stage=gate")]
        assert next(line.split()[:3] for line in table if line.startswith("nps ")) == ["nps", "-100..100", "33.3333"]

        # Without a file; a name that is not there.
        url = ["--set", f"redis.url={redis_server.url()}", "--set", "windows=[1h]"]
        assert "33.3333" in get("all", *url).stdout
        done = get("touchpoint:chekc in", *url, expect=1)
        assert "there is no data of" in done.stderr and "similar: touchpoint:check%20in\n" in done.stderr and not done.stdout
        assert "1 names have data in cx:subjects:journey\n" in get("journey:swim", *url, expect=1).stderr
        assert daemon.stop() == 0
        redis_server.client().delete("cx:meta")
        assert "no daemon writes" in get("all", *url).stderr


def test_a_window_without_data_and_wrong_words(redis_server):
    client = redis_server.client()
    client.sadd("cx:subjects:touchpoint", "touchpoint:t")
    client.hset("cx:{touchpoint:t}:24h", mapping={"events": "1"})
    url = ["--set", f"redis.url={redis_server.url()}", "--set", "windows=[1h, 24h]"]
    gone = "delightd get: no daemon writes under the prefix cx now\n"
    assert "'touchpoint:t' has no data in this window" in get("touchpoint:t", "--window", "1h", *url, expect=1).stderr
    assert get("touchpoint:t", "--window", "24h", *url).stdout.splitlines()[-1].split()[:2] == ["events", "1"]
    longest = "journey:{0}|stage={0}|{0}={0}".format(" " * 128)
    client.hset("cx:{" + longest.replace(" ", "%20") + "}:24h", mapping={"events": "3"})
    assert get(longest, *url).stdout.splitlines()[-1].split()[:2] == ["events", "3"]
    client.sadd("cx:subjects:touchpoint", "touchpoint:evil\u009b31mRED")
    client.hset("cx:{touchpoint:evil\u009b31mRED}:24h", mapping={"events": "1"})
    assert get("touchpoint:mRED", *url, expect=1).stderr.endswith("similar: touchpoint:evil\\u{009B}31mRED\n" + gone)
    assert get("touchpoint:evil\u009b31mRED", *url).stdout.startswith("touchpoint:evil\\u{009B}31mRED, as of ")
    said = get("touchpoint:evil\u009b31mRED", "--window", "1h", *url, expect=1).stderr
    assert said.startswith("delightd get: 'touchpoint:evil\\u{009B}31mRED' has no data in this window\n")
    wrong = {
        (): "what of? Give SUBJECT",
        ("kiosk",): "is no subject",
        ("stage:" + "s" * 5000,): "longer than any subject",
        ("all", "--window", "2h"): "not one of the configured windows",
        ("all", "--window", "soon"): "--window is a duration",
        ("all", "--format", "xml"): "--format is table or json",
        ("all", "more"): "what is this: more",
    }
    for words, sentence in wrong.items():
        assert sentence in get(*words, *url, expect=64).stderr
    assert "where is Redis?" in get("all", "--set", "windows=[1h]", expect=78).stderr


class CutsAt(socketserver.ThreadingTCPServer):
    """In front of Redis: the first connection that asks with `word` is cut before Redis hears of it; later ones pass."""

    daemon_threads = True

    def __init__(self, word, port):
        super().__init__(("127.0.0.1", 0), Relay)
        self.word, self.upstream, self.cuts = word, port, 0
        self.url = f"redis://127.0.0.1:{self.server_address[1]}/0"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class Relay(socketserver.BaseRequestHandler):
    def handle(self):
        with socket.create_connection(("127.0.0.1", self.server.upstream)) as upstream:
            while True:
                for source in select.select([self.request, upstream], [], [])[0]:
                    data = source.recv(65536)
                    if not data:
                        return
                    if source is self.request and self.server.word in data and self.server.cuts == 0:
                        self.server.cuts += 1
                        return
                    (upstream if source is self.request else self.request).sendall(data)


def test_a_connection_that_breaks_while_names_are_read(redis_server):
    redis_server.client().sadd("cx:subjects:touchpoint", "touchpoint:desk", "touchpoint:kiosk")
    with CutsAt(b"SSCAN", redis_server.port) as between:
        said = get("touchpoint:dsek", "--set", f"redis.url={between.url}", "--set", "windows=[1h]", expect=1).stderr
    assert between.cuts == 1 and "similar: touchpoint:desk\n" in said


@pytest.mark.release_only
def test_nobody_there():
    port = free_port()
    where = ["--set", f"redis.url=redis://127.0.0.1:{port}/0"]
    away = get("all", *where, expect=1)
    assert "redis is away" in away.stderr and f"delightd get: Redis at 127.0.0.1:{port} does not answer\n" in away.stderr
    away = run_delightd("top", "--once", *where)
    assert away.returncode == 1 and f"delightd top: Redis at 127.0.0.1:{port} does not answer\n" in away.stderr
