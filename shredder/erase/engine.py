"""One worker process a device: a device that hangs in the kernel never stalls the others.

The workers are forked, so that each further one costs little memory, and die with their
parent: nobody would write their evidence any more.
"""

import ctypes
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from types import FrameType

from shredder.erase.transfer import StopFlag
from shredder.erase.worker import Task, Worker
from shredder.events import DeviceEnded, DeviceRefused, Event

_PR_SET_PDEATHSIG = 1  # <sys/prctl.h>
_POLL_S = 0.2
# a transfer that has not come back this long after the stop is taken to hang in the kernel
STOP_GRACE_S = 30.0
# no word from a worker for this long: its device hangs. Longer than any drive's own error recovery
STALL_LIMIT_S = 900.0
_KILL_WAIT_S = 2.0


@dataclass(slots=True)
class _Running:
    """A worker process, as its parent sees it."""

    path: str
    pid: int
    events: Connection
    last_word_s: float
    told_to_stop_s: float | None = None
    ended: bool = False


def run_tasks(tasks: Sequence[Task], report: Callable[[Event], None], wants_stop: Callable[[], bool]) -> None:
    """Carry out all tasks at once and report what happens; returns when the last one has ended.

    Every task ends with `DeviceRefused` or `DeviceEnded`, whatever becomes of its process.

    Args:
        tasks: one a target.
        report: takes every event in the parent process.
        wants_stop: asked five times a second; once true, all workers stop at a block boundary.
    """
    running: list[_Running] = []
    for task in tasks:
        running.append(_start(task, running))
    while running:
        for connection in wait([worker.events for worker in running], _POLL_S):
            worker = next(item for item in running if item.events is connection)
            _receive(worker, report)
        running = [worker for worker in running if not worker.ended]
        for worker in running:
            _watch(worker, report, stop=wants_stop())
        running = [worker for worker in running if not worker.ended]


def _start(task: Task, siblings: Sequence[_Running]) -> _Running:
    parent_pid = os.getpid()
    receiving, sending = Pipe(duplex=False)
    pid = os.fork()
    if pid == 0:
        receiving.close()
        for sibling in siblings:
            sibling.events.close()
        _serve(task, sending, parent_pid)
    sending.close()
    return _Running(task.step.path, pid, receiving, time.monotonic())


def _serve(task: Task, sending: Connection, parent_pid: int) -> None:
    """Be the worker process; never returns."""
    stop, intruded = StopFlag(), StopFlag()
    lock = threading.Lock()

    def report(event: Event) -> None:
        with lock:
            sending.send(event)

    def intrusion(_number: int, _frame: FrameType | None) -> None:
        intruded.set()
        stop.set()

    try:
        _die_with_parent(parent_pid)
        _let_go_of_terminal()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda _number, _frame: stop.set())
        signal.signal(signal.SIGIO, intrusion)

        def note_intrusion(event: Event) -> None:
            if isinstance(event, DeviceEnded) and intruded.is_set():
                event = DeviceEnded(
                    event.path, "another process opened the image in mid-run", event.may_still_write
                )
            report(event)

        Worker(task, note_intrusion, stop).run()
    except BaseException as error:  # the parent must hear of any defect
        report(DeviceEnded(task.step.path, f"{type(error).__name__}: {error}", may_still_write=False))
    finally:
        os._exit(0)


def _die_with_parent(parent_pid: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:
        os._exit(0)


def _let_go_of_terminal() -> None:
    """A worker prints nothing; one that hangs must not keep its parent's readers waiting."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)


def _receive(worker: _Running, report: Callable[[Event], None]) -> None:
    try:
        event: Event = worker.events.recv()
    except (EOFError, OSError):
        _, status = os.waitpid(worker.pid, 0)
        error = f"the worker process ended early ({_describe_exit(status)})"
        _finish(worker, DeviceEnded(worker.path, error, may_still_write=False), report)
        return
    worker.last_word_s = time.monotonic()
    if isinstance(event, DeviceEnded | DeviceRefused):
        os.waitpid(worker.pid, 0)
        _finish(worker, event, report)
    else:
        report(event)


def _watch(worker: _Running, report: Callable[[Event], None], *, stop: bool) -> None:
    now_s = time.monotonic()
    stalled = now_s - worker.last_word_s > STALL_LIMIT_S
    if stop or stalled:
        # told again each time: the first one may come before the worker listens
        os.kill(worker.pid, signal.SIGTERM)
        worker.told_to_stop_s = worker.told_to_stop_s or now_s
    if worker.told_to_stop_s is None:
        return
    if now_s - worker.told_to_stop_s > STOP_GRACE_S and now_s - worker.last_word_s > STOP_GRACE_S:
        gone = _kill(worker.pid)
        error = "the device did not answer; its worker was ended" if gone else "stuck in the kernel"
        _finish(worker, DeviceEnded(worker.path, error, may_still_write=not gone), report)


def _kill(pid: int) -> bool:
    """Kill our own child; False when it cannot be ended because it hangs in the kernel."""
    os.kill(pid, signal.SIGKILL)
    until_s = time.monotonic() + _KILL_WAIT_S
    while time.monotonic() < until_s:
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return True
        time.sleep(0.05)
    return False


def _finish(worker: _Running, event: DeviceEnded | DeviceRefused, report: Callable[[Event], None]) -> None:
    worker.events.close()
    worker.ended = True
    report(event)


def _describe_exit(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"signal {os.WTERMSIG(status)}"
    return f"status {os.waitstatus_to_exitcode(status)}"
