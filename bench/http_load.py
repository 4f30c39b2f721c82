#!/usr/bin/python3
"""Every HTTP endpoint at a steady rate, with streams open and events coming in: answers, latencies, and how long the loop stalls.

    bench/http_load.py [--requests 500] [--streams 100] [--events 6000] [--seconds 10] [--touchpoints 1000] [--scores nps]

Starts a real broker, a real Redis, delightd and delight-load, and prints Markdown. Latencies are from when a request was due.
Turns of the loop are those of delightd_loop_turn_seconds during the endpoint's time."""
import argparse
import asyncio
import contextlib
import multiprocessing
import os
import re
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

from harness import Broker, Daemon, Loader, RedisServer, config_for, poll  # noqa: E402

CONNECTIONS = 50


async def read_answer(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(re.search(rb"content-length: (\d+)", head, re.IGNORECASE)[1])
    await reader.readexactly(length)
    return int(head.split(None, 2)[1]), length


async def one_connection(port, path, dues, began, latencies, statuses):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for due in dues:
        await asyncio.sleep(max(0.0, began + due - time.monotonic()))
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        status, length = await read_answer(reader)
        latencies.append(time.monotonic() - began - due)
        statuses[status] = statuses.get(status, 0) + 1
        statuses["bytes"] = length
    writer.close()


async def steady(port, path, rate, seconds):
    latencies, statuses, began = [], {}, time.monotonic() + 0.2
    dues = [number / rate for number in range(rate * seconds)]
    await asyncio.gather(*(one_connection(port, path, dues[n::CONNECTIONS], began, latencies, statuses) for n in range(CONNECTIONS)))
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


def quiet(port, arguments):
    """The loop without requests, for comparison."""
    before, began = scrape(port), time.monotonic()
    time.sleep(arguments.seconds)
    after = scrape(port)
    print(f"| (no requests) | | | | | | {loop(before, after)} | {(after['delightd_records_total'] - before['delightd_records_total']) / (time.monotonic() - began):.0f} |", flush=True)


def loop(before, after):
    over = {bound: turns_over(after, bound) - turns_over(before, bound) for bound in ("0.01", "0.025", "0.05")}
    busy = after["delightd_loop_turn_seconds_sum"] - before["delightd_loop_turn_seconds_sum"]
    return f"{over['0.01']:.0f} / {over['0.025']:.0f} / {over['0.05']:.0f} | {1000 * after['delightd_loop_stall_seconds']:.1f} | {busy:.2f}"


def row(path, port, arguments):
    before = scrape(port)
    latencies, statuses, took = asyncio.run(steady(port, path, arguments.requests, arguments.seconds))
    after = scrape(port)
    good, size = statuses.get(200, 0), statuses.pop("bytes")
    at = lambda share: 1000 * latencies[min(len(latencies) - 1, int(share * len(latencies)))]  # noqa: E731
    records = (after["delightd_records_total"] - before["delightd_records_total"]) / took
    print(f"| `{path}` | {size} | {good / took:.0f} of {arguments.requests} | {at(0.5):.1f} | {at(0.99):.1f} | {1000 * latencies[-1]:.0f} | "
          f"{loop(before, after)} | {records:.0f} |", flush=True)


def run(arguments, broker, redis, folder):
    broker.create_topic("http", 4)
    http = {"listen": "127.0.0.1:0", "connections": 1000, "streams": 500, "scores": arguments.scores.split(",") if arguments.scores else []}
    config = config_for(broker, redis, "http", http=http, windows=["5m", "1h", "24h"], segments=["channel"],
                        batch_interval="100ms", publish_interval="250ms", kafka={"dead_letter_topic": ""})
    with Daemon(config, folder) as daemon:
        if arguments.nice:
            os.setpriority(os.PRIO_PROCESS, daemon.pid, arguments.nice)
        port = int(daemon.wait_log(r"serving HTTP.* port=(\d+)")[1])
        load = ["--brokers", broker.bootstrap, "--topic", "http", "--rate", arguments.events, "--seconds", 3600, "--touchpoints", arguments.touchpoints,
                "--segments", "channel=app|web"]
        with Loader().start(folder, *load):
            poll(lambda: redis.client().scard("cx:subjects:touchpoint") > arguments.touchpoints * 0.7, 120, "most touchpoints", [daemon.log_path])
            received, stop = multiprocessing.Value("q"), multiprocessing.Event()
            streams = multiprocessing.Process(target=read_streams, args=(port, arguments.streams, received, stop), daemon=True)
            streams.start()
            poll(lambda: scrape(port)["delightd_http_streams"] == arguments.streams, 20, "the streams")
            print(f"{int(scrape(port)['delightd_subjects'])} subjects, {arguments.streams} streams, {arguments.events} events/s, load {open('/proc/loadavg').read().split()[0]}\n")
            print("| path | bytes | answers/s | p50 ms | p99 ms | longest ms | turns over 10 / 25 / 50 ms | longest stall ms | seconds of work | records/s |")
            print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
            quiet(port, arguments)
            for path in ("/livez", "/readyz", "/metrics", "/api/subjects", "/api/scores?subject=all", "/api/scores?kind=touchpoint&window=1h", "/api/trend?subject=all&window=1h"):
                row(path, port, arguments)
            last = scrape(port)
            print(f"\nstreams: {int(last['delightd_http_streams'])} open, {int(last['delightd_http_streams_dropped_total'])} dropped, {received.value / 1e6:.1f} MB received")
            stop.set()
            streams.join(5)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=500, help="a second, for each endpoint in turn")
    parser.add_argument("--streams", type=int, default=100)
    parser.add_argument("--events", type=int, default=6000, help="a second")
    parser.add_argument("--seconds", type=int, default=10, help="for each endpoint")
    parser.add_argument("--touchpoints", type=int, default=1000)
    parser.add_argument("--scores", default="", help="http.scores, as nps,csat; none by default, as in delightd")
    parser.add_argument("--nice", type=int, default=0, help="of delightd: below 0, as root, on a machine that is busy with other things")
    arguments = parser.parse_args()
    with Broker() as broker, RedisServer() as redis, tempfile.TemporaryDirectory() as folder:
        run(arguments, broker, redis, folder)


if __name__ == "__main__":
    main()
