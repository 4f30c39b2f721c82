"""What is served over HTTP: config/openapi.yaml and the running daemon say the same, metrics equal what was sent."""

import contextlib
import http.client
import json
import re
import socket
import tempfile
import urllib.parse
from pathlib import Path

import jsonschema
import pytest
import yaml
from feedback import now_ms, scores, spread, survey, wait_score
from harness import Daemon, config_for, poll, run_delightd
from harness.polling import REPOSITORY
from kafka_mode import KafkaMode
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as older_format

DOCUMENT = yaml.safe_load((REPOSITORY / "config/openapi.yaml").read_text(encoding="utf-8"))
SECURE = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
}


def paths():
    """Every path of the document that can be asked for: each file of the page is one."""
    for path, item in DOCUMENT["paths"].items():
        names = next((parameter["schema"]["enum"] for parameter in item["get"].get("parameters", []) if parameter.get("in") == "path"), [""])
        for name in names:
            yield path, path.replace("{file}", name)


# ---- Asking ----


def port_of(daemon):
    """The port that the log tells of."""
    return int(daemon.wait_log(r"serving HTTP.* port=(\d+)")[1])


class Answer:
    def __init__(self, response, body):
        self.status, self.body = response.status, body
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.type = self.headers.get("content-type", "").partition(";")[0]

    def json(self):
        return json.loads(self.body)


def ask(daemon, path, method="GET", headers=None, **query):
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port_of(daemon), timeout=20)
    try:
        connection.request(method, path + ("?" + urllib.parse.urlencode(query) if query else ""), headers=headers or {})
        response = connection.getresponse()
        return Answer(response, response.read().decode())
    finally:
        connection.close()


def wait_ready(daemon, ready=True, timeout=40):
    """Waits until /readyz says so; returns its body."""

    def reached():
        answer = ask(daemon, "/readyz")
        assert (answer.status == 200) == answer.json()["ready"]
        return answer.json() if answer.json()["ready"] == ready else None

    return daemon.wait_until(reached, timeout, f"/readyz: {ready}", ignore=(OSError,))


class Samples:
    """A scrape: values by name and labels."""

    def __init__(self, text, parse=openmetrics):
        self.families = {family.name: family for family in parse(text)}
        self.values = {}
        for family in self.families.values():
            for sample in family.samples:
                key = (sample.name, tuple(sorted(sample.labels.items())))
                assert key not in self.values, f"{key} stands twice"
                self.values[key] = sample.value

    def __call__(self, name, **labels):
        return self.values[(name, tuple(sorted(labels.items())))]

    def named(self, name):
        return {labels: value for (found, labels), value in self.values.items() if found == name}


def scrape(daemon, **options):
    answer = ask(daemon, "/metrics", **options)
    assert answer.status == 200 and answer.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert answer.body.endswith("\n# EOF\n")
    return Samples(answer.body)


@contextlib.contextmanager
def stream(daemon, headers=None):
    """An open stream; yields a function that returns the next event (name, data), comments passed over."""
    connection = http.client.HTTPConnection("127.0.0.1", port_of(daemon), timeout=30)
    connection.request("GET", "/api/stream", headers=headers or {})
    response = connection.getresponse()
    assert response.status == 200 and response.getheader("content-type") == "text/event-stream"

    def next_event():
        event = {}
        while True:
            line = response.readline().decode()
            assert line, "the stream has ended"
            if line == "\n" and "data" in event:
                return event["event"], json.loads(event["data"])
            name, _, value = line.rstrip("\n").partition(": ")
            event[name] = value

    assert response.readline() == b"retry: 2000\n" and response.readline() == b"\n"
    try:
        yield next_event
    finally:
        connection.close()


# ---- The contract ----


def resolve(node):
    """References, one after the other."""
    while isinstance(node, dict) and "$ref" in node:
        found = DOCUMENT
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def validator(schema):
    return jsonschema.Draft202012Validator(
        schema, resolver=jsonschema.RefResolver("", DOCUMENT), format_checker=jsonschema.FormatChecker()
    )


class Contract:
    """Holds answers against the document, and remembers which of its answers were seen."""

    def __init__(self):
        self.seen = set()

    def check(self, daemon, path, expected, real=None, **options):
        answer = ask(daemon, real or path, **options)
        assert answer.status == expected, (path, options, answer.status, answer.body)
        operation = DOCUMENT["paths"][path]["get"]
        responses = operation["responses"]
        assert str(answer.status) in responses, f"{path}: {answer.status} is not documented"
        response = resolve(responses[str(answer.status)])
        if "content" in response:
            assert answer.type in response["content"], (path, answer.type)
            value = answer.json() if answer.type == "application/json" else answer.body
            validator(response["content"][answer.type]["schema"]).validate(value)
        else:
            assert answer.body == ""
        for name in response.get("headers", {}):
            assert name.lower() in answer.headers, (path, name)
            schema = resolve(response["headers"][name]).get("schema", {})
            assert re.search(schema.get("pattern", ""), answer.headers[name.lower()]), (path, name)
        for name, wanted in SECURE.items():
            assert answer.headers[name] == wanted, (path, name)
        assert answer.headers["content-security-policy"].startswith("default-src 'none';")
        assert "unsafe" not in answer.headers["content-security-policy"]
        # What has a tag may be kept, and is asked for again each time.
        assert answer.headers["cache-control"] == ("no-cache" if "etag" in answer.headers else "no-store")
        self.seen.add((path, str(answer.status), answer.type if "content" in response else None))
        for parameter in operation.get("parameters", []):
            if resolve(parameter)["name"] in options:
                self.seen.add((path, "parameter", resolve(parameter)["name"]))
        return answer


def documented():
    """Every answer and every parameter of the document."""
    for path, item in DOCUMENT["paths"].items():
        for status, response in item["get"]["responses"].items():
            for content in resolve(response).get("content", [None]):
                yield path, status, content
        for parameter in item["get"].get("parameters", []):
            if resolve(parameter)["in"] == "path":
                continue
            yield path, "parameter", resolve(parameter)["name"]


CATALOGUE = {"journeys": [{"name": "fly", "stages": [{"name": "s", "touchpoints": ["desk"]}, {"name": "a \"b\"", "touchpoints": []}]}]}


def test_every_path_parameter_and_answer_of_the_document(broker, redis_server, topic, tmp_path):
    assert DOCUMENT["openapi"] == "3.1.0"
    token = tmp_path / "token"
    token.write_text("secret-of-sixteen\n")
    secret = {"Authorization": "Bearer secret-of-sixteen"}
    config = config_for(
        broker, redis_server, topic, segments=["tier"], targets={"nps": 12.5, "wait_p95_ms": "1m"}, catalogue=CATALOGUE,
        http={"listen": "127.0.0.1:0", "token_file": str(token), "connections": 20, "streams": 1},
    )  # fmt: skip
    contract = Contract()
    # Before the topics are read again there is nothing to show: Redis and Kafka are waited for, the first in vain.
    broker.produce(topic, spread([survey("desk", tier="vip", journey="fly", stage="s", nps=n % 11) for n in range(44)]))
    redis_server.pause()
    with Daemon(config, tmp_path) as daemon:
        try:
            contract.check(daemon, "/readyz", 503)
            ask_for = {"subject": "touchpoint:desk", "window": "1h"}
            daemon.wait_until(lambda: "Redis is away" in ask(daemon, "/readyz").body, what="Redis to be missed")
        finally:
            redis_server.resume()
        wait_score(daemon, redis_server, "touchpoint:desk", "nps_n", 44)
        wait_ready(daemon)
        contract.check(daemon, "/readyz", 200)
        contract.check(daemon, "/livez", 200)
        contract.check(daemon, "/metrics", 200, headers=secret)
        contract.check(daemon, "/metrics", 200, headers=secret | {"Accept": "text/plain"})
        pages = {"kind": "touchpoint", "segment": "tier=vip", "window": "1h", "limit": 1, "after": 0}
        found = contract.check(daemon, "/api/subjects", 200, headers=secret, **pages).json()["subjects"]
        assert found == [{"subject": "touchpoint:desk|tier=vip", "kind": "touchpoint", "segment": "tier=vip"}]
        contract.check(daemon, "/api/scores", 200, headers=secret, **pages)
        one = contract.check(daemon, "/api/scores", 200, headers=secret, **ask_for).json()
        assert one["subjects"]["touchpoint:desk"]["1h"]["nps_n"] == 44 and one["next"] is None
        some = contract.check(daemon, "/api/scores", 200, headers=secret, fields="nps_high,nps", **ask_for).json()
        some = some["subjects"]["touchpoint:desk"]["1h"]
        every = one["subjects"]["touchpoint:desk"]["1h"]
        assert list(some) == ["as_of", "window_ms", "events", "nps", "nps_high"]
        assert {name: every[name] for name in list(some)[1:]} == {name: some[name] for name in list(some)[1:]}
        trend = contract.check(daemon, "/api/trend", 200, headers=secret, **ask_for).json()
        assert sum(trend["nps"]["n"]) == 44
        asked = contract.check(daemon, "/api/trend", 200, headers=secret, measures="csat_mean,nps", **ask_for).json()
        assert asked["nps"] == trend["nps"] and "csat_mean" not in asked
        answers = contract.check(daemon, "/api/answers", 200, headers=secret, **ask_for).json()["answers"]
        assert answers == {"nps": [4] * 11}
        meta = contract.check(daemon, "/api/meta", 200, headers=secret).json()
        assert meta["windows"] == ["5m", "1h", "24h"] and meta["segments"] == ["tier"] and meta["catalogue"] == CATALOGUE
        assert meta["targets"] == {"nps": 12.5, "wait_p95_ms": 60000}
        described = {field["name"]: field for field in meta["fields"]}
        assert set(every) <= set(described) and described["nps"]["low"] == "nps_low" and described["abandonment"]["better"] == "lower"
        assert described["abandonment"]["n"] == ["answered", "abandoned"] and "low" not in described["csat_mean"]
        for wrong in ({"window": "2h"}, {"window": "x"}, {"kind": "desk"}, {"limit": 0}, {"limit": 1001}, {"limit": "x"}, {"after": -1}):
            contract.check(daemon, "/api/subjects", 400, headers=secret, **wrong)
            contract.check(daemon, "/api/scores", 400, headers=secret, **wrong)
        for fields in ("", "npss", "nps,", ",nps", "nps nps_n"):
            contract.check(daemon, "/api/scores", 400, headers=secret, fields=fields)
        for measures in ("", "promoters", "nps,nps", "nps,x"):
            contract.check(daemon, "/api/trend", 400, headers=secret, measures=measures, **ask_for)
        names = {name for _, kind, name in documented() if kind == "parameter"}
        for path in (path for path in DOCUMENT["paths"] if path.startswith("/api/")):
            known = {resolve(parameter)["name"] for parameter in DOCUMENT["paths"][path]["get"].get("parameters", [])}
            for name in (names | {"x"}) - known:
                answer = contract.check(daemon, path, 400, headers=secret, **{name: "1"})
                assert f"unknown parameter: {name}" in answer.json()["error"]
            for name in known:
                assert f"{name}: given twice" in ask(daemon, f"{path}?{name}=1&{name}=1", headers=secret).json()["error"]
        contract.check(daemon, "/api/trend", 400, headers=secret, subject="all")
        contract.check(daemon, "/api/answers", 400, headers=secret, window="1h")
        contract.check(daemon, "/api/answers", 404, headers=secret, subject="touchpoint:nobody", window="1h")
        contract.check(daemon, "/api/scores", 404, headers=secret, subject="touchpoint:nobody")
        contract.check(daemon, "/api/trend", 404, headers=secret, subject="touchpoint:nobody", window="1h")
        with stream(daemon, secret) as next_event:
            contract.seen.add(("/api/stream", "200", "text/event-stream"))
            assert contract.check(daemon, "/api/stream", 503, headers=secret).headers["retry-after"] == "5"
            ask(daemon, "/api/scores", headers=secret, **ask_for)  # stands for a moment, and no longer than it is true
            broker.produce(topic, [survey("desk", nps=1)])
            events = DOCUMENT["paths"]["/api/stream"]["get"]["responses"]["200"]["content"]["text/event-stream"]["x-events"]
            told = set()
            while "touchpoint:desk" not in told:
                name, data = next_event()
                validator(events[name]).validate(data)
                told |= set(data.get("changed", {}).get("1h", []))
            assert ask(daemon, "/api/scores", headers=secret, **ask_for).json()["subjects"]["touchpoint:desk"]["1h"]["nps_n"] == 45
            wait_score(daemon, redis_server, "touchpoint:desk", "nps_n", 45)
            # More than a stream is told by name.
            broker.produce(topic, spread([survey("t" * 100 + str(n)) for n in range(400)]))
            while name != "all":
                name, data = next_event()
                validator(events[name]).validate(data)
        for path, real in paths():
            contract.check(daemon, path, 421, real, headers=secret | {"Host": "evil.example"})
            if DOCUMENT["paths"][path]["get"].get("security") != []:
                contract.check(daemon, path, 401, real)
            if "304" in DOCUMENT["paths"][path]["get"]["responses"]:
                tag = contract.check(daemon, path, 200, real).headers["etag"]
                contract.check(daemon, path, 304, real, headers={"If-None-Match": tag})
            assert ask(daemon, real, method="POST", headers=secret).status == 405
            query = ask_for if (path, "parameter", "subject") in contract.seen else {}
            head = ask(daemon, real, method="HEAD", headers=secret, **query)
            assert head.status == 200 and head.body == "" and head.headers["x-content-type-options"] == "nosniff"
        unknown = ask(daemon, "/nowhere", headers=secret)
        assert unknown.status == 404 and set(unknown.json()["paths"]) == {real for _, real in paths()}
        assert "secret-of-sixteen" not in daemon.log()
    # A process that reads its topics again has nothing to show yet.
    unreachable = config | {"kafka": config["kafka"] | {"properties": {"bootstrap.servers": "127.0.0.1:1"}}}
    with Daemon(unreachable, tmp_path, name="early") as daemon:
        for path in ("/api/subjects", "/api/scores", "/api/trend", "/api/answers"):
            contract.check(daemon, path, 503, headers=secret, **({} if path == "/api/subjects" else ask_for))
        assert any("partitions" in sentence for sentence in ask(daemon, "/readyz").json()["missing"])
    assert set(documented()) - contract.seen == set()


# ---- Metrics ----


def test_metrics_equal_what_was_sent(broker, redis_server, new_topic, tmp_path):
    topic, dead = new_topic(partitions=2), new_topic(name="dead")
    config = config_for(
        broker, redis_server, topic, kafka={"dead_letter_topic": dead, "properties": {"statistics.interval.ms": "500"}}, dedupe={"records": 100}, windows=["1h", "24h"],
        http={"listen": "127.0.0.1:0", "scores": ["nps", "csat", "asa_ms"], "scores_max": 1000},
    )  # fmt: skip
    name = 'de"sk\\ \u00e9'
    events = [survey(name, nps=n % 11, csat=5) for n in range(22)]
    events += [{"type": "contact", "touchpoint": "line", "outcome": "answered", "wait_ms": 1500}] * 3
    events += [{"type": "complaint", "touchpoint": "line", "state": "opened"}] * 2
    events += [survey("line", nps=3, op="retract", time=now_ms()), survey("line", id="same"), survey("line", id="same"), survey("old", time="2001-01-01T00:00:00Z")]
    rejects = ["not json", survey("x", nps=11), {"type": "survey", "touchpoint": "x"}]
    with Daemon(config, tmp_path) as daemon:
        broker.produce(topic, spread(events + rejects, partitions=1))
        wait_score(daemon, redis_server, "all", "events", 22 + 3 + 2 - 1 + 1)

        def settled():
            now = scrape(daemon)
            return now if now("delightd_dead_letters_total") == 3 and now("delightd_ready") == 1 and now("delightd_partitions") == 2 else None

        now = daemon.wait_until(settled, what="the dead letters, and to be ready")
        assert now("delightd_records_total") == len(events) + len(rejects)
        assert now("delightd_events_total", type="survey") == 22 + 3
        assert now("delightd_events_total", type="contact") == 3
        assert now("delightd_events_total", type="complaint") == 2
        assert now("delightd_events_retracted_total") == 1
        assert now("delightd_events_duplicate_total") == 1
        assert now("delightd_events_late_total") == 1
        rejected = {dict(labels)["reason"]: value for labels, value in now.named("delightd_records_rejected_total").items()}
        assert {reason: value for reason, value in rejected.items() if value} == {"not_json": 1, "out_of_range": 1, "no_answer": 1}
        assert len(rejected) == 14
        assert now("delightd_records_lost_total") == 0
        for partition in ("0", "1"):
            assert now("delightd_partition_lag_records", topic=topic, partition=partition) == 0
            assert now("delightd_partition_lag_seconds", topic=topic, partition=partition) == 0
        assert now("delightd_partitions") == 2
        assert now("delightd_redis_up") == 1
        assert now("delightd_state", delightd_state="publishing") == 1 and sum(now.named("delightd_state").values()) == 1
        assert now("delightd_batch_seconds_count") == now("delightd_batches_total") > 0
        assert now("delightd_publish_seconds_count") > 0 and now("delightd_redis_round_trip_seconds_count") > 0
        assert now("delightd_subjects") == len(redis_server.client().keys("cx:{*}:24h"))
        assert now("delightd_loop_turn_seconds_count") > 0 and now("delightd_loop_stall_seconds") > 0
        assert abs(now("process_resident_memory_bytes") - daemon.rss()) < 0.3 * daemon.rss()
        assert now("delightd_build_info", version=version(), librdkafka=librdkafka(), instance_name="test-1", durability="memory") == 1
        # Scores: those of Redis, in base units.
        redis = scores(redis_server, "touchpoint:" + encoded(name))
        labels = {"subject": "touchpoint:" + encoded(name), "kind": "touchpoint", "window": "1h"}
        assert now("delightd_score_nps", **labels) == float(redis["nps"])
        assert now("delightd_score_nps_n", **labels) == 22
        assert now("delightd_score_csat_ratio", **labels) == 1
        assert now("delightd_score_asa_seconds", subject="touchpoint:line", kind="touchpoint", window="24h") == 1.5
        assert now("delightd_scores_cut") == 0
        # The same in the older format, whose parser is another one.
        older = ask(daemon, "/metrics", headers={"Accept": "text/plain;version=0.0.4"})
        assert older.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        then = Samples(older.body, older_format)
        assert then("delightd_events_total", type="survey") == 25 and then("delightd_score_nps", **labels) == float(redis["nps"])
        assert then("delightd_batch_seconds_bucket", le="+Inf") >= 1
        # Capped, and told so; taken over without a restart.
        daemon.reload(config | {"http": config["http"] | {"scores_max": 10}})

        def capped():
            samples = scrape(daemon)
            count = sum(len(family.samples) for name, family in samples.families.items() if name.startswith("delightd_score_"))
            return count == 10 and samples("delightd_scores_cut") == 1

        daemon.wait_until(capped, what="no more series than http.scores_max")
        daemon.wait_until(lambda: scrape(daemon)("delightd_kafka_brokers_up", client="events") == 1, what="librdkafka's statistics")


def version():
    return re.search(r'VERSION (\d+\.\d+\.\d+)', (REPOSITORY / "CMakeLists.txt").read_text())[1]


def librdkafka():
    return re.search(r"librdkafka ([\w.-]+)", run_delightd("--version").stdout)[1]


def encoded(name):
    """As names stand in subjects."""
    return "".join(f"%{ord(c):02X}" if c in "{}|=% " or ord(c) < 0x20 or c == "\x7f" else c for c in name)


def test_kafka_mode_ingest_scorer_and_standby(broker, redis_server, new_topic, tmp_path):
    mode = KafkaMode(broker, redis_server, new_topic, partitions=2)
    served = {"http": {"listen": "127.0.0.1:0"}}
    with contextlib.ExitStack() as stack:
        def run(name, **extra):
            return stack.enter_context(Daemon(mode.config(name, **served, **extra), tmp_path, name=name))

        scorer = run("scorer", roles=["score"])
        wait_ready(scorer)
        assert ask(scorer, "/readyz").json()["state"] == "publishing"
        ingest, standby = run("ingest", roles=["ingest"]), run("standby", roles=["score"])
        broker.produce(mode.source, spread([survey("desk", channel="app") for _ in range(30)], partitions=2))
        wait_score(scorer, redis_server, "all", "nps_n", 30)
        assert wait_ready(ingest)["state"] == "counting" and wait_ready(standby)["state"] == "standby"
        for process in (ingest, standby):
            assert ask(process, "/livez").status == 200
            assert ask(process, "/api/scores", subject="all").status == 503
        assert ask(scorer, "/api/scores", subject="all|channel=app", window="1h").json()["subjects"]["all|channel=app"]["1h"]["nps_n"] == 30

        counting = scrape(ingest)
        assert counting("delightd_events_total", type="survey") == 30
        assert counting("delightd_transactions_total", producer="batches", result="committed") >= 1
        assert ("delightd_subjects", ()) not in counting.values and ("delightd_redis_up", ()) not in counting.values
        scoring = scorer.wait_until(lambda: scrape(scorer)("delightd_checkpoints_total") >= 1 and scrape(scorer), what="a checkpoint")
        assert scoring("delightd_checkpoint_seconds_count") == scoring("delightd_checkpoints_total")
        assert scoring("delightd_checkpoint_age_seconds") < 120
        assert scoring("delightd_transactions_total", producer="checkpoints", result="committed") >= 1
        assert scoring("delightd_owner_token") >= 0 and scoring("delightd_chain_partitions") == 2
        assert scoring("delightd_chain_gaps_total") == 0
        for number in range(2):
            assert scoring("delightd_chain_next_offset", topic=mode.source, partition=str(number)) == 15
        assert ("delightd_assignment_epoch", ()) in counting.values
        assert ("delightd_events_total", (("type", "survey"),)) not in scoring.values
        idle = scrape(standby)
        assert idle("delightd_state", delightd_state="standby") == 1 and ("delightd_owner_token", ()) not in idle.values
        # The one that stood by takes over, and then has the scores.
        scorer.stop()
        scorer.wait_log(rf'figures of the scorer.*chain="{mode.source}/[01]=15 {mode.source}/[01]=15"')
        poll(lambda: ask(standby, "/api/scores", subject="all", window="1h").status == 200, 40, "the standby's scores", [standby.log_path])
        assert wait_ready(standby)["state"] == "publishing"
        assert counting("delightd_offsets_forgotten_total") == 0
        assert ingest.stop() == 0
        broker.tool("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", "--delete", "--group", mode.source)
        heir = run("heir", roles=["ingest"])
        heir.wait_until(lambda: scrape(heir)("delightd_offsets_forgotten_total") == 2, what="both partitions to be missed")


# ---- Readiness and addresses ----


@pytest.mark.release_only
def test_readyz_says_that_redis_is_away_and_that_it_is_back(broker, redis_server, topic, tmp_path):
    with Daemon(config_for(broker, redis_server, topic, http={"listen": "127.0.0.1:0"}), tmp_path) as daemon:
        wait_ready(daemon)
        redis_server.kill()
        assert wait_ready(daemon, False)["missing"] == ["Redis is away"]
        assert ask(daemon, "/livez").status == 200
        broker.produce(topic, [survey("t")])
        # Scores are read from where they are, not from Redis.
        daemon.wait_until(lambda: ask(daemon, "/api/scores", subject="touchpoint:t").status == 200, what="the score")
        stale = lambda: scrape(daemon)("delightd_publish_staleness_seconds") > 0  # noqa: E731
        daemon.wait_until(stale, what="what waits for Redis to age")
        redis_server.start()
        wait_ready(daemon)
        # It is there, and takes nothing.
        redis_server.client().set("cx:subjects:feature", "not a set")
        broker.produce(topic, [survey("t", kano={"feature": "f", "functional": 1, "dysfunctional": 5})])
        assert "refuses what is published" in wait_ready(daemon, False)["missing"][0]
        redis_server.client().delete("cx:subjects:feature")
        wait_ready(daemon)


@pytest.mark.release_only
def test_a_unix_socket_and_an_address_that_is_taken(broker, redis_server, topic, tmp_path):
    folder = Path(tempfile.mkdtemp(prefix="dl-http-"))  # pytest's own may be longer than a socket's address
    path = folder / "http.sock"
    try:
        with Daemon(config_for(broker, redis_server, topic, http={"listen": f"unix:{path}"}), tmp_path) as daemon:
            daemon.wait_log("serving HTTP")
            assert path.stat().st_mode & 0o777 == 0o660
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
                client.sendall(b"GET /livez HTTP/1.0\r\n\r\n")
                assert b"200 OK" in client.recv(4096)
        assert not path.exists()
    finally:
        folder.rmdir()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        config = config_for(broker, redis_server, topic, http={"listen": f"127.0.0.1:{taken.getsockname()[1]}"})
        with Daemon(config, tmp_path, name="second") as daemon:
            # Nobody can look at it, and it does its work.
            daemon.wait_log(r"nothing is served over HTTP.*in use")
            broker.produce(topic, [survey("t")])
            wait_score(daemon, redis_server, "touchpoint:t", "nps_n", 1)


@pytest.mark.release_only
def test_check_and_reload_know_the_section(broker, redis_server, topic, tmp_path):
    config = config_for(broker, redis_server, topic, http={"listen": "127.0.0.1:0"})
    daemon = Daemon(config, tmp_path)
    for listen in ("example.com:80", "127.0.0.1", "unix:relative"):
        bad = run_delightd("check", "-c", daemon.config_path, "--set", f"http.listen={listen}")
        assert bad.returncode == 78 and "http.listen: expected an IP address with a port" in bad.stderr
    assert run_delightd("check", "-c", daemon.config_path, "--set", "http.token_file=/nowhere").returncode == 78
    (tmp_path / "short").write_text("short")
    bad = run_delightd("check", "-c", daemon.config_path, "--set", f"http.token_file={tmp_path / 'short'}")
    assert bad.returncode == 78 and "http.token_file: the file cannot be used: expected a token of 16" in bad.stderr
    refused = run_delightd("run", "-c", daemon.config_path, "--set", f"http.token_file={tmp_path / 'short'}")
    assert refused.returncode == 78 and "http.token_file cannot be used" in refused.stderr
    with daemon:
        daemon.wait_log("serving HTTP")
        mark = daemon.reload(config | {"http": config["http"] | {"streams": 5}})
        daemon.wait_log(r"restart.*option=http\.streams", since=mark)


@pytest.mark.release_only
def test_a_reload_takes_another_token(broker, redis_server, topic, tmp_path):
    token = tmp_path / "token"
    token.write_text("secret-of-sixteen\n")
    config = config_for(broker, redis_server, topic, http={"listen": "127.0.0.1:0", "token_file": str(token)})

    def statuses(daemon):
        return [ask(daemon, "/api/meta", headers={"Authorization": f"Bearer {each}"}).status for each in ("secret-of-sixteen", "another-of-sixteen")]

    with Daemon(config, tmp_path) as daemon:
        daemon.wait_log("serving HTTP")
        token.write_text("")
        mark = daemon.reload(config)
        daemon.wait_log("http.token_file cannot be used", since=mark)
        daemon.wait_log("reload refused", since=mark)
        assert statuses(daemon) == [200, 401]
        token.write_text("another-of-sixteen")
        mark = daemon.reload(config)
        daemon.wait_log("another token from now on", since=mark)
        assert statuses(daemon) == [401, 200]
