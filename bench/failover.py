#!/usr/bin/python3
"""How long scores stand still when the scorer is killed (kill -9), and whether a published count falls meanwhile.

    bench/failover.py [--kills N] [--rate R] [--touchpoints N] [--together]

1,000 touchpoints, five windows, half of the top rate: without --rate that is measured first, by a re-read. Two processes score
and one counts; --together: two processes do both, as in the smallest installation. From kill -9 to the standby's first write to Redis
(cx:owner changes with it). All the time `events` of all, of every window, is read: clock: event, nothing expires, nothing is
retracted, so none may fall. Timeouts are delightd's defaults."""
import argparse
import random
import re
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from datetime import datetime

from deployment import JAVA, Broker, Deployment, Loader, RedisServer, cell, machine, poll, say, table

WINDOWS = ["2h", "24h", "7d", "30d", "90d"]
SPAN = "90m"  # Of event time, whatever the run takes: within the shortest window.


class Watch(threading.Thread):
    """Reads `events` of all in every window again and again; keeps what fell."""

    def __init__(self, redis):
        super().__init__(daemon=True)
        self.client = redis.client(db=0)
        self.seen, self.fell, self.reads, self.ended = dict.fromkeys(WINDOWS, 0), [], 0, threading.Event()

    def run(self):
        while not self.ended.wait(0.005):
            with self.client.pipeline(transaction=False) as pipeline:
                for window in WINDOWS:
                    pipeline.hget(f"cx:{{all}}:{window}", "events")
                found = [int(value or 0) for value in pipeline.execute()]
            self.reads += 1
            for window, events in zip(WINDOWS, found):
                if events < self.seen[window]:
                    self.fell.append((window, self.seen[window], events))
                self.seen[window] = events


def words(broker, topic, touchpoints, count):
    return ["--brokers", broker.bootstrap, "--topic", topic, "--count", count, "--touchpoints", touchpoints, "--compression", "lz4",
            "--span", SPAN, "--start", "2026-03-01T00:00:00Z"]  # fmt: skip


def top_rate(broker, touchpoints):
    """Events a second that two processes of both roles count and publish, from a topic that is full; their start is in it."""
    events = 1_000_000
    with RedisServer() as redis, tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        deployment = Deployment(broker, redis, folder, "top", partitions=12, clock="event", windows=WINDOWS)
        Loader().run(*words(broker, deployment.source, touchpoints, events), timeout=1800)
        begun = time.monotonic()
        daemons = [stack.enter_context(deployment.daemon(f"both-{n}")) for n in range(2)]
        poll(lambda: deployment.published(WINDOWS[-1]) == events, 1800, "all of them in Redis", [d.log_path for d in daemons])
        return events / (time.monotonic() - begun)


def moment(daemon, since, pattern):
    """Seconds of the epoch at which the daemon logged the first match after a mark."""
    text = re.search(rf"^time=(\S+) .*{pattern}", daemon.log(since), re.MULTILINE)
    return datetime.fromisoformat(text[1].replace("Z", "+00:00")).timestamp() if text else float("nan")


def one_kill(scorers, owner, client):
    """Kills the owner; returns the heir and {step: milliseconds since the kill}."""
    heir = next(d for d in scorers if d is not owner)
    mark, token = heir.mark(), client.get("cx:owner")
    begun = time.monotonic()
    begun_wall = time.time()
    owner.kill9()
    while client.get("cx:owner") == token:
        if time.monotonic() - begun > 120:
            sys.exit(f"nobody took over:\n{heir.log(mark)[-3000:]}")
        time.sleep(0.002)
    published = time.monotonic() - begun
    heir.wait_log("caught up: publishing", since=mark, timeout=10)
    steps = {"taken": moment(heir, mark, "taking the state over") - begun_wall,
             "restored": moment(heir, mark, "caught up: publishing") - begun_wall, "published": published}  # fmt: skip
    return heir, {name: 1000 * seconds for name, seconds in steps.items()}


def failover(broker, rate, arguments):
    chance = random.Random(1)
    with RedisServer() as redis, tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        deployment = Deployment(broker, redis, folder, "failover", partitions=12, clock="event", windows=WINDOWS)
        roles = {} if arguments.together else {"roles": ["score"]}
        scorers = [stack.enter_context(deployment.daemon(f"scorer-{n}", **roles)) for n in range(2)]
        if not arguments.together:
            stack.enter_context(deployment.daemon("ingest", roles=["ingest"]))
        count = rate * 40 * (arguments.kills + 2)
        load = words(broker, deployment.source, arguments.touchpoints, count)
        loader = stack.enter_context(Loader().start(folder, *load, "--rate", rate))
        poll(lambda: deployment.published(WINDOWS[0]) > 10 * rate, 120, "ten seconds of load", [d.log_path for d in scorers])
        watch, client = Watch(redis), redis.client()
        watch.start()
        owner = next(d for d in scorers if "caught up: publishing" in d.log())
        found = []
        for number in range(arguments.kills):
            time.sleep(chance.uniform(3, 6))  # Not in step with heartbeats and checkpoints.
            heir, steps = one_kill(scorers, owner, client)
            found.append(steps)
            say(f"kill {number + 1} of {arguments.kills}: " + ", ".join(f"{name} {ms:.0f} ms" for name, ms in steps.items()))
            mark = owner.mark()
            owner.start()
            owner.wait_log("started", since=mark)
            before = deployment.published(WINDOWS[0])
            poll(lambda before=before: deployment.published(WINDOWS[0]) > before + rate, 60, "scores to go on", [heir.log_path])
            owner = heir
        if not loader.running():
            sys.exit("the load ended before the kills did")
        watch.ended.set()
        watch.join()
        return found, watch


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--rate", type=int, help="events a second (default: half of the top rate)")
    parser.add_argument("--touchpoints", type=int, default=1000)
    parser.add_argument("--together", action="store_true")
    arguments = parser.parse_args()
    with Broker(java_options=JAVA) as broker:
        rate, how = arguments.rate, "given"
        if not rate:
            top = top_rate(broker, arguments.touchpoints)
            rate, how = int(top / 2), f"half of {top:.0f}"
            say(f"rate: {rate} events/s, {how}")
        found, watch = failover(broker, rate, arguments)
    title = f"{len(found)} kills, {arguments.touchpoints} touchpoints, 5 windows, {rate} events/s ({how})"
    steps = {"taken": "the standby is the owner, and has read where the state begins", "restored": "it has caught up",
             "published": "its first write to Redis"}  # fmt: skip
    table([title, "ms after kill -9: median (least … worst)"], [[text, cell([one[name] for one in found])] for name, text in steps.items()])
    print(f"\nPublished counts that fell: {len(watch.fell)} in {watch.reads} reads of {len(WINDOWS)} windows {watch.fell[:5] or ''}")
    print(machine())
    sys.exit(1 if watch.fell else 0)


if __name__ == "__main__":
    main()
