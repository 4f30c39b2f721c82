"""No message stops the daemon: each kind of bad input ends as the reason it should."""

import json
import os
import re
import urllib.request

from feedback import dead_letters, now_ms, scores, survey, text, wait_score
from harness import Daemon, Record, config_for, poll

EVENT = '{"type":"survey","touchpoint":"t","nps":9'

BAD = [
    ("empty value", b"", "empty"),
    ("tombstone", None, "empty"),
    ("truncated object", b'{"type":"survey","touchpoint":"t","nps":', "not_json"),
    ("truncated string", b'{"type":"sur', "not_json"),
    ("truncated UTF-8", b'{"type":"survey","touchpoint":"\xe2\x82', "bad_utf8"),
    ("nested 100,000 deep", b'{"a":' * 100_000, "too_large"),
    ("nested 30,000 deep", b"[" * 30_000 + b"]" * 30_000, "not_json"),
    ("nested 65 deep", (EVENT + ',"x":' + "[" * 64 + "]" * 64 + "}").encode(), "not_json"),
    ("20 MB", b'{"x":"' + b"a" * 20_000_000 + b'"}', "too_large"),
    ("overlong UTF-8", (EVENT + ',"x":"').encode() + b'\xc0\xaf"}', "bad_utf8"),
    ("UTF-8 surrogate", (EVENT + ',"x":"').encode() + b'\xed\xa0\x80"}', "bad_utf8"),
    ("NUL escape", (EVENT + ',"x":"\\u0000"}').encode(), "bad_utf8"),
    ("NUL byte", b'{"type":\0"survey"}', "not_json"),
    ("lone high surrogate", (EVENT + ',"x":"\\ud800"}').encode(), "bad_utf8"),
    ("lone low surrogate", (EVENT + ',"x":"\\udc00"}').encode(), "bad_utf8"),
    ("duplicate key", (EVENT + ',"nps":9}').encode(), "duplicate_key"),
    ("duplicate key, deep", (EVENT + ',"x":[{"a":1,"a":2}]}').encode(), "duplicate_key"),
    ("NaN", b'{"type":"survey","touchpoint":"t","nps":NaN}', "not_json"),
    ("1e999", b'{"type":"survey","touchpoint":"t","nps":1e999}', "out_of_range"),
    ("beyond 64 bits", b'{"type":"survey","touchpoint":"t","nps":9223372036854775808}', "out_of_range"),
    ("number as string", b'{"type":"survey","touchpoint":"t","nps":"9"}', "wrong_type"),
    ("nps 11", b'{"type":"survey","touchpoint":"t","nps":11}', "out_of_range"),
    ("nps -1", b'{"type":"survey","touchpoint":"t","nps":-1}', "out_of_range"),
    ("nps 7.5", b'{"type":"survey","touchpoint":"t","nps":7.5}', "wrong_type"),
    ("byte order mark", b"\xef\xbb\xbf" + (EVENT + "}").encode(), "not_json"),
    ("trailing bytes", (EVENT + "} x").encode(), "not_json"),
    ("array", b"[]", "not_object"),
    ("no touchpoint", b'{"type":"survey","nps":9}', "missing_field"),
    ("unknown type", b'{"type":"sruvey","touchpoint":"t"}', "unknown_type"),
    ("no answer", b'{"type":"survey","touchpoint":"t"}', "no_answer"),
    ("seconds for milliseconds", b'{"type":"contact","touchpoint":"t","time":1700000000}', "bad_time"),
    ("time without offset", b'{"type":"contact","touchpoint":"t","time":"2026-01-01T10:00:00"}', "bad_time"),
    ("name of 129 bytes", json.dumps({"type": "contact", "touchpoint": "x" * 129}).encode(), "out_of_range"),
]


def test_every_kind_of_bad_input_is_dead_lettered_with_its_reason(broker, redis_server, new_topic, tmp_path):
    source = new_topic(partitions=2, name="in", config={"max.message.bytes": "33554432"})
    dead = new_topic(partitions=2, name="dead", config={"max.message.bytes": "1000000"})
    config = config_for(broker, redis_server, source, kafka={"dead_letter_topic": dead}, windows=["1h"])
    options = {"message_max_bytes": 33_554_432}
    with Daemon(config, tmp_path) as daemon:
        broker.produce(source, [survey("before")])
        wait_score(daemon, redis_server, "touchpoint:before", "nps_n", 1)
        records = [
            Record(value, key=name, partition=number % 2, headers=[("case", name)]) for number, (name, value, _) in enumerate(BAD)
        ]
        future = Record(text(survey("t", time=now_ms() + 3_600_000)), key="future", partition=0, headers=[("case", "future")])
        broker.produce(source, [*records, future, Record(survey("after"), partition=0), Record(survey("after"), partition=1)], **options)
        wait_score(daemon, redis_server, "touchpoint:after", "nps_n", 2)
        assert scores(redis_server, "all")["events"] == "3"

        expected = {name: reason for name, _, reason in BAD} | {"future": "future_time"}
        values = {name: value for name, value, _ in BAD} | {"future": future.value.encode()}
        letters = dead_letters(broker, dead)
        assert {record.header("case"): reason for reason, record in letters} == expected
        assert len(letters) == len(expected)
        for _, record in letters:
            name = record.header("case")
            assert record.key.decode() == name
            assert record.header("__delightd.errors.topic") == source
            assert record.header("__delightd.errors.partition") in ("0", "1")
            assert record.header("__delightd.errors.offset").isdigit()
            assert record.header("__delightd.errors.timestamp").isdigit()
            if len(values[name] or b"") < 900_000:
                assert (record.value or b"") == (values[name] or b""), name
            else:
                assert values[name].startswith(record.value) and "cut" in record.header("__delightd.errors.detail"), name


def test_memory_stays_flat_under_a_flood_of_bad_input(broker, redis_server, new_topic, tmp_path):
    source = new_topic(partitions=2, name="in", config={"max.message.bytes": "33554432"})
    dead = new_topic(name="dead")
    config = config_for(broker, redis_server, source, kafka={"dead_letter_topic": dead}, windows=["1h"])
    small = [value for _, value, _ in BAD if value is not None and len(value) < 1_000_000]
    # AddressSanitizer keeps freed memory for a while, 256 MiB of it unless told otherwise.
    options = f"{os.environ.get('ASAN_OPTIONS', '')}:quarantine_size_mb=1:thread_local_quarantine_size_kb=64"
    with Daemon(config, tmp_path, env={"ASAN_OPTIONS": options}) as daemon:
        sent = 0

        def flood(rounds):
            nonlocal sent
            broker.produce(source, [Record(value, partition=n % 2) for _ in range(rounds) for n, value in enumerate(small)])
            sent += rounds * len(small)
            broker.produce(source, [Record(survey(f"mark-{sent}"), partition=0), Record(survey(f"mark-{sent}"), partition=1)])
            wait_score(daemon, redis_server, f"touchpoint:mark-{sent}", "nps_n", 2, timeout=60)
            return daemon.rss()

        flood(40)
        first = flood(40)
        last = [flood(40) for _ in range(4)][-1]
        assert last < first * 1.3 + 16_000_000, f"resident memory grew from {first} to {last} bytes"


def test_without_a_dead_letter_topic_rejects_are_counted_and_logged_without_customer_data(broker, redis_server, topic, tmp_path):
    config = config_for(broker, redis_server, topic, kafka={"dead_letter_topic": ""}, windows=["1h"])
    with Daemon(config, tmp_path) as daemon:
        secret = "customer-4711-secret"
        bad = [survey("t", nps=11, customer=secret, id=secret), survey("t", nps="x", customer=secret)]
        broker.produce(topic, [Record(event, partition=0) for event in bad] + [Record(survey("after", customer=secret), partition=0)])
        wait_score(daemon, redis_server, "touchpoint:after", "nps_n", 1)
        assert "reason=out_of_range" in daemon.log() and "reason=wrong_type" in daemon.log()
        assert daemon.stop() == 0
        assert secret not in daemon.log()
        client = redis_server.client()
        assert not [key for key in client.keys() if secret in key or (client.type(key) == "hash" and secret in str(client.hgetall(key)))]


def test_dead_letters_are_not_sent_again_after_a_restart(broker, redis_server, new_topic, tmp_path):
    source, dead = new_topic(partitions=3, name="in"), new_topic(partitions=2, name="dead")
    config = config_for(broker, redis_server, source, kafka={"dead_letter_topic": dead}, windows=["1h"])
    with Daemon(config, tmp_path) as daemon:
        broker.produce(source, [Record(b"no json", partition=n % 3) for n in range(300)])
        broker.produce(source, [Record(survey("t"), partition=n) for n in range(3)])
        wait_score(daemon, redis_server, "touchpoint:t", "nps_n", 3)
        assert len(dead_letters(broker, dead)) == 300
        for kill in (False, True):
            daemon.restart(kill=kill)
            broker.produce(source, [Record(b"more", partition=n) for n in range(3)] + [Record(survey("t"), partition=n) for n in range(3)])
            wait_score(daemon, redis_server, "touchpoint:t", "nps_n", 9 if kill else 6)
        letters = dead_letters(broker, dead)
        places = {(r.header("__delightd.errors.partition"), r.header("__delightd.errors.offset")) for _, r in letters}
        assert len(letters) == 306 and len(places) == 306


def test_scores_wait_for_dead_letters_and_nothing_is_lost_when_their_topic_comes_late(broker, redis_server, new_topic, tmp_path):
    source, dead = new_topic(name="in"), new_topic(name="dead", create=False)
    config = config_for(
        broker, redis_server, source, kafka={"dead_letter_topic": dead}, windows=["1h"], http={"listen": "127.0.0.1:0"}
    )
    with Daemon(config, tmp_path) as daemon:
        daemon.wait_log("caught up")
        port = int(daemon.wait_log(r"serving HTTP.* port=(\d+)")[1])

        def waiting():
            text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20).read().decode()
            return float(re.search(r"^delightd_batch_open_seconds (\S+)$", text, re.MULTILINE)[1])

        broker.produce(source, [Record(b"bad", partition=0), Record(survey("t"), partition=0)])
        daemon.wait_log(f"topic={dead}", timeout=30)
        # An operator sees that counts wait, and for how long.
        daemon.wait_until(lambda: waiting() > 2, 30, "the open batch to grow old")
        broker.create_topic(dead, 1)
        wait_score(daemon, redis_server, "touchpoint:t", "nps_n", 1, timeout=60)
        daemon.wait_until(lambda: waiting() == 0, 30, "nothing to wait")
        assert [reason for reason, _ in dead_letters(broker, dead)] == ["not_json"]


def test_time_is_held_against_the_record_not_against_this_host(broker, redis_server, new_topic, tmp_path):
    source, dead = new_topic(name="in"), new_topic(name="dead")
    config = config_for(broker, redis_server, source, kafka={"dead_letter_topic": dead}, windows=["1h"], clock="event")
    ahead = now_ms() + 250_000
    with Daemon(config, tmp_path) as daemon:
        records = [
            Record(survey("own"), partition=0, timestamp_ms=ahead),
            Record(survey("same", time=ahead), partition=0, timestamp_ms=ahead),
            Record(survey("late record", time=ahead), partition=0, timestamp_ms=now_ms() - 100_000),
        ]
        broker.produce(source, records)
        wait_score(daemon, redis_server, "touchpoint:own", "nps_n", 1)
        wait_score(daemon, redis_server, "touchpoint:same", "nps_n", 1)
        poll(lambda: [reason for reason, _ in dead_letters(broker, dead)] == ["future_time"], 20, "one dead letter")
