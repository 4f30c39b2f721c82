"""deploy/grafana and deploy/prometheus over a running system: a real Prometheus scrapes, every rule and every panel has its query run."""

import contextlib
import json
import math
import re
import shlex
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import pytest
import yaml
from harness import Daemon, HarnessError, Loader, RedisServer, free_port, poll, skip_or_fail
from harness.polling import REPOSITORY
from harness.process import Process
from kafka_mode import KafkaMode

RULES = REPOSITORY / "deploy/prometheus"
GRAFANA = REPOSITORY / "deploy/grafana"
TOUCHPOINTS = 1000
SCORES = ["nps", "csat", "ces", "delight", "service_level", "fcr", "wait_p95_ms"]
# What a healthy system never is; the others are a matter of time or load.
HEALTHY = ["DelightdDown", "DelightdAbsent", "DelightdNobodyPublishes", "DelightdKafkaAway", "DelightdDataLost", "DelightdTalliesLost",
           "DelightdOffsetsForgotten", "DelightdChainGap", "DelightdRedisDown", "DelightdRedisRefuses", "DelightdFencedInRedis",
           "DelightdEventsAhead", "DelightdLimitReached", "DelightdScoresCut"]  # fmt: skip


# ---- Parts ----


class Prometheus(Process):
    """A real Prometheus with the example's configuration, but for addresses and pace."""

    def __init__(self, folder, targets):
        self.folder = folder
        example = yaml.safe_load((RULES / "prometheus.yml").read_text())
        example["global"] = {"scrape_interval": "2s", "evaluation_interval": "2s"}
        example["rule_files"] = [str(RULES / name) for name in example["rule_files"]]
        (job,) = example["scrape_configs"]
        example["scrape_configs"] = [
            job | {"job_name": name, "static_configs": [{"targets": addresses}]} for name, addresses in targets.items()
        ]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(example))
        self.port = free_port()
        super().__init__(
            ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb",
             f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"], folder / "prometheus.log"
        )  # fmt: skip

    def ask(self, path, **parameters):
        """The data of an answer of its API."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters, doseq=True)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as response:
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            if error.code == 503:  # it starts
                raise
            raise AssertionError(f"{parameters}: {error.read().decode()}") from None
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expression):
        return self.ask("query", query=expression)["result"]

    def number(self, expression):
        found = self.query(expression)
        return float(found[0]["value"][1]) if found else 0.0

    def wait(self, condition, what, timeout=60):
        return self.wait_until(condition, timeout, what, ignore=(OSError,))


def dashboard(name):
    return json.loads((GRAFANA / name).read_text())


def panels(board):
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def substitute(text, values):
    """As Grafana does: $name, ${name}. A name that is not known stays, and spoils the query."""
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda found: values.get(found[1] or found[2], found[0]), text)


def pick(variable, found):
    """The choices that Grafana would offer of what a variable's query has found."""
    expression, options = variable["regex"], found
    if expression:
        body, flags = expression[1:].rsplit("/", 1)
        matches = [list(re.finditer(body, value)) for value in found]
        options = [match[1] for hits in matches for match in (hits if "g" in flags else hits[:1])]
    assert options, f"${variable['name']} offers nothing"
    return sorted(set(options))


def chosen(variable, options):
    """What is selected when the dashboard is opened: its default, or else the first."""
    wanted = variable["current"].get("value")
    if wanted == "$__all":
        return variable["allValue"] or options[0]
    assert wanted is None or wanted in options, f"${variable['name']}: {wanted} is none of {options}"
    return wanted or options[0]


def variables(board, run):
    """({name: selected}, {name: choices}) of a dashboard, each query run with the selections before it."""
    selected, choices = {"__rate_interval": "8s", "__range": "1m"}, {}
    for variable in board["templating"]["list"]:
        name = variable["name"]
        if variable["type"] == "datasource":
            continue
        if variable["type"] == "query":
            query = variable["query"]["query"] if isinstance(variable["query"], dict) else variable["query"]
            choices[name] = pick(variable, run(substitute(query, selected)))
        else:
            choices[name] = variable["query"].split(",")
        selected[name] = chosen(variable, choices[name])
    return selected, choices


# ---- Prometheus ----


def label_values(prometheus, query):
    selector, label = re.fullmatch(r"label_values\((.+), *(\w+)\)", query).groups()
    return prometheus.ask(f"label/{label}/values", **{"match[]": selector})


def has_number(prometheus, target, selected):
    """Whether a panel's query gives a number now."""
    expression = substitute(target["expr"], selected)
    if target["instant"]:
        values = [row["value"] for row in prometheus.query(expression)]
    else:
        now = prometheus.number("vector(time())")
        data = prometheus.ask("query_range", query=expression, start=now - 20, end=now, step=2)
        values = [value for row in data["result"] for value in row["values"]]
    return any(math.isfinite(float(value)) for _, value in values)


def check_panels(prometheus, board, selected, rows=None, timeout=40):
    """Every query of every panel gives data; rows: those not to look at."""
    row = None
    for panel in board["panels"]:
        if panel["type"] == "row":
            row = panel["title"]
        elif row not in (rows or ()):
            for target in panel["targets"]:
                what = f"data in {row} / {panel['title']} {target['refId']}: {substitute(target['expr'], selected)}"
                poll(lambda target=target: has_number(prometheus, target, selected), timeout, what)


def names_in(text):
    """The metrics that an expression names."""
    return set(re.findall(r"\b(?:delightd|process)_\w+", re.sub(r'"[^"]*"', "", text)))


def check_scores(prometheus, board):
    """The panels of scores, for every choice of one variable at a time."""
    selected, choices = variables(board, lambda query: label_values(prometheus, query))
    some = {"panels": [panel for panel in panels(board) if any("delightd_score" in target["expr"] for target in panel["targets"])]}
    assert {"nps", "csat", "service_level", "wait_p95"} <= set(choices["measure"]) and set(choices["window"]) == {"1h", "24h"}
    assert "touchpoint" in choices["kind"] and "tier=vip" in choices["segment"]
    for name in ("window", "segment", "measure", "kind"):
        for choice in choices[name]:
            check_panels(prometheus, some, selected | {name: choice})


def check_prometheus(prometheus, board):
    selected, _ = variables(board, lambda query: label_values(prometheus, query))
    assert selected["job"] == "delightd"
    check_panels(prometheus, board, selected)
    check_scores(prometheus, board)
    # In memory mode there is no Kafka mode; every other panel has data.
    check_panels(prometheus, board, selected | {"job": "memory"}, rows=["Kafka mode"])
    # It would have been noticed.
    wrong = json.loads(json.dumps(board).replace("delightd_publish_staleness_seconds", "delightd_publish_stale_seconds"))
    with pytest.raises(HarnessError, match=r"At a glance / Age in Redis A: max\(delightd_publish_stale_seconds"):
        check_panels(prometheus, wrong, selected, timeout=0)


def check_rules(prometheus, board):
    def evaluated():
        rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
        return rules if all(rule["health"] != "unknown" for rule in rules) else None

    rules = prometheus.wait(evaluated, "every rule to be evaluated")
    listed = [rule["alert"] for path in RULES.glob("*.rules.yml") for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]
    assert sorted(rule["name"] for rule in rules) == sorted(listed) and set(HEALTHY) <= set(listed)
    assert [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"] == []
    for rule in rules:
        if rule["name"] in HEALTHY:
            prometheus.wait(lambda rule=rule: not prometheus.query(rule["query"]), f"{rule['name']} to see nothing: {rule['query']}")
    # A name that is misspelt would make a rule that never fires.
    used = set().union(*(names_in(rule["query"]) for rule in rules))
    used |= set().union(*(names_in(target["expr"]) for panel in panels(board) for target in panel["targets"] if "${measure}" not in target["expr"]))
    assert len(used) > 50 and used - set(prometheus.ask("label/__name__/values")) == set()


def check_scrape(port):
    """promtool on what /metrics has in Prometheus' own text format."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers={"Accept": "text/plain; version=0.0.4"})
    text = urllib.request.urlopen(request, timeout=30).read()
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert text.count(b'delightd_score_nps{subject="touchpoint:') >= TOUCHPOINTS


# ---- Redis ----


def find(client, query):
    """What a variable's command finds, flat, as the plugin gives it."""
    answer = client.execute_command(*shlex.split(query))
    flat = []
    for part in answer if isinstance(answer, (list, tuple, set)) else [answer]:
        flat += part if isinstance(part, (list, tuple, set)) else [part]
    return [str(value) for value in flat]


def run_target(client, target, selected, known):
    """The answer of a panel's command, as the plugin sends it; known: the fields that there are."""
    command, key = target["command"], substitute(target["keyName"], selected)
    if command == "hmget":
        fields = shlex.split(substitute(target["field"], selected))
        assert set(fields) <= known, f"{key} has no {set(fields) - known}"
        return [value for value in client.hmget(key, fields) if value is not None]
    if command == "zrange":
        return client.zrange(key, int(target["min"]), int(target["max"]), withscores=True)
    return {"hgetall": client.hgetall, "get": client.get, "scard": client.scard}[command](key)


def check_redis(client, board):
    selected, choices = variables(board, lambda query: find(client, query))
    assert set(choices["window"]) == {"1h", "24h"} and "touchpoint|tier=vip" in choices["segment"]
    known = set(client.hgetall("cx:{all}:1h")) | set(client.hgetall(f"cx:{{{selected['feature']}}}:1h")) | set(client.hgetall("cx:meta"))

    def check(panel, values):
        for target in panel["targets"]:
            assert run_target(client, target, values, known), f"no data in {panel['title']}: {target} with {values}"

    for panel in panels(board):
        check(panel, selected)
        uses = json.dumps(panel["targets"])
        for name in ("window", "measure", "journey", "feature", "instance"):
            for choice in choices[name] if f"${name}" in uses else ():
                check(panel, selected | {name: choice})
        if "$segment" in uses:
            check(panel, selected | {"segment": "journey|tier=vip"})
    # It would have been noticed.
    wrong = json.loads(json.dumps(board).replace(":rank:", ":ranks:"))
    with pytest.raises(AssertionError, match="no data in Lowest"):
        for panel in panels(wrong):
            check(panel, selected)


def grafana_rights():
    """The line of the README, for redis.conf."""
    line = re.search(r"ACL SETUSER (grafana on .*)", (GRAFANA / "README.md").read_text())[1]
    return line.replace("PASSWORD", "secret")


# ---- All of it ----


def http_port(daemon):
    return int(daemon.wait_log(r"serving HTTP.* port=(\d+)")[1])


@pytest.mark.release_only
def test_every_query_of_every_panel_and_rule_over_a_running_system(broker, new_topic, tmp_path):
    if subprocess.run(["sh", "-c", "command -v prometheus promtool"], capture_output=True, check=False).returncode != 0:
        skip_or_fail("no Prometheus: install Debian's package prometheus")
    http = {"listen": "127.0.0.1:0", "scores": SCORES, "scores_max": 1000000}
    sections = {"windows": ["1h", "24h"], "segments": ["tier"], "http": http, "clock": "wall", "publish_interval": "250ms"}
    statistics = {"properties": {"statistics.interval.ms": "1000"}}
    with contextlib.ExitStack() as stack:
        redis = stack.enter_context(RedisServer(users=[grafana_rights()]))
        mode = KafkaMode(broker, redis, new_topic, partitions=2, kafka=statistics, **sections)
        memory = {"durability": "memory", "redis": {"prefix": "memory"}, "instance": "memory", "windows": ["1h"], "kafka": {"tallies_topic": None, "state_topic": None}}
        configs = {"scorer": mode.config("scorer"), "standby": mode.config("standby", roles=["score"]), "memory": mode.config(**memory)}
        configs["memory"]["kafka"]["properties"].pop("group.id")
        daemons = {name: stack.enter_context(Daemon(config, tmp_path, name=name)) for name, config in configs.items()}
        address = {name: f"127.0.0.1:{http_port(daemon)}" for name, daemon in daemons.items()}
        load = ["--brokers", broker.bootstrap, "--topic", mode.source, "--touchpoints", TOUCHPOINTS, "--zipf", "0.5", "--segments", "tier=vip",
                "--malformed", "0.5%", "--retractions", "0.5%"]  # fmt: skip
        Loader().run(*load, "--count", 60000)
        stack.enter_context(Loader().start(tmp_path, *load, "--rate", 500, "--seconds", 3600, "--id-prefix", "more"))
        targets = {"delightd": [address["scorer"], address["standby"]], "memory": [address["memory"]]}
        prometheus = stack.enter_context(Prometheus(tmp_path, targets))
        everyone = 'count(delightd_score_nps{kind="touchpoint", window="1h", segment=""}) by (job)'
        prometheus.wait(lambda: [float(row["value"][1]) for row in prometheus.query(everyone)] == [TOUCHPOINTS] * 2, "every touchpoint's score twice")
        scorer = prometheus.query("delightd_score_nps")[0]["metric"]["instance"]
        board = dashboard("delightd-prometheus.json")
        check_scrape(scorer.rpartition(":")[2])
        check_prometheus(prometheus, board)
        check_rules(prometheus, board)
        check_redis(redis.client(username="grafana", password="secret"), dashboard("delightd-redis.json"))
