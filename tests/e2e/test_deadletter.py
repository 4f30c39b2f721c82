"""delightd deadletter: what is no event, counted, shown and sent again."""

import re
import signal

import pytest
import yaml
from feedback import dead_letters, now_ms, scores, survey, text, wait_score
from harness import Daemon, Process, Record, config_for, free_port, merge, poll, run_delightd
from harness.daemon import program
from kafka_mode import KafkaMode


class Topics:
    """An input topic and its dead-letter topic, and the command over them.

    whole: with those of kafka mode, for a daemon. source: settings of the input topic.
    """

    def __init__(self, broker, redis, new_topic, tmp_path, whole=False, source=None, **extra):
        self.broker, self.path = broker, tmp_path / "command.yaml"
        if whole:
            mode = KafkaMode(broker, redis, new_topic, partitions=2, **extra)
            self.source, self.dead, self.config = mode.source, mode.dead, mode.config()
        else:
            self.source, self.dead = new_topic(partitions=2, name="in", config=source), new_topic(partitions=2, name="dead")
            sections = {"kafka": {"dead_letter_topic": self.dead}, "windows": ["1h"], "durability": "kafka"}
            self.config = config_for(broker, redis, self.source, **merge(sections, extra))
        self.path.write_text(yaml.safe_dump(self.config))

    def run(self, *arguments, expect=0):
        done = run_delightd("deadletter", "-c", self.path, *arguments)
        assert done.returncode == expect, done.stdout + done.stderr
        return done

    def write_letters(self, letters):
        """Records as the daemon writes them to the dead-letter topic: (partition, value, reason, more)."""
        records = []
        for number, (partition, value, reason, more) in enumerate(letters):
            errors = {"topic": self.source, "partition": "0", "offset": str(number), "timestamp": str(now_ms()), "reason": reason}
            errors |= {"detail": "why"} | more.get("errors", {})
            headers = more.get("headers", []) + [(f"__delightd.errors.{name}", text) for name, text in errors.items()]
            records.append(Record(value, key=more.get("key"), partition=partition, headers=headers))
        # As the daemon does in kafka mode: the end of a transaction has an offset, too, and is written a little later.
        with self.broker.transaction(f"writer-of-{self.dead}") as producer:
            self.broker.produce(self.dead, records, producer=producer)
        end = len(records) + len({record.partition for record in records})
        poll(lambda: sum(high for _, high in self.broker.watermarks(self.dead).values()) == end, 20, "the ends of the transaction")


def reasons(done):
    """{reason: the numbers of its row}"""
    rows = [line.split() for line in done.stdout.splitlines() if re.match(r"[a-z_]+ +\d+ +\d+", line)]
    return {row[0]: tuple(int(number) for number in row[1:4] if number.isdigit()) for row in rows}


def next_places(done):
    return re.search(r"--from (\S+)$", done.stdout, re.MULTILINE).group(1)


def test_letters_are_counted_shown_and_sent_again_once_after_a_fix(broker, redis_server, new_topic, tmp_path):
    catalogue = {"journeys": [{"name": "buy", "stages": [{"name": "pay", "touchpoints": ["till"]}]}], "unknown_touchpoint": "deadletter"}
    topics = Topics(broker, redis_server, new_topic, tmp_path, whole=True, catalogue=catalogue, windows=["1h"])
    happened_ms = now_ms() - 600_000
    with Daemon(topics.config, tmp_path) as daemon:
        lost = [
            Record(survey("kiosk"), key="k1", partition=1, timestamp_ms=happened_ms, headers=[("trace", "t\x1b[31m1")]),
            Record(survey("kiosk"), key="k2", partition=0, timestamp_ms=happened_ms),
        ]
        broker.produce(topics.source, [*lost, Record(b'{"a\x07\xff\n', key=b"\x00", partition=0), Record(survey("till"), partition=0)])
        wait_score(daemon, redis_server, "touchpoint:till", "nps_n", 1)
        # The partitions are read one after the other.
        daemon.wait_until(lambda: len(broker.consume_all(topics.dead)) == 3, 30, "three dead letters")

        listed = topics.run()
        assert {name: row[0] for name, row in reasons(listed).items()} == {"unknown_touchpoint": 2, "not_json": 1}, listed.stdout
        assert listed.stdout.startswith(f"{topics.dead}: 3 dead letters in 2 partitions\n")
        shown = topics.run("--show").stdout
        assert "\x1b" not in shown and "\x07" not in shown and "header     trace: t\\x1B[31m1" in shown
        assert 'value      {"a\\x07\\xFF\\n\n' in shown and "key        \\x00\n" in shown
        assert f"from       {topics.source} 1:0" in shown and shown.endswith("3 of 3 dead letters\n")
        one = topics.run("--show", "1", "--reason", "not_json").stdout
        assert one.endswith("1 of 1 dead letters\n") and one.count("reason     ") == 1

        # The fix: the catalogue knows the touchpoint.
        catalogue["journeys"][0]["stages"][0]["touchpoints"].append("kiosk")
        assert daemon.stop() == 0
        daemon.write_config(topics.config)
        daemon.start()
        choice = ["--resend", "--from", "beginning", "--reason", "unknown_touchpoint"]
        dry = topics.run(*choice, "--dry-run")
        assert dry.stdout.count(f"would go to {topics.source} partition") == 2
        assert sum(high for _, high in broker.watermarks(topics.source).values()) == 4
        sent = topics.run(*choice)
        assert reasons(sent) == {"unknown_touchpoint": (2, 0)} and "2 of 2 dead letters sent" in sent.stdout
        wait_score(daemon, redis_server, "touchpoint:kiosk", "nps_n", 2)
        assert scores(redis_server, "all")["events"] == "3"

        again = {record.key: record for record in broker.consume_all(topics.source) if record.header("__delightd.resent.from")}
        assert set(again) == {b"k1", b"k2"}
        for record in lost:
            copy = again[record.key.encode()]
            assert copy.value == text(record.value).encode() and copy.partition == record.partition
            assert copy.timestamp_ms == happened_ms
            assert [name for name, _ in copy.headers] == ["__delightd.resent.from"] + [name for name, _ in record.headers]
            assert re.fullmatch(rf"{re.escape(topics.dead)}:\d+:\d+", copy.header("__delightd.resent.from"))

        # Going on where it said sends none twice; what was sent again and failed again can be told.
        onward = topics.run("--resend", "--from", next_places(sent))
        assert "0 of 0 dead letters sent" in onward.stdout
        topics.run("--resend", "--from", "beginning", "--reason", "not_json")
        poll(lambda: len(dead_letters(broker, topics.dead)) == 4, 20, "the letter that failed again", [daemon.log_path])
        assert reasons(topics.run("--from", next_places(sent))) == {"not_json": (1, 0, 1)}
        assert "resent     before, from " in topics.run("--show", "--from", next_places(sent)).stdout


def test_what_is_cut_or_of_another_topic_is_refused_and_counted(broker, redis_server, new_topic, tmp_path):
    topics = Topics(broker, redis_server, new_topic, tmp_path)
    cut = {"errors": {"detail": "byte 3; value cut from 20 to 4 bytes"}}
    bare = {"errors": {"detail": "byte 3; value cut from 20 to 0 bytes; key and headers left out"}}
    other = {"errors": {"topic": "somebody-elses"}}
    letters = [(0, "whole", "not_json", {}), (0, "cut", "not_json", cut), (1, None, "too_large", bare), (1, "other", "no_answer", other)]
    topics.write_letters(letters)
    broker.produce(topics.dead, [Record("not a letter", partition=0)])
    listed = topics.run()
    assert reasons(listed) == {"not_json": (2, 1, 0), "too_large": (1, 1, 0), "no_answer": (1, 0, 0)}
    assert "1 other records were not written by delightd" in listed.stdout
    sent = topics.run("--resend", "--from", "beginning", expect=1)
    assert "1 of 4 dead letters sent, 3 cannot be sent" in sent.stdout
    assert sent.stderr.count("cannot be sent: it was cut") == 2 and sent.stderr.count("not one of kafka.topics") == 1
    assert [record.value for record in broker.consume_all(topics.source)] == [b"whole"]


@pytest.mark.release_only
def test_a_choice_is_made_by_place_time_and_reason(broker, redis_server, new_topic, tmp_path):
    topics = Topics(broker, redis_server, new_topic, tmp_path)
    topics.write_letters([(number % 2, f"v{number}", "not_json" if number < 6 else "bad_time", {}) for number in range(10)])

    def chosen(*arguments):
        done = topics.run("--resend", "--dry-run", *arguments)
        return set(re.findall(r"^(\d:\d) would", done.stdout, re.MULTILINE)), next_places(done) if "--from" in done.stdout else None

    everything = {f"{partition}:{offset}" for partition in (0, 1) for offset in range(5)}
    end = ",".join(f"{partition}:{high}" for partition, (_, high) in sorted(broker.watermarks(topics.dead).items()))
    assert end == "0:6,1:6"
    assert chosen("--from", "beginning") == (everything, end)
    assert chosen("--from", "0:3") == ({"0:3", "0:4"} | {f"1:{offset}" for offset in range(5)}, end)
    assert chosen("--from", "0:3,1:2", "--to", "0:4,1:3") == ({"0:3", "1:2"}, "0:4,1:3")
    assert chosen("--only", "0:1,1:4") == ({"0:1", "1:4"}, None)
    assert chosen("--from", "beginning", "--reason", "bad_time") == ({"0:3", "0:4", "1:3", "1:4"}, end)
    assert chosen("--since", "1h")[0] == everything
    assert chosen("--since", str(now_ms() + 3_600_000))[0] == set()
    beyond = topics.run("--resend", "--from", "0:99", expect=1)
    assert "beyond the end" in beyond.stderr


@pytest.mark.release_only
def test_what_the_input_topic_refuses_takes_nothing_else_with_it(broker, redis_server, new_topic, tmp_path):
    topics = Topics(broker, redis_server, new_topic, tmp_path, source={"max.message.bytes": 1000})
    large = (7, 50)
    topics.write_letters([(0, "x" * (5000 if number in large else 50), "not_json", {}) for number in range(100)])
    done = topics.run("--resend", "--from", "beginning", expect=1)
    assert "98 of 100 dead letters sent" in done.stdout, done.stdout + done.stderr
    assert f"not sent: --only {','.join(f'0:{number}' for number in large)}\n" in done.stdout and "0:7 not sent: " in done.stderr
    assert [len(record.value) for record in broker.consume_all(topics.source)] == [50] * 98


@pytest.mark.release_only
def test_an_interrupt_leaves_a_list_of_what_is_not_confirmed(broker, redis_server, new_topic, tmp_path):
    topics = Topics(broker, redis_server, new_topic, tmp_path, instance="slow")
    topics.write_letters([(number % 2, f"{number:02}" + "x" * 5000, "not_json", {}) for number in range(40)])
    quota = ["--entity-type", "clients", "--entity-name", "slow", "--alter"]
    broker.tool("kafka.admin.ConfigCommand", *quota, "--add-config", "producer_byte_rate=1000")
    arguments = [program("delightd", "DELIGHTD"), "deadletter", "-c", topics.path, "--resend", "--from", "beginning"]
    try:
        with Process(arguments, tmp_path / "err", tmp_path / "out") as process:
            process.wait_log(r"\d+ sent, \d+ not confirmed yet")
            assert process.stop(number=signal.SIGINT) == 1
            out = process.out()
    finally:
        broker.tool("kafka.admin.ConfigCommand", *quota, "--delete-config", "producer_byte_rate")
    left = ",".join(re.findall(r"--only (\S+)$", out, re.MULTILINE)).split(",")
    sent = int(re.search(r"^(\d+) of 40 dead letters sent", out, re.MULTILINE).group(1))
    assert sent < 40 and len(set(left)) == len(left) == 40 - sent and "--from 0:21,1:21\n" in out, out
    confirmed = [record.value[:2] for record in broker.consume_all(topics.source)]
    assert len(set(confirmed)) == len(confirmed) >= sent
    # Those that were never handed to the broker, once more.
    never = re.search(r"^not sent: --only (\S+)$", out, re.MULTILINE)
    if never:
        topics.run("--resend", "--only", never.group(1))
        values = [record.value[:2] for record in broker.consume_all(topics.source)]
        assert len(set(values)) == len(values), "what was told as not sent had been sent"


def test_wrong_words(broker, redis_server, new_topic, tmp_path):
    topics = Topics(broker, redis_server, new_topic, tmp_path)
    wrong = {
        ("--resend",): "which ones?",
        ("--dry-run",): "belongs to --resend",
        ("--show", "--resend", "--from", "beginning"): "not both",
        ("--only", "0:1", "--to", "0:2"): "--only names every place",
        ("--from", "0"): "expected places",
        ("--from", "0:5,1:0", "--to", "1:2,0:3"): "--to lies before --from in partition 0",
        ("--only", "0:0", "--only", "0:1"): "stands twice",
        ("--reason", "not_json,oops"): "'oops' is not a reason",
        ("--since", "yesterday"): "--since is",
        ("--show=0",): "expected a number",
    }
    for words, sentence in wrong.items():
        assert sentence in topics.run(*words, expect=64).stderr
    # In memory mode the next start would count what is sent and what is there.
    topics.path.write_text(yaml.safe_dump(merge(topics.config, {"durability": "memory"})))
    resend = ["--resend", "--from", "beginning"]
    assert "a restart is enough" in topics.run(*resend, expect=64).stderr
    topics.run(*resend, "--dry-run")
    topics.run(*resend, "--anyway")
    topics.path.write_text(yaml.safe_dump(merge(topics.config, {"kafka": {"dead_letter_topic": ""}})))
    assert "is empty" in topics.run(expect=78).stderr
    topics.path.write_text(yaml.safe_dump(merge(topics.config, {"kafka": {"dead_letter_topic": "never-made"}})))
    assert "does not exist" in topics.run(expect=1).stderr


@pytest.mark.release_only
def test_nobody_there(broker, redis_server, new_topic, tmp_path):
    topics = Topics(broker, redis_server, new_topic, tmp_path)
    away = {"kafka": {"properties": {"bootstrap.servers": f"127.0.0.1:{free_port()}"}}}
    topics.path.write_text(yaml.safe_dump(merge(topics.config, away)))
    assert "no broker answers" in topics.run(expect=1).stderr
