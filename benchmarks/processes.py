"""What a process uses together with all that it has started: memory and processor time."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.children import TICKS


def tree(pid: int, parents: Mapping[int, int]) -> Iterator[int]:
    """Give a process and all below it; `parents` maps each process to the one that started it."""
    yield pid
    for child, parent in parents.items():
        if parent == pid:
            yield from tree(child, parents)


def parents() -> dict[int, int]:
    """Give the parent of each process that runs."""
    return {int(path.name): int(fields[1]) for path in Path("/proc").glob("[0-9]*") if (fields := _stat(path))}


def tree_memory(pid: int) -> float:
    """Give the resident memory of a process and all below it, in MiB; what they share is counted for each."""
    return sum(_resident(each) for each in tree(pid, parents())) / 1024


def tree_seconds(pid: int) -> float:
    """Give the processor time, in seconds, that a process and all that now run below it have used so far."""
    found = [_stat(Path(f"/proc/{each}")) for each in tree(pid, parents())]
    return sum(int(fields[11]) + int(fields[12]) for fields in found if fields) / TICKS


def _stat(folder: Path) -> list[str]:
    """Give the fields of a process after its name; none where it has ended."""
    try:
        return (folder / "stat").read_text("ascii", "replace").rpartition(")")[2].split()
    except OSError:
        return []


def _resident(pid: int) -> int:
    """Give the resident memory of a process in KiB; 0 where it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0)
