"""Makes the table and the page of a check from its results.json.

    python3 page.py results.json [FOLDER]     # prints the table; writes the page into FOLDER

Every number is one that was measured; where there is none, the reason stands in its place.
"""

import json
import math
import pathlib
import re
import statistics
import sys

from cases import CLASS, PEERS, route_name

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "Peers"))

from peers import name as case_name


def duration(milliseconds):
    """Three digits, in µs below a millisecond: 123 µs, 1.23 ms."""
    value, unit = (milliseconds * 1e3, "µs") if milliseconds < 1 else (milliseconds, "ms")
    return f"{digits(value)} {unit}"


def digits(value, count=3):
    """`value` with `count` significant digits, never as a power of ten."""
    if value == 0 or not math.isfinite(value):
        return str(value)
    places = max(0, count - 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{places}f}"


def tested(results):
    """The names of routes whose self-test passed."""
    return [route_name((t["gemm"], t["precision"])) for t in results.get("selftests", []) if t.get("passes")]


def rows(results):
    """A row for each entry of the plan:

    name      the case in words, with its precision
    case      the case
    sides     by side, {"milliseconds": median, "rounds": {round: …}, "gflops": …} or {"reason": …}
    best      our fastest route that passed its self-test; None where there is none
    ratios    by peer, its time over that of `best`: the median over rounds
    """
    passed = tested(results)
    result = []
    for index, entry in enumerate(results.get("plan", [])):
        sides = {
            side: figure(results, index, side)
            for side in [route_name(route) for route in entry["routes"]] + entry["peers"]
        }
        measured = [
            side for side in map(route_name, entry["routes"])
            if side in passed and "milliseconds" in sides[side]]
        best = min(measured, key=lambda side: sides[side]["milliseconds"], default=None)
        ratios = {}
        for peer in entry["peers"]:
            ratio = ratio_of(sides[peer], sides[best]) if best else None
            if ratio is not None:
                ratios[peer] = ratio
        result.append({
            "name": case_name(entry["case"]), "case": entry["case"], "sides": sides, "best": best, "ratios": ratios})
    return result


def figure(results, index, side):
    """What was measured of one side of an entry, over the rounds; else the reason why not."""
    found = [m for m in results.get("measurements", []) if m["entry"] == index and m["side"] == side]
    times = {m["round"]: m["milliseconds"] for m in found if "milliseconds" in m}
    errors = [m["error"] for m in found if "error" in m]
    if times:
        last = [m for m in found if "milliseconds" in m][-1]
        more = {key: last[key] for key in ("gflops", "host_share", "relative_error") if key in last}
        return {"milliseconds": statistics.median(times.values()), "rounds": times, **more}
    if errors:
        return {"reason": errors[0]}
    if side in PEERS:
        about = results.get("peers", {}).get(side)
        if about is None:
            return {"reason": results.get("peers_absent") or "not started"}
        if "error" in about:
            return {"reason": about["error"]}
    return {"reason": "no time was left"}


def ratio_of(theirs, ours):
    """The median over common rounds of their time over ours; None where a side is missing."""
    if "rounds" not in theirs or "rounds" not in ours:
        return None
    common = theirs["rounds"].keys() & ours["rounds"].keys()
    return statistics.median(theirs["rounds"][r] / ours["rounds"][r] for r in common) if common else None


def mean(values):
    """The geometric mean."""
    return math.exp(statistics.fmean(map(math.log, values)))


def choice(table, precision, passed):
    """The route of this class of precision to be recommended: of those that passed and were timed in
    most training cases, the one that takes least, relative to the fastest of each."""
    scores = {}
    for row in training(table, precision):
        times = {
            side: value["milliseconds"] for side, value in row["sides"].items()
            if side in passed and "milliseconds" in value}
        for side, time in times.items():
            scores.setdefault(side, []).append(time / min(times.values()))
    return min(scores, key=lambda side: (-len(scores[side]), mean(scores[side])), default=None)


def training(table, precision, what=("step", "sweep")):
    return [row for row in table if row["case"]["precision"] == precision and row["case"]["what"] in what]


def comparison(table, side, precision, what):
    """How `side` does in cases of this kind, by peer: its label, geometric mean, least and most."""
    result = []
    for peer, label in PEERS.items():
        ratios = [
            ratio for row in training(table, precision, (what,)) if peer in row["sides"]
            and (ratio := ratio_of(row["sides"][peer], row["sides"].get(side, {}))) is not None]
        if ratios:
            result.append((label, mean(ratios), min(ratios), max(ratios)))
    return result


def times_as_fast(label, ratio, least, most):
    spread = f" ({digits(least, 2)}–{digits(most, 2)})" if most > least else ""
    return f"{digits(ratio, 2)}{spread} times as fast as {label}"


def option(side):
    gemm, precision = side.split()
    return f"`--gemm {gemm} --precision {precision}`"


def advice(results):
    """The paragraph for a user: what to use on this card, how fast that is, and what is not known."""
    table, passed = rows(results), tested(results)
    device = results.get("device") or {}
    card = {"gpu": "card", "cpu": "processor"}.get(device.get("kind"), "device")
    sentences = []
    if not device:
        return f"No device was found: {results.get('device_absent') or 'OpenCL offers none'}."
    if not passed:
        sentences.append(f"Do not use this {card} yet: no route passed its self-test.")
    best = choice(table, "fp32", passed)
    if best:
        exact = " It is as exact as fp32." if best.endswith("tf32x3") else ""
        others = sum(CLASS[side.split()[1]] == "fp32" for side in passed) - 1
        fastest = f", and is the fastest of {others + 1} such routes in training" if others > 0 else ""
        sentences.append(f"On this {card} use {option(best)}: it passes the self-test{fastest}.{exact}")
        for what, label in [("step", "Training steps are"), ("sweep", "Sweeps of 32 networks are")]:
            found = comparison(table, best, "fp32", what)
            if found:
                sentences.append(f"{label} {', '.join(times_as_fast(*item) for item in found)}, all in fp32.")
    elif passed:
        sentences.append(f"These routes pass the self-test: {', '.join(passed)}; none was timed in training.")
    for precision, rounding in [("tf32", "TF32"), ("bf16", "bfloat16")]:
        rounded = choice(table, precision, passed)
        if rounded and best and (gain := gain_of(results, table, rounded, best)):
            sentences.append(
                f"Where products may round to {rounding}, {option(rounded)} takes a step in "
                f"{digits(1 / gain, 2)} of that time.")
            found = comparison(table, rounded, precision, "step")
            if found:
                sentences.append(f"There it is {', '.join(times_as_fast(*item) for item in found)}.")
    failures = failed(results)
    if failures:
        sentences.append(f"Failed: {'; '.join(failures)}.")
    missing = unmeasured(results, table)
    if missing:
        sentences.append(f"Not measured: {'; '.join(missing)}.")
    return " ".join(sentences)


def gain_of(results, table, rounded, best):
    """How many times as fast the rounded route takes the steps that both were timed in."""
    def sizes(row):
        return {key: value for key, value in row["case"].items() if key != "precision"}

    exact = {json.dumps(sizes(row)): row["sides"].get(best, {}) for row in training(table, "fp32", ("step",))}
    gains = []
    for row in training(table, CLASS[rounded.split()[1]], ("step",)):
        mine, other = row["sides"].get(rounded, {}), exact.get(json.dumps(sizes(row)), {})
        if "milliseconds" in mine and "milliseconds" in other:
            gains.append(other["milliseconds"] / mine["milliseconds"])
    return mean(gains) if gains else None


def failed(results):
    """What went wrong, each in a few words: parts, self-tests, sweeps."""
    result = [
        f"{part['name']} ({short(part['reason'])})" for part in results.get("parts", [])
        if part["state"] in ("failed", "cut")]
    for test in results.get("selftests", []):
        if not test.get("passes") and test["state"] != "left out":
            why = "; ".join(test.get("failures") or []) or test.get("reason", "no verdict")
            result.append(f"self-test of {test['gemm']} {test['precision']} ({short(why)})")
    result += [
        f"default sweep, {sweep['route']} ({short(sweep['reason'])})" for sweep in results.get("sweeps", [])
        if sweep["state"] in ("failed", "cut")]
    for row in rows(results):
        for side, value in row["sides"].items():
            if side not in PEERS and value.get("reason", "no time was left") != "no time was left":
                result.append(f"{side} at {row['name']} ({short(value['reason'])})")
    return result


def unmeasured(results, table):
    """Who and what has no figure, each with the reason."""
    result = [part["name"] for part in results.get("parts", []) if part["state"] == "left out"]
    for peer, label in PEERS.items():
        sides = [row["sides"][peer] for row in table if peer in row["sides"]]
        if sides and not any("milliseconds" in side for side in sides):
            result.append(f"{label} ({short(sides[0]['reason'])})")
    late = [row["name"] for row in table if all("milliseconds" not in side for side in row["sides"].values())]
    if late:
        result.append(f"{len(late)} of {len(table)} cases")
    return result


def short(text):
    text = " ".join(str(text).split())
    return text if len(text) <= 160 else text[:159] + "…"


def cells(row):
    """The row's texts: case, peers, our routes, ratios."""
    def cell(side):
        value = row["sides"].get(side)
        if value is None:
            return "–"
        return duration(value["milliseconds"]) if "milliseconds" in value else f"none: {short(value['reason'])[:48]}"

    mine = []
    for side, value in row["sides"].items():
        if side not in PEERS:
            is_product = row["case"]["what"] == "gemm" and "gflops" in value
            rate = f" ({digits(value['gflops'] / 1e3)} TFLOP/s)" if is_product else ""
            mine.append(f"{side} {cell(side)}{rate}")
    ratios = [f"{digits(row['ratios'][peer], 2)}" if peer in row["ratios"] else "–" for peer in PEERS]
    return [row["name"], *map(cell, PEERS), "; ".join(mine), *ratios]


HEADER = ["case", *PEERS.values(), "gputrain, by route", *[f"{label} / ours" for label in PEERS.values()]]


def table_text(results):
    """The table for a terminal: a line a case and its sides under it."""
    lines = []
    for row in rows(results):
        lines.append(row["name"])
        for side, value in row["sides"].items():
            label = PEERS.get(side, side)
            if "milliseconds" in value:
                ratio = f"  {digits(row['ratios'][side], 2)}× ours" if side in row["ratios"] else ""
                mark = "  (ours)" if side == row["best"] else ""
                lines.append(f"    {label:24} {duration(value['milliseconds']):>10}{ratio}{mark}")
            else:
                lines.append(f"    {label:24} {'none':>10}  {short(value['reason'])}")
    for test in results.get("selftests", []):
        lines.append(f"self-test {test['gemm']} {test['precision']}: {verdict(test)}")
    return "\n".join(lines)


def verdict(test):
    if test.get("passes"):
        return f"passes, {test['items']} items, greatest error {test['worst']} of its bound"
    return "FAILS: " + short("; ".join(test.get("failures") or []) or test.get("reason", "no verdict"))


def markdown(results):
    """The page, for Benchmarks/results."""
    device, machine = results.get("device") or {}, results.get("machine") or {}
    title = device.get("name", "a device that was not found")
    about = [
        f"{title}, {device.get('platform', '')}, driver {device.get('driver', 'unknown')}, {device.get('version', '')}",
        f"gputrain {results.get('version') or 'of an unknown version'}",
        f"{machine.get('processor', 'unknown processor')}, {machine.get('cores', '?')} cores",
        machine.get("system", "unknown system"),
    ]
    for peer, label in PEERS.items():
        known = results.get("peers", {}).get(peer, {})
        about.append(f"{label}: {known['version']} on {known.get('device', '?')}" if "version" in known
                     else f"{label}: {known.get('error') or results.get('peers_absent') or 'not started'}")
    card = {key: value for key, value in machine.get("card", {}).items() if key not in ("name", "driver_version")}
    if card:
        about.append("the card's settings, as they were: " + ", ".join(f"{k} {v}" for k, v in card.items()))
    trial = " Small sizes, a trial of the check itself: nothing here says how fast the device is."
    small = trial if results.get("small") else ""
    lines = [
        f"# gputrain on {title}, {results['date']}", "", advice(results) + small, "",
        "By `make gpu-check`. " + ". ".join(about) + ".", "",
        "## What to beat", "",
        "Medians; both sides in the precision named, products of tf32x3 being as exact as fp32's; all else is fp32. "
        "Ratios are theirs/ours in time over alternating rounds, ours being the fastest route that passed its "
        "self-test: above 1 gputrain is faster. JAX's and the graph's sweeps train all replicas as one batched "
        "computation, eager PyTorch one after another.", "",
        *table(HEADER, [cells(row) for row in rows(results)]), "", "## Self-tests", "",
        *table(["route", "verdict", "seconds"], [
            [f"{t['gemm']} {t['precision']}", verdict(t), f"{t.get('seconds', 0):.0f}"]
            for t in results.get("selftests", [])]), "",
        "## The default sweep, and tiles", "",
        *table(["route", "seconds", "what it says"], [
            [s["route"], f"{s['seconds']:.0f}", s.get("verdict") or f"{s['state']}: {short(s.get('reason', ''))}"]
            for s in results.get("sweeps", [])]), "", tuning(results), "",
        "## Facts of the driver", "",
        *table(["fact", "value"], [
            [fact["name"].replace("_", " "), short(value_text(fact))]
            for fact in results.get("facts", []) if fact["name"] not in ("extensions", "binary_begins")]), "",
        "## How the check went", "",
        *table(["part", "state", "seconds"], [
            [p["name"], p["state"] + (f": {short(p['reason'])}" if "reason" in p else ""), f"{p['seconds']:.0f}"]
            for p in results.get("parts", [])]),
    ]
    return "\n".join(lines) + "\n"


def value_text(fact):
    """A fact's value in words."""
    if "value" not in fact:
        return f"failed: {fact['error']}"
    value = fact["value"]
    if isinstance(value, dict):
        return ", ".join(f"{key.replace('_', ' ')} {number}" for key, number in value.items())
    return "unknown to this driver" if value is None else str(value)


def tuning(results):
    found = results.get("tuning") or {}
    if "reason" in found or not found:
        return f"Tiles were not searched: {short(found.get('reason', 'not reached'))}."
    kernels = found.get("kernels", [])
    if not kernels:
        return "A short search of tiles found none that is faster beyond noise."
    return "A short search of tiles found faster ones: " + ", ".join(
        f"{kernel['family']}, {kernel['shape_class']} products, "
        f"{digits(kernel['milliseconds_before'] / kernel['milliseconds_after'])}×" for kernel in kernels) + "."


def table(header, body):
    """A Markdown table; a line of words where it would be empty."""
    if not body:
        return ["Not measured."]
    escape = lambda value: str(value).replace("|", "\\|")
    return [
        "| " + " | ".join(header) + " |", "|" + "---|" * len(header),
        *("| " + " | ".join(map(escape, line)) + " |" for line in body)]


def file_name(results):
    """YYYY-MM-DD-gpu-<card>.md"""
    device = results.get("device") or {}
    card = re.sub(r"[^a-z0-9]+", "-", device.get("name", "none").lower().replace("nvidia", "")).strip("-")
    return f"{results['date']}-{device.get('kind', 'gpu')}-{card or 'none'}.md"


def main():
    results = json.loads(pathlib.Path(sys.argv[1]).read_text())
    print(table_text(results))
    print()
    print(advice(results))
    if len(sys.argv) > 2:
        (pathlib.Path(sys.argv[2]) / file_name(results)).write_text(markdown(results))


if __name__ == "__main__":
    main()
