"""What needs events that come in while delightd publishes: how soon a score is readable (figure 8), and what Redis is asked (10)."""

import contextlib
import json
import random
import re
import tempfile
import time
from pathlib import Path

from bed import Daemon, Deployment, Loader, config_for, on_cores
from deployment import percentile, poll

PROBES_PER_SECOND = 100
KEY = "cx:{touchpoint:bench-probe}:1h"


@contextlib.contextmanager
def _live(bed, mode, interval=None):
    """A daemon that has caught up with an empty topic; yields it, the topic, its Redis and a folder. interval: of batches and
    publishing; None: the defaults."""
    with bed.spread(), bed.redis() as redis, tempfile.TemporaryDirectory(prefix="delightd-bench.") as name:
        folder = Path(name)
        daemon, topic = _daemon(bed, redis, folder, mode, interval)
        with on_cores(bed.candidate_cores):
            daemon.start()
        with daemon:
            daemon.wait_log("caught up: publishing", timeout=120)
            yield daemon, topic, redis, folder
    bed.broker.delete_topic(topic)  # Minutes at a high rate are gigabytes.


def _daemon(bed, redis, folder, mode, interval):
    topic = bed.broker.create_topic(bed.name("live"), 4)
    intervals = {"batch_interval": interval, "publish_interval": interval}
    if mode == "memory":
        config = config_for(bed.broker, redis, topic, windows=None, kafka={"dead_letter_topic": ""}, **intervals)
        return Daemon(config, folder), topic
    extra = {name: value for name, value in intervals.items() if value}
    return Deployment(bed.broker, redis, folder, bed.name("group"), source=topic, windows=None, **extra).daemon("one"), topic


def _load(bed, topic, *more):
    words = ["--brokers", bed.broker.bootstrap, "--topic", topic, "--compression", "lz4"]
    return [*words, "--touchpoints", 100, "--segments", "none", *more]


def _events(redis):
    return int(redis.client().hget("cx:{all}:1h", "events") or 0)


def top_rate(bed, mode, events):
    """Events a second that get through generator, broker, daemon and Redis when all of them work at once, on these cores."""
    with _live(bed, mode) as (daemon, topic, redis, folder):
        begun = time.monotonic()
        with Loader().start(folder, *_load(bed, topic, "--count", events)):
            daemon.wait_until(lambda: _events(redis) >= events, 1800, f"{events} events in Redis")
            return {"rate": events / (time.monotonic() - begun), "events": events}


class Probes:
    """Single events of one touchpoint, in one partition, so that its count in Redis tells which of them have arrived."""

    def __init__(self, producer, topic, client):
        self.producer, self.topic, self.client = producer, topic, client
        self.sent, self.delays_ms = [], []
        self.chance = random.Random(1)  # Not in step with the daemon's intervals.

    def send(self):
        self.sent.append(time.monotonic())
        event = {"type": "survey", "touchpoint": "bench-probe", "nps": 10, "time": round(time.time() * 1000)}
        self.producer.produce(self.topic, json.dumps(event), partition=0)

    def look(self):
        count = int(self.client.hget(KEY, "events") or 0)
        now = time.monotonic()
        while len(self.delays_ms) < count:
            self.delays_ms.append(1000 * (now - self.sent[len(self.delays_ms)]))

    def run(self, seconds):
        """Sends for so long, and then waits for the last; sleeps of a fifth of a millisecond are what it can tell apart."""
        end = time.monotonic() + seconds
        due = time.monotonic()
        while (now := time.monotonic()) < end or len(self.delays_ms) < len(self.sent):
            if now >= due and now < end:
                self.send()
                due = now + self.chance.uniform(0.5, 1.5) / PROBES_PER_SECOND
            if now > end + 60:
                raise SystemExit(f"{len(self.sent) - len(self.delays_ms)} probes do not show up")
            self.producer.poll(0)
            self.look()
            time.sleep(0.0002)
        return self.delays_ms


def latency(bed, mode, interval, rate, seconds):
    """Milliseconds from the call that sends an event until its count is read from Redis, while `rate` events a second come in."""
    with _live(bed, mode, interval) as (_, topic, redis, folder):
        report = folder / "report.json"
        words = _load(bed, topic, "--rate", rate, "--count", rate * (seconds + 2), "--report", report)
        with Loader().start(folder, *words) as load:
            poll(lambda: _events(redis) > rate, 120, "the load to come in", [load.log_path])
            begun, before = time.monotonic(), _events(redis)
            delays = Probes(bed.broker.producer(linger_ms=0), topic, redis.client()).run(seconds)
            reached = (_events(redis) - before) / (time.monotonic() - begun)
            load.wait(600)
        behind_ms = json.loads(report.read_text())["behind_ms"]
    return {"rate": rate, "reached": reached, "probes": len(delays), "behind_ms": behind_ms,
            **{f"p{share}": percentile(delays, share) for share in (50, 99, 99.9)}}  # fmt: skip


# What the suite itself asks, and what is no command of publishing.
NOT_PUBLISHING = re.compile(r"cmdstat_(info|hget|ping|hello|client|select|auth|config|command)")


def _commands(redis):
    """Commands that Redis has run, those inside scripts and the scripts themselves included."""
    found = redis.client().info("commandstats")
    return sum(figures["calls"] for name, figures in found.items() if not NOT_PUBLISHING.match(name))


def redis_commands(bed, events):
    """delightd is held while the topic is filled, and then counts and publishes at its own top rate, default windows and intervals."""
    with _live(bed, "memory") as (daemon, topic, redis, _):
        daemon.pause()
        try:
            Loader().run(*_load(bed, topic, "--count", events), timeout=1800)
            before = _commands(redis)
        finally:
            daemon.resume()
        begun = time.monotonic()
        daemon.wait_until(lambda: _events(redis) >= events, 1800, f"{events} events in Redis")
        seconds = time.monotonic() - begun
        commands = _commands(redis) - before
    return {"rate": events / seconds, "commands_per_second": commands / seconds, "events_per_command": events / commands}
