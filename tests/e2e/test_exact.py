"""The main promise: what delight-load sent, recounted by code that shares nothing with the daemon, equals every field of every
subject and window in Redis; also after FLUSHALL, after kill -9, and from a file."""

import json
import os
import threading
import time

import pytest
from feedback import snapshot, wait_same
from harness import Daemon, Loader, config_for, poll, run_delightd, timeout_factor

SANITIZED = os.environ.get("DELIGHT_PRESET", "release") in ("asan-ubsan", "tsan")
EVENTS = int(os.environ.get("DELIGHT_EVENTS", "100000" if SANITIZED else "1000000"))
START = "2026-03-01T06:00:00Z"


def configuration(broker, redis, source, dead, **extra):
    sections = {
        "kafka": {"dead_letter_topic": dead},
        "clock": "event",
        "windows": ["5m", "1h", "24h", "7d", "30d"],
        "segments": ["channel", "tier"],
        "publish_interval": "500ms",
    }
    return config_for(broker, redis, source, **(sections | extra))


def traffic(daemon, events=EVENTS, **more):
    options = {
        "config": daemon.config_path, "count": events, "span": "6h", "start": START, "record-time": "event", "seed": 7, "compression": "lz4",
        "late": "2%", "future": "1%", "malformed": "1%", "duplicates": "1%", "retractions": "1%", "cloudevents": "2%",
        "segments": "channel=app:5|web:3|branch:2,tier=vip|basic:3", "touchpoints": 100,
    }  # fmt: skip
    return [word for name, value in (options | more).items() for word in (f"--{name}", str(value))]


class Watcher(threading.Thread):
    """Reads one subject's hash again and again: its events may never go below what was once there in full."""

    def __init__(self, client, key, floor):
        super().__init__(daemon=True)
        self.client, self.key, self.floor = client, key, floor
        self.seen, self.reads, self.ended = [], 0, threading.Event()

    def run(self):
        while not self.ended.is_set():
            found = self.client.hgetall(self.key)
            self.reads += 1
            if found and (int(found.get("events", -1)) < self.floor or "nps" not in found or "csat" not in found):
                self.seen.append(found)
            time.sleep(0.002)

    def end(self):
        self.ended.set()
        self.join()
        assert self.reads > 10 and not self.seen, f"a partial hash was seen: {self.seen[:2]}"


def test_every_field_equals_the_recount_also_after_flushall_and_kill(broker, redis_server, new_topic, tmp_path):
    source, dead = new_topic(partitions=12, name="in"), new_topic(partitions=3, name="dead")
    with Daemon(configuration(broker, redis_server, source, dead), tmp_path) as daemon:
        daemon.wait_log("caught up")
        report = tmp_path / "report.json"
        Loader().run(*traffic(daemon), "--verify", "--verify-timeout", "120s", "--verify-dead-letters", dead, "--report", report, timeout=500)
        sent = json.loads(report.read_text())
        print({name: sent[name] for name in sent if not isinstance(sent[name], (dict, list))})
        before = snapshot(redis_server, without=())
        assert len(before) > 1000

        redis_server.client().flushall()
        wait_same(redis_server, before, 60, "everything to be back after FLUSHALL", [daemon.log_path])

        client = redis_server.client(socket_timeout=30)
        watcher = Watcher(client, "cx:{all}:30d", int(before["cx:{all}:30d"]["events"]))
        watcher.start()
        mark = daemon.mark()
        daemon.restart(kill=True)
        daemon.wait_log("caught up", since=mark, timeout=120)
        Loader().run(*traffic(daemon), "--no-send", "--verify", "--verify-timeout", "60s", "--verify-dead-letters", dead, timeout=300)
        watcher.end()
        wait_same(redis_server, before, 60, "the same keys and values as before the crash", [daemon.log_path])


@pytest.mark.parametrize("records", [0, 5000])
def test_other_scales_formulas_privacy_and_duplicates_equal_the_recount(broker, redis_server, new_topic, tmp_path, records):
    source, dead = new_topic(partitions=4, name="in"), new_topic(name="dead")
    extra = {
        "scales": {"csat_max": 10, "csat_top": 9} if records else {"csat_max": 7, "csat_top": 6},
        "service_level": {"threshold": "30s", "short_abandon": "8s", "formula": 6 if records else 3},
        "privacy": {"min_n": 10},
        "rank": {"min_n": 20, "measures": ["nps", "delight", "abandonment", "asa_ms"]},
        "dedupe": {"records": records},
        "windows": ["1m", "17m", "3h", "400d"],
    }
    with Daemon(configuration(broker, redis_server, source, dead, **extra), tmp_path) as daemon:
        words = traffic(daemon, EVENTS // 20, **{"odd-names": None, "duplicates": "5%", "orphans": "1%"})
        words = [word for word in words if word != "None"]
        Loader().run(*words, "--verify", "--verify-timeout", "60s", "--verify-dead-letters", dead, timeout=300)


def test_wall_clock_windows_equal_the_recount_while_they_slide(broker, redis_server, new_topic, tmp_path):
    source, dead = new_topic(partitions=4, name="in"), new_topic(name="dead")
    extra = {"clock": "wall", "windows": ["1m", "5m", "1h"], "publish_interval": "100ms"}
    with Daemon(configuration(broker, redis_server, source, dead, **extra), tmp_path) as daemon:
        Loader().run(
            *("--config", daemon.config_path, "--rate", "2000", "--seconds", "8", "--segments", "channel=app|web,tier=vip|basic"),
            *("--late", "2%", "--future", "2%", "--malformed", "1%", "--future-rejected", "1%", "--verify", "--verify-timeout", "60s"),
            *("--verify-dead-letters", dead),
            timeout=300,
        )


def test_score_on_a_file_gives_the_numbers_of_the_daemon(broker, redis_server, new_topic, tmp_path):
    source = new_topic(partitions=3, name="in")
    events = tmp_path / "events.ndjson"
    config = configuration(broker, redis_server, source, "")
    daemon = Daemon(config, tmp_path)
    words = traffic(daemon, EVENTS // 20, cloudevents=0)
    Loader().run(*words, "--output", events)
    done = run_delightd("score", str(events), "-c", daemon.config_path, "--format", "json", timeout=300)
    result = tmp_path / "scores.json"
    result.write_text(done.stdout)
    assert done.returncode == 0
    Loader().run(*words, "--output", events, "--no-send", "--verify-json", result)

    # The same lines through Kafka, in another order of partitions.
    with daemon:
        producer = broker.producer(**{"compression.type": "zstd"})
        for number, line in enumerate(events.read_bytes().splitlines()):
            while True:
                try:
                    producer.produce(source, line, partition=number % 3)
                    break
                except BufferError:
                    producer.poll(0.1)
        assert producer.flush(60 * timeout_factor()) == 0
        scored = json.loads(done.stdout)["subjects"]
        expected = {(subject, window): {name: value for name, value in fields.items() if name != "as_of"} for subject, windows in scored.items() for window, fields in windows.items()}

        def published():
            found = {}
            client = redis_server.client()
            for subject, window in expected:
                fields = client.hgetall(f"cx:{{{subject}}}:{window}")
                fields.pop("as_of", None)
                found[subject, window] = {n: v if n == "kano_category" else json.loads(v) for n, v in fields.items()}
            return found == expected

        poll(published, 60, "Redis to hold what score printed", [daemon.log_path])
        hashes = [key for key in redis_server.client().keys("cx:{*") if not key.endswith(":trend")]
        assert len(hashes) == len(expected)


def test_score_reads_pipes_in_any_order_and_reports_each_line(tmp_path):
    lines = [
        '{"type":"survey","touchpoint":"desk","nps":10,"time":"2026-01-01T12:00:00Z"}',
        '{"type":"survey","touchpoint":"desk","nps":0,"time":"2026-01-01T11:30:00Z"}',
        '{"type":"survey","touchpoint":"desk","nps":11,"time":"2026-01-01T11:30:00Z"}',
        '{"type":"survey","touchpoint":"old","nps":9,"time":"2025-12-01T11:30:00Z"}',
        "",
        '{"type":"survey","touchpoint":"desk","nps":9,"time":"2026-01-01T11:59:00Z","colour":"red"}',
    ]
    forward = run_delightd("score", "-", "--windows", "1h", "--format", "json", stdin="\n".join(lines))
    backward = run_delightd("score", "-", "--windows", "1h", "--format", "json", stdin="\n".join(reversed(lines)))
    first, second = json.loads(forward.stdout), json.loads(backward.stdout)
    assert first == second
    assert first["as_of"] == "2026-01-01T12:00:00.000Z" and first["late"] == 1 and first["rejected"] == {"out_of_range": 1}
    assert first["subjects"]["touchpoint:desk"]["1h"]["nps"] == 33.3333 and "touchpoint:old" not in first["subjects"]
    assert "-:3: out_of_range: " in forward.stderr
    strict = run_delightd("score", "-", "--strict", "--windows", "1h", stdin="\n".join(lines))
    assert strict.returncode == 65 and "-:6: unknown_field: colour" in strict.stderr
    evil = ['{"type":"survey","touchpoint":"evil\\u009b31mRED","nps":9,"time":"2026-01-01T11:59:00Z","\\u009b1m":1}']
    table = run_delightd("score", "-", "--strict", "--windows", "1h", stdin="\n".join(evil))
    assert r"touchpoint:evil\u{009B}31mRED     1h         1 " in table.stdout and "\u009b" not in table.stdout + table.stderr
    assert r"-:1: unknown_field: \u{009B}1m" in table.stderr
    earlier = run_delightd("score", "-", "--windows", "1h", "--as-of", "2026-01-01T11:59:30Z", "--format", "json", stdin="\n".join(lines))
    assert json.loads(earlier.stdout)["subjects"]["touchpoint:desk"]["1h"]["nps_n"] == 2
    missing = run_delightd("score", tmp_path / "no-such-file")
    assert missing.returncode == 66 and "no-such-file" in missing.stderr
