#!/usr/bin/python3
"""What exactly-once costs: throughput, processor time and latency of kafka mode beside memory mode, in one run.

    bench/exactness.py [--events N] [--rounds N] [--rate R] [--probes N]

Throughput: both count the same preloaded topic from its beginning, in turn, until all of it is in Redis; their start is included.
Latency: a single event is sent and its score is read until it is there, again and again, while --rate events a second come in."""
import argparse
import json
import random
import tempfile
import time

from deployment import JAVA, Broker, Deployment, Loader, RedisServer, cell, cpu_seconds, machine, percentile, poll, say, table

WINDOW = "24h"
MODES = {"memory": {"durability": "memory"}, "kafka": {}}


def load_words(broker, topic, touchpoints):
    return ["--brokers", broker.bootstrap, "--topic", topic, "--compression", "lz4", "--touchpoints", touchpoints]


def throughput(broker, name, mode, source, events):
    """(seconds, processor seconds of delightd, of the broker) until Redis shows all events."""
    with RedisServer() as redis, tempfile.TemporaryDirectory() as folder:
        deployment = Deployment(broker, redis, folder, name, source=source, clock="event", windows=["1h", WINDOW], **MODES[mode])
        broker_before, begun = cpu_seconds(*broker.pids()), time.monotonic()
        with deployment.daemon("one") as daemon:
            daemon.wait_until(lambda: deployment.published(WINDOW) == events, 1800, f"{events} events in Redis")
            return time.monotonic() - begun, daemon.cpu_seconds(), cpu_seconds(*broker.pids()) - broker_before


def probe(deployment, producer, number, daemon):
    """Seconds from the call that sends an event until Redis shows it."""
    client, key = deployment.redis.client(), "cx:{touchpoint:probe}:1h"
    begun = time.monotonic()
    producer.produce(deployment.source, json.dumps({"type": "survey", "touchpoint": "probe", "nps": 10}))
    producer.flush(30)
    while int(client.hget(key, "events") or 0) < number:
        if time.monotonic() - begun > 60:
            raise SystemExit(f"an event does not show up: {daemon.log()[-2000:]}")
        time.sleep(0.001)
    return time.monotonic() - begun


def latency(broker, name, mode, rate, probes):
    chance = random.Random(name)
    with RedisServer() as redis, tempfile.TemporaryDirectory() as folder:
        deployment = Deployment(broker, redis, folder, name, windows=["1h", WINDOW], **MODES[mode])
        producer = broker.producer(linger_ms=0)
        with deployment.daemon("one") as daemon:
            daemon.wait_log("caught up: publishing", timeout=60)
            words = [*load_words(broker, deployment.source, 100), "--rate", rate, "--count", rate * 3600]
            with Loader().start(folder, *words):
                poll(lambda: deployment.published(WINDOW) > rate, 60, "the load to come in", [daemon.log_path])
                found = []
                for number in range(1, probes + 1):
                    time.sleep(chance.uniform(0, 0.3))  # Not in step with the daemon's intervals.
                    found.append(1000 * probe(deployment, producer, number, daemon))
                return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rate", type=int, default=2000)
    parser.add_argument("--probes", type=int, default=100, help="in each round")
    arguments = parser.parse_args()
    walls, own, brokers, delays = ({mode: [] for mode in MODES} for _ in range(4))
    with Broker(java_options=JAVA) as broker:
        broker.create_topic("preloaded", 4)
        words = [*load_words(broker, "preloaded", 100), "--count", arguments.events, "--span", "1h"]
        Loader().run(*words, timeout=1800)
        for number in range(arguments.rounds):
            for mode in MODES:
                wall, processor, by_broker = throughput(broker, f"{mode}-{number}", mode, "preloaded", arguments.events)
                walls[mode].append(wall)
                own[mode].append(processor)
                brokers[mode].append(by_broker)
                delays[mode].append(latency(broker, f"{mode}-live-{number}", mode, arguments.rate, arguments.probes))
                say(f"round {number + 1} of {arguments.rounds}, {mode}: {wall:.1f} s, p50 {percentile(delays[mode][-1], 50):.0f} ms")
    rates = {mode: [arguments.events / wall for wall in walls[mode]] for mode in MODES}

    def row(what, values, form="%.0f"):
        ratios = [mine / other for mine, other in zip(values["kafka"], values["memory"])]
        return [what, cell(values["memory"], form), cell(values["kafka"], form), cell(ratios, "%.2f")]

    def micros(seconds):
        return {mode: [1e6 * used / arguments.events for used in seconds[mode]] for mode in MODES}

    table(
        [f"{arguments.events} events, 4 partitions, 100 touchpoints", "memory mode", "kafka mode", "ratio, pair by pair"],
        [row("events per wall second", rates), row("delightd: processor µs per event", micros(own), "%.1f"),
         row("broker: processor µs per event", micros(brokers), "%.1f")],
    )  # fmt: skip
    print()
    table(
        [f"event to Redis, at {arguments.rate} events/s, {arguments.probes} events a round", "memory mode, ms", "kafka mode, ms",
         "ratio, pair by pair"],
        [row(f"p{share}", {mode: [percentile(found, share) for found in delays[mode]] for mode in MODES}) for share in (50, 99)],
    )  # fmt: skip
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
