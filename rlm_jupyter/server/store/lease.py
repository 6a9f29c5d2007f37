"""A server's sign of life: a file that is locked as long as the process lives, however it ends."""

from __future__ import annotations

import contextlib
import glob
import os
import secrets
import sys
import threading
from pathlib import Path

__all__ = ["Lease"]

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


_TRIES = 20


class Lease:
    """The sign of life of one store. Two servers of one user share the file, and must not end each other's runs.

    ``token`` names it. A process id would not do: it is given anew, and means another process in another container.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        self._descriptor: int | None = None
        self._lock = threading.Lock()
        self.token = secrets.token_hex(8)

    def take(self) -> None:
        """Show that this store lives, until ``give_up`` or the end of the process."""
        with self._lock:
            tries = 0
            while self._descriptor is None:
                tries += 1
                descriptor = os.open(self._file(self.token), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
                if self._is_ours(descriptor) or tries == _TRIES:
                    self._descriptor = descriptor
                else:  # somebody who looks for the dead was here between our two steps
                    os.close(descriptor)
                    self.token = secrets.token_hex(8)

    def is_held(self, token: str) -> bool:
        """Return whether the store of that name lives; what a dead one left behind is removed."""
        if token == self.token:
            return True
        try:
            descriptor = os.open(self._file(token), os.O_RDWR)
        except OSError:
            return False
        try:
            _lock(descriptor)
            with contextlib.suppress(PermissionError):  # Windows removes no open file
                self._file(token).unlink(missing_ok=True)  # before the lock goes, or its owner may get it meanwhile
        except BlockingIOError:
            return True
        except OSError as error:
            return isinstance(error, PermissionError)  # how Windows says that it is locked
        finally:
            os.close(descriptor)
        with contextlib.suppress(PermissionError):
            self._file(token).unlink(missing_ok=True)
        return False

    def sweep(self) -> None:
        """Remove what servers that are gone left behind."""
        prefix = self._file("").name
        for file in list(self._store.parent.glob(f"{glob.escape(prefix)}*")):
            self.is_held(file.name[len(prefix) :])

    def give_up(self) -> None:
        """Show that this store is closed."""
        with self._lock:
            descriptor, self._descriptor = self._descriptor, None
            if descriptor is not None:
                os.close(descriptor)
                self._file(self.token).unlink(missing_ok=True)

    def _is_ours(self, descriptor: int) -> bool:
        """Return whether the file that was just made is locked now, and still there."""
        try:
            self._file(self.token).chmod(0o600)
            _lock(descriptor)
        except (BlockingIOError, PermissionError, FileNotFoundError):
            return False
        except OSError:  # a file system without locks: others take this server for gone when they begin
            return True
        return os.fstat(descriptor).st_nlink > 0

    def _file(self, token: str) -> Path:
        return self._store.with_name(f"{self._store.name}-server-{token}")
