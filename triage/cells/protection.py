"""What keeps a cell from doing harm on this machine: which of the system's means are there, and how they are used.

Nothing is promised that is not in force: namespaces are tried once, and what is missing is said on the screen.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import site
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

LEASH = Path(__file__).with_name("leash.py")
COOKIE = "TRIAGE_CELL_RUN"
"""Variable that every process of a run inherits: where there is no PID namespace, stragglers are found by it."""
KEPT_VARIABLES = ("PATH", "LANG", "LANGUAGE", "TZ", "PYTHONPATH", "VIRTUAL_ENV", "CONDA_PREFIX", "LD_LIBRARY_PATH",
                  "CUDA_VISIBLE_DEVICES", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""Variables of triage's own environment that cells get; ``LC_*`` too. All others are withheld."""
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_MOST_THREADS = 4
_HEADROOM_BYTES = 1 << 30
"""Address space is more than memory: what is reserved and never touched counts, too."""
_CPU_FACTOR = 4
_PROBE_SECONDS = 5.0
_FILE_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may use."""

    memory_bytes: int = 2 << 30
    """Resident memory of all its processes together."""
    processes: int = 64
    output_bytes: int = 256_000
    """Kept of the text that one cell writes; what is beyond is counted and dropped."""
    rich_bytes: int = 4_000_000
    """Kept of its tables, pictures and the like."""
    stop_bytes: int = 50_000_000
    """A cell that puts out more is stopped."""
    interrupt_seconds: float = 3.0
    """Between the interrupt and the end of the kernel."""
    start_seconds: float = 60.0
    """For the kernel to come up."""


@dataclass(frozen=True, slots=True)
class Means:
    """What the system offers."""

    namespace: bool
    """User and PID namespaces: whatever a cell starts ends with its run, without exception."""
    network: bool
    """Network namespaces: a cell reaches nothing."""
    parent_death: bool
    """Whether the system ends a process whose parent died (Linux)."""
    files: bool = False
    """Mount namespaces: a cell changes no files but its own."""


@cache
def means() -> Means:
    """What this system offers, tried once."""
    linux = sys.platform == "linux"
    unshare = shutil.which("unshare") if linux else None
    if unshare is None:
        return Means(False, False, linux)
    namespace = _works([unshare, *_NAMESPACE])
    return Means(namespace, namespace and _works([unshare, *_NAMESPACE, "--net"]), True,
                 namespace and _works([unshare, *_NAMESPACE, "--mount", "--", *_read_only(tempfile.gettempdir())]))


_NAMESPACE = ("--user", "--map-root-user", "--pid", "--fork", "--kill-child")


def _works(prefix: list[str]) -> bool:
    try:
        return subprocess.run([*prefix, "true"], stdin=subprocess.DEVNULL, capture_output=True,  # noqa: S603
                              timeout=_PROBE_SECONDS, check=False).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def _read_only(but: str) -> list[str]:
    """The beginning of a command that may change no files but those in the folder ``but``."""
    return [sys.executable, "-I", "-S", str(LEASH), "--read-only", but, "--"]


def runner_command(found: Means, *, cut_off: bool, only: Path | None) -> list[str]:
    """The command that starts a runner; ``cut_off``: without a network, where that is possible; ``only``: the one
    folder in which it may change files, None where it may change all."""
    command = [sys.executable, "-I", "-S", str(LEASH), "--parent", str(os.getpid()), "--"]
    if found.namespace:
        command += [shutil.which("unshare") or "unshare", *_NAMESPACE,
                    *(["--net"] if cut_off and found.network else []), *(["--mount"] if only else []), "--",
                    *(_read_only(str(only)) if only else [])]
    # -P: nothing that lies in a folder of the notebook may stand in for a module of the runner.
    return [*command, sys.executable, "-P", "-m", "triage.cells.runner"]


def kernel_command(found: Means, limits: Limits, seconds: float, python: str) -> list[str]:
    """The command that starts a kernel within ``limits``; ``seconds``: the time limits of its cells together."""
    command = [python, "-I", "-S", str(LEASH),
               "--address-space", str(limits.memory_bytes + _HEADROOM_BYTES),
               "--cpu-seconds", str(int(_CPU_FACTOR * (seconds + limits.start_seconds))),
               "--file-bytes", str(_FILE_BYTES)]
    if found.namespace:
        # Outside of a namespace the system counts all processes of the user, not only these.
        command += ["--no-privileges", "--processes", str(8 * limits.processes)]
    return [*command, "--", python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]


def environment(folder: Path, run_id: str, passed: Iterable[str], environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that cells see: a few of triage's own, the names ``passed`` on purpose, and a home of their own."""
    out = {name: environ[name] for name in KEPT_VARIABLES if name in environ}
    out |= {name: value for name, value in environ.items() if name.startswith("LC_")}
    threads = str(min(_MOST_THREADS, os.cpu_count() or 1))
    # On a large machine the libraries would reserve more address space for threads than a cell may have.
    out |= {name: environ.get(name, threads) for name in _THREAD_VARIABLES}
    out |= {name: environ[name] for name in passed if name in environ}
    home = str(folder / "home")
    out |= {"HOME": home, "TMPDIR": str(folder / "tmp"), "IPYTHONDIR": f"{home}/.ipython",
            "JUPYTER_CONFIG_DIR": f"{home}/.jupyter", "JUPYTER_DATA_DIR": f"{home}/.jupyter",
            "JUPYTER_RUNTIME_DIR": f"{home}/.jupyter", "JUPYTER_PLATFORM_DIRS": "1", "MPLCONFIGDIR": f"{home}/.mpl",
            "MPLBACKEND": "agg", "TERM": "dumb", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1", COOKIE: run_id}
    if site.ENABLE_USER_SITE:
        # HOME is another one, and what was installed with pip install --user lies in the real one.
        out["PYTHONUSERBASE"] = site.getuserbase()
    return out


def private_folder() -> Path:
    """A new folder that only its owner can enter, with a path short enough for sockets.

    Folders that killed processes of triage left behind are removed.
    """
    base = Path(tempfile.gettempdir())
    if len(str(base)) > _LONGEST_BASE:
        base = Path("/tmp")  # noqa: S108
    for old in base.glob(f"{_PREFIX}*"):
        _remove_if_left(old)
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=base))
    for name in ("home", "tmp", "work"):
        (folder / name).mkdir(mode=0o700)
    return folder


def _remove_if_left(folder: Path) -> None:
    owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
    with contextlib.suppress(OSError):
        if owner.isdecimal() and folder.lstat().st_uid == os.getuid() and not _runs(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


_PREFIX = "triage-cells-"
_LONGEST_BASE = 60
"""Characters: the path of a Unix socket has room for 107."""


def sentences(found: Means, limits: Limits, *, network: str, files: str) -> tuple[str, ...]:
    """What is in force for a run, and what is not, for a person. ``files``: the last one."""
    mebibytes = limits.memory_bytes // (1 << 20)
    out = [f"limits: memory {mebibytes:,} MiB, {limits.processes} processes, processor time; of each cell its time and "
           f"{limits.output_bytes // 1000:,} kB of output"]
    if found.namespace:
        out.append("processes: a PID namespace, so whatever a cell starts ends with it")
    elif found.parent_death:
        out.append("processes: end with triage; no PID namespace here, so one that hides its environment may stay")
    else:
        out.append("processes: ended by triage when it ends; neither namespaces nor PDEATHSIG here")
    if network != "none":
        out.append("network: open, as the manifest says (spec.notebook.network)")
    elif found.network:
        out.append("network: none; Prometheus is asked through triage")
    else:
        out.append("network: not cut off, though the manifest says so: no network namespaces here")
    return (*out, "environment: without secrets, with a home of its own", files)
