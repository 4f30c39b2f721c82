#!/usr/bin/python3
"""What each further counting process costs under a fixed load: processor time, transactions, and the scorer's work.

    bench/scale_out.py [--rate R] [--seconds S] [--rounds N] [--processes 1,2,3,4] [--batch-interval 100ms]

One process scores, N count ([ingest]) 24 partitions. Processor seconds of all, transactions and records of cx.tallies, over S seconds
of a steady load. --batch-interval 10ms makes as many batches as ten times the processes would."""
import argparse
import statistics
import tempfile
import time
from contextlib import ExitStack

from deployment import JAVA, Broker, Deployment, Loader, RedisServer, cell, cpu_seconds, machine, poll, say, table


def measure(broker, name, processes, arguments):
    with RedisServer() as redis, tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        deployment = Deployment(broker, redis, folder, name, partitions=24, windows=["5m", "1h", "24h"],
                                batch_interval=arguments.batch_interval)  # fmt: skip
        scorer = stack.enter_context(deployment.daemon("scorer", roles=["score"]))
        counting = [stack.enter_context(deployment.daemon(f"ingest-{n}", roles=["ingest"])) for n in range(processes)]
        scorer.wait_log("caught up: publishing", timeout=60)
        loads = ["--brokers", broker.bootstrap, "--topic", deployment.source, "--touchpoints", 100, "--compression", "lz4"]
        stack.enter_context(Loader().start(folder, *loads, "--rate", arguments.rate, "--count", arguments.rate * 3600))
        share = 24 // processes
        for daemon in counting:
            daemon.wait_log(f"has assigned partitions\" partitions=({share}|{share + 1}) ", timeout=60)
        poll(lambda: deployment.published("24h") > 3 * arguments.rate, 60, "the load to come in", [scorer.log_path])

        def figures():
            return {
                "moment": time.monotonic(),
                "events": deployment.published("24h"),
                "end": deployment.end_of_tallies(),
                "ingest": sum(daemon.cpu_seconds() for daemon in counting),
                "scorer": scorer.cpu_seconds(),
                "broker": cpu_seconds(*broker.pids()),
            }

        before = figures()
        time.sleep(arguments.seconds)  # A rate needs an interval.
        after = figures()
        found = {key: after[key] - before[key] for key in before}
        stack.close()  # While more comes there is no end to be read to.
        kept = broker.consume_all(deployment.tallies)
        records = sum(before["end"] <= record.offset < after["end"] for record in kept)
        batches = found["end"] - records  # each transaction ends with a marker of its own
        seconds, events = found["moment"], found["events"]
        result = {"batches": batches / seconds, "records": records / seconds, "rate": events / seconds}
        for part in ("ingest", "scorer", "broker"):
            result[part] = 1e6 * found[part] / events
        result["scorer_share"] = 100 * found["scorer"] / seconds
        result["broker_share"] = 100 * found["broker"] / seconds
        say(f"{name}: " + ", ".join(f"{key} {value:.1f}" for key, value in result.items()))
        return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=3000)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--processes", default="1,2,3,4")
    parser.add_argument("--batch-interval", default="100ms")
    arguments = parser.parse_args()
    counts = [int(word) for word in arguments.processes.split(",")]
    found = {count: [] for count in counts}
    with Broker(java_options=JAVA) as broker:
        measure(broker, "warm-up", counts[-1], arguments)  # Of the broker's compiler; not counted.
        for number in range(arguments.rounds):
            for count in counts:
                found[count].append(measure(broker, f"p{count}-{number}", count, arguments))

    def row(what, key, form="%.0f"):
        return [what, *(cell([one[key] for one in found[count]], form) for count in counts)]

    table(
        [f"{arguments.rate} events/s, batch_interval {arguments.batch_interval}, processes that count:", *counts],
        [
            row("events a second", "rate"),
            row("transactions (batches) a second into `cx.tallies`", "batches", "%.1f"),
            row("records a second", "records", "%.1f"),
            row("processor seconds per million events: all that count", "ingest", "%.1f"),
            row("… the scorer", "scorer", "%.1f"),
            row("… the broker", "broker", "%.1f"),
            row("the scorer's share of a core, %", "scorer_share", "%.1f"),
            row("the broker's, %", "broker_share", "%.1f"),
        ],
    )
    if len(counts) > 1:
        middle = {count: {key: statistics.median(one[key] for one in found[count]) for key in found[count][0]} for count in counts}
        few, many = middle[counts[0]], middle[counts[-1]]
        more = many["batches"] - few["batches"]
        for part in ("scorer", "broker"):
            used = 10 * (many[part + "_share"] - few[part + "_share"]) / more
            print(f"\nEach further batch costs the {part} {used:.2f} ms of processor time.")
        each = (many["ingest"] - few["ingest"]) * arguments.rate / 1e6 / (counts[-1] - counts[0])
        print(f"\nEach further process that counts costs {100 * each:.1f} % of a core by being there.")
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
