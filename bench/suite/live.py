"""What needs events that come in while delightd publishes: how soon a score is readable (figure 8), and what Redis is asked (10)."""

import contextlib
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from bed import Daemon, Deployment, Loader, config_for, cpu_seconds, on_cores
from deployment import percentile, poll
from harness import free_port


@contextlib.contextmanager
def _live(bed, mode, interval=None, **sections):
    """A daemon that has caught up with an empty topic; yields it, the topic, its Redis and a folder. interval: of batches and
    publishing; None: the defaults. sections: of delightd's configuration."""
    with bed.spread(), bed.redis() as redis, tempfile.TemporaryDirectory(prefix="delightd-bench.") as name:
        folder = Path(name)
        daemon, topic = _daemon(bed, redis, folder, mode, interval, sections)
        with on_cores(bed.candidate_cores):
            daemon.start()
        with daemon:
            daemon.wait_log("caught up: publishing", timeout=120)
            yield daemon, topic, redis, folder
    bed.broker.delete_topic(topic)  # Minutes at a high rate are gigabytes.


def _daemon(bed, redis, folder, mode, interval, sections):
    topic = bed.broker.create_topic(bed.name("live"), 4)
    intervals = {"batch_interval": interval, "publish_interval": interval}
    if mode == "memory":
        config = config_for(bed.broker, redis, topic, windows=None, kafka={"dead_letter_topic": ""}, **intervals, **sections)
        return Daemon(config, folder), topic
    extra = {**{name: value for name, value in intervals.items() if value}, **sections}
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


PROBE = Path(__file__).with_name("probe.py")
STAGES = {"batch": "delightd_batch_seconds", "publish": "delightd_publish_seconds", "script": "delightd_redis_round_trip_seconds"}


def _histograms(port):
    """{stage: {upper bound in seconds: how many up to it}}, of delightd's metrics."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    return {stage: {float(bound): int(count) for bound, count in
                    re.findall(rf'^{name}_bucket{{[^}}]*le="([^"]+)"}} (\d+)', text, re.MULTILINE)}
            for stage, name in STAGES.items()}  # fmt: skip


def _bound_ms(before, after, share):
    """The bound of the bucket in which so many percent of what came between lie."""
    counts = {bound: count - before.get(bound, 0) for bound, count in after.items()}
    wanted = max(counts.values(), default=0) * share / 100
    return next((1000 * bound for bound, count in sorted(counts.items()) if count >= wanted and count > 0), None)


def _shares(values, shares=(50, 99)):
    return {f"p{share}": percentile(values, share) for share in shares}


def _stages(probe, before, after):
    """Milliseconds from one station of an event to the next; those inside delightd are of all events, by the bounds of its histograms."""
    on_the_way = [max(0, read - acknowledged) for acknowledged, read in zip(probe["acknowledged"], probe["read"])]
    return {"sent to acknowledged": _shares(probe["acknowledged"]), "acknowledged to read": _shares(on_the_way),
            **{stage: {f"p{share}": _bound_ms(before[stage], after[stage], share) for share in (50, 99)} for stage in STAGES},
            "prober late": _shares(probe["late"]), "between looks": _shares(probe["gaps"])}  # fmt: skip


def _probe(bed, topic, redis, seconds):
    words = [sys.executable, PROBE, bed.broker.bootstrap, topic, redis.port, seconds]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=seconds + 120, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stderr[-2000:] or "the prober has failed")
    print(done.stderr, end="", file=sys.stderr, flush=True)
    return json.loads(done.stdout)


def latency(bed, mode, interval, rate, seconds):
    """Milliseconds from the call that sends an event until its count is read from Redis, while `rate` events a second come in."""
    port = free_port()
    with _live(bed, mode, interval, http={"listen": f"127.0.0.1:{port}"}) as (daemon, topic, redis, folder):
        report = folder / "report.json"
        words = _load(bed, topic, "--rate", rate, "--count", rate * (seconds + 10), "--report", report)
        with Loader().start(folder, *words) as load:
            poll(lambda: _events(redis) > rate, 120, "the load to come in", [load.log_path])
            pids = {"generator": [load.pid], "broker": bed.broker.pids(), "delightd": [daemon.pid], "Redis": [redis.pid]}
            used = {name: cpu_seconds(*those) for name, those in pids.items()}
            begun, before, histograms = time.monotonic(), _events(redis), _histograms(port)
            probe = _probe(bed, topic, redis, seconds)
            passed = time.monotonic() - begun
            cores = {name: (cpu_seconds(*those) - used[name]) / passed for name, those in pids.items()}
            reached = (_events(redis) - before) / passed
            stages = _stages(probe, histograms, _histograms(port))
            load.send_signal(signal.SIGINT)
            load.wait(60)
        behind_ms = json.loads(report.read_text())["behind_ms"]
    return {"rate": rate, "reached": reached, "probes": len(probe["read"]), "behind_ms": behind_ms, "nice": probe["nice"],
            "cores": cores, "stages": stages, **_shares(probe["read"], (50, 99, 99.9))}  # fmt: skip


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
