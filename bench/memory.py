#!/usr/bin/python3
"""Resident memory of delightd in memory mode by touchpoints, and what it needs in Redis.

    bench/memory.py [--events N] [--touchpoints 100,10000,100000]

Starts a real broker and a real Redis, preloads topics with delight-load, counts each from its beginning until delightd says that it
has caught up, and prints Markdown."""
import argparse
import itertools
import statistics
import tempfile

from deployment import JAVA, Broker, Daemon, Loader, RedisServer, config_for, machine, table


def measure(broker, events, touchpoints):
    topic = broker.create_topic(f"memory-{touchpoints}", 4)
    words = ["--brokers", broker.bootstrap, "--topic", topic, "--count", events, "--touchpoints", touchpoints]
    Loader().run(*words, "--compression", "lz4", "--span", "1h", timeout=1800)
    with RedisServer() as redis, tempfile.TemporaryDirectory() as folder:
        config = config_for(broker, redis, topic, clock="event", windows=["5m", "1h", "24h", "7d", "30d"], batch_interval="100ms",
                            publish_interval="250ms", kafka={"dead_letter_topic": ""})  # fmt: skip
        with Daemon(config, folder) as running:
            found = running.wait_log(r"caught up.* events=(\d+).* took_ms=(\d+)", timeout=1800)
            resident = running.rss()
            running.wait_log("stale keys in redis were looked for", timeout=600)  # follows the first full publish
            resident = max(resident, running.rss())
        client = redis.client()
        subjects = sum(client.scard(key) for key in client.scan_iter("cx:subjects:*"))
        hashes = itertools.islice((key for key in client.scan_iter("cx:{*", count=1000) if not key.endswith(":trend")), 500)
        size = statistics.mean(client.memory_usage(key) for key in hashes)
    return [touchpoints, subjects, f"{resident / 2**20:.0f} MiB", f"{resident / subjects / 1024:.1f} KiB",
            f"{found[1]} events in {int(found[2]) / 1000:.1f} s", f"{size:.0f} bytes"]  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--touchpoints", default="100,10000,100000")
    arguments = parser.parse_args()
    with Broker(java_options=JAVA) as broker:
        rows = [measure(broker, arguments.events, int(number)) for number in arguments.touchpoints.split(",")]
    table(["touchpoints", "subjects", "resident memory", "per subject", "re-read", "Redis memory per hash"], rows)
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
