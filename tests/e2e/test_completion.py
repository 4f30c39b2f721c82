"""Bash's and Zsh's completion against what --help and the programs say."""

import re
import shutil
import subprocess

import pytest
from harness import Terminal, run_delightd
from harness.polling import skip_or_fail


pytestmark = pytest.mark.release_only  # of strings and tables


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("completion") / "delightd"
    path.write_text(run_delightd("help", "completion-bash").stdout)
    return path


def complete(script, *words, cwd=None):
    """What Bash would offer for the last of the words; as it parts them, "=" is a word."""
    code = 'source "$0"; COMP_WORDS=(delightd "$@"); COMP_CWORD=$#; _delightd; printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-u", "-c", code, str(script), *words], capture_output=True, text=True, check=True, cwd=cwd)
    assert not done.stderr, done.stderr
    return [line for line in done.stdout.split("\n") if line]


def listed(text):
    return set(re.findall(r"^  (?:-c, )?(--[a-z-]+)", text, re.MULTILINE))


def commands():
    return re.findall(r"^  delightd ([a-z]+) ", run_delightd("--help").stdout, re.MULTILINE)


def test_every_command_and_option_of_the_help_is_offered(script):
    subprocess.run(["shellcheck", script], check=True)
    assert complete(script, "") == commands() + ["--help", "--version"]
    assert complete(script, "de") == ["deadletter"]
    for command in commands():
        if command == "help":
            continue
        offered = complete(script, command, "--")
        assert set(offered) == listed(run_delightd("help", command).stdout) | {"--help"}, command
        # The program takes each of them (what is wrong then is something else).
        for option in offered:
            assert "unrecognized option" not in run_delightd(command, option, "/nonexistent", "/nonexistent").stderr, option
    assert complete(script, "help", "") == [word for word in commands() if word != "help"] + ["fields", "options"]


def test_values(script, tmp_path):
    (tmp_path / "shop.yaml").touch()
    (tmp_path / "events.json").touch()
    assert complete(script, "run", "-c", "sh", cwd=tmp_path) == ["shop.yaml"]
    assert set(complete(script, "run", "--config", "=", cwd=tmp_path)) == {"events.json", "shop.yaml"}
    assert complete(script, "score", "ev", cwd=tmp_path) == ["events.json"]
    assert complete(script, "top", "--format", "j") == ["json"]
    assert complete(script, "deadletter", "--reason", "not_json,wr") == ["not_json,wrong_type"]
    assert complete(script, "deadletter", "--reason", "=", "bad_t") == ["bad_time"]
    assert complete(script, "top", "--sort", "+wa") == ["+wait_p95_ms"]
    assert complete(script, "top", "--set", "redis.u") == ["redis.url="]
    # The value of a setting is anything: no options there.
    assert complete(script, "top", "--set", "redis.url", "=") == [] == complete(script, "top", "--set", "redis.url", "=", "re")
    settings = set(complete(script, "run", "--set", ""))
    paths = set(re.findall(r"^  ([a-z_.]+):", run_delightd("help", "options").stdout, re.MULTILINE))
    assert {f"{path}=" for path in paths} == settings
    told = set()
    for kind in ("touchpoint", "feature"):
        done = run_delightd("top", "--kind", kind, "--sort", "nothing", "--set", "redis.url=redis://127.0.0.1:1/0")
        told |= set(re.search(r"is one of: (.*) \(", done.stderr).group(1).split())
    assert set(complete(script, "top", "--sort", "")) == told


@pytest.fixture(scope="module")
def zsh(tmp_path_factory):
    """A real Zsh in a terminal, as a user has it, with the completion where Zsh looks for it and two files in its folder."""
    if not shutil.which("zsh"):
        skip_or_fail("no zsh: install Debian's package of that name")
    tmp_path = tmp_path_factory.mktemp("zsh")
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "_delightd").write_text(run_delightd("help", "completion-zsh").stdout)
    (tmp_path / "work").mkdir()
    for name in ("shop.yaml", "events.json"):
        (tmp_path / "work" / name).touch()
    (tmp_path / ".zshrc").write_text(
        f"cd {tmp_path}/work; fpath=({tmp_path}/functions $fpath); autoload -Uz compinit; compinit -u -D; LISTMAX=0; PS1='ready> '\n"
    )
    with Terminal(["zsh", "-i"], columns=200, rows=60, env={"ZDOTDIR": str(tmp_path), "HOME": str(tmp_path)}) as terminal:
        terminal.wait(lambda lines: "ready>" in lines, "the prompt", timeout=60)
        yield terminal


def line_of(lines):
    return next((line for line in lines if line), "")


def press_tab(zsh, typed, condition, what):
    """Types it and a Tab, waits for what is to be seen then, and empties the line again."""
    try:
        zsh.keys(typed, "tab")
        zsh.wait(condition, what, timeout=60)
    finally:
        zsh.keys("ctrl-u", "ctrl-l")
        zsh.wait(lambda lines: [line for line in lines if line] == ["ready>"], "an empty screen", timeout=60)


def test_zsh_lists_every_command_and_option(zsh):
    def names(lines):
        return {line.split(" ")[0] for line in lines if " -- " in line}

    press_tab(zsh, "delightd ", lambda lines: names(lines) == set(commands()), "a list of every command")
    for command in commands():
        if command != "help":
            expected = listed(run_delightd("help", command).stdout) | {"--help"}
            press_tab(zsh, f"delightd {command} --", lambda lines, expected=expected: names(lines) == expected,
                      f"every option of {command}: {sorted(expected)}")


@pytest.mark.parametrize(
    "typed, completed",
    [
        ("de", "deadletter"),
        ("help fi", "help fields"),
        ("run -c sh", "run -c shop.yaml"),
        ("run --config=sh", "run --config=shop.yaml"),
        ("score ev", "score events.json"),
        ("get all --format j", "get all --format json"),
        ("deadletter --reason not_json,wr", "deadletter --reason not_json,wrong_type"),
        ("top --sort +wa", "top --sort +wait_p95_ms"),
        ("top --set redis.u", "top --set redis.url="),
    ],
)
def test_zsh_completes_values(zsh, typed, completed):
    press_tab(zsh, f"delightd {typed}", lambda lines: line_of(lines).rstrip(",") == f"ready> delightd {completed}", completed)
