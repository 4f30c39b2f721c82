#!/usr/bin/python3
"""Single events, and how long each of them takes to a reader: the prober of figure 8, a process of its own.

    bench/suite/probe.py BROKERS TOPIC REDIS_PORT SECONDS

Sends a hundred events a second of one touchpoint into partition 0, so that the touchpoint's count in Redis tells which of them have
arrived, and asks for it twice a millisecond while one is on its way. It runs at a raised priority where it may: its own wait for a core is
not the pipeline's. Prints JSON: the delays in milliseconds of each event from the call that sends it until Kafka has acknowledged it
and until a reader sees it, and what the prober itself adds (how late it sent, how far apart its looks were)."""

import gc
import json
import os
import random
import socket
import sys
import time

from confluent_kafka import Producer

TOUCHPOINT = "bench-probe"
KEY = f"cx:{{touchpoint:{TOUCHPOINT}}}:1h"
PER_SECOND = 100
LOOK_S = 0.0005
GIVEN_UP_S = 60
RAISED = -10


class Count:
    """The published count, by one HGET over a plain socket: redis-py takes ten times as long."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.question = f"*3\r\n$4\r\nHGET\r\n${len(KEY)}\r\n{KEY}\r\n$6\r\nevents\r\n".encode()

    def read(self):
        self.socket.sendall(self.question)
        answer = b""
        while answer.count(b"\r\n") < (1 if answer.startswith(b"$-1") else 2):
            more = self.socket.recv(256)
            if not more:
                raise SystemExit("Redis has closed the connection")
            answer += more
        lines = answer.split(b"\r\n")
        if lines[0] == b"$-1":
            return 0
        if not lines[0].startswith(b"$"):
            raise SystemExit(f"Redis answers {lines[0].decode()}")
        return int(lines[1])


class Probes:
    def __init__(self, brokers, topic, port):
        self.producer = Producer({"bootstrap.servers": brokers, "linger.ms": 0, "socket.nagle.disable": True})
        self.topic, self.count = topic, Count(port)
        self.sent, self.acknowledged, self.read = [], [], []
        self.late, self.gaps = [], []
        self.earlier = 0  # Events before these.
        self.looked = time.monotonic()
        self.chance = random.Random(1)  # Not in step with the daemon's intervals.

    def send(self, due):
        number = len(self.sent)
        event = {"type": "survey", "touchpoint": TOUCHPOINT, "nps": 10, "time": round(time.time() * 1000)}
        self.acknowledged.append(None)
        self.sent.append(time.monotonic())
        self.late.append(self.sent[-1] - due)

        def on_delivery(error, _):
            if error:
                raise SystemExit(f"a probe was not delivered: {error}")
            self.acknowledged[number] = time.monotonic() - self.sent[number]

        self.producer.produce(self.topic, json.dumps(event), partition=0, on_delivery=on_delivery)

    def look(self):
        count, now = self.count.read() - self.earlier, time.monotonic()
        self.gaps.append(now - self.looked)
        self.looked = now
        while len(self.read) < count:
            self.read.append(now - self.sent[len(self.read)])

    def find_the_way(self):
        """The first event waits until the producer is connected and knows the topic, for most of a second: none of those that count."""
        self.send(time.monotonic())
        end = time.monotonic() + GIVEN_UP_S
        while not self.read or self.acknowledged[0] is None:
            if time.monotonic() > end:
                raise SystemExit("the first probe does not show up")
            self.producer.poll(0.001)
            self.look()
        self.earlier = len(self.sent)
        for figures in (self.sent, self.acknowledged, self.read, self.late, self.gaps):
            figures.clear()

    def run(self, seconds):
        """Sends for so long, and then waits for the last."""
        due = time.monotonic()
        end = due + seconds
        while (now := time.monotonic()) < end or len(self.read) < len(self.sent):
            if now > end + GIVEN_UP_S:
                raise SystemExit(f"{len(self.sent) - len(self.read)} probes do not show up")
            if due <= now < end:
                self.send(due)
                due += self.chance.uniform(0.5, 1.5) / PER_SECOND
            self.producer.poll(0)
            if len(self.read) < len(self.sent):
                self.look()
                time.sleep(LOOK_S)
            else:
                self.looked = max(due, now)
                time.sleep(min(max(due - now, 0), 0.001))
        self.producer.flush(GIVEN_UP_S)


def raise_priority():
    """Of this thread and those it starts; what it is then."""
    try:
        os.nice(RAISED)
    except PermissionError:
        print("probe.py: not allowed to raise the priority: its own wait for a core is in the figure", file=sys.stderr)
    return os.getpriority(os.PRIO_PROCESS, 0)


def main():
    brokers, topic, port, seconds = sys.argv[1:]
    nice = raise_priority()
    probes = Probes(brokers, topic, int(port))
    gc.disable()  # Half a minute makes little garbage, and a collection would be in the figure.
    probes.find_the_way()
    probes.run(float(seconds))
    ms = {"acknowledged": probes.acknowledged, "read": probes.read, "late": probes.late, "gaps": probes.gaps}
    print(json.dumps({"nice": nice, **{name: [round(1000 * value, 3) for value in values] for name, values in ms.items()}}))


if __name__ == "__main__":
    main()
