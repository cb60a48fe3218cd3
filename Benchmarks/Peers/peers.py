"""What comparisons share: a peer in a process of its own, and gputrain's command line for a case.

A case is a dictionary: what is timed (`what`: step, sweep, gemm, spectral, pass), its sizes, and
`precision`, what products round their operands to (fp32, tf32, bf16). Whoever takes part in a case
computes in its precision, or says that it cannot.
"""

import json
import os
import pathlib
import queue
import statistics
import subprocess
import sys
import tempfile
import threading

WORKER = pathlib.Path(__file__).parent / "worker.py"

# JAX takes three quarters of a GPU's memory beforehand, where others are timed on the same one.
ENVIRONMENT = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "PYTHONUNBUFFERED": "1"}

FLAGS = {
    "inputs": "--inputs", "width": "--width", "depth": "--depth", "batch": "--batch-size",
    "optimizer": "--optimizer", "replicas": "--replicas", "form": "--transpose", "m": "--m", "n": "--n",
    "k": "--k", "network": "--network", "context": "--context", "head_size": "--head-size",
}


def command_of(program, case, seconds, device="", gemm="", precision="fp32"):
    """The command line that times a case here; a pass of power iteration by way of the norm."""
    what = "spectral" if case["what"] == "pass" else case["what"]
    command = [str(program), "bench", what, "--json", f"--seconds={seconds}"]
    command += [f"{flag}={case[key]}" for key, flag in FLAGS.items() if key in case]
    if device:
        command.append(f"--device={device}")
    if gemm:
        command.append(f"--gemm={gemm}")
    if precision != "fp32":
        command.append(f"--precision={precision}")
    return command


def name(case):
    """The case in a few words, with its precision."""
    if case["what"] == "gemm":
        text = f"gemm {case['form']} {case['m']}×{case['n']}×{case['k']}"
    elif case["what"] == "spectral":
        text = f"spectral norm {case['width']}²"
    elif case["what"] == "pass":
        text = f"power-iteration pass {case['width']}², 4 vectors"
    else:
        network = f"{case['network']} " if "network" in case else ""
        text = f"{case['what']} {network}{case['inputs']}–{case['width']}², batch {case['batch']}, {case['optimizer']}"
        text += f", context {case['context']}" if "context" in case else ""
        text += f", {case['replicas']} replicas" if "replicas" in case else ""
    return f"{text}, {case['precision']}"


class Peer:
    """A framework in a process of its own, which waits while others are timed.

    It is started at once and asked later, so that importing takes no time from what is timed. After
    an answer that does not come in time, or an end, it is `gone` and every case is answered by that.
    `environment` is added to this process's own.
    """

    def __init__(self, name, python=sys.executable, worker=WORKER, environment=None):
        self.name = name
        self.about = None
        self.gone = None
        self.lines = queue.Queue()
        self.errors = tempfile.TemporaryFile("w+", errors="replace")
        self.process = subprocess.Popen(
            [str(python), str(worker), name], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self.errors, text=True, bufsize=1,
            env={**os.environ, **ENVIRONMENT, **(environment or {})},
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put("")

    def _answer(self, timeout):
        """The next line as a value; None, and the peer gone, where none comes."""
        try:
            line = self.lines.get(timeout=timeout)
        except queue.Empty:
            self.stop(f"no answer after {timeout:.0f} s")
            return None
        try:
            return json.loads(line)
        except ValueError:
            self.stop("it ended" if self.about else "it does not start; is it installed in this environment?")
            self.gone += self._last_words()
            return None

    def _last_words(self):
        """The last line that it said of what went wrong."""
        self.errors.seek(0)
        lines = [line.strip() for line in self.errors if line.strip()]
        return f" ({lines[-1][:200]})" if lines else ""

    def begin(self, timeout=90):
        """What the peer says of itself; None where it does not start."""
        if self.about is None and self.gone is None:
            self.about = self._answer(timeout)
        return self.about

    def time(self, case, timeout=600):
        """The answer to a case: `milliseconds` of each block, or `error`."""
        if self.begin() is None or self.gone:
            return {"error": self.gone}
        try:
            self.process.stdin.write(json.dumps(case) + "\n")
        except OSError:
            self.stop("it ended")
        answer = None if self.gone else self._answer(timeout)
        return answer or {"error": self.gone}

    def median(self, case):
        """Milliseconds of the middle block, None where it cannot; and the answer."""
        answer = self.time(case)
        return (None if "error" in answer else statistics.median(answer["milliseconds"])), answer

    def stop(self, why="it was stopped"):
        """Ends the peer; `why` is the answer to every case from now on."""
        self.gone = self.gone or why
        self.process.kill()
        self.process.wait()
