#!/usr/bin/python3
"""Throughput of delightd in memory mode beside a no-op librdkafka consumer on the same topic, and resident memory by touchpoints.

    bench/throughput.py [--events N] [--rounds N] [--memory 100,10000,100000]

Starts a real broker and a real Redis, preloads topics with delight-load, runs the two in turn and prints Markdown. Wall and
processor seconds are of the whole re-read; for delightd until it says that it has caught up."""
import argparse
import itertools
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

from harness import Broker, Daemon, Loader, RedisServer, config_for  # noqa: E402

NOOP = ROOT / "build/release/noop-consumer"


def preload(broker, topic, events, touchpoints):
    broker.create_topic(topic, 4)
    arguments = ["--brokers", broker.bootstrap, "--topic", topic, "--count", events, "--touchpoints", touchpoints]
    Loader().run(*arguments, "--compression", "lz4", "--span", "1h", timeout=1800)


def noop(broker, topic):
    done = subprocess.run([NOOP, broker.bootstrap, topic], capture_output=True, text=True, check=True)
    found = dict(word.split("=") for word in done.stdout.split())
    return float(found["wall"]), float(found["processor"]), int(found["records"])


def daemon(broker, redis, topic, folder, windows, segments=()):
    config = config_for(broker, redis, topic, clock="event", windows=windows, segments=list(segments),
                        batch_interval="100ms", publish_interval="250ms", kafka={"dead_letter_topic": ""})
    with Daemon(config, folder) as running:
        found = running.wait_log(r"caught up.* events=(\d+).* took_ms=(\d+)", timeout=1800)
        processor, resident = running.cpu_seconds(), running.rss()
        running.wait_log("stale keys in redis were looked for", timeout=600)  # follows the first full publish
        return int(found[2]) / 1000, processor, int(found[1]), max(resident, running.rss())


def throughput(broker, events, rounds):
    preload(broker, "throughput", events, 100)
    walls, processors = {"noop": [], "delightd": []}, {"noop": [], "delightd": []}
    for number in range(rounds):
        wall, processor, records = noop(broker, "throughput")
        walls["noop"].append(wall)
        processors["noop"].append(processor)
        with RedisServer() as redis, tempfile.TemporaryDirectory() as folder:
            wall, processor, counted, _ = daemon(broker, redis, "throughput", folder, ["5m", "1h"])
        assert counted <= records
        walls["delightd"].append(wall)
        processors["delightd"].append(processor)
        print(f"round {number + 1} of {rounds}: {walls['noop'][-1]:.2f} s, {walls['delightd'][-1]:.2f} s", file=sys.stderr)
    print(f"| {events} events, 4 partitions, lz4, 100 touchpoints | no-op consumer | delightd | ratio, pair by pair |")
    print("| --- | --- | --- | --- |")
    rates = {name: [events / wall for wall in walls[name]] for name in walls}
    ratios = [mine / limit for mine, limit in zip(rates["delightd"], rates["noop"])]
    cell = lambda values, form: f"{form % statistics.median(values)} ({form % min(values)} … {form % max(values)})"  # noqa: E731
    print(f"| events per wall second | {cell(rates['noop'], '%.0f')} | {cell(rates['delightd'], '%.0f')} | {cell(ratios, '%.2f')} |")
    cost = {name: [1e9 * used / events for used in processors[name]] for name in processors}
    added = [mine - limit for mine, limit in zip(cost["delightd"], cost["noop"])]
    print(f"| processor ns per event | {cell(cost['noop'], '%.0f')} | {cell(cost['delightd'], '%.0f')} | adds {cell(added, '%.0f')} |")


def memory(broker, events, touchpoints):
    print("\n| touchpoints | subjects | resident memory | per subject | re-read | Redis memory per hash |")
    print("| --- | --- | --- | --- | --- | --- |")
    for number in touchpoints:
        topic = f"memory-{number}"
        preload(broker, topic, events, number)
        with RedisServer() as redis, tempfile.TemporaryDirectory() as folder:
            wall, _, counted, resident = daemon(broker, redis, topic, folder, ["5m", "1h", "24h", "7d", "30d"])
            client = redis.client()
            subjects = sum(client.scard(key) for key in client.scan_iter("cx:subjects:*"))
            hashes = itertools.islice((key for key in client.scan_iter("cx:{*", count=1000) if not key.endswith(":trend")), 500)
            sizes = [client.memory_usage(key) for key in hashes]
        print(f"| {number} | {subjects} | {resident / 2**20:.0f} MiB | {resident / subjects / 1024:.1f} KiB | {counted} events in {wall:.1f} s | {statistics.mean(sizes):.0f} bytes |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", default="100,10000,100000")
    arguments = parser.parse_args()
    with Broker() as broker:
        throughput(broker, arguments.events, arguments.rounds)
        memory(broker, arguments.events, [int(number) for number in arguments.memory.split(",") if number])


if __name__ == "__main__":
    main()
