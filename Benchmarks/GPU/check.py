"""What a device does with gputrain: everything that a first contact with a GPU should find out.

Run by check.sh, which finds program, driver and Python. Parts are independent: each has its own limit
within the budget, and one that fails or hangs is named in the results and loses no other. Writes into
--out, again after every part:

    results.json     everything that was measured, and how every part ended
    table.txt        the table that is printed at the end
    YYYY-MM-DD-gpu-<card>.md     the page to commit under Benchmarks/results
    log.txt          what the parts said

SIGINT and SIGTERM end everything that runs; what is known by then is written, and the status is
130.
"""

import argparse
import concurrent.futures
import datetime
import json
import math
import os
import pathlib
import queue
import shutil
import signal
import sys
import tempfile
import threading

import cases
import kernels
import page
from parts import Budget, run, stop

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Peers"))

from peers import command_of

# Seconds that each part may take, for a budget of 480: less is given where less is left.
LIMITS = {"machine": 40, "devices": 30, "facts": 60, "selftest": 150, "compare": 400, "kernels": 30, "sweep": 45, "tune": 60}
# Kept for the kernels' times, the sweeps and the search of tiles, of a budget of 480.
KEPT = 135
USUAL_BUDGET = 480
# Seconds in which a check that is interrupted may pass over its other parts.
PATIENCE = 10
INTERRUPTED_STATUS = 130


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--device", default="gpu")
    parser.add_argument("--python", default="", help="with torch or jax (default: the first found)")
    parser.add_argument("--budget", type=float, default=USUAL_BUDGET)
    parser.add_argument("--small", action="store_true", help="small sizes: tries the check itself")
    parser.add_argument("--version", default="")
    parser.add_argument("--limit", action="append", default=[], metavar="PART=SECONDS")
    parser.add_argument("--worker", default="", help="another worker.py, to try the check itself")
    parser.add_argument("--earlier", type=pathlib.Path, help="results.json whose comparisons are completed")
    return parser.parse_args()


class Check:
    """The results so far, and how parts are run."""

    def __init__(self, options):
        self.options = options
        self.budget = Budget(options.budget)
        self.limits = {**LIMITS, **{k: float(v) for k, v in (limit.split("=") for limit in options.limit)}}
        # Files of sweeps and the like, which nobody needs afterwards.
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="gpu-check-"))
        self.log = (options.out / "log.txt").open("w")
        self.has_page = False
        self.results = {
            "date": datetime.date.today().isoformat(), "small": options.small, "version": options.version,
            "asked_for": options.device, "budget_seconds": options.budget, "parts": []}

    def run(self, name, command, limit=None, **more):
        """Runs a command as (a piece of) the part `name`, and logs how it ended."""
        ended = run(command, limit or self.limits[name], self.budget, **more)
        self.log.write(f"== {name}: {' '.join(map(str, command))}\n{ended['state']} {ended.get('reason', '')}\n")
        self.log.write((ended.get("output") or "")[-20000:] + (ended.get("errors") or "") + "\n")
        self.log.flush()
        return ended

    def part(self, name, ended):
        """Keeps how a part ended and writes what is known so far."""
        entry = {key: ended[key] for key in ("state", "seconds", "reason") if key in ended}
        self.results["parts"].append({"name": name, **entry})
        self.say(f"{name}: {ended['state']}" + (f", {ended['reason']}" if "reason" in ended else ""))
        self.write()

    def say(self, text):
        print(f"[{self.budget.spent():3.0f} s] {text}", flush=True)

    def write(self):
        """Writes all files again, each by a rename, so that an interrupted check leaves whole ones;
        the page as soon as it is known which device is meant."""
        self.results["spent_seconds"] = round(self.budget.spent(), 1)
        self.write_file("results.json", json.dumps(
            in_words(self.results), indent=1, ensure_ascii=False, allow_nan=False) + "\n")
        if "device" not in self.results:
            return
        try:
            self.write_file("table.txt", page.table_text(self.results) + "\n")
            self.write_file(page.file_name(self.results), page.markdown(self.results))
            self.has_page = True
        except Exception as error:  # Numbers are kept where the page cannot be made.
            self.has_page = False
            self.log.write(f"the page cannot be made: {type(error).__name__}: {error}\n")
            self.write_file(
                "table.txt", f"the page cannot be made: {error}; the numbers are in results.json\n")

    def write_file(self, name, text):
        new = self.options.out / f".{name}"
        new.write_text(text)
        new.rename(self.options.out / name)

    def program(self, *words):
        return [self.options.program, *words]

    def script(self, name, *words):
        return [sys.executable, HERE / name, *words]


def in_words(value):
    """`value` with "nan", "inf" and "-inf" for numbers that JSON does not have."""
    if isinstance(value, dict):
        return {key: in_words(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [in_words(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def lines_of_json(text):
    """The objects of a text with one a line; a last line that was cut is passed over."""
    result = []
    for line in text.splitlines():
        try:
            result.append(json.loads(line))
        except ValueError:
            continue
    return result


def machine(check):
    ended = check.run("machine", check.script("machine.py"))
    check.results["machine"] = next(iter(lines_of_json(ended.get("output", ""))), {})
    check.part("machine", ended)


def devices(check):
    """Which device is meant; what is said where there is none."""
    ended = check.run("devices", check.program("devices", "--json"))
    try:
        listing = json.loads(ended.get("output", ""))
    except ValueError:
        listing = {"devices": [], "drivers": []}
    check.results["devices"] = listing
    device = chosen(listing["devices"], check.options.device)
    check.results["device"] = device
    if device is None:
        advice = [line for driver in listing["drivers"] for line in [driver["found"], *driver["remedies"]]]
        check.results["device_absent"] = "; ".join(advice) or ended.get("reason") or "OpenCL offers none"
        if ended["state"] == "done":
            ended = {**ended, "state": "failed", "reason": f"no device is {check.options.device}"}
    check.part("devices", ended)


def chosen(devices, wanted):
    """The device that --device `wanted` names: of several of a kind, the one with the most memory."""
    wanted = wanted.lower()
    found = [
        device for device in devices
        if wanted in (device["kind"], str(device["index"]))
        or (not wanted.isdigit() and wanted in device["name"].lower())]
    return max(found, key=lambda device: device["memoryBytes"], default=None)


def facts(check):
    """The driver's facts, as far as they came."""
    output = check.work / "facts"
    ended = check.run("facts", check.script("probe.py", check.results["device"]["name"]), output=output)
    check.results["facts"] = lines_of_json(output.read_text()) if output.exists() else []
    check.part("facts", ended)


def selftests(check):
    """Every route against the host, all at once: compiling takes the time, and there are cores."""
    routes = cases.routes(check.results["device"]["kind"])

    def test(route):
        gemm, precision = route
        command = check.program("selftest", f"--device={check.options.device}", f"--gemm={gemm}", "--json")
        ended = check.run("selftest", command + ([f"--precision={precision}"] if precision != "fp32" else []))
        return {"gemm": gemm, "precision": precision, **judged(ended)}

    with concurrent.futures.ThreadPoolExecutor(len(routes)) as pool:
        tests = list(pool.map(test, routes))
    check.results["selftests"] = tests
    for result in tests:
        check.say(f"self-test {result['gemm']} {result['precision']}: {page.verdict(result)}")
    states = [result["state"] for result in tests]
    worst = next((state for state in ("failed", "cut", "left out") if state in states), "done")
    wrong = ", ".join(page.route_name((t["gemm"], t["precision"])) for t in tests if t["state"] != "done")
    check.part("self-tests", {
        "state": worst, "seconds": max(result["seconds"] for result in tests), **({"reason": wrong} if wrong else {})})


def judged(ended):
    """A self-test's verdict from its JSON, which it prints for failures as well."""
    result = {key: ended[key] for key in ("state", "seconds", "reason") if key in ended}
    try:
        outcome = json.loads(ended.get("output", ""))
        items = outcome["items"]
    except (ValueError, KeyError, TypeError):
        return {**result, "passes": False}
    shares = [float(i["error"]) / float(i["bound"]) for i in items if i.get("error") is not None and float(i["bound"])]
    failures = [
        f"{item['name']}: {item.get('failure') or 'error {} > {}'.format(item.get('error'), item['bound'])}"
        for item in items if not item["passes"]]
    # A number that is none is the worst of all.
    worst = max(shares, default=0, key=lambda share: math.inf if math.isnan(share) else share)
    return {
        **result, "passes": outcome["passes"] and ended["state"] == "done", "items": len(items),
        "worst": round(worst, 3), "failures": failures}


def compare(check):
    """Rows beside the peers, until what is kept for the rest is left."""
    options = check.options
    python, has = peers_python(check)
    known = {"torch": "torch" in has, "graph": "torch" in has, "jax": "jax" in has}
    names = [name for name, is_there in known.items() if is_there]
    module = {"torch": "torch", "graph": "torch", "jax": "jax"}
    check.results["peers"] = {
        name: {"error": f"no {module[name]} in {python or 'any python3'}"} for name in known if not known[name]}
    plan = cases.plan(check.results["device"]["kind"], options.small)
    kept = earlier_measurements(check, plan)
    seconds = check.budget.left() - KEPT * min(1, options.budget / USUAL_BUDGET)
    seconds = max(0, min(seconds, check.limits["compare"]))
    output = check.work / "compare"
    command = check.script(
        "drive.py", "--program", options.program, "--device", options.device, "--kind",
        check.results["device"]["kind"], "--seconds-left", f"{seconds:.0f}")
    command += ["--small", "--seconds", "0.2"] if options.small else []
    command += ["--python", python, "--peers", ",".join(names)] if names else []
    command += ["--worker", options.worker] if options.worker else []
    command += ["--leave-out", ",".join(map(str, sorted({line["entry"] for line in kept})))] if kept else []
    # It ends in time unless a driver hangs.
    ended = check.run("compare", command, limit=seconds + 15, output=output)
    found = lines_of_json(output.read_text()) if output.exists() else []
    for line in found:
        if "plan" in line:
            check.results["plan"] = line["plan"]
        elif "peer" in line:
            check.results["peers"][line.pop("peer")] = line
    if ended["state"] == "left out":
        check.results["peers"] = {}
    check.results["measurements"] = kept + [line for line in found if "entry" in line]
    check.results.setdefault("plan", plan)
    check.part("comparison", ended)


def earlier_measurements(check, plan):
    """What --earlier has of the cases that were measured whole, on this card with this driver and by
    this plan; of another card or plan nothing is taken."""
    if check.options.earlier is None:
        return []
    earlier = json.loads(check.options.earlier.read_text())
    device, other = check.results["device"], earlier.get("device") or {}
    differs = [name for name in ("name", "driver") if device.get(name) != other.get(name)]
    if differs or earlier.get("plan") != plan:
        check.say(f"{check.options.earlier} is of another {differs[0] if differs else 'plan'}: not taken")
        return []
    check.results["earlier"] = {name: earlier.get(name) for name in ("date", "version")}
    lines = earlier.get("measurements", [])
    sides = lambda entry: {cases.route_name(route) for route in entry["routes"]} | set(entry["peers"])
    whole = {
        index for index, entry in enumerate(plan)
        if sides(entry) == {line["side"] for line in lines if line["entry"] == index and "error" not in line}}
    return [line for line in lines if line["entry"] in whole]


def peers_python(check):
    """A Python with torch or jax, and which of them it has; "" where there is none."""
    wanted = check.options.python
    question = "import importlib.util as u; print(*[n for n in ('torch', 'jax') if u.find_spec(n)])"
    candidates = [wanted] if wanted else [sys.executable, "python3", "/usr/bin/python3", "/opt/conda/bin/python3"]
    best = (wanted, [])
    for candidate in candidates:
        path = shutil.which(candidate)
        if path is None:
            continue
        ended = check.run("peers", [path, "-c", question], limit=15)
        has = ended["output"].split() if ended["state"] == "done" else []
        if len(has) > len(best[1]):
            best = (path, has)
    return best


def kernel_times(check):
    """Device time by kernel of a few training steps: where a step's time goes."""
    library = kernels.library(check.work)
    check.results["kernels"] = []
    if library is None:
        check.results["kernels_absent"] = "no kernel_times.so and no C compiler with OpenCL's headers"
        return
    passed = page.tested(check.results)
    kind = check.results["device"]["kind"]
    begin = check.budget.spent()
    for case, route in kernels.plan(kind, check.options.small):
        if page.route_name(route) not in passed or check.budget.spent() - begin > check.limits["kernels"]:
            continue
        file = check.work / "kernels.json"
        file.unlink(missing_ok=True)
        ended = check.run("kernels", command_of(
            check.options.program, case, 0.1, check.options.device, *route), limit=15, environment={
                "LD_PRELOAD": str(library), "KERNEL_TIMES": str(file), "KERNEL_TIMES_SKIP": "1000"})
        found = lines_of_json(file.read_text()) if file.exists() else []
        check.results["kernels"].append({
            "case": case, "route": list(route), **{k: ended[k] for k in ("state", "reason") if k in ended},
            "kernels": found})
    states = [found["state"] for found in check.results["kernels"]]
    check.part("time by kernel", {
        "state": "done" if all(state == "done" for state in states) else "failed",
        "seconds": check.budget.spent() - begin})


def sweeps(check):
    """The sweep that a user begins with, by the route that is the default and by the exact one."""
    kind = check.results["device"]["kind"]
    passed = page.tested(check.results)
    check.results["sweeps"] = []
    wanted = [("tiled", "fp32"), ("tiled", "tf32x3")] if kind == "gpu" else [("opencl", "fp32")]
    for gemm, precision in [route for route in wanted if page.route_name(route) in passed]:
        command = check.program(
            "sweep", f"--device={check.options.device}", f"--gemm={gemm}", "--quiet", "--json", "--out",
            check.work / f"sweep-{precision}")
        command += [f"--precision={precision}"] if precision != "fp32" else []
        command += ["--widths=16,32", "--seeds=2", "--steps=20"] if check.options.small else []
        ended = check.run("sweep", command)
        try:
            groups = json.loads(ended.get("output", ""))["report"]["groups"]
            verdicts = [f"{group['parametrization']} {group['verdict']['text']}" for group in groups]
        except (ValueError, KeyError, TypeError):
            verdicts = []
        check.results["sweeps"].append({
            "route": f"{gemm} {precision}", **{k: ended[k] for k in ("state", "seconds", "reason") if k in ended},
            "verdict": "; ".join(verdicts)})
        check.part(f"default sweep, {gemm} {precision}", ended)


def tune(check):
    """A short search of tiles; kept nowhere but in the results."""
    if "tiled fp32" not in page.tested(check.results):
        check.results["tuning"] = {"reason": "the self-test of tiled fp32 did not pass"}
        return
    seconds = 1 if check.options.small else 20
    shapes = "8x64x64" if check.options.small else "64x2048x2048,32*64x128x128"
    # A cache folder of its own, as what is found so quickly is not to be kept for later commands; of
    # the user's it has the compiled kernels.
    cache = check.work / "tuning"
    folder = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    for compiled in ("pocl", "gputrain/programs"):
        (cache / compiled).parent.mkdir(parents=True, exist_ok=True)
        (folder / compiled).mkdir(parents=True, exist_ok=True)
        (cache / compiled).symlink_to(folder / compiled)
    ended = check.run("tune", check.program(
        "tune", f"--device={check.options.device}", "--gemm=tiled", f"--seconds={seconds}", f"--shapes={shapes}",
        "--json", "--quiet"), limit=25 if check.options.small else None, grace=15,
        environment={"XDG_CACHE_HOME": str(cache)})
    try:
        # Cut short it prints what it has found.
        check.results["tuning"] = json.loads(ended.get("output", "")) or {"reason": "nothing was found"}
        ended = {"state": "done", "seconds": ended["seconds"]}
    except ValueError:
        check.results["tuning"] = {"reason": ended.get("reason", "its output does not read")}
    check.part("search of tiles", ended)


def afterwards(check):
    """The card's clocks, temperature and power after the work: whether it was slowed down."""
    ended = check.run("machine", check.script("machine.py"))
    found = next(iter(lines_of_json(ended.get("output", ""))), {})
    check.results["card_afterwards"] = found.get("card", {})


def all_parts(check):
    """Every part in turn, and what is known after it."""
    for part in (machine, devices, facts, selftests, compare, kernel_times, sweeps, tune, afterwards):
        if part not in (machine, devices) and check.results.get("device") is None:
            break
        try:
            part(check)
        except Exception as error:  # A mistake of this file's loses one part, too.
            reason = f"{type(error).__name__}: {error}"
            if part is devices:
                check.results.update(device=None, device_absent=f"they cannot be listed: {reason}")
            check.part(part.__name__, {"state": "failed", "seconds": 0, "reason": reason})
    check.write()


def main():
    options = arguments()
    options.out.mkdir(parents=True, exist_ok=True)
    check = Check(options)
    # Parts run in a thread of their own, so that a signal finds the main thread doing nothing: it
    # ends what they have started, and they pass over what is left. The queue has what comes first.
    news = queue.SimpleQueue()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: news.put("interrupted"))
    # Whoever starts this from a thread that blocks signals hands that on.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))

    def work():
        try:
            all_parts(check)
        finally:
            news.put("over")

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    if news.get() == "interrupted":
        stop()
        check.say("interrupted: ending what runs")
        # Longer where a process hangs in a driver and cannot be ended: finished parts are written.
        worker.join(PATIENCE)
        shutil.rmtree(check.work, ignore_errors=True)
        print(f"Results so far: {options.out / 'results.json'}", flush=True)
        os._exit(INTERRUPTED_STATUS)
    shutil.rmtree(check.work, ignore_errors=True)
    print(f"\n{(options.out / 'table.txt').read_text()}")
    print(f"Results: {options.out / 'results.json'}")
    if check.has_page:
        print(f"Page: {options.out / page.file_name(check.results)}")
        print(f"\n{page.advice(check.results)}")
    sys.exit(0 if page.tested(check.results) else 1)


main()
