"""deploy/prometheus: every rule fires when it should and not a step before, by promtool."""

import re
import subprocess

import pytest
import yaml
from harness import skip_or_fail
from harness.polling import REPOSITORY

FOLDER = REPOSITORY / "deploy/prometheus"
RULE_FILES = sorted(FOLDER.glob("*.rules.yml"))
ALERTS = {
    rule["alert"]: rule for path in RULE_FILES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]
}  # fmt: skip

FIRES, SILENT = True, False
OLD = {"process_start_time_seconds": "-7200+0x40"}  # the process runs for two hours; {}: the series begin with it
NEW = {"process_start_time_seconds": "0+0x40"}

# Alert, and whether it fires after half an hour of these series, a value a minute. Labels that all have are left out.
DESK = '{subject="touchpoint:desk",kind="touchpoint",window="1h"}'
VIP = '{subject="touchpoint:desk|tier=vip",kind="touchpoint",window="1h",segment="tier=vip"}'
DAY = '{subject="touchpoint:desk",kind="touchpoint",window="24h"}'
CASES = [
    ("DelightdDown", FIRES, {"up": "0+0x40"}),
    ("DelightdDown", SILENT, {"up": "1+0x29 0 1+0x9"}),  # one scrape that failed
    ("DelightdAbsent", FIRES, {"delightd_ready": "1+0x40"}),
    ("DelightdAbsent", SILENT, {"up": "0+0x40"}),
    ("DelightdNotReady", FIRES, {"delightd_ready": "0+0x40"}),
    ("DelightdNotReady", SILENT, {"delightd_ready": "1+0x26 0+0x9"}),
    ("DelightdNobodyPublishes", FIRES, {'delightd_state{delightd_state="publishing"}': "0+0x40", 'delightd_state{delightd_state="standby"}': "1+0x40"}),
    ("DelightdNobodyPublishes", SILENT, {
        'delightd_state{delightd_state="publishing"}': "0+0x40", 'delightd_state{delightd_state="publishing",instance="b"}': "1+0x40"}),
    ("DelightdRestarts", FIRES, {"process_start_time_seconds": "0 60 120 180+0x40"}),
    ("DelightdRestarts", SILENT, {"process_start_time_seconds": "0 60 120+0x40"}),
    ("DelightdLagGrows", FIRES, {'delightd_partition_lag_seconds{topic="t",partition="0"}': "0+5x40"}),
    ("DelightdLagGrows", SILENT, {'delightd_partition_lag_seconds{topic="t",partition="0"}': "200-5x40"}),  # catches up
    ("DelightdLagGrows", SILENT, {'delightd_partition_lag_seconds{topic="t",partition="0"}': "0+0.9x40"}),  # under 30 s
    ("DelightdLagHigh", FIRES, {'delightd_partition_lag_seconds{topic="t",partition="0"}': "301+0x40"}),
    ("DelightdLagHigh", SILENT, {'delightd_partition_lag_seconds{topic="t",partition="0"}': "300+0x40"}),
    ("DelightdCountsWait", FIRES, {"delightd_batch_open_seconds": "0+60x40"}),
    ("DelightdCountsWait", SILENT, {"delightd_batch_open_seconds": "60+0x40"}),
    ("DelightdKafkaAway", FIRES, {'delightd_kafka_brokers{client="events"}': "3+0x40", 'delightd_kafka_brokers_up{client="events"}': "0+0x40"}),
    ("DelightdKafkaAway", SILENT, {'delightd_kafka_brokers{client="events"}': "3+0x40", 'delightd_kafka_brokers_up{client="events"}': "1+0x40"}),
    ("DelightdKafkaAway", SILENT, {'delightd_kafka_brokers{client="events"}': "0+0x40", 'delightd_kafka_brokers_up{client="events"}': "0+0x40"}),
    ("DelightdRejects", FIRES, {'delightd_records_rejected_total{reason="not_json"}': "0+6x40", 'delightd_records_rejected_total{reason="empty"}': "0+6x40",
                                "delightd_records_total": "0+1000x40"}),
    ("DelightdRejects", SILENT, {'delightd_records_rejected_total{reason="not_json"}': "0+10x40", "delightd_records_total": "0+1000x40"}),
    ("DelightdRejects", SILENT, {'delightd_records_rejected_total{reason="not_json"}': "0+0x40", "delightd_records_total": "0+0x40"}),  # nothing comes
    ("DelightdDeadLettersWaiting", FIRES, {"delightd_dead_letters_total": "5+0x20 6+0x20"}),
    ("DelightdDeadLettersWaiting", SILENT, {"delightd_dead_letters_total": "5+0x40"}),
    ("DelightdEventsLate", FIRES, {"delightd_events_late_total": "0+60x40", 'delightd_events_total{type="survey"}': "0+500x40",
                                   'delightd_events_total{type="contact"}': "0+500x40"}),
    ("DelightdEventsLate", SILENT, {"delightd_events_late_total": "0+49x40", 'delightd_events_total{type="survey"}': "0+500x40",
                                    'delightd_events_total{type="contact"}': "0+500x40"}),
    ("DelightdEventsAhead", FIRES, {"delightd_events_ahead_total": "0+0x25 1+0x20"}),
    ("DelightdEventsAhead", SILENT, {"delightd_events_ahead_total": "0 1+0x40"}),
    ("DelightdLimitReached", FIRES, {'delightd_tallies_over_limit_total{limit="subjects"}': "0+1x40"}),
    ("DelightdLimitReached", SILENT, {'delightd_tallies_over_limit_total{limit="subjects"}': "7+0x40"}),
    ("DelightdDataLost", FIRES, {"delightd_records_lost_total": "0+0x20 10+0x20"} | OLD),
    ("DelightdDataLost", FIRES, {"delightd_records_lost_total": "10+0x40"} | NEW),  # found at its start
    ("DelightdDataLost", SILENT, {"delightd_records_lost_total": "10+0x40"} | OLD),
    ("DelightdTalliesLost", FIRES, {"delightd_tallies_lost_total": "0+0x20 1+0x20", "delightd_tallies_unreadable_total": "0+0x40"} | OLD),
    ("DelightdTalliesLost", FIRES, {"delightd_tallies_lost_total": "0+0x40", "delightd_tallies_unreadable_total": "0+0x20 1+0x20"} | OLD),
    ("DelightdTalliesLost", FIRES, {"delightd_tallies_lost_total": "0+0x40", "delightd_tallies_unreadable_total": "1+0x40"} | NEW),
    ("DelightdTalliesLost", SILENT, {"delightd_tallies_lost_total": "5+0x40", "delightd_tallies_unreadable_total": "5+0x40"} | OLD),
    ("DelightdOffsetsForgotten", FIRES, {"delightd_offsets_forgotten_total": "0+0x20 1+0x20"} | OLD),
    ("DelightdOffsetsForgotten", FIRES, {"delightd_offsets_forgotten_total": "4+0x40"} | NEW),
    ("DelightdOffsetsForgotten", SILENT, {"delightd_offsets_forgotten_total": "4+0x40"} | OLD),
    ("DelightdChainGap", FIRES, {"delightd_chain_gaps_total": "0+0x20 1+0x20"} | OLD),
    ("DelightdChainGap", FIRES, {"delightd_chain_gaps_total": "1+0x40"} | NEW),
    ("DelightdChainGap", SILENT, {"delightd_chain_gaps_total": "0+0x40"} | NEW),
    ("DelightdPublishStale", FIRES, {"delightd_publish_staleness_seconds": "11+0x40"}),
    ("DelightdPublishStale", SILENT, {"delightd_publish_staleness_seconds": "10+0x40"}),
    ("DelightdRedisDown", FIRES, {"delightd_redis_up": "0+0x40"}),
    ("DelightdRedisDown", SILENT, {"delightd_redis_up": "1+0x29 0 1+0x10"}),
    ("DelightdRedisRefuses", FIRES, {"delightd_redis_errors_total": "0+0x25 1+1x20"}),
    ("DelightdRedisRefuses", SILENT, {"delightd_redis_errors_total": "0+0x20 9+0x20"}),
    ("DelightdRedisForgets", FIRES, {"delightd_redis_forgotten_total": "0 1 2 3 4+0x40"}),
    ("DelightdRedisForgets", SILENT, {"delightd_redis_forgotten_total": "0 1+0x40"}),
    ("DelightdRedisDisconnects", FIRES, {"delightd_redis_disconnects_total": "0+1x40"}),
    ("DelightdRedisDisconnects", SILENT, {"delightd_redis_disconnects_total": "0+0.3x40"}),
    ("DelightdFencedInRedis", FIRES, {"delightd_redis_fenced": "1+0x40"}),
    ("DelightdFencedInRedis", SILENT, {"delightd_redis_fenced": "0+0x29 1 0+0x10"}),
    ("DelightdFencedInKafka", FIRES, {'delightd_transactions_total{producer="batches",result="fenced"}': "0+0x20 1+1x20"}),
    ("DelightdFencedInKafka", SILENT, {'delightd_transactions_total{producer="batches",result="fenced"}': "0+0x20 1+0x20"}),  # once may be
    ("DelightdTransactionsFail", FIRES, {'delightd_transactions_total{producer="batches",result="committed"}': "0+80x40",
                                         'delightd_transactions_total{producer="batches",result="aborted"}': "0+5x40",
                                         'delightd_transactions_total{producer="batches",result="retried"}': "0+5x40"}),
    ("DelightdTransactionsFail", SILENT, {'delightd_transactions_total{producer="batches",result="committed"}': "0+91x40",
                                          'delightd_transactions_total{producer="batches",result="aborted"}': "0+9x40",
                                          'delightd_transactions_total{producer="batches",result="retried"}': "0+0x40"}),
    ("DelightdTransactionsHang", FIRES, {'delightd_transactions_total{producer="batches",result="committed"}': "0+1x20 20+0x20",
                                         'delightd_transactions_in_flight{producer="batches"}': "1+0x40"}),
    ("DelightdTransactionsHang", SILENT, {'delightd_transactions_total{producer="batches",result="committed"}': "0+1x40",
                                          'delightd_transactions_in_flight{producer="batches"}': "1+0x40"}),
    ("DelightdTransactionsHang", SILENT, {'delightd_transactions_total{producer="batches",result="committed"}': "9+0x40",
                                          'delightd_transactions_in_flight{producer="batches"}': "0+0x40"}),  # no events at night
    ("DelightdCheckpointOld", FIRES, {"delightd_checkpoint_age_seconds": "0+60x40", 'delightd_state{delightd_state="publishing"}': "1+0x40"}),
    ("DelightdCheckpointOld", SILENT, {"delightd_checkpoint_age_seconds": "0+60x40", 'delightd_state{delightd_state="publishing"}': "0+0x40"}),  # a standby
    ("DelightdCheckpointOld", SILENT, {"delightd_checkpoint_age_seconds": "120+0x40", 'delightd_state{delightd_state="publishing"}': "1+0x40"}),
    ("DelightdTalliesLag", FIRES, {"delightd_tallies_lag_records": "0+100x40"}),
    ("DelightdTalliesLag", SILENT, {"delightd_tallies_lag_records": "5000+0x40"}),
    ("DelightdLoopStalls", FIRES, {"delightd_loop_stall_seconds": "0.6+0x40"}),
    ("DelightdLoopStalls", SILENT, {"delightd_loop_stall_seconds": "0.5+0x40"}),
    ("DelightdScoresCut", FIRES, {"delightd_scores_cut": "1+0x40"}),
    ("DelightdScoresCut", SILENT, {"delightd_scores_cut": "0+0x40"}),
    ("NpsUnderTarget", FIRES, {f"delightd_score_nps{DESK}": "-1+0x40", f"delightd_score_nps_n{DESK}": "30+0x40"}),
    # The process that scores is another one after a quarter of an hour.
    ("NpsUnderTarget", FIRES, {f"delightd_score_nps{DESK}": "-1+0x15", f"delightd_score_nps_n{DESK}": "30+0x15",
                               f"delightd_score_nps{DESK[:-1]},instance=\"b\"}}": "_x15 -1+0x40", f"delightd_score_nps_n{DESK[:-1]},instance=\"b\"}}": "_x15 30+0x40"}),
    ("NpsUnderTarget", SILENT, {f"delightd_score_nps{DESK}": "0+0x40", f"delightd_score_nps_n{DESK}": "30+0x40"}),
    ("NpsUnderTarget", SILENT, {f"delightd_score_nps{DESK}": "-90+0x40", f"delightd_score_nps_n{DESK}": "29+0x40"}),  # too few
    ("NpsUnderTarget", SILENT, {f"delightd_score_nps{VIP}": "-90+0x40", f"delightd_score_nps_n{VIP}": "99+0x40"}),  # a segment
    ("NpsFalls", FIRES, {f"delightd_score_nps{DESK}": "10+0x40", f"delightd_score_nps_n{DESK}": "30+0x40", f"delightd_score_nps{DAY}": "36+0x40"}),
    ("NpsFalls", SILENT, {f"delightd_score_nps{DESK}": "10+0x40", f"delightd_score_nps_n{DESK}": "30+0x40", f"delightd_score_nps{DAY}": "35+0x40"}),
    ("NpsFalls", SILENT, {f"delightd_score_nps{DESK}": "10+0x40", f"delightd_score_nps_n{DESK}": "29+0x40", f"delightd_score_nps{DAY}": "90+0x40"}),
]  # fmt: skip
for _alert, _score, _under, _reached in [
    ("CsatUnderTarget", "csat", "0.69", "0.7"),
    ("EffortUnderTarget", "ces", "0.59", "0.6"),
    ("ServiceLevelUnderTarget", "service_level", "0.79", "0.8"),
    ("FirstContactResolutionUnderTarget", "fcr", "0.69", "0.7"),
]:
    _value, _n = f"delightd_score_{_score}_ratio{DESK}", f"delightd_score_{_score}_n{DESK}"
    CASES += [
        (_alert, FIRES, {_value: f"{_under}+0x40", _n: "30+0x40"}),
        (_alert, SILENT, {_value: f"{_reached}+0x40", _n: "30+0x40"}),
        (_alert, SILENT, {_value: f"{_under}+0x40", _n: "29+0x40"}),
    ]


def promtool(*arguments):
    try:
        done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120)
    except FileNotFoundError:
        skip_or_fail("no promtool: install Debian's package prometheus")
    assert done.returncode == 0, f"promtool {arguments[:2]}: {done.stdout[-8000:]}{done.stderr[-4000:]}"
    return done.stdout


def named(series):
    """The series with the labels that every scrape gives; its own win."""
    name, _, own = series.rstrip("}").partition("{")
    labels = {"job": "delightd", "instance": "a"} | dict(re.findall(r'(\w+)="([^"]*)"', own))
    return name + "{" + ",".join(f'{label}="{value}"' for label, value in labels.items()) + "}"


def as_test(alert, fires, series):
    """promtool's form; ALERTS is what Prometheus itself says of its alerts."""
    expected = [{"labels": "{}", "value": 1}] if fires else []
    return {
        "interval": "1m",
        "name": f"{alert} {'fires' if fires else 'is silent'}: {series}",
        "input_series": [{"series": named(name), "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {"expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})', "eval_time": "30m", "exp_samples": expected}
        ],
    }


def test_configuration_and_rules_are_well_formed():
    promtool("check", "config", FOLDER / "prometheus.yml")
    promtool("check", "rules", *RULE_FILES)
    listed = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["rule_files"]
    assert sorted(listed) == [path.name for path in RULE_FILES]


def test_every_alert_says_how_bad_it_is_and_what_to_do():
    for name, rule in ALERTS.items():
        assert rule["labels"]["severity"] in ("critical", "warning", "info"), name
        assert rule["annotations"].keys() == {"summary", "description"}, name


# increase() reaches beyond the samples: of 1001 it makes 1006 and a fraction.
TEXTS = {
    "DelightdRestarts": ({"process_start_time_seconds": "0 60 120 180+0x40"}, "delightd at a has started 3 times in 30 minutes"),
    "DelightdDeadLettersWaiting": ({"delightd_dead_letters_total": "5+0x20 1006+0x20"}, "1006 dead letters of the last hour wait for somebody"),
    "DelightdDataLost": ({"delightd_records_lost_total": "0+0x20 1+0x20"} | OLD, "1 records were gone before a had read them"),
    "DelightdOffsetsForgotten": ({"delightd_offsets_forgotten_total": "0+0x20 1+0x20"} | OLD, "Kafka had forgotten how far a had read 1 partitions"),
    "DelightdRedisForgets": ({"delightd_redis_forgotten_total": "0 1 2 3 4+0x40"}, "Redis has lost everything 4 times within an hour (a)"),
    "DelightdRejects": ({'delightd_records_rejected_total{reason="empty"}': "0+333x40", "delightd_records_total": "0+1000x40"},
                        "33.3% of the records at a are not events"),
}  # fmt: skip


def test_numbers_in_texts_are_rounded(tmp_path):
    for name, rule in ALERTS.items():
        for text in rule["annotations"].values():
            for shown in re.findall(r"{{ *\$value(.*?)}}", text):
                assert re.fullmatch(r' \| (humanizeDuration|humanizePercentage|printf "%\.0f") ', shown), (name, text)
    path = tmp_path / "texts.test.yml"
    tests = []
    for alert, (series, summary) in TEXTS.items():
        case = as_test(alert, FIRES, series)
        rule = ALERTS[alert]
        labels = {"job": "delightd", "instance": "a"} if "by (job)" not in rule["expr"] else {"job": "delightd"}
        case["alert_rule_test"] = [{"eval_time": "30m", "alertname": alert, "exp_alerts": [
            {"exp_labels": labels | rule["labels"], "exp_annotations": {"summary": summary, "description": rule["annotations"]["description"]}}]}]  # fmt: skip
        del case["promql_expr_test"]
        tests.append(case)
    path.write_text(yaml.safe_dump({"rule_files": [str(rules) for rules in RULE_FILES], "evaluation_interval": "1m", "tests": tests}))
    promtool("test", "rules", path)


@pytest.mark.release_only
def test_every_alert_fires_and_keeps_silent(tmp_path):
    for fires in (FIRES, SILENT):
        assert {alert for alert, does, _ in CASES if does == fires} == ALERTS.keys()
    path = tmp_path / "alerts.test.yml"
    path.write_text(yaml.safe_dump({
        "rule_files": [str(rules) for rules in RULE_FILES],
        "evaluation_interval": "2m",
        "tests": [as_test(*case) for case in CASES],
    }))  # fmt: skip
    promtool("test", "rules", path)
