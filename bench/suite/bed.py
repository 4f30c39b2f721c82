"""The test bed: a real broker on its own core, topics filled by delight-load, and one measured re-read of a topic by a candidate."""

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import peers
from store import ROOT

sys.path.insert(0, str(ROOT / "bench"))
from deployment import JAVA, TICK, Broker, Daemon, Deployment, Loader, RedisServer, config_for, cpu_seconds  # noqa: E402
from harness import HarnessError, Process  # noqa: E402

NOOP = ROOT / "build/release/noop-consumer"
DISTANCE = ROOT / "build/release/core-distance"
WINDOWS = ["5m", "1h"]
REDIS = {"zset-max-listpack-entries": 16}  # As README.md advises: ranks as lists take half of Redis' time.
START = "2026-03-01T10:00:00Z"  # A whole hour, so that the 1h window holds all of what spans an hour from here.
TRAFFIC = {
    "live": ["--variants", 0],
    "many": ["--variants", 0, "--touchpoints", 100000],
    "late": ["--variants", 0, "--late", "20%", "--late-mean", "30s"],
    "hour": ["--variants", 0],  # What a re-read finds: events of the past, each second of which has few.
    "check": [],  # With delight-load's share of unusual spellings.
}
AN_HOUR = ("hour", "check")
WARM_UPS = 3
LIVE_RATE = 500_000  # Events in a second of event time, elsewhere.


@contextlib.contextmanager
def on_cores(cores):
    """What is started inside runs on these cores only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores & before or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cores_of(text):
    """"0,2-3" -> {0, 2, 3}"""
    found = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def watch(process, condition, what, seconds=600):
    """Asks every few milliseconds until the answer is true: the harness's poll() waits longer and longer, which a timing would show."""
    end = time.monotonic() + seconds
    while not condition():
        if not process.running() or time.monotonic() > end:
            how = "took too long for" if process.running() else "ended before"
            raise HarnessError(f"{process.name} {how} {what}: {process.log()[-1000:]}")
        time.sleep(0.004)


class Points:
    """How far a candidate had come, and what it had used, each time that it told something new."""

    def __init__(self, process, begun):
        self.process, self.points = process, [(begun, 0.0, 0)]

    def note(self, records):
        if records > self.points[-1][2]:
            self.points.append((time.monotonic(), self.process.cpu_seconds(), records))
        return records

    def result(self, share):
        """As a whole, and from the first point on at which so large a share of the records was there."""
        begun, last = self.points[0], self.points[-1]
        warm = next((p for p in self.points[1:-1] if p[2] >= share * last[2]), begun)
        if warm[2] > last[2] / 2:
            warm = begun  # Too little is left to tell a rate by.
        return {
            "records": last[2], "wall": last[0] - begun[0], "processor": last[1],
            "warm_records": last[2] - warm[2], "warm_wall": last[0] - warm[0], "warm_processor": max(last[1] - warm[1], 1 / TICK),
        }  # fmt: skip


class Bed:
    """A context manager. broker_cores, candidate_cores: sets; Redis and the broker share theirs."""

    def __init__(self, broker_cores, candidate_cores):
        self.broker_cores, self.candidate_cores = broker_cores, candidate_cores
        self.broker = None
        self.filled = {}
        self.count = 0

    def __enter__(self):
        self.broker = Broker(java_options=JAVA)
        with on_cores(self.broker_cores):
            self.broker.start()
        return self

    def __exit__(self, *_):
        self.broker.stop()

    def name(self, stem):
        """A name that no group, topic or instance of this broker has had."""
        self.count += 1
        return f"{stem}-{self.count}"

    @contextlib.contextmanager
    def redis(self):
        with on_cores(self.broker_cores):
            server = RedisServer(settings=REDIS).start()
        with server:
            yield server

    @contextlib.contextmanager
    def spread(self):
        """Nothing is pinned inside: where generator, broker, daemon and Redis work at once, one core for two of them starves one."""
        before = self.broker_cores
        self.broker_cores = before | self.candidate_cores
        self._pin()
        try:
            yield
        finally:
            self.broker_cores = before
            self._pin()

    def _pin(self):
        for pid in self.broker.pids():
            for thread in Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(ProcessLookupError):  # It may have ended.
                    os.sched_setaffinity(int(thread.name), self.broker_cores)

    # -- topics --

    def words(self, traffic, events):
        """delight-load's options of such traffic: the same seed and start give the same bytes when it is recounted."""
        span = "1h" if traffic in AN_HOUR else f"{max(1, events // LIVE_RATE)}s"
        return ["--count", events, "--span", span, "--start", START, "--segments", "none", "--touchpoints", 100, *TRAFFIC[traffic]]

    def topic(self, traffic, events):
        """A topic of four partitions, lz4, filled when it is first asked for."""
        if (traffic, events) not in self.filled:
            name = self.broker.create_topic(self.name(traffic), 4)
            words = ["--brokers", self.broker.bootstrap, "--topic", name, "--compression", "lz4"]
            Loader().run(*words, *self.words(traffic, events), timeout=3600)
            self._noop(name)  # Not measured: the broker's code and the file cache are warm for whoever comes first.
            self.filled[traffic, events] = name
        return self.filled[traffic, events]

    # -- one re-read --

    def reread(self, candidate, traffic, events, target=None, verify=False, **extra):
        """Reads the topic from its beginning; returns what was measured. target: a peer stops after so many records. verify: then
        the scores in Redis are compared with the recount. extra: sections of delightd's configuration."""
        topic = self.topic(traffic, events)
        brokers = self.broker.pids()
        broker_before = cpu_seconds(*brokers)
        if candidate == "no-op consumer":
            return {**self._noop(topic), "broker_processor": cpu_seconds(*brokers) - broker_before}
        with self.redis() as redis, tempfile.TemporaryDirectory(prefix="delightd-bench.") as folder:
            if candidate in ("memory mode", "kafka mode"):
                context = self._delightd(candidate, redis, Path(folder), topic, events, extra)
            else:
                context = self._peer(candidate, redis, Path(folder), topic, target or events)
            with context as result:
                result["broker_processor"] = cpu_seconds(*brokers) - broker_before
                result["redis_processor"] = cpu_seconds(redis.pid)
                if verify:
                    result["equal"] = self._verify(candidate, redis, traffic, events)
            return result

    @contextlib.contextmanager
    def distances(self):
        """How far the cores were from each other: before, twice a second meanwhile, and after."""
        found, over = [self.distance()], threading.Event()

        def look():
            while not over.wait(0.5):
                found.append(self.distance())

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield found
        finally:
            over.set()
            thread.join()
        found.append(self.distance())

    def warm_up(self, events):
        """A broker that has just been started compiles what transactions need while it serves them, on cores that the candidate needs."""
        for _ in range(WARM_UPS):
            self.reread("kafka mode", "live", events)

    def distance(self):
        """Of the first two cores of a candidate, in ns; 0 where there is but one."""
        cores = sorted(self.candidate_cores & os.sched_getaffinity(0))[:2]
        if len(cores) < 2:
            return 0
        done = subprocess.run([DISTANCE, *map(str, cores)], capture_output=True, text=True, check=True)
        return int(done.stdout)

    def _noop(self, topic):
        with on_cores(self.candidate_cores):
            done = subprocess.run([NOOP, self.broker.bootstrap, topic], capture_output=True, text=True, check=True)
        found = dict(word.split("=") for word in done.stdout.split())
        return {"records": int(found["records"]), **{name: float(found[name]) for name in ("wall", "processor", "busiest")}}

    @contextlib.contextmanager
    def _delightd(self, mode, redis, folder, topic, events, extra):
        """Until it has caught up (memory mode), or Redis shows all events (kafka mode). Measured as a whole, its start included, and
        from when its log says that it reads: the no-op consumer is from its first record on, a fetch later."""
        extra = {"clock": "event", "windows": WINDOWS, **extra}
        if mode == "memory mode":
            defaults = {"batch_interval": None, "publish_interval": None, "kafka": {"dead_letter_topic": ""}}
            daemon = Daemon(config_for(self.broker, redis, topic, **defaults, **extra), folder)
        else:
            deployment = Deployment(self.broker, redis, folder, self.name("group"), source=topic, **extra)
            daemon = deployment.daemon("one")
        begun = time.monotonic()
        with on_cores(self.candidate_cores):
            daemon.start()
        with daemon:
            points = Points(daemon, begun)

            def is_through():
                if len(points.points) == 1 and "msg=reading partitions=" in daemon.log():
                    points.note(1)
                if mode == "memory mode":
                    return "caught up: publishing" in daemon.log()
                return deployment.published("1h") == events

            watch(daemon, is_through, f"the end of {events} events")
            if len(points.points) == 1:
                raise HarnessError(f"{daemon.name} has not logged that it reads: {daemon.log()[-1000:]}")
            points.note(1 + events)
            yield {**points.result(0), "records": events}

    @contextlib.contextmanager
    def _peer(self, candidate, redis, folder, topic, target):
        """Measured as a whole, its start included, and from the first quarter on, when its compiler has warmed up."""
        words = peers.command(candidate, self.broker.bootstrap, topic, redis.port, self.name("peer"), folder / "state")
        client, begun = redis.client(), time.monotonic()
        with on_cores(self.candidate_cores):
            peer = Process(words, folder / "log", name=candidate).start()
        with peer:
            points = Points(peer, begun)
            watch(peer, lambda: points.note(int(client.get("bench:records") or 0)) >= target, f"{target} records in Redis")
            yield points.result(1 / 4)

    def _verify(self, candidate, redis, traffic, events):
        """Whether every number is the recount's: of delightd all, of the others what the job asks for."""
        basic = ["--verify-basic"] if candidate in peers.NAMES else []
        words = ["--no-send", *self.words(traffic, events), "--verify", *basic, "--clock", "event", "--windows", ",".join(WINDOWS),
                 "--redis", redis.url(), "--verify-timeout", "20s"]  # fmt: skip
        done = Loader().run(*words, expect=None, timeout=600)
        if done.returncode != 0:
            print(f"{candidate} differs from the recount:\n{done.stderr[-2000:]}", file=sys.stderr, flush=True)
        return done.returncode == 0
