#!/usr/bin/python3
"""Every HTTP endpoint at a steady rate, with streams open and events coming in: answers, latencies, and how long the loop stalls.

    bench/http_load.py [--requests 500] [--streams 100] [--events R] [--seconds 10] [--touchpoints 1000] [--scores nps]

Starts a real broker, a real Redis, delightd and delight-load, and prints Markdown. The endpoints are those of config/openapi.yaml, one
after the other, and then all of them in turn; of /api/stream, streams that are opened, greeted and closed. Without --events half of the top
rate: as many as ingest counts while delight-load sends as fast as it can, all on this machine. Latencies are from when a request
was due. Turns of the loop are those of delightd_loop_turn_seconds during the endpoint's time; the longest stall is the daemon's own figure,
of the last minute or two."""
import argparse
import asyncio
import contextlib
import itertools
import multiprocessing
import os
import re
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

from harness import Broker, Daemon, Loader, RedisServer, config_for, poll  # noqa: E402

CONNECTIONS = 50
BOUNDS = ("0.01", "0.025", "0.05")


def endpoints():
    """{name: its addresses}: each path of the document, with what it has to be asked for, and the lists by kind."""
    found = {}
    for path, item in yaml.safe_load((ROOT / "config/openapi.yaml").read_text(encoding="utf-8"))["paths"].items():
        parameters = {parameter.get("name", parameter.get("$ref", "").rpartition("/")[2].lower()): parameter
                      for parameter in item["get"].get("parameters", [])}  # fmt: skip
        if "{file}" in path:
            found[path] = [path.replace("{file}", name) for name in parameters["file"]["schema"]["enum"]]
        elif "subject" in parameters:
            found[f"{path}?subject=all&window=1h"] = [f"{path}?subject=all&window=1h"]
        else:
            found[path] = [path]
        if "kind" in parameters:
            found[f"{path}?kind=touchpoint&window=1h"] = [f"{path}?kind=touchpoint&window=1h"]
    return found


async def read_answer(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(re.search(rb"content-length: (\d+)", head, re.IGNORECASE)[1])
    await reader.readexactly(length)
    return int(head.split(None, 2)[1]), length


async def one_request(reader, writer, path):
    """(status, bytes of the answer)"""
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return await read_answer(reader)


async def one_stream(port, path):
    """A stream, opened, greeted and closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    greeting = await reader.readuntil(b"\n\n") if b" 200 " in head else b""
    writer.close()
    return int(head.split(None, 2)[1]), len(greeting)


async def one_connection(port, addresses, dues, began, latencies, statuses):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for due, path in zip(dues, itertools.cycle(addresses)):
        await asyncio.sleep(max(0.0, began + due - time.monotonic()))
        status, length = await (one_stream(port, path) if path == "/api/stream" else one_request(reader, writer, path))
        latencies.append(time.monotonic() - began - due)
        statuses[status] = statuses.get(status, 0) + 1
        statuses["bytes"] = max(statuses.get("bytes", 0), length)
    writer.close()


async def steady(port, addresses, rate, seconds):
    latencies, statuses, began = [], {}, time.monotonic() + 0.2
    dues = [number / rate for number in range(rate * seconds)]
    turned = [addresses[n % len(addresses):] + addresses[:n % len(addresses)] for n in range(CONNECTIONS)]
    await asyncio.gather(*(one_connection(port, turned[n], dues[n::CONNECTIONS], began, latencies, statuses) for n in range(CONNECTIONS)))
    return sorted(latencies), statuses, time.monotonic() - began


def read_streams(port, count, received, stop):
    """In a process of its own: open streams, whose bytes are counted."""

    async def one():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while not stop.is_set():
            with contextlib.suppress(asyncio.TimeoutError):
                data = await asyncio.wait_for(reader.read(65536), 1)
                if not data:
                    return
                with received.get_lock():
                    received.value += len(data)
        writer.close()

    async def all_of_them():
        await asyncio.gather(*(one() for _ in range(count)))

    asyncio.run(all_of_them())


def scrape(port):
    text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20).read().decode()
    return {name: float(value) for name, value in re.findall(r"^([^# ]\S*?(?:\{[^}]*\})?) (\S+)$", text, re.MULTILINE)}


def turns_over(samples, bound):
    return samples["delightd_loop_turn_seconds_count"] - samples[f'delightd_loop_turn_seconds_bucket{{le="{bound}"}}']


def lag(samples):
    return sum(value for name, value in samples.items() if name.startswith("delightd_partition_lag_records"))


class Measured:
    """What happened between two scrapes."""

    def __init__(self, port):
        self.port, self.before, self.began = port, scrape(port), time.monotonic()

    def end(self):
        self.after, took = scrape(self.port), time.monotonic() - self.began
        rise = lambda name: self.after[name] - self.before[name]  # noqa: E731
        self.over = {bound: turns_over(self.after, bound) - turns_over(self.before, bound) for bound in BOUNDS}
        self.records = rise("delightd_records_total") / took
        self.busy = rise("delightd_loop_turn_seconds_sum") / took
        return self

    def cells(self):
        return (f"{' / '.join(f'{self.over[bound]:.0f}' for bound in BOUNDS)} | {1000 * self.after['delightd_loop_stall_seconds']:.1f} | "
                f"{100 * self.busy:.0f} | {self.records:.0f} | {lag(self.after):.0f}")  # fmt: skip


def row(name, addresses, port, arguments):
    """Prints it; returns (share of the requests that were answered well and in time, Measured)."""
    measured = Measured(port)
    if not addresses:
        time.sleep(arguments.seconds)
        print(f"| ({name}) | | | | | | {measured.end().cells()} |", flush=True)
        return 1.0, measured
    latencies, statuses, took = asyncio.run(steady(port, addresses, arguments.requests, arguments.seconds))
    measured.end()
    good, size = statuses.get(200, 0), statuses.pop("bytes")
    at = lambda share: 1000 * latencies[min(len(latencies) - 1, int(share * len(latencies)))]  # noqa: E731
    rate = good / max(took, arguments.seconds)
    print(f"| {name} | {size} | {rate:.0f} of {arguments.requests} | {at(0.5):.1f} | {at(0.99):.1f} | {1000 * latencies[-1]:.0f} | {measured.cells()} |",
          flush=True)  # fmt: skip
    if good != len(latencies):
        print(f"  {name}: {statuses}", file=sys.stderr)
    return rate / arguments.requests, measured


def top_rate(load, port, folder):
    """Records a second that ingest counts while more come than it can take, or as many as delight-load can send."""
    with Loader().start(folder, *load, "--seconds", 15, "--id-prefix", "top", name="top") as sending:
        poll(lambda: scrape(port)["delightd_records_total"] > 0, 60, "the first records")
        measured = Measured(port)
        time.sleep(10)
        rate = measured.end().records
        sending.wait(120)
    poll(lambda: lag(scrape(port)) == 0, 120, "everything to be counted")
    return rate


def measure(port, arguments, events):
    print("| path | bytes | answers/s | p50 ms | p99 ms | longest ms | turns over 10 / 25 / 50 ms | longest stall ms | loop busy % | records/s | lag |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    paths = endpoints()
    everything = list(itertools.chain.from_iterable(paths.values()))
    row("no requests", [], port, arguments)
    rows = [row(f"`{name}`", addresses, port, arguments) for name, addresses in paths.items()]
    rows.append(row("all of them in turn", everything, port, arguments))
    worst = min(share for share, _ in rows)
    stalls = sum(measured.over["0.05"] for _, measured in rows)
    slowest = min(measured.records for _, measured in rows)
    print(f"\nrequests: at least {100 * worst:.1f} % of {arguments.requests}/s answered with 200; ingest: at least {slowest:.0f} of {events} records/s, "
          f"lag at the end {lag(scrape(port)):.0f}; turns of the loop over 50 ms: {stalls:.0f}")  # fmt: skip


def run(arguments, broker, redis, folder):
    broker.create_topic("http", 4)
    # A stream that its client has closed counts until something is next written to it: hence so many.
    http = {"listen": "127.0.0.1:0", "connections": 6000, "streams": 5000, "scores": arguments.scores.split(",") if arguments.scores else []}
    config = config_for(broker, redis, "http", http=http, windows=["5m", "1h", "24h"], segments=["channel"],
                        batch_interval="100ms", publish_interval="250ms", kafka={"dead_letter_topic": ""})
    with Daemon(config, folder) as daemon:
        if arguments.nice:
            os.setpriority(os.PRIO_PROCESS, daemon.pid, arguments.nice)
        port = int(daemon.wait_log(r"serving HTTP.* port=(\d+)")[1])
        load = ["--brokers", broker.bootstrap, "--topic", "http", "--touchpoints", arguments.touchpoints, "--segments", "channel=app|web"]
        top = 0 if arguments.events else top_rate(load, port, folder)
        events = arguments.events or int(top / 2)
        with Loader().start(folder, *load, "--rate", events, "--seconds", 3600):
            poll(lambda: redis.client().scard("cx:subjects:touchpoint") > arguments.touchpoints * 0.7, 120, "most touchpoints", [daemon.log_path])
            received, stop = multiprocessing.Value("q"), multiprocessing.Event()
            streams = multiprocessing.Process(target=read_streams, args=(port, arguments.streams, received, stop), daemon=True)
            streams.start()
            poll(lambda: scrape(port)["delightd_http_streams"] == arguments.streams, 20, "the streams")
            print(f"{int(scrape(port)['delightd_subjects'])} subjects, {arguments.streams} streams, {events} events/s"
                  f"{f' (half of {top:.0f})' if top else ''}, load {open('/proc/loadavg').read().split()[0]}\n")  # fmt: skip
            measure(port, arguments, events)
            last = scrape(port)
            print(f"streams: {int(last['delightd_http_streams'])} open, {int(last['delightd_http_streams_dropped_total'])} dropped, {received.value / 1e6:.1f} MB received")
            stop.set()
            streams.join(5)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=500, help="a second, for each endpoint in turn")
    parser.add_argument("--streams", type=int, default=100)
    parser.add_argument("--events", type=int, help="a second; default: half of the top rate, which is measured first")
    parser.add_argument("--seconds", type=int, default=10, help="for each endpoint")
    parser.add_argument("--touchpoints", type=int, default=1000)
    parser.add_argument("--scores", default="", help="http.scores, as nps,csat; none by default, as in delightd")
    parser.add_argument("--nice", type=int, default=0, help="of delightd: below 0, as root, on a machine that is busy with other things")
    arguments = parser.parse_args()
    with Broker() as broker, RedisServer() as redis, tempfile.TemporaryDirectory() as folder:
        run(arguments, broker, redis, folder)


if __name__ == "__main__":
    main()
