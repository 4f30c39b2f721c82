"""Results, one JSON object a line, appended as each run ends: what was interrupted goes on from there."""

import hashlib
import json
import os
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def default_folder():
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "delightd" / "bench"


def commit():
    """The commit that is measured; with what was changed since, if anything was."""

    def git(*words):
        return subprocess.run(["git", "-C", ROOT, *words], capture_output=True, check=True).stdout

    changes = git("diff", "HEAD")
    return git("rev-parse", "--short=12", "HEAD").decode().strip() + (f"+{hashlib.sha256(changes).hexdigest()[:8]}" if changes else "")


def key_of(commit_id, figure, variant, number, parameters):
    text = json.dumps([commit_id, figure, variant, number, parameters], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Store:
    """runs.jsonl of a folder. records: every readable line, oldest first."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.path = self.folder / "runs.jsonl"
        self.records = read(self.path)
        self.by_key = {record["key"]: record for record in self.records}

    def add(self, key, commit_id, run, result, seconds):
        self.folder.mkdir(parents=True, exist_ok=True)
        record = {"key": key, "commit": commit_id, "figure": run.figure, "variant": run.variant, "round": run.number,
                  "parameters": run.parameters, "took": round(seconds, 2), "at": round(time.time()), "load": os.getloadavg()[0],
                  "result": result}  # fmt: skip
        with open(self.path, "a") as file:
            file.write(json.dumps(record) + "\n")
        self.records.append(record)
        self.by_key[key] = record
        return record

    def expected(self, figure, variant, otherwise):
        """Seconds that such a run took the last time."""
        return next((r["took"] for r in reversed(self.records) if (r["figure"], r["variant"]) == (figure, variant)), otherwise)


def read(path):
    """The last line may have been cut off by what interrupted the suite: it is measured again."""
    records = []
    if Path(path).exists():
        for line in Path(path).read_text().splitlines():
            try:
                records.append(json.loads(line))
            except ValueError:
                continue
    return records
