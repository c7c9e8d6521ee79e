"""A child's log on disk, bounded: the current file and the one before it."""

from pathlib import Path

LOG_BYTES_MAX = 5 * 1024 * 1024


class LogFile:
    """Lines are appended to `path`; past LOG_BYTES_MAX it becomes `path`.1."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = path
        self._file = path.open("ab", buffering=0)
        self._size = path.stat().st_size

    def write(self, line: bytes) -> None:
        if self._size > LOG_BYTES_MAX:
            self._turn()
        self._size += self._file.write(line + b"\n")

    def close(self) -> None:
        self._file.close()

    def _turn(self) -> None:
        self._file.close()
        self._path.replace(self._path.with_name(self._path.name + ".1"))
        self._file = self._path.open("ab", buffering=0)
        self._size = 0
