"""bench/run.sh without its measurements: what it would run, what it keeps, and what it makes of results."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from harness import Daemon, config_for
from harness.daemon import program

pytestmark = pytest.mark.release_only
ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "bench" / "suite"))

import live  # noqa: E402
import main as suite  # noqa: E402
import plan  # noqa: E402
import report  # noqa: E402
import store  # noqa: E402


def run_sh(*words):
    return subprocess.run([ROOT / "bench" / "run.sh", *words], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("name", ["delightd", "noop-consumer"])
def test_what_is_compared_has_jemalloc(name):
    """glibc's malloc takes twice as long for records that one thread allocates and another frees: both have the other one, or neither
    figure means anything. A linker leaves out what it believes nobody needs."""
    path = program("delightd", "DELIGHTD").with_name(name)
    loaded = subprocess.run(["ldd", path], capture_output=True, text=True, timeout=60, check=True).stdout
    assert "libjemalloc.so.2 => /" in loaded


def record(figure, variant, number, **result):
    return {"figure": figure, "variant": variant, "round": number, "result": result, "commit": "c0ffee", "load": 0.5 + number,
            "parameters": {"events": 1000}}  # fmt: skip


def reread(variant, number, wall, processor, figure="candidates", **more):
    return record(figure, variant, number, records=1000, wall=wall, processor=processor, broker_processor=0.0005, **more)


RECORDS = [
    reread("no-op consumer", 0, 1.0, 0.001, busiest=0.95),
    reread("no-op consumer", 1, 2.0, 0.001, busiest=0.97),
    # Its start takes half of the wall time.
    reread("memory mode", 0, 4.0, 0.002, warm_records=1000, warm_wall=2.0, warm_processor=0.002),
    reread("memory mode", 1, 4.0, 0.004, warm_records=1000, warm_wall=2.0, warm_processor=0.004),
    # As a whole it takes 30 s of processor; warmed up, 20 for half of the records: ten times memory mode's in the first round.
    reread("flink", 0, 40.0, 0.03, warm_records=500, warm_wall=10.0, warm_processor=0.01),
    reread("flink", 1, 40.0, 0.03, warm_records=500, warm_wall=10.0, warm_processor=0.01),
    record("check", "memory mode", 0, equal=True),
    record("check", "flink", 0, equal=False),
    reread("100 touchpoints", 0, 1.0, 0.001, figure="5"),
    reread("100,000 touchpoints", 0, 2.0, 0.001, figure="5"),
    reread("no-op consumer", 0, 1.0, 0.001, figure="re-read"),
    reread("kafka mode", 0, 4.0, 0.001, figure="re-read"),
    record("8", "memory mode, 5 ms", 0, reached=1234.5, p50=9.0, p99=29.0, **{"p99.9": 61.0}, cores={"broker": 0.25},
           stages={"sent to acknowledged": {"p50": 1.5, "p99": 3.25}, "batch": {"p50": 5.0, "p99": None}}),
    record("10", "memory mode", 0, rate=750000.0, commands_per_second=1500.0, events_per_command=500.0),
]


def rows(text):
    return {cells[1]: cells[2:-1] for cells in ([word.strip() for word in line.split("|")] for line in text.splitlines()) if len(cells) > 3}


def test_the_table_pairs_rounds():
    text = report.markdown(RECORDS, {"quixstreams": "no pip"})
    table = rows(text)
    # events/s whole and warm, CPU seconds per million whole and warm, the broker's, beside the no-op consumer and memory mode, right
    assert table["memory mode"] == ["250 (250 … 250)", "3.00 (2.00 … 4.00)", "500 (500 … 500)", "3.00 (2.00 … 4.00)", "0.50 (0.50 … 0.50)",
                                    "0.75 (0.50 … 1.00)", "1.00 (1.00 … 1.00)", "yes"]  # fmt: skip
    assert table["flink"] == ["25 (25 … 25)", "30.00 (30.00 … 30.00)", "50 (50 … 50)", "20.00 (20.00 … 20.00)", "0.50 (0.50 … 0.50)",
                              "0.08 (0.05 … 0.10)", "7.50 (5.00 … 10.00)", "**no**"]  # fmt: skip
    assert "Left out: quixstreams: no pip" in text
    assert "Busiest thread of the no-op consumer: 0.96 (0.95 … 0.97) of the time." in text
    assert "| 5 | events/s, 100,000 touchpoints / 100 touchpoints | 0.50 | ≥ 0.8 | no |" in text
    assert "|  | events/s, kafka mode / no-op consumer, event times over an hour | 0.25 |  |  |" in text
    assert "| 8 | event to Redis at 1234 events/s, memory mode, 5 ms: p50 / p99 / p99.9 | 9 / 29 / 61 ms | 10 / 30 / 60 ms | no |" in text
    assert "| 10 | events per Redis command, at 750000 events/s | 500 | ≥ 100 | yes |" in text
    assert "| 4 | events per CPU second, memory mode / flink | 7.5 (5.0 … 10.0) | ≥ 15 | no |" in text
    assert "| 1 | events/s, memory mode / no-op consumer, its start included | 0.38 (0.25 … 0.50) | ≥ 0.85 | no |" in text
    assert "| 1 | events/s, memory mode / no-op consumer, from when it reads | 0.75 (0.50 … 1.00) | ≥ 0.85 | no |" in text
    assert "| 1 | CPU added per event, memory mode | 2000 (1000 … 3000) ns | ≤ 150 ns | no |" in text
    assert "load average 0.5 to 1.5" in text
    assert "| memory mode, 5 ms | 1.5 / 3.25 | 5 / - | broker 0.25 |" in text


def test_runs_whose_cores_were_far_apart_stand_apart():
    def pair(number, distance, other_distance, wall):
        return [reread("no-op consumer", number, 1.0, 0.001, busiest=0.95, distance=distance),
                reread("memory mode", number, wall, 0.002, distance=other_distance)]  # fmt: skip

    same = [*pair(0, 50, 80, 2.0), *pair(1, 75, 51, 2.0)]
    text = report.markdown(same, {})
    assert "not always equally near" not in text
    assert text.count("| 1 | events/s, memory mode / no-op consumer, from when it reads |") == 1
    # In the second round the no-op consumer's cores were far from each other, in the third memory mode's.
    text = report.markdown([*pair(0, 50, 80, 2.0), *pair(1, 350, 70, 1.0), *pair(2, 60, 340, 10.0)], {})
    assert "in 50 to 80 ns in 4 runs, and in 340 to 350 ns in 2." in text
    found = [line for line in text.splitlines() if line.startswith("| 1 | events/s, memory mode / no-op consumer, from when it reads |")]
    assert ["0.50 (0.10 … 1.00)" in found[0], "| 0.50 |" in found[1], len(found)] == [True, True, 2]


def test_the_distance_of_cores_is_measured():
    distance = program("delightd", "DELIGHTD").with_name("core-distance")
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) == 2:
        done = subprocess.run([distance, *map(str, cores)], capture_output=True, text=True, timeout=60, check=True)
        assert int(done.stdout) > 0
    assert subprocess.run([distance, "0"], capture_output=True, timeout=60, check=False).returncode == 2
    assert subprocess.run([distance, "0", "100000"], capture_output=True, timeout=60, check=False).returncode == 1


def test_an_idle_no_op_consumer_is_said():
    text = report.markdown([reread("no-op consumer", 0, 1.0, 0.001, busiest=0.5)], {})
    assert "the broker is being measured" in text


def test_a_share_of_a_histogram():
    before = {0.01: 5, 0.1: 7, float("inf"): 7}
    after = {0.01: 6, 0.1: 17, float("inf"): 18}
    # Eleven in between: one up to 10 ms, nine up to 100 ms, one above.
    assert [live._bound_ms(before, after, share) for share in (5, 50, 90, 99)] == [10, 100, 100, float("inf")]
    assert live._bound_ms(before, before, 50) is None


def test_every_probe_is_read(broker, redis_server, topic, tmp_path):
    config = config_for(broker, redis_server, topic, windows=["1h"], batch_interval="5ms", publish_interval="5ms")
    with Daemon(config, tmp_path) as daemon:
        daemon.wait_log("caught up: publishing", timeout=60)
        words = [sys.executable, live.PROBE, broker.bootstrap, topic, redis_server.port, 1]
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["read"]
    assert len(told["read"]) == len(told["acknowledged"]) == len(told["late"])
    assert None not in told["acknowledged"]
    # One more: the first is not measured.
    assert redis_server.client().hget("cx:{touchpoint:bench-probe}:1h", "events") == str(len(told["read"]) + 1)


def test_the_plot_is_an_svg_to_scale():
    root = ElementTree.fromstring(report.plot(RECORDS))
    bars = [element for element in root.iter("{http://www.w3.org/2000/svg}rect") if element.get("height") == "18"]
    # Two panels of three candidates; by wall second the no-op consumer's 750 beside memory mode's 500.
    widths = [float(bar.get("width")) for bar in bars]
    assert len(widths) == 6
    assert widths[0] / widths[1] == pytest.approx(1.5, rel=0.01)
    assert ElementTree.fromstring(report.plot([])).tag.endswith("svg")


def test_candidates_take_turns():
    runs = plan.plan(suite.parse(["--quick", "--rounds", "2", "--figures", "2,7", "--candidates", "no-op consumer,memory mode"]))
    assert [(run.figure, run.variant) for run in runs] == [
        ("check", "memory mode"), ("candidates", "no-op consumer"), ("candidates", "memory mode"), ("candidates", "memory mode"),
        ("candidates", "no-op consumer"), ("7", "without checkpoints"), ("7", "checkpoints every 1 s"), ("7", "checkpoints every 1 s"),
        ("7", "without checkpoints"),
    ]  # fmt: skip
    assert {run.parameters["events"] for run in runs} == {suite.QUICK["events"], suite.QUICK["check_events"]}
    with pytest.raises(SystemExit, match="no candidate 'storm'"):
        plan.plan(suite.parse(["--candidates", "storm"]))


def test_results_are_kept_line_by_line(tmp_path):
    kept = store.Store(tmp_path / "results")
    run = plan.Run("5", "100 touchpoints", 1, {"events": 7})
    key = store.key_of("c0ffee", run.figure, run.variant, run.number, run.parameters)
    kept.add(key, "c0ffee", run, {"wall": 1.5}, 2)
    with open(kept.path, "a") as file:
        file.write('{"key": "cut o')
    again = store.Store(tmp_path / "results")
    assert again.by_key[key]["result"] == {"wall": 1.5}
    assert again.expected("5", "100 touchpoints", 9) == 2
    # Another commit, or other sizes, is another run.
    others = [store.key_of(commit, run.figure, run.variant, 1, {"events": events}) for commit, events in (("beef", 7), ("c0ffee", 8))]
    assert len({key, *others}) == 3


def test_help_and_an_empty_report(tmp_path):
    done = run_sh("--help")
    assert (done.returncode, "--figures" in done.stdout) == (0, True)
    done = run_sh("--report", "--results", str(tmp_path))
    assert done.returncode == 1
    assert "nothing of" in done.stderr


def test_a_report_of_what_is_there(tmp_path):
    arguments = suite.parse(["--quick", "--figures", "10"])
    (run,) = plan.plan(arguments)
    commit = store.commit()
    key = store.key_of(commit, run.figure, run.variant, run.number, run.parameters)
    line = {**RECORDS[-1], "key": key, "commit": commit, "parameters": run.parameters}
    (tmp_path / "runs.jsonl").write_text(json.dumps(line) + "\n")
    done = run_sh("--report", "--quick", "--figures", "10", "--results", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "| 10 | events per Redis command, at 750000 events/s | 500 | ≥ 100 | yes |" in done.stdout
