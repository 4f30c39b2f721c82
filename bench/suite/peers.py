"""The other candidates: built into a cache folder outside the repository, and how each is started."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from store import ROOT

PEERS = ROOT / "bench" / "peers"
JAVA = ["java", "-Xms1g", "-Xmx2g", "-XX:+UseParallelGC", "--add-opens=java.base/java.util=ALL-UNNAMED",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true"]  # fmt: skip


class Missing(Exception):
    """A candidate cannot be had here; the text says why."""


def _run(words, folder, log):
    with open(log, "ab") as out:
        streams = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": subprocess.STDOUT}
        done = subprocess.run([str(word) for word in words], cwd=folder, check=False, **streams)
    if done.returncode != 0:
        raise Missing(f"{Path(words[0]).name} failed: {Path(log).read_text(errors='replace').strip()[-600:]}")


def _program(name, hint):
    if shutil.which(name) is None:
        raise Missing(f"no {name}: {hint}")


def _built(name, sources, make):
    """A folder for what make(folder) builds of the sources, made once: its name says which version of them. One that was left half
    done is made anew, and who comes second waits."""
    digest = hashlib.sha256()
    for path in sorted(path for source in sources for path in ([source] if source.is_file() else source.rglob("*")) if path.is_file()):
        digest.update(str(path.relative_to(PEERS)).encode() + b"\0" + path.read_bytes())
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "delightd" / "peers"
    folder = base / f"{name}-{digest.hexdigest()[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            print(f"building {name} in {folder} …", file=sys.stderr, flush=True)
            shutil.rmtree(folder / "built", ignore_errors=True)
            (folder / "built").mkdir()
            make(folder / "built", folder / "log")
            (folder / "done").touch()
    return folder / "built"


def _java(module):
    def make(folder, log):
        _program("mvn", "deploy/packages.sh broker")
        _run(["mvn", "-B", "-q", f"-Dpeers.build={folder}", "package"], PEERS, log)

    sources = [PEERS / "pom.xml", *(PEERS / name for name in ("scores", "kafka-streams", "flink"))]
    folder = _built("java", sources, make) / module
    return [*JAVA, "-cp", f"{folder}/{module}-1.jar:{folder}/jars/*"]


def _go():
    source = PEERS / "redpanda-connect"

    def make(folder, log):
        _program("go", "Go 1.26 or newer")
        _run(["go", "build", "-buildvcs=false", "-o", folder / "redpanda-connect", "."], source, log)

    return [_built("redpanda-connect", [source], make) / "redpanda-connect"]


def _python():
    source = PEERS / "quixstreams"

    def make(folder, log):
        _run([sys.executable, "-m", "venv", folder], source, log)
        _run([folder / "bin/pip", "install", "-q", "-r", source / "requirements.txt"], source, log)

    return [_built("quixstreams", [source / "requirements.txt"], make) / "bin/python", source / "main.py"]


def command(name, brokers, topic, redis_port, group, folder):
    """The words that start a candidate; builds it first. Missing: why it cannot be had."""
    if name.startswith("kafka-streams"):
        program = "peers.StreamsPeer" if name.endswith("(processor)") else "peers.DslPeer"
        return [*_java("kafka-streams"), program, brokers, topic, "127.0.0.1", redis_port, group, folder]
    if name == "flink":
        return [*_java(name), "peers.FlinkPeer", brokers, topic, "127.0.0.1", redis_port, group]
    if name.startswith("redpanda-connect"):
        return [*_go(), brokers, topic, f"127.0.0.1:{redis_port}", "plugin" if name.endswith("(plugin)") else "bloblang"]
    if name == "quixstreams":
        return [*_python(), brokers, topic, "127.0.0.1", redis_port, group, folder]
    raise ValueError(name)


NAMES = ["kafka-streams", "kafka-streams (processor)", "flink", "redpanda-connect", "redpanda-connect (plugin)",
         "quixstreams"]  # fmt: skip
