"""delightd top, in a terminal: keys pressed, the screen looked at."""

import json
import re

import pytest
import yaml
from feedback import now_ms, scores, survey, wait_score
from harness import Daemon, RedisServer, Terminal, config_for, free_port, run_delightd
from harness.daemon import program
from harness.polling import REPOSITORY

BINARY = program("delightd", "DELIGHTD")


class Scores:
    """What a daemon would have written to Redis."""

    def __init__(self, redis):
        self.redis, self.client = redis, redis.client()
        self.options = ["--set", f"redis.url={redis.url()}", "--set", "windows=[5m, 1h]"]
        self.meta()

    def meta(self):
        self.client.hset("cx:meta", mapping={"version": "1", "as_of": now_ms(), "min_n": 30})

    def put(self, kind, subject, window="5m", trend=None, rank=None, **fields):
        pipe = self.client.pipeline()
        segment = "|" + subject.split("|")[-1] if "|tier=" in subject else ""
        pipe.sadd(f"cx:subjects:{kind}{segment}", subject)
        pipe.hset(f"cx:{{{subject}}}:{window}", mapping={"as_of": now_ms(), "events": 1, **fields})
        if trend:
            earlier, later = trend
            pipe.set(f"cx:{{{subject}}}:{window}:trend", json.dumps({"nps": {"value": [earlier] * 30 + [later] * 30, "n": [1] * 60}}))
        if rank:
            pipe.zadd(f"cx:rank:{rank}:{kind}{segment}:{window}", {subject: fields[rank]})
        pipe.execute()

    def top(self, *arguments, **terminal):
        return Terminal([BINARY, "top", *self.options, *arguments], **terminal)


def names(lines):
    """The first words of the rows between titles and foot."""
    return [line.split("  ")[0].strip() for line in lines[2:-1] if line.strip()]


def three(redis_server):
    data = Scores(redis_server)
    data.put("touchpoint", "touchpoint:desk", events=30, nps="-20.0000", nps_low="-30.1234", nps_high="-10.0000", trend=(10, -30))
    data.put("touchpoint", "touchpoint:kiosk", events=20, nps="50.0000", wait_p95_ms=125000, trend=(10, 60))
    data.put("touchpoint", "touchpoint:búsqueda", events=10, csat="66.6667")
    data.put("touchpoint", "touchpoint:kiosk", "1h", events=7)
    data.put("touchpoint", "touchpoint:desk|tier=vip", events=5)
    data.put("all", "all", events=60)
    data.put("all", "all|tier=vip", events=5)
    data.put("journey_stage", "journey:fly|stage=gate", events=3)
    data.put("feature", "feature:wifi", events=4, kano_category="attractive", kano_better="0.7500")
    return data


def test_what_a_daemon_publishes_is_seen_and_that_it_has_gone(broker, redis_server, topic, tmp_path):
    config = config_for(broker, redis_server, topic, windows=["1h"], trends={"measures": []})
    with Daemon(config, tmp_path) as daemon:
        broker.produce(topic, [survey("desk", nps=nps) for nps in (10, 10, 9, 0)])
        wait_score(daemon, redis_server, "touchpoint:desk", "nps_n", 4)
        with Terminal([BINARY, "top", "-c", daemon.config_path]) as terminal:
            low, high = (float(scores(redis_server, "touchpoint:desk")[field]) for field in ("nps_low", "nps_high"))
            shown = f"50.0 [{low:.1f},{high:.1f}]"
            lines = terminal.wait(lambda lines: names(lines) == ["all", "desk"] and shown in lines[3], f"the row of desk with {shown}")
            assert re.search(r"as of \d\d:\d\d:\d\dZ, [0-9]+ s ago$", lines[0]) and lines[0].startswith("delightd  touchpoints  1h")
            broker.produce(topic, [survey("kiosk")])
            terminal.wait(lambda lines: names(lines) == ["all", "desk", "kiosk"], "the new touchpoint")
            assert daemon.stop() == 0
            redis_server.client().delete("cx:meta")  # it lives for ten seconds
            terminal.wait(lambda lines: "! no daemon writes here" in lines[0], "the alert")
            terminal.keys("q")
            terminal.wait(lambda lines: lines[:2] == ["ended 0", "as before"], "the terminal as it was")


def test_keys(redis_server):
    data = three(redis_server)
    with data.top() as terminal:
        lines = terminal.wait(lambda lines: "▼!" in "".join(lines), "arrows")
        assert names(lines) == ["all", "desk", "kiosk", "búsqueda"]
        desk, kiosk = lines[3], lines[4]
        assert "-20.0 [-30.1,-10.0]▼!" in desk and "50.0▲ " in kiosk and "events↓" in lines[1]
        terminal.keys("r")
        terminal.wait(lambda lines: names(lines) == ["all", "búsqueda", "kiosk", "desk"] and "events↑" in lines[1], "the other way round")
        terminal.keys("right")
        lines = terminal.wait(lambda lines: "NPS [95 % interval]↓" in lines[1], "by NPS")
        assert names(lines) == ["all", "kiosk", "desk", "búsqueda"]
        terminal.keys("n")
        terminal.wait(lambda lines: names(lines) == ["all", "búsqueda", "desk", "kiosk"], "by name")
        terminal.keys("/", "K", "I", "O")
        terminal.wait(lambda lines: names(lines) == ["all", "kiosk"] and lines[-1] == "/KIO_", "what is typed")
        terminal.keys("enter")
        terminal.wait(lambda lines: lines[-1].startswith('1-1 of 1 with "KIO"'), "the foot")
        terminal.keys("esc")
        terminal.wait(lambda lines: len(names(lines)) == 4, "all of them again")
        terminal.keys("w")
        terminal.wait(lambda lines: lines[0].startswith("delightd  touchpoints  1h") and names(lines) == ["kiosk"], "the other window")
        terminal.keys("W", "g")
        terminal.wait(lambda lines: "tier=vip" in lines[0] and names(lines) == ["all", "desk"], "the segment")
        terminal.keys("g", "k")
        lines = terminal.wait(lambda lines: names(lines)[1:] == ["wifi"], "the features")
        assert "attractive" in lines[3] and "0.75" in lines[3]
        terminal.keys("k", "k")
        terminal.wait(lambda lines: names(lines)[1:] == ["fly > gate"], "the stages of journeys")
        terminal.keys("?")
        terminal.wait(lambda lines: any("95 % interval" in line for line in lines[2:]), "the help")
        terminal.keys("ctrl-c")
        terminal.wait(lambda lines: lines[:2] == ["ended 0", "as before"], "the terminal as it was")


def test_any_size_and_any_terminal(redis_server):
    data = three(redis_server)
    with data.top(columns=60, rows=8) as terminal:
        terminal.wait(lambda lines: names(lines) == ["all", "desk", "kiosk", "búsqueda"], "the rows")
        terminal.keys("right", "right", "right")
        terminal.wait(lambda lines: "CSAT %↓" in lines[1] and names(lines)[1] == "búsqueda", "the column that orders, though it is narrow")
        terminal.resize(30, 5)
        terminal.wait(lambda lines: len(lines) == 5 and lines[-1].startswith("1-2 of 3"), "what fits")
        terminal.keys("down", "down")
        terminal.wait(lambda lines: names(lines)[-1] == "kiosk" and lines[-1].startswith("2-3 of 3"), "the last row")
        terminal.resize(1, 1)
        terminal.resize(180, 30)
        terminal.wait(lambda lines: len(lines) == 30 and "compl. /1000" in lines[1] and len(names(lines)) == 4, "a large one")
        assert "\x1b[" not in "".join(line for line in terminal.screen())
        terminal.keys("q")
        terminal.wait(lambda lines: lines[0] == "ended 0", "the end")
    with data.top(locale="C", env={"TERM": "vt100"}) as terminal:
        terminal.wait(lambda lines: "v!" in "".join(lines), "arrows without Unicode")
        terminal.wait(lambda lines: names(lines) == ["all", "desk", "kiosk", "b?squeda"], "every row")
    with data.top(env={"TERM": "no-such"}) as terminal:
        terminal.wait(lambda lines: "'no-such' is not known" in lines[0] and "ended 1" in lines, "a sentence")


@pytest.mark.release_only
def test_a_bad_change_has_a_sign_beside_its_colour(redis_server):
    data = three(redis_server)
    with data.top() as terminal:
        terminal.wait(lambda lines: "▼!" in "".join(lines), "arrows")
        coloured = "\n".join(terminal.screen(looks=True))
        assert re.search(r"\x1b\[[0-9;]*31m▼!", coloured) and re.search(r"\x1b\[[0-9;]*32m▲", coloured)
    with data.top(env={"NO_COLOR": "1"}) as terminal:
        terminal.wait(lambda lines: "▼!" in "".join(lines), "arrows")
        assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", "\n".join(terminal.screen(looks=True)))


def test_of_many_subjects_what_is_visible_is_read(redis_server):
    data = Scores(redis_server)
    pipe = data.client.pipeline()
    for number in range(1500):
        subject = f"touchpoint:t{number:04}"
        pipe.sadd("cx:subjects:touchpoint", subject)
        pipe.hset(f"cx:{{{subject}}}:5m", mapping={"events": number, "nps": f"{number % 100}.0000"})
        pipe.zadd("cx:rank:nps:touchpoint:5m", {subject: number % 100 + number / 10000})
    pipe.execute()
    with data.top(rows=13) as terminal:
        # events has no rank: by name.
        terminal.wait(lambda lines: names(lines)[:2] == ["t0000", "t0001"] and lines[-1].startswith("1-10 of 1500"), "the first ones")
        terminal.keys("right")
        terminal.wait(lambda lines: names(lines)[:2] == ["t1499", "t1399"], "the rank")
        before = data.client.info("commandstats")["cmdstat_hmget"]["calls"]
        terminal.keys(*["down"] * 10)
        terminal.wait(lambda lines: names(lines)[-1] == "t0499" and lines[-1].startswith("2-11 of"), "the eleventh")
        assert data.client.info("commandstats")["cmdstat_hmget"]["calls"] - before < 1000
        terminal.keys("/", "t", "0", "1", "2")
        terminal.wait(lambda lines: lines[-1] == "/t012_" and names(lines)[:2] == ["t0129", "t0128"], "ten of them, by their NPS")
    whole = run_delightd("top", "--once", *data.options).stdout.splitlines()
    assert len(whole) == 1501 and whole[1].split()[:2] == ["touchpoint:t1499", "1499"]


def test_a_redis_that_goes_and_comes(redis_server):
    data = three(redis_server)
    with data.top() as terminal:
        terminal.wait(lambda lines: len(names(lines)) == 4, "the rows")
        redis_server.kill()
        terminal.wait(lambda lines: "! redis is away" in lines[0] and len(names(lines)) == 4, "the alert, the rows still there")
        redis_server.start()
        terminal.wait(lambda lines: "! no daemon writes here" in lines[0] and "no data of this kind" in lines[2], "an empty Redis", 30)
        data.meta()
        data.put("touchpoint", "touchpoint:new\u202e")  # a mark that turns the direction, shown as such
        terminal.wait(lambda lines: "!" not in lines[0] and names(lines) == [r"new\u{202E}"], "what is written then")


def test_the_rights_of_the_readme_are_enough(tmp_path):
    readme = (REPOSITORY / "README.md").read_text()
    rights = " ".join(re.search(r"with a user of its own for dashboards: `(.*?)`", readme, re.DOTALL).group(1).split())
    with RedisServer(users=[f"viewer on >secret {rights}"]) as redis:
        data = three(redis)
        path = tmp_path / "viewer.yaml"
        path.write_text(yaml.safe_dump({"redis": {"url": redis.url(3, "viewer", "secret")}, "windows": ["5m"], "rank": {"measures": ["nps"]}}))
        for key in data.client.keys():
            data.client.move(key, 3)
        assert "-20.0000" in run_delightd("get", "touchpoint:desk", "-c", path).stdout
        assert "similar: touchpoint:desk" in run_delightd("get", "touchpoint:dsek", "-c", path).stderr
        with Terminal([BINARY, "top", "-c", path]) as terminal:
            terminal.wait(lambda lines: "▼!" in "".join(lines), "arrows")
            terminal.keys("g")
            terminal.wait(lambda lines: "tier=vip" in lines[0] and names(lines) == ["all", "desk"], "the segment")
        denied = data.client.acl_log()
        assert denied == [], denied


@pytest.mark.release_only
def test_once_is_for_scripts(redis_server):
    data = three(redis_server)
    done = run_delightd("top", *data.options)  # no terminal: once
    lines = [line.split() for line in done.stdout.splitlines()]
    assert done.returncode == 0 and "\x1b" not in done.stdout and not done.stderr
    assert lines[0][:5] == ["subject", "events", "nps", "nps_low", "nps_high"]
    assert [line[:5] for line in lines[1:]] == [
        ["touchpoint:desk", "30", "-20.0000", "-30.1234", "-10.0000"],
        ["touchpoint:kiosk", "20", "50.0000", "-", "-"],
        ["touchpoint:búsqueda", "10", "-", "-", "-"],
    ]

    def first_words(*arguments, expect=0):
        done = run_delightd("top", "--once", *data.options, *arguments)
        assert done.returncode == expect, done.stderr
        return [line.split()[0] for line in done.stdout.splitlines()[1:]]

    assert first_words("--sort", "+nps") == ["touchpoint:desk", "touchpoint:kiosk", "touchpoint:búsqueda"]
    assert first_words("--sort", "name") == ["touchpoint:búsqueda", "touchpoint:desk", "touchpoint:kiosk"]
    assert first_words("--window", "1h", "--filter", "OSK") == ["touchpoint:kiosk"]
    assert first_words("--segment", "tier=vip") == ["touchpoint:desk|tier=vip"]
    assert first_words("--kind", "feature") == ["feature:wifi"]
    assert first_words("--kind", "journey", expect=1) == []

    # The longest name, and what is no name any more.
    longest = "journey:{0}|stage={0}|tier={0}".format("%20" * 128)
    data.put("journey_stage", longest, events=1)
    assert first_words("--kind", "journey_stage", "--segment", "tier=" + " " * 128) == [longest]

    # As `get` takes it: blanks are encoded.
    data.put("touchpoint", "touchpoint:desk|tier=New%20York", events=5)
    assert first_words("--segment", "tier=New York") == ["touchpoint:desk|tier=New%20York"]

    # What steers a terminal (here U+009B, CSI, and a mark that turns the direction) is escaped, and the columns stay in line.
    data.put("stage", "stage:evil\u009b31mRED\u202e", events=2)
    data.put("stage", "stage:señor", events=1)
    head, evil, good = run_delightd("top", "--once", "--kind", "stage", *data.options).stdout.splitlines()
    assert evil.startswith(r"stage:evil\u{009B}31mRED\u{202E} ") and "\u009b" not in evil and "\u202e" not in evil
    assert len(head) == len(evil) == len(good) and good.startswith("stage:señor  ")


@pytest.mark.release_only
def test_wrong_words(redis_server):
    url = ["--set", f"redis.url={redis_server.url()}"]
    wrong = {
        ("--kind", "person"): "--kind is",
        ("--window", "2h"): "--window is one of",
        ("--segment", "vip"): "--segment is SEGMENT=VALUE",
        ("--segment", "tier=" + "v" * 5000): "--segment is longer than any",
        ("--sort", "handle"): "--sort is one of: name events nps",
        ("--sort", "kano_better"): "--sort is one of",
        ("here",): "what is this: here",
    }
    for words, sentence in wrong.items():
        done = run_delightd("top", *words, *url)
        assert done.returncode == 64 and sentence in done.stderr, done.stderr


@pytest.mark.release_only
def test_nobody_there():
    away = run_delightd("top", "--set", f"redis.url=redis://127.0.0.1:{free_port()}/0")
    assert away.returncode == 1 and "redis is away" in away.stderr
