"""Runs commands that may hang: each within a limit of its own and within a budget that all share."""

import os
import signal
import subprocess
import threading
import time

# Seconds that a part gets at least; with fewer left it is not begun.
LEAST_SECONDS = 3

# Commands that are running, each with a session of its own, and whether any may still be started.
_lock = threading.Lock()
_running = set()
_stopped = threading.Event()

INTERRUPTED = "the check was interrupted"


class Budget:
    """The seconds that all parts together may take."""

    def __init__(self, seconds):
        self.seconds = seconds
        self.begin = time.monotonic()

    def spent(self):
        return time.monotonic() - self.begin

    def left(self):
        return self.seconds - self.spent()


def run(command, limit, budget, environment=None, output=None, grace=2):
    """Runs `command` for at most `limit` seconds and what is left of `budget`.

    Returns a dictionary with `state`, one of

        done      it ended with status 0
        failed    it ended with another status, or could not be started
        cut       it was still running at its limit, or when the check was interrupted, and was
                  ended with all that it had started
        left out  there was no time to begin it

    and `seconds`, `status`, `output`, `errors` (the end of standard error) and, unless it is done,
    `reason`. At its limit it is interrupted, as by Ctrl-C, and has `grace` seconds to end in order.
    `output` names a file for standard output, which then holds what was written before a cut.
    """
    if _stopped.is_set():
        return {"state": "left out", "seconds": 0, "reason": INTERRUPTED}
    if budget.left() < LEAST_SECONDS:
        return {"state": "left out", "seconds": 0, "reason": "no time was left for it"}
    limit = min(limit, budget.left())
    begin = time.monotonic()
    try:
        with open(output or os.devnull, "w") as sink:
            process = start(
                [str(word) for word in command], stdin=subprocess.DEVNULL,
                stdout=sink if output else subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                errors="replace", start_new_session=True,
                env={**os.environ, **(environment or {})},
            )
    except OSError as error:
        return {"state": "failed", "seconds": 0, "reason": f"cannot be started: {error}"}
    cut = False
    try:
        text, errors = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        cut = True
        text, errors = end(process, grace)
    finally:
        with _lock:
            _running.discard(process)
    result = {
        "seconds": round(time.monotonic() - begin, 2), "status": process.returncode,
        "output": text or "", "errors": (errors or "")[-4000:],
    }
    if _stopped.is_set() and process.returncode != 0:
        return {**result, "state": "cut", "reason": INTERRUPTED}
    if cut:
        return {**result, "state": "cut", "reason": f"still running after {limit:.0f} s"}
    if process.returncode != 0:
        reason = last_line(errors) or last_line(text) or "nothing was said"
        return {**result, "state": "failed", "reason": f"status {process.returncode}: {reason}"}
    return {**result, "state": "done"}


def start(command, **options):
    """The command's process, which `stop` will end."""
    with _lock:
        process = subprocess.Popen(command, **options)
        _running.add(process)
    # What began while all else was being stopped.
    if _stopped.is_set():
        kill(process)
    return process


def stop():
    """Kills all commands that are running, with what they have started; none is begun any more."""
    _stopped.set()
    with _lock:
        for process in _running:
            kill(process)


def kill(process, number=signal.SIGKILL):
    """Sends a signal to `process` and all that it has started."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass


def end(process, grace):
    """Ends `process` and all that it has started; what it wrote until then."""
    for number, patience in [(signal.SIGINT, grace), (signal.SIGTERM, 1), (signal.SIGKILL, 2)]:
        kill(process, number)
        try:
            return process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            continue
    # A process that hangs in a driver cannot be ended, nor its pipes be read to their end.
    return "", ""


def last_line(text):
    """The last line of `text` that says something."""
    lines = [line.strip() for line in (text or "").splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""
