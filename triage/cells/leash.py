"""A program that starts another one which cannot outlive its parent, within limits: ``leash.py [OPTIONS] -- COMMAND``.

Run by its path with any Python 3 and without site packages, so it imports nothing but the standard library. The
parent's death is told by the kernel (``PR_SET_PDEATHSIG``, Linux only), also when it was killed; limits are the
system's (``setrlimit``).
"""

import ctypes
import os
import resource
import signal
import struct
import sys

PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 24, 38
MS_BIND, MS_REC = 0x1000, 0x4000
SYS_MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE, MOUNT_ATTR_RDONLY = 442, -100, 0x8000, 0x1
SHARED_MEMORY, SHARED_MEMORY_SIZE = "/dev/shm", "512m"  # noqa: S108
LAST_CAPABILITY = 63
LIMITS = {"--address-space": "RLIMIT_AS", "--cpu-seconds": "RLIMIT_CPU", "--file-bytes": "RLIMIT_FSIZE",
          "--processes": "RLIMIT_NPROC"}


def main() -> None:
    """Take the options, bind the process, become the command."""
    words = sys.argv[1:]
    split = words.index("--")
    options, command = words[:split], words[split + 1:]
    parent = folder = None
    privileges = True
    limits = {"RLIMIT_CORE": 0}
    while options:
        name = options.pop(0)
        if name == "--no-privileges":
            privileges = False
        elif name == "--parent":
            parent = int(options.pop(0))
        elif name == "--read-only":
            folder = options.pop(0)
        else:
            limits[LIMITS[name]] = int(options.pop(0))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if folder is not None:
            make_read_only(libc, folder)
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


def make_read_only(libc: ctypes.CDLL, folder: str) -> None:
    """In this mount namespace no files can be changed from now on but those in ``folder``, where the program goes.

    Shared memory is its own. Ends the program when that is not possible.
    """
    shares = os.access(SHARED_MEMORY, os.X_OK)
    if shares:
        done(libc.mount(b"none", SHARED_MEMORY.encode(), b"tmpfs", 0, f"size={SHARED_MEMORY_SIZE}".encode()))
    done(libc.mount(folder.encode(), folder.encode(), None, MS_BIND | MS_REC, None))
    set_read_only(libc, "/", True)
    set_read_only(libc, folder, False)
    if shares:
        set_read_only(libc, SHARED_MEMORY, False)
    # Where it was entered before lies below what covers it now.
    os.chdir(folder)


def set_read_only(libc: ctypes.CDLL, path: str, wanted: bool) -> None:
    """Of ``/`` with everything that is mounted below."""
    about = struct.pack("QQQQ", MOUNT_ATTR_RDONLY if wanted else 0, 0 if wanted else MOUNT_ATTR_RDONLY, 0, 0)
    done(libc.syscall(SYS_MOUNT_SETATTR, AT_FDCWD, path.encode(), AT_RECURSIVE if wanted else 0, about,
                      ctypes.c_size_t(len(about))))


def done(result: int) -> None:
    """End the program when a call of the system failed."""
    if result:
        sys.exit(f"files cannot be made read-only: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    main()
