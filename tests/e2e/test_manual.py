"""The manual pages as they are built, against what the programs say of themselves."""

import gzip
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from harness import run_delightd
from harness.daemon import program

pytestmark = pytest.mark.release_only  # of strings and tables

PAGES = Path(program("delightd", "DELIGHTD")).parent / "man"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("man")
    for page in ("delightd.1", "delightd.yaml.5", "delight-load.1"):
        (folder / page).write_bytes(gzip.decompress((PAGES / f"{page}.gz").read_bytes()))
    return folder


def text_of(page):
    """The page as man shows it, each run of blanks as one."""
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "500", "MAN_KEEP_FORMATTING": "", "GROFF_NO_SGR": "1"}
    done = subprocess.run(["man", "--warnings", "--no-hyphenation", "--no-justification", "-P", "cat", "-l", page],
                          capture_output=True, text=True, check=True, env=environment)
    assert not done.stderr, done.stderr
    return re.sub(r"[ \n]+", " ", re.sub(".\b", "", done.stdout)).replace("‐", "-")


def flat(text):
    return re.sub(r"[ \n]+", " ", text).strip()


def test_commands_options_and_exit_statuses(pages):
    shown = text_of(pages / "delightd.1")
    overview = run_delightd("--help").stdout
    for usage in re.findall(r"^  (delightd .*)$", overview, re.MULTILINE):
        assert usage.replace("…", "...") in shown, usage
    statuses = overview.split("Exit status:\n")[1]
    for status, help_text in re.findall(r"^ {2,3}(\d+)  (.*(?:\n {6}.*)*)", statuses, re.MULTILINE):
        assert f" {status} {flat(help_text)}" in shown, status
    commands = [word for word in re.findall(r"^  delightd ([a-z]+) ", overview, re.MULTILINE) if word != "help"]
    assert len(commands) >= 8
    chapter = " " + shown.split(" COMMANDS ", 1)[1].split(" NOTES ", 1)[0]
    for command in commands:
        section = re.search(rf" delightd {command} [A-Z].*?(?= delightd [a-z]+ [A-Z]| delightd help )", chapter)
        told = run_delightd("help", command).stdout.split("\nFields (")[0]
        # What --help says, word for word: the description, then a paragraph for each option.
        assert section is not None, command
        usage, rest = told.split("\n\n", 1)
        assert flat(rest) in section.group(0), command


def test_every_option_of_the_configuration_with_default_and_range(pages):
    shown = text_of(pages / "delightd.yaml.5")
    rows = re.findall(r"^  ([a-z_.]+): (.*?); default (.*?)(; reloadable)?\n((?: {6}.*\n)+)", run_delightd("help", "options").stdout,
                      re.MULTILINE)
    assert len(rows) > 50
    for path, kind, default, reloadable, help_text in rows:
        kind = re.sub(r" \((.*)\)$", r", \1", kind)
        entry = f" {path} {flat(help_text)} {kind}; default {default}" + ("; may change while running" if reloadable else "")
        assert entry in shown, path


def test_options_of_the_load_generator(pages):
    shown = text_of(pages / "delight-load.1")
    lines = subprocess.run([program("delight-load", "DELIGHT_LOAD"), "--help"], capture_output=True, text=True, check=True).stdout.splitlines()[1:]
    assert len([line for line in lines if line.startswith("  --")]) > 40
    for line in lines:
        assert flat(line) in shown, line


def test_nothing_for_the_checkers_to_say(pages):
    assert shutil.which("mandoc")
    for page in sorted(pages.iterdir()):
        done = subprocess.run(["mandoc", "-Tlint", "-W", "warning", page], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), page
