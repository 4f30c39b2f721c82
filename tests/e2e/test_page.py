"""The live page at /, in a real browser, in front of a real daemon: real clicks and keys, and what the API says beside what is seen."""

import contextlib
import decimal
import json
import re
import urllib.parse
import urllib.request

import pytest
import yaml
from feedback import spread, survey
from harness import Browser, Daemon, Loader, config_for, free_port
from harness.axe import axe_source
from test_http import port_of, wait_ready

pytestmark = pytest.mark.release_only

# Counts what the page does: long tasks of its main thread, and every text of the table that is written. Runs before the page.
WATCH = """
window.watched = {longTasks: 0, answers: [], texts: 0, subjects: {}};
new PerformanceObserver((list) => { watched.longTasks += list.getEntries().length; }).observe({type: "longtask", buffered: true});
const plainFetch = window.fetch;
window.fetch = async (...given) => {
  const response = await plainFetch(...given);
  if (String(given[0]).startsWith("/api/scores?window") && response.ok) watched.answers.push(await response.clone().json());
  return response;
};
document.addEventListener("DOMContentLoaded", () => {
  const body = document.getElementById("table-body");
  if (body !== null) new MutationObserver((records) => {
    for (const {target, type} of records) {
      const row = (target.nodeType === 3 ? target.parentElement : target)?.closest("tr[data-subject]");
      if (row === null || row === undefined) continue;
      watched.texts += 1;
      watched.subjects[row.dataset.subject] = (watched.subjects[row.dataset.subject] ?? 0) + 1;
    }
  }).observe(body, {characterData: true, childList: true, subtree: true});
});
"""
LIVE = "document.getElementById('state').textContent === 'Live'"
ROWS = "[...document.querySelectorAll('#table-body tr:not([hidden])')].map((row) => row.dataset.subject)"


def page_of(daemon, **choice):
    return f"http://127.0.0.1:{port_of(daemon)}/" + ("#" + urllib.parse.urlencode(choice) if choice else "")


def api(daemon, path, **query):
    with urllib.request.urlopen(f"http://127.0.0.1:{port_of(daemon)}{path}?{urllib.parse.urlencode(query)}", timeout=20) as answer:
        return json.load(answer)


def shown(value, digits=1):
    """As the page writes it: JavaScript's toFixed rounds a tie up."""
    rounded = decimal.Decimal(value).quantize(decimal.Decimal(1).scaleb(-digits), decimal.ROUND_HALF_UP)
    text = f"{rounded:f}".replace("-", "−")
    return "0." + "0" * digits if text == "−0." + "0" * digits else text


def cell(subject, column):
    """JavaScript for the text of a cell, without its mark."""
    return f"""(() => {{
      const at = [...document.querySelectorAll('#table-head th')].findIndex((head) => head.dataset.column === {json.dumps(column)});
      const cell = document.querySelector('#table-body tr[data-subject="{subject}"]')?.children[at];
      return (cell?.querySelector('span') ?? cell)?.textContent;
    }})()"""


def assert_quiet(browser, *expected):
    """The console has said nothing, but for what matches one of the patterns."""
    said = [entry for entry in browser.console() if not any(re.search(pattern, entry["message"]) for pattern in expected)]
    assert said == [], json.dumps(said, indent=1)


@contextlib.contextmanager
def shop(broker, redis_server, topic, tmp_path, loader=("--count", "6000", "--span", "50m"), **extra):
    """A daemon with delight-load's shop, airline and bank, counted."""
    words = ["--touchpoints", "12", "--journeys", "3", "--features", "8", "--segments", "channel=app:5|web:4,tier=basic:7|vip:2"]
    catalogue = yaml.safe_load(Loader().run("--print-catalogue", *words).stdout)["catalogue"]
    catalogue["journeys"][0]["stages"].reverse()  # an order that no alphabet gives
    config = config_for(
        broker, redis_server, topic, windows=["5m", "1h", "24h"], segments=["channel", "tier"], catalogue=catalogue,
        targets={"nps": 0, "csat": 60, "wait_p95_ms": "60s"}, **{"http": {"listen": "127.0.0.1:0"}, **extra},
    )  # fmt: skip
    report = tmp_path / "sent.json"
    Loader().run(*words, *loader, "--brokers", broker.bootstrap, "--topic", topic, "--report", report)
    with Daemon(config, tmp_path) as daemon:
        wait_ready(daemon)
        yield daemon, catalogue


def test_tiles_table_detail_and_map(broker, redis_server, topic, tmp_path):
    from selenium.webdriver import Keys

    with shop(broker, redis_server, topic, tmp_path) as (daemon, catalogue), Browser(WATCH) as browser:
        browser.open(page_of(daemon))
        browser.wait(LIVE)
        browser.wait("document.querySelectorAll('#table-body tr').length === 12")
        def scores():
            return {name: each["1h"] for name, each in api(daemon, "/api/scores", window="1h", limit=1000)["subjects"].items()}

        found = scores()

        # The first row, and how it stands to its target.
        assert browser.text(".figure[data-measure=nps] .value") == shown(found["all"]["nps"])
        assert browser.text(".figure[data-measure=csat] .value") == shown(found["all"]["csat"]) + " %"
        judged = "met" if found["all"]["csat_low"] >= 60 else "missed" if found["all"]["csat_high"] < 60 else "open"
        assert browser.run("return document.querySelector('.figure[data-measure=csat]').dataset.verdict") == judged
        marks = {"met": ("✓", "target met"), "missed": ("▼", "target missed"), "open": ("≈", "the interval holds the target")}
        assert (browser.text(".figure[data-measure=csat] .mark"), browser.text(".figure[data-measure=csat] .unseen")) == marks[judged]

        # Journeys and their stages in the catalogue's order, the weakest marked.
        tiles = browser.run("""return [...document.querySelectorAll('.tile')].map((tile) => [tile.dataset.journey,
            [...tile.querySelectorAll('.stage')].map((stage) => stage.dataset.subject),
            [...tile.querySelectorAll('.stage:not(:has(.weakest[hidden]))')].map((stage) => stage.dataset.subject)])""")
        assert [name for name, _, _ in tiles] == [journey["name"] for journey in catalogue["journeys"]]
        for (name, stages, weakest), journey in zip(tiles, catalogue["journeys"], strict=True):
            assert stages == [f"journey:{name}|stage={stage['name']}" for stage in journey["stages"]]
            assert weakest == [min((stage for stage in stages if found[stage]["nps_n"] >= 30), key=lambda stage: found[stage]["nps"])]
        browser.wait("[...document.querySelectorAll('.spark .line')].every((line) => line.getAttribute('d')?.includes('L'))")

        # The table: worst first; by a click, and by a key, another order and back.
        touchpoints = [name for name in found if name.startswith("touchpoint:")]
        for name in touchpoints:
            assert browser.run(f"return {cell(name, 'score')}") == shown(found[name]["nps"]), name
            assert browser.run(f"return {cell(name, 'n')}") == f"{found[name]['nps_n']:,}"
            assert browser.run(f"return {cell(name, 'csat')}") == shown(found[name]["csat"])
        assert browser.run(f"return {ROWS}") == sorted(touchpoints, key=lambda name: (found[name]["nps"], name))
        browser.click("th[data-column=name] button")
        assert browser.run(f"return {ROWS}") == sorted(touchpoints)
        assert browser.run("return document.querySelector('th[data-column=name]').ariaSort") == "ascending"
        browser.keys(Keys.ENTER)
        assert browser.run(f"return {ROWS}") == sorted(touchpoints, reverse=True)
        assert browser.run("return document.querySelector('th[data-column=name]').ariaSort") == "descending"
        browser.click("th[data-column=n] button")
        assert browser.run(f"return {ROWS}") == sorted(touchpoints, key=lambda name: (-found[name]["nps_n"], name))

        # "/" goes to the filter, which knows places, too; Escape empties it.
        browser.keys("/")
        browser.keys("fly")
        of_fly = {f"touchpoint:{name}" for journey in catalogue["journeys"] if journey["name"] == "fly"
                  for stage in journey["stages"] for name in stage["touchpoints"]}  # fmt: skip
        assert set(browser.run(f"return {ROWS}")) == of_fly and 0 < len(of_fly) < 12
        assert browser.text("#touchpoints-hint") == f"{len(of_fly)} of 12"
        browser.keys(" nothing")
        assert browser.run(f"return {ROWS}") == [] and browser.text("#table-empty") == "No touchpoint is like that."
        browser.keys(Keys.ESCAPE)
        assert len(browser.run(f"return {ROWS}")) == 12

        # Another measure, by the keyboard; another segment and window.
        browser.find("#measure").send_keys("Wait, 95th")
        name = "touchpoint:" + catalogue["journeys"][1]["stages"][0]["touchpoints"][0]
        browser.wait(f"{cell(name, 'score')}?.match(/[ms]/)")
        assert browser.text("th[data-column=score] button").startswith("Wait, 95th percentile")
        assert browser.run("return document.querySelector('#table-body tr').dataset.subject") == max(
            touchpoints, key=lambda name: found[name]["wait_n"])  # the order by n has stayed, and n is another  # fmt: skip
        browser.click(".figure[data-measure=nps]")
        browser.wait("document.getElementById('measure').value === 'nps'")
        browser.find("#segment").click()
        browser.wait("[...document.getElementById('segment').options].some((option) => option.value === 'tier=vip')")
        browser.keys(Keys.ESCAPE)
        browser.find("#segment").send_keys("vip")
        vip = api(daemon, "/api/scores", subject=f"{name}|tier=vip", window="1h")["subjects"][f"{name}|tier=vip"]["1h"]
        browser.wait(f"{cell(name, 'score')} === arguments[0]", shown(vip["nps"]))
        browser.click("#windows label:nth-of-type(1) input")
        assert "window=5m" in browser.run("return location.hash")
        browser.wait("document.getElementById('table-body').textContent === '' || " + cell(name, "n") + " !== arguments[0]", f"{vip['nps_n']:,}")
        browser.run("history.back()")
        browser.wait("document.querySelector('#windows input:checked').value === '1h'")
        browser.wait(f"{cell(name, 'score')} === arguments[0]", shown(vip["nps"]))
        browser.find("#segment").send_keys("all")
        browser.wait(f"{cell(name, 'score')} === arguments[0]", shown(found[name]["nps"]))

        # A touchpoint's detail, by keys: rows with the arrows, Enter, Escape.
        browser.click("th[data-column=score] button")
        first, second = browser.run(f"return {ROWS}")[:2]
        browser.run("document.querySelector('#table-body button').focus()")
        browser.keys(Keys.ARROW_DOWN)
        browser.keys(Keys.ENTER)
        browser.wait("document.activeElement.id === 'detail-title' && document.querySelectorAll('#answers figure').length === 4")
        assert browser.text("#detail-title") == second.removeprefix("touchpoint:")
        one = found[second]
        assert browser.text("#detail-score [data-measure=nps] .value") == shown(one["nps"])
        assert f"95 %: {shown(one['nps_low'])} to {shown(one['nps_high'])} · n {one['nps_n']:,}" in browser.text("#detail-score [data-measure=nps] .note")
        answers = api(daemon, "/api/answers", subject=second, window="1h")["answers"]
        for item, counts in answers.items():
            seen = browser.run(f"return [...document.querySelectorAll('[data-item={item}] li b')].map((each) => each.textContent)")
            assert seen == [f"{count:,}" for count in counts]
        assert sum(answers["nps"]) == one["nps_n"]
        trend = api(daemon, "/api/trend", subject=second, window="1h", measures="nps")["nps"]
        drawn = browser.run("return Chart.getChart('trend').data.datasets.map((set) => set.data)")
        assert drawn == [trend["value"], [0] * 60, trend["n"]]
        browser.click("#detail details summary")
        browser.wait("document.querySelectorAll('#trend-body tr').length === 60")
        times = dict(browser.run("return [...document.querySelectorAll('#times > div')].map((pair) => [...pair.children].map((each) => each.textContent))"))
        assert times["Service level"] == shown(one["service_level"]) + " %"
        assert {"Wait, median", "Wait, 95th percentile"} < set(times) and re.fullmatch(r"\d+m \d\ds|[\d.]+ m?s", times["Wait, median"])

        # A segment without data, and back: all of it is there again.
        browser.run("location.hash += '&segment=tier%3Dnone'")
        browser.wait("document.getElementById('detail-where').textContent.endsWith('no data') && document.getElementById('times').textContent === ''")
        browser.run("history.back()")
        browser.wait("document.querySelector('#detail-score [data-measure=nps] .value')?.textContent === arguments[0]", shown(one["nps"]))
        browser.wait("Chart.getChart('trend').data.datasets[0].data.length === 60 && document.querySelectorAll('#times dd').length > 4")
        chosen = browser.run("return location.hash")
        browser.run("document.querySelector('.skip').focus()")
        browser.keys(Keys.ENTER)
        browser.wait("document.activeElement.id === 'touchpoints'")
        assert browser.run("return location.hash") == chosen
        browser.keys(Keys.ESCAPE)
        assert browser.run("return document.getElementById('detail').hidden && document.activeElement.dataset.subject") == second
        browser.click(".tile .stage")
        browser.wait("document.getElementById('detail-where').textContent.startsWith('Stage · of shop')")

        # The Kano map: every feature is in the quadrant that its scores say.
        seen = browser.run("""return Object.fromEntries([...document.querySelectorAll('[data-quadrant]')].map((part) =>
            [part.dataset.quadrant, [...part.querySelectorAll('.name')].map((name) => name.textContent)]))""")
        features = {name.removeprefix("feature:"): each for name, each in found.items() if name.startswith("feature:")}
        wanted = {"attractive": set(), "one-dimensional": set(), "indifferent": set(), "must-be": set()}
        for name, each in features.items():
            up, right = each["kano_better"] >= 0.5, each["kano_worse"] <= -0.5
            wanted[("one-dimensional" if right else "attractive") if up else ("must-be" if right else "indifferent")].add(name)
        assert {quadrant: set(names) for quadrant, names in seen.items()} == wanted and len(features) == 8
        points = browser.run("return Chart.getChart('kano').data.datasets[0].data.map(({name, x, y}) => [name, x, y])")
        assert sorted(points) == sorted([name, -each["kano_worse"], each["kano_better"]] for name, each in features.items())

        # One event: its own row is written to, and no other.
        browser.run("document.activeElement.blur(); watched.subjects = {}")
        n = found[second]["nps_n"]
        broker.produce(topic, [survey(second.removeprefix("touchpoint:"), nps=9)])
        browser.wait(f"{cell(second, 'n')} === arguments[0]", f"{n + 1:,}")
        assert set(browser.run("return watched.subjects")) == {second}
        # The address is all there is to a view.
        address = browser.run("return location.href")
        browser.open("about:blank")
        browser.open(address)
        browser.wait("document.getElementById('detail-where').textContent.startsWith('Stage · of shop')")
        assert_quiet(browser, r"tier%3Dnone.*404")


WIDTHS = [(1440, {}), (1024, {}), (768, {}), (390, {"phone": True}), (320, {"phone": True})]


def test_nobody_is_shut_out(broker, redis_server, topic, tmp_path):
    with shop(broker, redis_server, topic, tmp_path, loader=("--count", "3000", "--span", "50m")) as (daemon, catalogue), Browser() as browser:
        axe = axe_source()
        name = catalogue["journeys"][1]["stages"][0]["touchpoints"][0]
        for dark, widths in ((False, WIDTHS), (True, [WIDTHS[0], WIDTHS[3]])):
            for width, look in widths:
                browser.look(width, 900, dark=dark, **look)
                browser.open("about:blank")
                browser.open(page_of(daemon, window="1h", subject=f"touchpoint:{name}"))
                # The seventh page in this window in the end: those before it must not hold their connections.
                browser.wait(f"{LIVE} && document.querySelectorAll('#answers figure').length === 4")
                wide = browser.run("return [document.documentElement.scrollWidth, document.documentElement.clientWidth]")
                assert wide[0] == wide[1] == width, (width, dark, wide)
                browser.run("scrollTo(0, document.documentElement.scrollHeight)")
                for part in ("state", "age"):  # wherever the reader is
                    assert browser.run(f"""const at = document.getElementById('{part}').getBoundingClientRect();
                        return at.width > 0 && at.left >= 0 && at.right <= innerWidth &&
                            document.elementFromPoint(at.x + at.width / 2, at.y + at.height / 2).id === '{part}'"""), (width, dark, part)
                browser.run("scrollTo(0, 0)")
                if width not in (1440, 390):
                    continue
                browser.run(axe)
                result = browser.driver.execute_async_script(
                    "axe.run(document, {resultTypes: ['violations']}).then(arguments[arguments.length - 1])")
                faults = [(each["id"], each["help"], [node["html"][:160] for node in each["nodes"]][:5]) for each in result["violations"]]
                assert faults == [], json.dumps([width, dark, faults], indent=1)
        assert browser.run("return getComputedStyle(document.body).backgroundColor") != "rgb(243, 245, 249)"
        assert_quiet(browser)


def test_the_page_brings_the_token(broker, redis_server, topic, tmp_path):
    from selenium.webdriver import Keys

    (tmp_path / "token").write_text("secret-of-sixteen\n")
    broker.produce(topic, spread([survey("desk", nps=n % 11) for n in range(44)]))
    config = config_for(broker, redis_server, topic, http={"listen": "127.0.0.1:0", "token_file": str(tmp_path / "token")})
    with Daemon(config, tmp_path) as daemon, Browser() as browser:
        wait_ready(daemon)
        browser.open(page_of(daemon))
        browser.wait("document.getElementById('ask-token').open && document.activeElement.id === 'token'")
        assert browser.text("#state") == "Token needed"
        browser.keys(Keys.ESCAPE)
        assert browser.run("return document.getElementById('ask-token').open")
        browser.keys("a \u201dtoken\u201d of sixteen", Keys.ENTER)
        browser.wait("document.getElementById('ask-why').textContent.includes('ASCII') && document.getElementById('ask-token').open")
        browser.keys("not-the-right-one", Keys.ENTER)
        browser.wait("document.getElementById('ask-why').textContent.includes('not the one') && document.getElementById('ask-token').open")
        browser.keys("secret-of-sixteen", Keys.ENTER)
        browser.wait(f"{LIVE} && {cell('touchpoint:desk', 'n')} === '44'", what="scores, with the token")
        browser.driver.refresh()
        browser.wait(f"{LIVE} && {cell('touchpoint:desk', 'n')} === '44'", what="scores, the token remembered")
        broker.produce(topic, [survey("desk", nps=1)])
        browser.wait(f"{cell('touchpoint:desk', 'n')} === '45'", what="what the stream told")
        assert "secret" not in browser.run("return location.href + document.cookie + JSON.stringify(localStorage)")
        assert_quiet(browser, "401")


def test_without_a_stream_it_asks(broker, redis_server, topic, tmp_path):
    """http.streams are all taken: what is polled has to do, and the page says so."""
    broker.produce(topic, spread([survey("desk", nps=n % 11) for n in range(44)]))
    config = config_for(broker, redis_server, topic, http={"listen": "127.0.0.1:0", "streams": 0})
    with Daemon(config, tmp_path) as daemon, Browser() as browser:
        wait_ready(daemon)
        browser.open(page_of(daemon))
        polling = "document.getElementById('state').textContent === 'Every 5 s'"
        browser.wait(f"{polling} && {cell('touchpoint:desk', 'n')} === '44'")
        broker.produce(topic, [survey("desk", nps=1)])
        browser.wait(f"{polling} && {cell('touchpoint:desk', 'n')} === '45'")
        assert_quiet(browser, "503")


def test_what_is_old_says_so(broker, redis_server, topic, tmp_path):
    broker.produce(topic, spread([survey("desk", nps=n % 11) for n in range(440)]))
    port = free_port()
    quick = {"reply_timeout": "500ms", "connect_timeout": "500ms"}
    odd = '<b>"caf\u00e9" {a|b=c} 100%</b>'
    catalogue = {"journeys": [{"name": "a|b", "stages": [{"name": "=1", "touchpoints": [odd]}]}]}
    config = config_for(broker, redis_server, topic, targets={"nps": 90}, http={"listen": f"127.0.0.1:{port}"}, redis=quick, catalogue=catalogue)
    with Browser() as browser:
        early = config | {"kafka": config["kafka"] | {"properties": {"bootstrap.servers": "127.0.0.1:1"}}}
        with Daemon(early, tmp_path, name="early") as daemon:
            browser.open(page_of(daemon))
            browser.wait("document.getElementById('notice').textContent.includes('partitions')")
            browser.wait("document.getElementById('state').textContent !== 'Connecting'")  # What the page begins with.
            assert (browser.text("#state"), browser.text("#age")) == ("No scores yet", "no data yet")
            browser.open("about:blank")
        with Daemon(config, tmp_path) as daemon:
            see_what_is_old(browser, daemon, redis_server, broker, topic, config, odd)


def see_what_is_old(browser, daemon, redis_server, broker, topic, config, odd):
    wait_ready(daemon)
    browser.open(page_of(daemon))
    browser.wait(f"{LIVE} && {cell('touchpoint:desk', 'n')} === '440'")
    verdict = "document.querySelector('#table-body tr').dataset.verdict"
    assert browser.run(f"return {verdict}") == "missed"
    # A target that is another one is taken over while the page is open.
    daemon.reload(config | {"targets": {"nps": -90}})
    browser.wait(f"{verdict} === 'met'", what="the new target")
    # Redis is away: scores go on, and the page says it.
    redis_server.pause()
    try:
        browser.wait("document.getElementById('notice').textContent.includes('Redis')", what="Redis to be missed")
        broker.produce(topic, [survey("desk", nps=1)])
        browser.wait(f"{cell('touchpoint:desk', 'n')} === '441'")
    finally:
        redis_server.resume()
    browser.wait("document.getElementById('notice').hidden", what="Redis to be back")
    # The daemon is away: nothing vanishes, and its age is told.
    before = browser.run("return document.getElementById('as-of').dateTime")
    daemon.stop()
    browser.wait("document.getElementById('state').textContent === 'Reconnecting' && parseInt(document.getElementById('age').textContent) >= 2")
    browser.wait("!document.getElementById('notice').hidden")
    assert browser.run(f"return {cell('touchpoint:desk', 'n')}") == "441"
    daemon.start()
    broker.produce(topic, [survey("desk", nps=1)])
    browser.wait(f"{LIVE} && {cell('touchpoint:desk', 'n')} === '442'", what="the daemon's return")
    assert browser.run("return document.getElementById('as-of').dateTime") > before
    # A name is a name, whatever it looks like; the catalogue knows it, too.
    broker.produce(topic, [survey(odd, nps=3)])
    browser.wait("document.querySelectorAll('#table-body tr').length === 2")
    browser.click("#table-body tr:has(.place) button")
    browser.wait("document.querySelectorAll('#answers figure').length === 1")
    assert browser.text("#detail-title") == odd and browser.text("#table-body .place") == "a|b › =1"
    assert browser.run("return document.querySelector('.tile').dataset.journey") == "a|b"
    assert_quiet(browser, "ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET|503")


def test_500_touchpoints_at_4_updates_a_second(broker, redis_server, topic, tmp_path, record_property):
    from selenium.webdriver import Keys

    subjects, rounds = 500, 24
    names = [f"touchpoint-{number:03}" for number in range(subjects)]
    broker.produce(topic, spread([survey(name, nps=number % 11, csat=number % 5 + 1) for number, name in enumerate(names)]))
    config = config_for(broker, redis_server, topic, windows=["24h"], publish_interval="250ms", http={"listen": "127.0.0.1:0"})
    with Daemon(config, tmp_path) as daemon, Browser(WATCH) as browser:
        wait_ready(daemon)
        browser.open(page_of(daemon))
        browser.wait(f"{LIVE} && document.querySelectorAll('#table-body tr').length === {subjects}")
        browser.run("watched.texts = 0; watched.answers.splice(0, watched.answers.length - 1); watched.longTasks = 0")
        # 500 updates four times a second; meanwhile somebody works with the page.
        for number in range(rounds):
            broker.produce(topic, spread([survey(name, nps=(number * 7 + at) % 11, csat=(number + at) % 5 + 1) for at, name in enumerate(names)]))
            answers = browser.run("return watched.answers.length")
            if number == rounds // 3:
                browser.click("th[data-column=name] button")
                browser.wait(f"{ROWS}[0] === 'touchpoint:touchpoint-000'", what="the click's effect")
            if number == rounds // 2:
                browser.find("#filter").send_keys("-04")
                browser.wait(f"{ROWS}.length === 10", what="the filter's effect")
                browser.keys(Keys.ESCAPE)
                browser.wait(f"{ROWS}.length === {subjects}")
            if number % 10 == 9:
                browser.wait("watched.answers.length > arguments[0]", answers, what="another answer while updates run")
        browser.wait(f"[...document.querySelectorAll('#table-body tr')].every((row) => row.children[3].textContent === '{rounds + 1}')",
                     what="every update to have arrived")  # fmt: skip
        found = api(daemon, "/api/scores", kind="touchpoint", window="24h", limit=1000)["subjects"]
        assert len(found) == subjects
        seen = browser.run("""return Object.fromEntries([...document.querySelectorAll('#table-body tr')].map((row) =>
            [row.dataset.subject, [row.querySelector('.score span').textContent, row.children[4].textContent]]))""")
        assert seen == {name: [shown(each["24h"]["nps"]), shown(each["24h"]["csat"])] for name, each in found.items()}
        # Texts written are those that answers changed: a field's own, and of the measure also its mark and its interval for ears.
        answers, texts, long_tasks = browser.run("return [watched.answers, watched.texts, watched.longTasks]")
        changed = 0
        for before, after in zip(answers, answers[1:], strict=False):
            for name, windows in after["subjects"].items():
                if name.startswith("touchpoint:"):
                    old, new = before["subjects"][name]["24h"], windows["24h"]
                    changed += sum(old.get(field) != value for field, value in new.items() if field != "as_of")
        record_property("long_tasks", long_tasks)
        print(f"{len(answers)} answers, {changed} fields changed, {texts} texts written, {long_tasks} long tasks")
        assert rounds // 10 < len(answers) and 0 < texts <= changed
        assert_quiet(browser)
