"""A program that starts another one which cannot outlive its parent, within limits: ``leash.py [OPTIONS] -- COMMAND``.

Run by its path with any Python 3 and without site packages, so it imports nothing but the standard library. The
parent's death is told by the kernel (``PR_SET_PDEATHSIG``, Linux only), also when it was killed; limits are the
system's (``setrlimit``).
"""

import ctypes
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 24, 38
LAST_CAPABILITY = 63
LIMITS = {"--address-space": "RLIMIT_AS", "--cpu-seconds": "RLIMIT_CPU", "--file-bytes": "RLIMIT_FSIZE",
          "--processes": "RLIMIT_NPROC"}


def main() -> None:
    """Take the options, bind the process, become the command."""
    words = sys.argv[1:]
    split = words.index("--")
    options, command = words[:split], words[split + 1:]
    parent = None
    privileges = True
    limits = {"RLIMIT_CORE": 0}
    while options:
        name = options.pop(0)
        if name == "--no-privileges":
            privileges = False
        elif name == "--parent":
            parent = int(options.pop(0))
        else:
            limits[LIMITS[name]] = int(options.pop(0))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if not privileges:
            for capability in range(LAST_CAPABILITY + 1):
                libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    if parent is not None and os.getppid() != parent:
        # It died before it could be watched.
        sys.exit(1)
    for name, most in limits.items():
        kind = getattr(resource, name, None)
        if kind is None:
            continue
        _, hard = resource.getrlimit(kind)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        try:
            resource.setrlimit(kind, (most, most))
        except (ValueError, OSError):
            # macOS refuses some; the product watches memory and processes by itself, too.
            continue
    os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main()
