"""axe-core, which finds what a page does that some people cannot use: fetched by npm once, into a cache outside the repository."""

import base64
import contextlib
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from .polling import skip_or_fail

VERSION = "4.14.1"
SHA512 = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="  # of the package, as npm's registry states it


def _cache():
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.environ.get("HOME") or "/var/tmp", ".cache")
    return Path(os.environ.get("DELIGHT_AXE_CACHE") or Path(home) / "delightd" / f"axe-core-{VERSION}")


def axe_source():
    """The text of axe.min.js; skips the test (fails it where CI is set) when it cannot be had."""
    script = _cache() / f"axe-{hashlib.sha256(SHA512.encode()).hexdigest()[:12]}.min.js"
    if not script.exists():
        if not shutil.which("npm"):
            skip_or_fail(f"no axe-core {VERSION} in {_cache()}, and no npm to fetch it")
        script.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=script.parent, prefix=".new.") as folder:
            _fetch(Path(folder), script)
    return script.read_text(encoding="utf-8")


def _fetch(folder, script):
    environment = os.environ | {"NPM_CONFIG_CACHE": str(folder / "npm"), "NPM_CONFIG_UPDATE_NOTIFIER": "false"}
    done = None
    with contextlib.suppress(subprocess.TimeoutExpired):
        done = subprocess.run(["npm", "pack", "--silent", f"axe-core@{VERSION}"], cwd=folder, env=environment, timeout=120,
                              capture_output=True, text=True, check=False)  # fmt: skip
    packages = list(folder.glob("*.tgz"))
    if done is None or done.returncode != 0 or len(packages) != 1:
        last = (done.stderr.strip().splitlines() or ["no package"])[-1] if done else "it took more than two minutes"
        skip_or_fail(f"npm could not fetch axe-core {VERSION}: {last}")
    digest = base64.b64encode(hashlib.sha512(packages[0].read_bytes()).digest()).decode()
    if digest != SHA512:
        raise AssertionError(f"axe-core {VERSION} from npm is not what it was: sha512 {digest}")
    with tarfile.open(packages[0]) as package:
        (folder / "axe.min.js").write_bytes(package.extractfile("package/axe.min.js").read())
    (folder / "axe.min.js").rename(script)  # whole or not there
