"""The benchmark suite; started by bench/run.sh.

Runs that are in the results already, of this commit with these sizes, are not run again: what was interrupted goes on, and
--rounds can be raised later. Results: runs.jsonl, table.md and candidates.svg in a folder outside the repository (--results).
"""

import argparse
import signal
import sys
import time

import plan as plans
import report
from store import Store, commit, default_folder, key_of

QUICK = {"events": 100_000, "peer_events": 50_000, "check_events": 20_000, "rounds": 1, "latency_rounds": 1, "seconds": 3}


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def parse(words):
    parser = argparse.ArgumentParser(prog="bench/run.sh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--figures", metavar="LIST", help=f"of {', '.join(plans.FIGURES)} (1, 2 and 4 are the candidates); default all")
    parser.add_argument("--candidates", metavar="LIST", help=f"of {', '.join(plans.CANDIDATES)}; default all")
    parser.add_argument("--events", type=int, default=2_000_000, help="in the topics (%(default)s)")
    parser.add_argument("--peer-events", type=int, default=1_000_000, help="after which other candidates than delightd stop (%(default)s)")
    parser.add_argument("--check-events", type=int, default=200_000, help="in the topic that is compared with the recount (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="of everything but figure 8 (%(default)s)")
    parser.add_argument("--latency-rounds", type=int, default=1, help="of figure 8 (%(default)s)")
    parser.add_argument("--seconds", type=int, default=30, help="of probes in each round of figure 8 (%(default)s)")
    parser.add_argument("--rate", type=int, help="events a second beside them (default: half of the top rate, which is measured first)")
    parser.add_argument("--broker-cores", default="0", metavar="LIST", help="for the broker and Redis, as 0,2-3 (%(default)s)")
    parser.add_argument("--candidate-cores", default="0-1", metavar="LIST", help="for what is measured (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that all of it works; what is given beside it holds")
    parser.add_argument("--no-resume", dest="resume", action="store_false", help="run everything again")
    parser.add_argument("--results", metavar="FOLDER", default=default_folder(), help="(%(default)s)")
    parser.add_argument("--report", action="store_true", help="run nothing: print the table of what these options have in the results")
    if "--quick" in words:
        parser.set_defaults(**QUICK)
    return parser.parse_args(words)


def left(runs, store):
    return sum(store.expected(run.figure, run.variant, run.seconds) for run in runs)


def run_all(arguments, store, commit_id, runs):
    """Runs what is missing; returns the sentences about what could not be run."""
    from bed import WARM_UPS, Bed, HarnessError, cores_of
    from peers import NAMES, Missing

    keys = {id(run): key_of(commit_id, run.figure, run.variant, run.number, run.parameters) for run in runs}
    missing = [run for run in runs if not (arguments.resume and keys[id(run)] in store.by_key)]
    say(f"{len(runs)} runs, {len(runs) - len(missing)} done before; about {left(missing, store) / 60:.0f} min; results: {store.folder}")
    absent = {}
    if not missing:
        return absent
    with Bed(cores_of(arguments.broker_cores), cores_of(arguments.candidate_cores)) as bed:
        if any("events" in run.parameters and run.figure != "check" for run in missing):
            say(f"warming the broker up: {WARM_UPS} re-reads in kafka mode")
            bed.warm_up(arguments.events)
        for number, run in enumerate(missing):
            if run.variant in absent:
                continue
            begun = time.monotonic()
            done = [store.by_key[keys[id(r)]] for r in runs if keys[id(r)] in store.by_key]
            try:
                result = plans.execute(bed, run, done)
            except (Missing, HarnessError) as reason:
                if run.variant not in NAMES:
                    raise
                absent[run.variant] = str(reason)
                say(f"left out: {run.variant}: {reason}")
                continue
            store.add(keys[id(run)], commit_id, run, result, time.monotonic() - begun)
            shown = "  ".join(f"{name} {value:.6g}" if isinstance(value, float) else f"{name} {value}" for name, value in result.items())
            say(f"[{number + 1}/{len(missing)}, {left(missing[number + 1:], store) / 60:.1f} min left] {run.title()}: {shown}")
    return absent


def main():
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit("run.sh: interrupted; the same command goes on"))  # Ends broker, Redis and candidate.
    arguments = parse(sys.argv[1:])
    store, commit_id, runs = Store(arguments.results), commit(), plans.plan(arguments)
    absent = {} if arguments.report else run_all(arguments, store, commit_id, runs)
    keys = {key_of(commit_id, run.figure, run.variant, run.number, run.parameters) for run in runs}
    records = [store.by_key[key] for key in store.by_key if key in keys]
    if not records:
        raise SystemExit(f"nothing of {commit_id} with these sizes in {store.path}")
    text = report.markdown(records, absent)
    print(text)
    if not arguments.report:
        store.folder.mkdir(parents=True, exist_ok=True)
        (store.folder / "table.md").write_text(text + "\n")
        (store.folder / "candidates.svg").write_text(report.plot(records))
        say(f"{store.folder}/table.md, candidates.svg")
    if any(r["figure"] == "check" and not r["result"]["equal"] for r in records):
        raise SystemExit("run.sh: a candidate's scores are not the recount's; see above")


if __name__ == "__main__":
    main()
