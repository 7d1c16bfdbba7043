"""The kernel's word that nobody else has a file open, kept while it is worked on: a write lease."""

import contextlib
import errno
import fcntl

_SETSIG = 10  # F_SETSIG of <linux/fcntl.h>
_SIGURG = 23


class Lease:
    """Asked for when it is made (fcntl(2), F_SETLEASE).

    `is_refused` says that another descriptor or mapping of the file exists.

    Whoever opens the file from then on, this process too, waits until the lease is given back, but no longer
    than /proc/sys/fs/lease-break-time says. The kernel gives it back with the last close of the descriptor.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.is_refused = False
        self._is_held = False
        try:
            # who opens the file makes the kernel send a signal; the usual one would end us
            fcntl.fcntl(descriptor, _SETSIG, _SIGURG)
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        except OSError as error:  # with another error, this file system has no leases, or none for us
            self.is_refused = error.errno in (errno.EAGAIN, errno.EBUSY)
        else:
            self._is_held = True

    @property
    def is_whole(self) -> bool:
        """False from the moment that somebody opens the file; always True where no lease was to be had."""
        return not self._is_held or fcntl.fcntl(self._descriptor, fcntl.F_GETLEASE) == fcntl.F_WRLCK

    def give_back(self) -> None:
        """Let those go on who wait for the file."""
        with contextlib.suppress(OSError):
            fcntl.fcntl(self._descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
