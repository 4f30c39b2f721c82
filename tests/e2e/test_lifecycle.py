"""Start, stop, reload, and what the operator is told."""

import fcntl
import os
import re
import signal
import subprocess

from feedback import survey, wait_score
from harness import Daemon, Record, config_for, free_port, poll, run_delightd


def test_sigterm_drains_publishes_and_exits_0(broker, redis_server, topic, tmp_path):
    # A publish interval that never comes by itself: what is there at the end was written by the drain.
    config = config_for(broker, redis_server, topic, publish_interval="5s", batch_interval="1s")
    with Daemon(config, tmp_path) as daemon:
        daemon.wait_log("caught up")
        broker.produce(topic, [Record(survey("t"), partition=n % 4) for n in range(100)])
        assert daemon.stop() == 0
        assert "stopped" in daemon.log()
        daemon.start()
        daemon.wait_log(r"caught up.* events=100 ")
        assert daemon.stop() == 0
        client = redis_server.client()
        assert client.hget("cx:{touchpoint:t}:1h", "nps_n") == "100"
        # Whoever comes next need not wait, and nobody takes this one for alive.
        assert client.get("cx:owner") is None and client.exists("cx:instance:test-1") == 0


def test_an_end_while_redis_is_away_says_what_redis_lacks(broker, redis_server, topic, tmp_path):
    with Daemon(config_for(broker, redis_server, topic), tmp_path) as daemon:
        broker.produce(topic, [survey("t")])
        wait_score(daemon, redis_server, "touchpoint:t", "nps_n", 1)
        redis_server.kill()
        broker.produce(topic, [survey("t")])
        daemon.wait_log("retry_ms")
        assert daemon.stop() == 0
        daemon.wait_log("Redis is away: it may lack the last scores")


def test_a_second_sigterm_ends_at_once(broker, redis_server, topic, tmp_path):
    config = config_for(broker, redis_server, topic, shutdown_timeout="60s")
    with Daemon(config, tmp_path) as daemon:
        broker.produce(topic, [survey("t")])
        wait_score(daemon, redis_server, "touchpoint:t", "nps_n", 1)
        redis_server.pause()
        broker.produce(topic, [survey("t")])
        try:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait_log("stopping")
            if daemon.running():
                daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(10) == 0
        finally:
            redis_server.resume()


def test_sigterm_ends_within_the_deadline_when_everything_hangs(broker, redis_server, topic, tmp_path):
    config = config_for(broker, redis_server, topic, shutdown_timeout="2s", redis={"reply_timeout": "60s"})
    with Daemon(config, tmp_path) as daemon:
        broker.produce(topic, [survey("t")])
        wait_score(daemon, redis_server, "touchpoint:t", "nps_n", 1)
        redis_server.pause()
        broker.pause_node(1)
        try:
            assert daemon.stop(timeout=15) == 0
        finally:
            broker.resume_node(1)
            redis_server.resume()


def test_systemd_is_told_ready_status_reloading_stopping_and_the_watchdog_is_fed(broker, redis_server, topic, tmp_path):
    daemon = Daemon(config_for(broker, redis_server, topic), tmp_path, notify=True, env={"WATCHDOG_USEC": "400000"})
    with daemon:
        daemon.wait_ready()
        broker.produce(topic, [survey("t")])
        wait_score(daemon, redis_server, "touchpoint:t", "nps_n", 1)
        daemon.wait_until(lambda: sum("WATCHDOG" in message for message in daemon.notifications()) >= 3, what="three watchdog signals")
        status = re.compile(r"publishing, \d+ events/s, lag 0, 4 partitions, Redis up")
        daemon.wait_until(lambda: any(status.search(m.get("STATUS", "")) for m in daemon.notifications()), what="a status line")
        daemon.reload()
        daemon.wait_until(lambda: any("RELOADING" in m and "MONOTONIC_USEC" in m for m in daemon.notifications()), what="RELOADING=1")
        assert daemon.stop() == 0
        assert any("STOPPING" in message for message in daemon.notifications())


def test_sighup_takes_over_what_can_change_and_says_what_cannot(broker, redis_server, topic, tmp_path):
    config = config_for(broker, redis_server, topic, windows=["1h"])
    with Daemon(config, tmp_path) as daemon:
        broker.produce(topic, [Record(survey("t", csat=4), partition=0), Record(survey("t", csat=5), partition=0)])
        wait_score(daemon, redis_server, "touchpoint:t", "csat", "100.0000")
        mark = daemon.reload(config | {"scales": {"csat_top": 5}, "windows": ["2h"], "privacy": {"min_n": 0}})
        wait_score(daemon, redis_server, "touchpoint:t", "csat", "50.0000")
        daemon.wait_log(r"restart.*option=windows", since=mark)
        daemon.wait_log(r"changed.*option=scales\.csat_top", since=mark)
        mark = daemon.reload(config | {"privacy": {"min_n": 3}})
        daemon.wait_until(lambda: "csat" not in redis_server.client().hgetall("cx:{touchpoint:t}:1h"), what="csat to be hidden")
        assert redis_server.client().hget("cx:{touchpoint:t}:1h", "csat_n") == "2"


def test_sighup_with_a_bad_file_keeps_the_running_configuration_and_says_why(broker, redis_server, topic, tmp_path):
    config = config_for(broker, redis_server, topic)
    with Daemon(config, tmp_path) as daemon:
        daemon.wait_log("caught up")
        daemon.config_path.write_text(daemon.config_path.read_text() + "publish_intervall: 5s\n")
        mark = daemon.mark()
        daemon.send_signal(signal.SIGHUP)
        daemon.wait_log(r"publish_intervall", since=mark)
        daemon.wait_log(r"reload refused", since=mark)
        daemon.config_path.unlink()
        os.mkfifo(daemon.config_path)  # nobody writes it: who waited would wait for ever
        mark = daemon.reload()
        daemon.wait_log(r"not a regular file", since=mark)
        daemon.wait_log(r"reload refused", since=mark)
        broker.produce(topic, [survey("t")])
        wait_score(daemon, redis_server, "touchpoint:t", "nps_n", 1)


def test_check_says_file_line_and_column_of_every_mistake(tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text('windows: [5m, 90s]\nkafka:\n  topics: [a]\n  properties: {bootstrap.servers: "x:1", isolation.level: x}\nredis: {url: "redis://h"}\nnope: 1\n')
    done = run_delightd("check", "-c", file)
    assert done.returncode == 78
    lines = done.stderr.splitlines()
    assert any(line.startswith(f"{file}:1:15: ") for line in lines), done.stderr
    assert any(line.startswith(f"{file}:4:") and "isolation.level" in line for line in lines), done.stderr
    assert any(line.startswith(f"{file}:6:1: ") and "nope" in line for line in lines), done.stderr


def test_check_connect_tells_what_answers(broker, redis_server, topic, tmp_path):
    daemon = Daemon(config_for(broker, redis_server, topic, kafka={"dead_letter_topic": ""}), tmp_path)
    good = run_delightd("check", "-c", daemon.config_path, "--connect")
    assert good.returncode == 0 and f"topic {topic}: 4 partitions" in good.stdout and "Redis: connected" in good.stdout
    daemon.write_config(config_for(broker, redis_server, "no-such-topic", redis={"url": f"redis://127.0.0.1:{free_port()}"}))
    bad = run_delightd("check", "-c", daemon.config_path, "--connect")
    assert bad.returncode == 1
    assert "no-such-topic: does not exist" in bad.stdout and "Redis: no connection" in bad.stdout


def test_config_hides_secrets_and_set_overrides(tmp_path, redis_server):
    file = tmp_path / "c.yaml"
    file.write_text(
        'kafka: {properties: {bootstrap.servers: "127.0.0.1:1", sasl.password: hush1}}\n'
        'redis: {url: "redis://u:hush2@127.0.0.1:1"}\n'
    )
    done = run_delightd("config", "-c", file, "--set", "publish_interval=1s", "--set", "windows=[1h,2h]")
    assert done.returncode == 0
    assert "hush" not in done.stdout and "publish_interval: 1s" in done.stdout


def test_version_and_help_name_what_there_is():
    version = run_delightd("--version").stdout
    for library in ("delightd ", "librdkafka ", "hiredis ", "libuv ", "jansson ", "libyaml ", "OpenSSL ", "ncurses "):
        assert library in version
    help_text = run_delightd("--help").stdout
    for command in ("run", "check", "config", "topics", "deadletter", "get", "top", "score"):
        assert f"delightd {command}" in help_text
    fields = run_delightd("help", "fields").stdout
    assert "nps_low" in fields and "kano_significant" in fields
    assert run_delightd("frobnicate").returncode == 64
    assert run_delightd("run").returncode == 64


def test_a_second_instance_on_the_same_prefix_is_noticed(broker, redis_server, topic, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    config = config_for(broker, redis_server, topic)
    with Daemon(config, tmp_path / "a", name="first") as first:
        broker.produce(topic, [survey("t")])
        wait_score(first, redis_server, "touchpoint:t", "nps_n", 1)
        with Daemon(config | {"instance": "test-2"}, tmp_path / "b", name="second") as second:
            second.wait_log("caught up")
            first.wait_log(r"(?i)fence|another|newer")
            broker.produce(topic, [survey("t")])
            wait_score(second, redis_server, "touchpoint:t", "nps_n", 2)
            assert first.running()


def test_an_unwritable_start_says_so(tmp_path):
    done = run_delightd("run", "-c", tmp_path / "missing.yaml")
    assert done.returncode == 78 and "missing.yaml" in done.stderr


def test_a_log_that_nobody_reads_stops_nothing(broker, redis_server, topic, tmp_path):
    reference = Daemon(config_for(broker, redis_server, topic), tmp_path)
    binary = reference.arguments[0]
    for closed in (True, False):
        reading, writing = os.pipe()
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
        process = subprocess.Popen([binary, "run", "-c", reference.config_path], stderr=writing, stdin=subprocess.DEVNULL)
        os.close(writing)
        try:
            client = redis_server.client()
            poll(lambda: client.exists("cx:meta"), 30, "the daemon to publish")
            if closed:
                os.close(reading)
            for _ in range(40):  # each reload is several lines: more than the pipe holds
                process.send_signal(signal.SIGHUP)
            broker.produce(topic, [survey("t")])
            expected = "1" if closed else "2"
            poll(lambda: client.hget("cx:{touchpoint:t}:1h", "nps_n") == expected, 30, "the score")
            process.terminate()
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.wait()
            if not closed:
                os.close(reading)
        client.flushall()


def test_standard_streams_that_were_closed_do_not_matter(broker, redis_server, topic, tmp_path):
    reference = Daemon(config_for(broker, redis_server, topic), tmp_path)
    shell = f'exec "{reference.arguments[0]}" run -c "{reference.config_path}" <&- >&- 2>&-'
    process = subprocess.Popen(["sh", "-c", shell])
    try:
        poll(lambda: redis_server.client().exists("cx:meta"), 30, "the daemon to publish")
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
