#!/usr/bin/python3
"""How large the state of kafka mode is, and how long a new process needs to take it over.

    bench/restore.py [--touchpoints N] [--rounds N]

Every touchpoint has an answer in each of the 60 panes of each of five windows (5m, 1h, 24h, 7d, 30d). When all of that is counted
the process is stopped, which writes its last checkpoint; cx.state is weighed; then a process is started again and again."""
import argparse
import tempfile
import time
from pathlib import Path

from confluent_kafka import Consumer, KafkaError, TopicPartition
from deployment import JAVA, Broker, Deployment, RedisServer, cell, machine, poll, say, table

MINUTE = 60_000
WINDOWS = {"5m": 5, "1h": 60, "24h": 1440, "7d": 10080, "30d": 43200}
NOW = 1_772_323_199_999  # 2026-02-28T23:59:59.999Z, so that every window's panes end there
PARTITIONS = 4


def times():
    """As few event times as put one into every pane of every window; the newest, which sets the clock, first."""
    found = {NOW}
    for minutes in WINDOWS.values():
        pane = minutes * MINUTE // 60
        taken = {moment // pane for moment in found}
        found |= {min(index * pane + pane // 2, NOW) for index in range(NOW // pane - 59, NOW // pane + 1) if index not in taken}
    return sorted(found, reverse=True)


def event(touchpoint, moment, turn):
    """Surveys, contacts and complaints by turns."""
    head = f'"touchpoint":"tp-{touchpoint:05d}","journey":"j{touchpoint % 8}","stage":"s{touchpoint % 4}","time":{moment}'
    if turn % 10 < 6:
        return f'{{"type":"survey",{head},"nps":{turn % 11},"csat":{turn % 5 + 1},"ces":{turn % 7 + 1}}}'
    if turn % 10 < 9:
        return f'{{"type":"contact",{head},"outcome":"answered","wait_ms":{turn * 997 % 60000},"handle_ms":{turn * 7919 % 600000}}}'
    return f'{{"type":"complaint",{head},"state":"opened"}}'


def produce(broker, topic, touchpoints):
    producer = broker.producer(compression_type="lz4", linger_ms=50, queue_buffering_max_messages=1_000_000)
    for partition in range(PARTITIONS):  # The clock first, wherever reading begins.
        producer.produce(topic, event(0, NOW, 0), partition=partition)
    producer.flush(60)
    moments, turn = times(), 0
    for number, moment in enumerate(moments):
        for touchpoint in range(touchpoints):
            turn += 1
            while True:
                try:
                    producer.produce(topic, event(touchpoint, moment, turn), partition=turn % PARTITIONS)
                    break
                except BufferError:
                    producer.poll(0.1)
        producer.poll(0)
        if number % 50 == 0:
            say(f"{number} of {len(moments)} event times sent")
    producer.flush(300)
    return PARTITIONS + len(moments) * touchpoints


def weigh(broker, topic):
    """(records, bytes) of the newest value of each key, and records in all."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "weigh", "enable.auto.commit": False,
                         "enable.partition.eof": True, "isolation.level": "read_committed"})  # fmt: skip
    consumer.assign([TopicPartition(topic, 0, 0)])
    sizes, records = {}, 0
    while True:
        for message in consumer.consume(10000, timeout=1):
            if message.error():
                if message.error().code() == KafkaError._PARTITION_EOF:
                    consumer.close()
                    live = [size for size in sizes.values() if size]
                    return len(live), sum(live), records
                raise SystemExit(str(message.error()))
            records += 1
            value, key = message.value(), message.key()
            sizes[hash(key)] = len(key) + len(value) if value is not None else 0


def on_disk(broker, topic):
    return sum(path.stat().st_size for path in Path(broker.folder).glob(f"node-1/data/{topic}-0/*.log"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--touchpoints", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3, help="of taking the state over")
    arguments = parser.parse_args()
    with Broker(java_options=JAVA) as broker, RedisServer() as redis, tempfile.TemporaryDirectory() as folder:
        limits = {"touchpoints": arguments.touchpoints + 100}
        deployment = Deployment(broker, redis, folder, "restore", partitions=PARTITIONS, clock="event", windows=list(WINDOWS),
                                limits=limits, shutdown_timeout="5m")  # fmt: skip
        events = produce(broker, deployment.source, arguments.touchpoints)
        begun = time.monotonic()
        daemon = deployment.daemon("one")
        with daemon:

            def counted():
                found = deployment.published("30d")
                if time.monotonic() - counted.told > 15:
                    counted.told = time.monotonic()
                    say(f"{found} of {events} events counted, {daemon.rss() / 2**20:.0f} MiB")
                return found == events

            counted.told = time.monotonic()
            daemon.wait_until(counted, 3600, "everything to be counted")
            say(f"counted in {time.monotonic() - begun:.0f} s")
            if daemon.stop(timeout=300) != 0:
                raise SystemExit(daemon.log()[-3000:])
            live, size, records = weigh(broker, deployment.state)
            disk = on_disk(broker, deployment.state)
            ready, published, resident = [], [], []
            for number in range(arguments.rounds):
                mark, begun = daemon.mark(), time.monotonic()
                daemon.start()
                daemon.wait_log("caught up: publishing", since=mark, timeout=600)
                ready.append(time.monotonic() - begun)
                daemon.wait_log("stale keys in redis were looked for", since=mark, timeout=600)
                published.append(time.monotonic() - begun)
                resident.append(daemon.rss() / 2**20)
                say(f"round {number + 1} of {arguments.rounds}: ready after {ready[-1]:.1f} s, all of it in Redis after {published[-1]:.1f} s")
                if deployment.published("30d") != events:
                    raise SystemExit("what was restored is not what was counted")
                if daemon.stop(timeout=300) != 0:
                    raise SystemExit(daemon.log()[-3000:])
            poll(lambda: not daemon.running(), 60, "the end")
        subjects = sum(redis.client().scard(key) for key in redis.client().scan_iter("cx:subjects:*"))
    table(
        [f"{arguments.touchpoints} touchpoints ({subjects} subjects) × 5 windows × 60 panes", "median (least … most)"],
        [
            ["records of `cx.state` that count", f"{live}, one a pane"],
            ["their keys and values", f"{size / 2**20:.0f} MiB, {size / live:.0f} bytes each"],
            ["`cx.state` on disk when the process stopped (lz4)", f"{disk / 2**20:.0f} MiB, {records} records"],
            ["start to ready (`caught up: publishing`), s", cell(ready, "%.1f")],
            ["start to everything in Redis, s", cell(published, "%.1f")],
            ["resident memory then, MiB", cell(resident)],
        ],
    )
    print(f"\n{events} events; {machine()}")


if __name__ == "__main__":
    main()
