"""What a process gives up, for good, before it reads a model file: files, network, other processes, new programs.

Runs in the isolated process, which has nothing of this project imported; so this file imports the standard library
alone. Each layer is used where the platform offers it, and named, so that nobody believes in one that was not there:

- limits (everywhere): no file grows, no core is dumped, few descriptors, bounded memory;
- landlock (Linux 5.13 and later, no privilege needed): no file but the interpreter's libraries can be opened, nothing
  can be written, made or removed; from ABI 4 on no TCP, from 6 on no signals to and no sockets of other processes;
- seccomp (Linux on x86-64): no system call but the few that computing needs, whatever else the kernel may have.

Sources: landlock(7), seccomp(2), linux/landlock.h, linux/seccomp.h, linux/audit.h.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
import sys
import sysconfig
from pathlib import Path

_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2  # of prctl
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_READ = 1 << 2 | 1 << 3  # LANDLOCK_ACCESS_FS_READ_FILE and READ_DIR
# Rights that each ABI can take away: 13 of files at first, then moving, truncating, ioctl on devices.
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_DESCRIPTORS = 64
_MEMORY = 8 << 30  # activations of a batch, beyond what is mapped already

# Numbers of x86-64. All else is refused with EPERM: socket, connect, clone, execve, kill, ptrace, unlink, memfd_create…
_CALLS = {
    "read": 0, "write": 1, "close": 3, "stat": 4, "fstat": 5, "lstat": 6, "poll": 7, "lseek": 8, "mmap": 9,
    "mprotect": 10, "munmap": 11, "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "ioctl": 16,
    "pread64": 17, "readv": 19, "writev": 20, "access": 21, "sched_yield": 24, "mremap": 25, "madvise": 28,
    "nanosleep": 35, "getpid": 39, "exit": 60, "uname": 63, "fcntl": 72, "getcwd": 79, "readlink": 89,
    "gettimeofday": 96, "getrlimit": 97, "getrusage": 98, "sysinfo": 99, "times": 100, "getuid": 102, "getgid": 104,
    "geteuid": 107, "getegid": 108, "sigaltstack": 131, "gettid": 186, "futex": 202, "sched_getaffinity": 204,
    "getdents64": 217, "clock_gettime": 228, "clock_getres": 229, "clock_nanosleep": 230, "exit_group": 231,
    "tgkill": 234, "newfstatat": 262, "set_robust_list": 273, "getrandom": 318, "statx": 332, "rseq": 334,
}  # fmt: skip
_OPENAT = 257
_TO_WRITE = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_X86_64 = 0xC000003E  # AUDIT_ARCH_X86_64
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000 | 1, 0x80000000  # refused with EPERM


def confine() -> list[str]:
    """Give up all that the platform lets a process give up.

    Returns:
        The layers that hold from now on, for people.
    """
    layers = ["no environment", _limit()]
    if sys.platform == "linux":
        library = ctypes.CDLL(None, use_errno=True)
        if library.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0:
            layers += [*_landlock(library), *_seccomp(library)]
    return layers


def _limit() -> str:
    for kind, most in ((resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_NOFILE, _DESCRIPTORS)):
        resource.setrlimit(kind, (most, most))
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + _MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    return "limits"


def _landlock(library: ctypes.CDLL) -> list[str]:
    abi = int(library.syscall(_CREATE_RULESET, None, 0, 1))
    if abi < 1:
        return []
    files = (1 << _FILE_RIGHTS[min(abi, max(_FILE_RIGHTS))]) - 1
    network, scopes = (3 if abi >= 4 else 0), (3 if abi >= 6 else 0)
    attributes = struct.pack("=QQQ", files, network, scopes)
    rules = library.syscall(_CREATE_RULESET, attributes, len(attributes), 0)
    if rules < 0:
        return []
    try:
        for folder in _libraries():
            place = os.open(folder, os.O_PATH | os.O_CLOEXEC)
            # 1: LANDLOCK_RULE_PATH_BENEATH
            failed = library.syscall(_ADD_RULE, rules, 1, struct.pack("=Qi", _READ, place), 0)
            os.close(place)
            if failed:
                return []
        return [] if library.syscall(_RESTRICT_SELF, rules, 0) else [f"landlock {abi}"]
    finally:
        os.close(rules)


def _libraries() -> list[str]:
    """Folders of the interpreter's own and installed modules: torch imports some only when it needs them."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return sorted({path for name in names if os.path.isdir(path := sysconfig.get_path(name))})  # noqa: PTH112


def _seccomp(library: ctypes.CDLL) -> list[str]:
    if platform.machine() != "x86_64" or sys.maxsize < 2**32:
        return []
    code = _filter()
    held = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("=H6xQ", len(code) // 8, ctypes.addressof(held))
    return [] if library.prctl(_SET_SECCOMP, _FILTER, program, 0, 0) else ["seccomp"]


def _filter() -> bytes:
    """A program of classic BPF over `struct seccomp_data`: number, architecture, pointer, six arguments."""
    load, equal, any_bit, answer = 0x20, 0x15, 0x45, 0x06
    calls = sorted(_CALLS.values())
    steps = [
        (load, 0, 0, 4),  # the architecture: the same numbers mean other calls on another
        (equal, 1, 0, _X86_64),
        (answer, 0, 0, _KILL),
        (load, 0, 0, 0),  # the number of the call
        (equal, 0, 3, _OPENAT),
        (load, 0, 0, 32),  # the flags of openat: its third argument
        (any_bit, len(calls), 0, _TO_WRITE),
        (answer, 0, 0, _ALLOW),
        *((equal, len(calls) - i, 0, number) for i, number in enumerate(calls)),
        (answer, 0, 0, _REFUSE),
        (answer, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)
