#!/usr/bin/env python3
"""Everything the Makefile does, with nothing but the standard library: `python3 tools/dev.py run|test|check|bench|soak|lock`.

Each command first makes sure that what it needs is there: system programs (installed by apt as root on Debian, named in
one line otherwise), the virtual environment `.venv/`, and the hashed requirements. A second call finds all that in place
and costs milliseconds.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
POLICY = Path("/usr/sbin/policy-rc.d")

REQUIREMENTS = "requirements.txt"
DEV_REQUIREMENTS = "requirements-dev.txt"

# -- processes --------------------------------------------------------------------------------------------------------


def call(*command: str | Path, env: dict[str, str] | None = None, quiet: bool = False) -> int:
    """Run a command in the checkout and answer its exit code. Whatever ends us ends it first, politely."""
    output = subprocess.DEVNULL if quiet else None
    child = subprocess.Popen([str(word) for word in command], cwd=ROOT, env=env, stdout=output, stderr=output)
    try:
        return child.wait()
    except BaseException:
        child.terminate()
        child.wait()
        raise


def must(*command: str | Path, env: dict[str, str] | None = None) -> None:
    """Run a command; its failure is ours."""
    if code := call(*command, env=env):
        fail(f"failed with exit code {code}: {' '.join(str(word) for word in command)}", code)


def say(text: str) -> None:
    print(f"==> {text}", flush=True)


def fail(text: str, code: int = 1) -> NoReturn:
    print(f"dev.py: {text}", file=sys.stderr, flush=True)
    sys.exit(code)


# -- system programs ----------------------------------------------------------------------------------------------------


def program(name: str) -> str | None:
    """The path of a program, also where Debian keeps it off the PATH of ordinary users; None when there is none."""
    places = [os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"]
    places += sorted(str(path) for path in Path("/usr/lib/postgresql").glob("*/bin"))
    return shutil.which(name, path=os.pathsep.join(places))


def has_venv() -> bool:
    """Debian splits `ensurepip`, which `venv` needs, off into python3-venv."""
    return PYTHON.exists() or call(sys.executable, "-c", "import ensurepip, venv", quiet=True) == 0


class Package(NamedTuple):
    name: str
    present: Callable[[], bool]


def package(name: str, *programs: str) -> Package:
    return Package(name, lambda: all(program(each) for each in programs))


NAME_SERVER = [
    package("bind9", "named"),
    package("bind9-utils", "rndc", "named-checkzone", "named-compilezone"),
    package("bind9-dnsutils", "dig"),
]
NODE = [package("nodejs", "node"), package("npm", "npm")]
FOR_RUN = [Package("python3-venv", has_venv), *NAME_SERVER, *NODE]
FOR_CHECK = [Package("python3-venv", has_venv), *NODE]
FOR_TEST = [
    *FOR_RUN,
    package("redis-server", "redis-server"),
    package("postgresql", "initdb", "postgres"),
    package("chromium", "chromium"),
    package("nginx-light", "nginx"),
    package("curl", "curl"),
    package("openssl", "openssl"),
]
FOR_BENCH = [*FOR_TEST, package("dnsperf", "dnsperf")]


def need(packages: Sequence[Package]) -> None:
    """Install the packages whose programs are missing, or say in one line how, and give up."""
    missing = [each.name for each in packages if not each.present()]
    if not missing:
        return
    line = "apt install " + " ".join(missing)
    if os.geteuid() != 0:
        fail(f"programs are missing; install them with:\nsudo {line}")
    if not program("apt-get"):
        fail(f"programs are missing, and this is no Debian; the packages are called there: {' '.join(missing)}")
    say(line)
    with services_not_started():
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        call("apt-get", "-qq", "update", env=environment)
        must("apt-get", "-qq", "-y", "--no-install-recommends", "install", *missing, env=environment)
    if still := [each.name for each in packages if not each.present()]:
        fail(f"installed, but their programs are not to be found: {' '.join(still)}")


@contextlib.contextmanager
def services_not_started() -> Iterator[None]:
    """Debian asks policy-rc.d before it starts a service that it has just installed; 101 means no.

    We need the programs, run by us on ports of our own, not a name server or a database on the standard ports.
    """
    ours = not POLICY.exists()
    if ours:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            POLICY.unlink(missing_ok=True)


# -- virtual environment ------------------------------------------------------------------------------------------------


def environment(requirements: str) -> None:
    """Make `.venv/` hold exactly what `requirements` pins, if it does not yet."""
    VENV.mkdir(exist_ok=True)
    with open(VENV / "dev.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # `make run` and `make test` may start at the same time
        if not PYTHON.exists() or call(PYTHON, "-c", "", quiet=True) != 0:
            say("making .venv")
            must(sys.executable, "-m", "venv", "--clear", VENV)
        if stamp(requirements).is_file() and stamp(requirements).read_text() == digest(requirements):
            return
        say(f"installing {requirements} into .venv")
        install(requirements)
        stamp(requirements).write_text(digest(requirements))
        if requirements == DEV_REQUIREMENTS:  # which contains the others, pinned by the same `lock`
            stamp(REQUIREMENTS).write_text(digest(REQUIREMENTS))


def install(requirements: str) -> None:
    if uv := shutil.which("uv"):
        must(uv, "pip", "install", "--quiet", "--python", PYTHON, "--require-hashes", "-r", requirements)
    else:
        quiet = ("--quiet", "--disable-pip-version-check", "--no-input")
        # Python compiles what is imported when it is, as with uv; compiling all of it takes a third of the installation.
        must(PYTHON, "-m", "pip", "install", *quiet, "--no-compile", "--require-hashes", "-r", requirements)


def stamp(name: str) -> Path:
    return VENV / f"{Path(name).name}.installed"


def digest(*names: str) -> str:
    return hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in names)).hexdigest()


def node_modules(*, for_pages: bool = False) -> None:
    """Install what `package-lock.json` pins, if it is not there yet; `for_pages` only what the site itself serves."""
    done = ROOT / "node_modules" / "installed"
    everything = digest("package.json", "package-lock.json")
    wanted = f"{everything} for pages" if for_pages else everything
    if done.is_file() and done.read_text() in (wanted, everything):
        return
    say("installing package-lock.json into node_modules")
    must("npm", "ci", "--no-audit", "--no-fund", "--loglevel=error", *(["--omit=dev"] if for_pages else []))
    done.write_text(wanted)


# -- commands -----------------------------------------------------------------------------------------------------------


def run(arguments: list[str]) -> NoReturn:
    """Bring the database up to date, load the demo on the first start, and become the server."""
    need(FOR_RUN)
    environment(REQUIREMENTS)
    node_modules(for_pages=True)
    os.environ.setdefault("DNSADMIN_DEMO", "1")
    os.environ["PYTHONUNBUFFERED"] = "1"
    must(PYTHON, "manage.py", "migrate", "--verbosity=0")
    if os.environ["DNSADMIN_DEMO"].lower() in ("1", "true"):
        must(PYTHON, "manage.py", "seed_demo")
    os.chdir(ROOT)
    os.execv(PYTHON, [str(PYTHON), "manage.py", "serve", "--monitors", *arguments])


def test(arguments: list[str]) -> int:
    """Run all tests, or those that the arguments choose (they are pytest's)."""
    need(FOR_TEST)
    environment(DEV_REQUIREMENTS)
    node_modules(for_pages=True)
    # The whole runs a file at a time in each worker, as files share their servers, in the order of `tests/conftest.py`.
    workers = () if arguments else ("-n", "auto", "--dist=loadfile", "--no-loadscope-reorder")
    failed = call(PYTHON, "-m", "pytest", *workers, *arguments)
    if failed and not arguments:
        # Beside others on two cores a browser or a server may be too late for a test. What fails alone as well has failed.
        say("what failed beside others, once more alone")
        failed = call(PYTHON, "-m", "pytest", "--last-failed", "--last-failed-no-failures=none")
    if not arguments:
        failed = call(*JAVASCRIPT_TESTS) or failed
    return failed


JAVASCRIPT_TESTS: Sequence[str | Path] = (
    "node",
    "--test",
    "--test-reporter=spec",
    # one by one, as versions of Node differ in what they make of a directory
    *sorted((ROOT / "tests" / "js").rglob("*.test.js")),
)


def soak(arguments: list[str]) -> int:
    """Run the long fault, load and leak tests."""
    need(FOR_TEST)
    environment(DEV_REQUIREMENTS)
    node_modules(for_pages=True)
    return call(PYTHON, "-m", "pytest", "-m", "soak", "--timeout=0", *arguments)


def bench(arguments: list[str]) -> int:
    """Run `benchmarks/<name>_bench.py` for the names given, or all of them, one after the other."""
    need(FOR_BENCH)
    environment(DEV_REQUIREMENTS)
    node_modules(for_pages=True)
    known = {path.stem.removesuffix("_bench"): path for path in sorted((ROOT / "benchmarks").glob("*_bench.py"))}
    if unknown := sorted(set(arguments) - set(known)):
        fail(f"no benchmark {', '.join(unknown)}; there are: {', '.join(known)}")
    failed = 0
    for name in arguments or known:
        say(f"benchmark {name}")
        failed = call(PYTHON, "-m", f"benchmarks.{known[name].stem}") or failed
    return failed


def lock(arguments: list[str]) -> int:
    """Pin the newest versions that pyproject.toml allows, with hashes and without the address of any registry."""
    uv = shutil.which("uv") or shutil.which("uv", path=str(VENV / "bin"))
    if not uv:
        fail("`lock` needs uv: .venv/bin/python -m pip install uv")
    options = ["--universal", "--generate-hashes", "--python-version=3.11", "--no-header", "--no-annotate"]
    options += ["--no-emit-index-url", "--no-emit-find-links", "--quiet", *arguments]
    must(uv, "pip", "compile", *options, "pyproject.toml", "-o", REQUIREMENTS)
    must(uv, "pip", "compile", *options, "--group", "dev", "pyproject.toml", "-o", DEV_REQUIREMENTS)
    must("npm", "install", "--package-lock-only", "--no-audit", "--no-fund", "--loglevel=error")
    return 0


# -- check --------------------------------------------------------------------------------------------------------------


class Step(NamedTuple):
    name: str
    command: Sequence[str | Path]


class Outcome(NamedTuple):
    step: Step
    code: int
    output: str
    seconds: float


def steps() -> list[Step]:
    """The checks, the slowest first, as two of them run at a time."""
    manage = (PYTHON, "manage.py")
    return [
        Step("types", (PYTHON, "-m", "mypy")),
        Step("JavaScript types", ("node_modules/.bin/tsc", "--noEmit")),
        Step("templates", (PYTHON, "-m", "djlint", "--lint", "--quiet", "templates")),
        Step("format", (PYTHON, "-m", "ruff", "format", "--check", "--output-format=concise", "--quiet", ".")),
        Step("lint", (PYTHON, "-m", "ruff", "check", "--output-format=concise", "--quiet", ".")),
        Step("import contracts", (VENV / "bin" / "lint-imports", "--no-logo")),
        Step("migrations", (*manage, "makemigrations", "--check", "--dry-run")),
        Step("system checks", (*manage, "check", "--fail-level", "WARNING")),
        Step("event reference", (*manage, "realtime_export", "--check")),
        Step("settings reference", (*manage, "settings_reference", "--check")),
    ]


def check(arguments: list[str]) -> int:
    """Run every check, also after one has failed, and close with a table. Arguments choose steps by name."""
    need(FOR_CHECK)
    environment(DEV_REQUIREMENTS)
    node_modules()
    chosen = [step for step in steps() if not arguments or any(word in step.name for word in arguments)]
    if not chosen:
        fail(f"no such step; there are: {', '.join(step.name for step in steps())}")
    outcomes = []
    for outcome in perform_all(chosen):
        outcomes.append(outcome)
        if outcome.code:
            say(f"{outcome.step.name}: failed")
            print(outcome.output, flush=True)
    order = {step.name: place for place, step in enumerate(chosen)}
    for outcome in sorted(outcomes, key=lambda each: order[each.step.name]):
        verdict = f"FAILED ({outcome.code})" if outcome.code else "ok"
        print(f"{outcome.step.name:<20} {verdict:<12} {outcome.seconds:6.1f} s")
    return 1 if any(outcome.code for outcome in outcomes) else 0


def perform_all(steps: Sequence[Step]) -> Iterator[Outcome]:
    """Run steps, two at a time; each outcome comes when it is there."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        for done in concurrent.futures.as_completed([pool.submit(perform, step) for step in steps]):
            yield done.result()


def perform(step: Step) -> Outcome:
    """Run one step, with default settings and a data directory of its own, as some steps load the site."""
    started = time.monotonic()
    command = [str(word) for word in step.command]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DNSADMIN_", "DJANGO_"))}
    with tempfile.TemporaryDirectory(prefix="dnsadmin-check-") as data_dir:
        environment = inherited | {"DNSADMIN_DATA_DIR": data_dir}
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
    return Outcome(step, done.returncode, done.stdout, time.monotonic() - started)


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "run": run,
    "test": test,
    "check": check,
    "bench": bench,
    "soak": soak,
    "lock": lock,
}


def main() -> int:
    if sys.version_info < (3, 11):
        fail("Python 3.11 or newer is needed")
    parser = argparse.ArgumentParser(
        prog="tools/dev.py",
        epilog="example: python3 tools/dev.py test tests/zones -k serial",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    listing = "\n".join(f"{name:<6} {function.__doc__}" for name, function in COMMANDS.items())
    parser.description = f"{(__doc__ or '').splitlines()[0]}\n\n{listing}"
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="passed on to the command")
    chosen = parser.parse_args()
    # Without this, an end by SIGTERM (which is how `make` passes its own on) would leave the running child behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        return COMMANDS[chosen.command](chosen.arguments)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main())
