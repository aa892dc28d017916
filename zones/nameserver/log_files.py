"""Follows a log file of the name server through rotation, truncation and restarts, without losing or repeating a line.

The file is told from others by its first bytes, because names and inodes are used again: `named` renames `query.log` to
`query.log.0`, `logrotate` copies and truncates, a restart appends. What was begun is read to its end before the next file.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

HEAD = 160
"""Bytes at the beginning of a file that tell it from others: a line of log begins with its time."""
LONGEST_LINE = 64 * 1024
"""Bytes without a line break after which what was read is not taken for a line any more."""


class Place(msgspec.Struct, frozen=True):
    """A position between two lines. inode: of the file, which counts while the file is still empty. head: how it begins,
    in Latin-1. offset: bytes before the position."""

    inode: int
    head: str
    offset: int


class LogFollower:
    """Reads the lines of a log that is being written.

    place: where to go on (of an earlier follower); `None` begins with the present file, at its end if `at_end`.
    truncations: how often the file became shorter, or another one, under us. skipped: how often files between the one
    that was read and the next had been deleted already, so that lines are missing.
    """

    def __init__(self, path: Path, place: Place | None = None, *, at_end: bool = False, block: int = 64 * 1024) -> None:
        self.path = path
        self.truncations = 0
        self.skipped = 0
        self._block = block
        self._begin = place
        self._at_end = at_end
        self._file = -1
        self._inode = 0
        self._head = b""
        self._offset = 0  # of the end of the last complete line
        self._rest = b""

    @property
    def place(self) -> Place | None:
        """The position after the last line that `read()` gave; `None` before the log could be opened."""
        return Place(self._inode, self._head.decode("latin-1"), self._offset) if self._file >= 0 else self._begin

    @property
    def behind(self) -> int:
        """Bytes of the present file that were not given yet."""
        return max(0, os.fstat(self._file).st_size - self._offset) if self._file >= 0 else 0

    def read(self) -> bytes:
        """The next complete lines, about a block of them; empty when there is nothing new. Raises `OSError`."""
        if self._file < 0:
            self._open_first()
        self._look_at_head()
        while not (lines := self._complete_lines()):
            if self._rest and len(self._rest) < LONGEST_LINE and not self._moved_on():
                return b""  # half a line, for now
            if not self._go_on():
                return b""
        return lines

    def close(self) -> None:
        """Let go of the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    # -- within a file

    def _complete_lines(self) -> bytes:
        data = os.read(self._file, self._block)
        if not data:
            return b""
        data = self._rest + data
        end = data.rfind(b"\n") + 1
        if not end and len(data) >= LONGEST_LINE:
            end = len(data)  # whatever it is, it is not a line: let the parser count it
        self._rest = data[end:]
        self._offset += end
        return data[:end]

    def _look_at_head(self) -> None:
        """Begin anew where the file was truncated or written over, and learn how it begins while it is short."""
        head = os.pread(self._file, HEAD, 0)
        if os.fstat(self._file).st_size < self._offset + len(self._rest) or not head.startswith(self._head):
            self.truncations += 1
            os.lseek(self._file, 0, os.SEEK_SET)
            self._offset, self._rest = 0, b""
            self._head = b""
        if len(self._head) < HEAD:
            self._head = head

    # -- from file to file

    def _open_first(self) -> None:
        begin = self._begin
        if begin is not None:
            for path in (self.path, *reversed(self._rotated())):
                with contextlib.suppress(FileNotFoundError):
                    self._open(path)
                    if self._is(begin):
                        self._head = os.pread(self._file, HEAD, 0)
                        self._offset = min(begin.offset, os.fstat(self._file).st_size)
                        os.lseek(self._file, self._offset, os.SEEK_SET)
                        return
                    self.close()
            self.skipped += 1  # the file is gone, with what was not read of it
            rotated = self._rotated()
            self._open(rotated[0] if rotated else self.path)
            return
        self._open(self.path)
        if self._at_end:
            self._offset = os.lseek(self._file, 0, os.SEEK_END)

    def _is(self, place: Place) -> bool:
        head = place.head.encode("latin-1")
        return os.pread(self._file, len(head), 0) == head if head else self._inode == place.inode

    def _open(self, path: Path) -> None:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.close()
        self._file = file
        self._inode = os.fstat(file).st_ino
        self._head = os.pread(file, HEAD, 0)
        self._offset, self._rest = 0, b""

    def _moved_on(self) -> bool:
        """Whether the log goes on in another file. One that is still empty may be there before its writer is."""
        try:
            now = self.path.stat()
        except FileNotFoundError:
            return False
        return now.st_ino != self._inode and now.st_size > 0

    def _go_on(self) -> bool:
        """Open the file after the present one, if there is one and the present one has been read to its end."""
        if not self._moved_on():
            return False
        if os.fstat(self._file).st_size > self._offset + len(self._rest):
            return True  # written between our last look and the rotation
        rotated = self._rotated()
        inodes = [self._inode_of(path) for path in rotated]
        if self._inode in inodes:
            later = rotated[inodes.index(self._inode) + 1 :]
        else:
            written = os.fstat(self._file).st_mtime
            later = [path for path in rotated if self._mtime_of(path) >= written]
            self.skipped += 1
        for path in (*later, self.path):
            with contextlib.suppress(FileNotFoundError):
                self._open(path)
                return True
        return False

    def _rotated(self) -> list[Path]:
        """`query.log.4` … `query.log.0`: the oldest first."""
        numbered = [
            (int(path.suffix[1:]), path)
            for path in self.path.parent.glob(f"{self.path.name}.*")
            if path.suffix[1:].isdigit()
        ]
        return [path for _, path in sorted(numbered, reverse=True)]

    @staticmethod
    def _inode_of(path: Path) -> int:
        try:
            return path.stat().st_ino
        except FileNotFoundError:
            return 0

    @staticmethod
    def _mtime_of(path: Path) -> float:
        try:
            return path.stat().st_mtime
        except FileNotFoundError:
            return 0.0
