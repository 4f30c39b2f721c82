"""config/event.schema.json and the decoder say the same: both are held against tests/cases/events.jsonl.

The decoder's own test reads the same rows. A row of a plain event is accepted by the schema if and only if the decoder
accepts it, but for rows marked "schema": "looser", which a schema cannot express; these it has to accept, so that the
mark cannot outlive its reason.
"""

import json
import math
import pathlib

import jsonschema
import pytest

pytestmark = pytest.mark.release_only

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "config/event.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
CASES = [
    (number, json.loads(line))
    for number, line in enumerate((ROOT / "tests/cases/events.jsonl").read_text(encoding="utf-8").splitlines(), 1)
]


class Refused(Exception):
    """A text that a strict reader does not take."""


def _no_constant(name):
    raise Refused(name)


def _unique(pairs):
    keys = dict(pairs)
    if len(keys) != len(pairs):
        raise Refused("duplicate_key")
    for text in keys:
        _whole(text)
    return keys


def _whole(value):
    if isinstance(value, str) and any(c == "\0" or "\ud800" <= c <= "\udfff" for c in value):
        raise Refused("bad_utf8")
    if isinstance(value, list):
        for item in value:
            _whole(item)
    if isinstance(value, dict):
        for item in value.values():
            _whole(item)
    return value


def _integer(text):
    value = int(text)
    if not -(2**63) <= value < 2**63:
        raise Refused("out_of_range")
    return value


def _real(text):
    value = float(text)
    if math.isinf(value):
        raise Refused("out_of_range")
    return value


def _depth(value):
    if isinstance(value, (list, dict)):
        return 1 + max((_depth(item) for item in (value.values() if isinstance(value, dict) else value)), default=0)
    return 0


def strict(text):
    """The value of a JSON text by DESIGN's rules of syntax, by Python's reader; Refused or ValueError otherwise."""
    value = json.loads(
        text, parse_constant=_no_constant, parse_int=_integer, parse_float=_real, object_pairs_hook=_unique
    )
    if _depth(value) > 64:
        raise Refused("not_json")
    return _whole(value)


def _name(case):
    number, row = case
    return f"{number}-{row['reason']}"


def _text(row):
    return row["value"] if "value" in row else json.dumps(row["event"])


def test_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_examples_are_events():
    for example in SCHEMA["examples"]:
        VALIDATOR.validate(example)


@pytest.mark.parametrize("case", CASES, ids=_name)
def test_schema_agrees(case):
    number, row = case
    if row.get("schema") == "skip" or "headers" in row:
        return
    try:
        event = strict(_text(row))
    except (ValueError, Refused):
        assert row["reason"] in ("bad_utf8", "not_json", "duplicate_key", "out_of_range"), f"line {number}"
        return
    assert row["reason"] not in ("bad_utf8", "not_json", "duplicate_key"), f"line {number}"
    expected = row["reason"] == "accepted" or row.get("schema") == "looser"
    assert VALIDATOR.is_valid(event) == expected, f"line {number}: {row}"
