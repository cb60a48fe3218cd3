"""Makes the table and the page of a check from its results.json.

    python3 page.py results.json [FOLDER]     # prints the table; writes the page into FOLDER

Every number is one that was measured; where there is none, the reason stands in its place.
"""

import collections
import json
import math
import pathlib
import re
import statistics
import sys
from typing import NamedTuple

import kernels
from cases import CLASS, PEERS, route_name

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "Peers"))

from peers import name as case_name

# Kinds of cases that train, as sentences name them.
TRAINING = {"step": "training steps", "sweep": "sweeps"}


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
    best      of our routes that passed their self-test the one that is recommended for such cases,
              else the fastest; None where there is none
    ratios    by peer, its time over that of `best`: the median over rounds
    """
    passed = tested(results)
    result = []
    for index, entry in enumerate(results.get("plan", [])):
        sides = {
            side: figure(results, index, side)
            for side in [route_name(route) for route in entry["routes"]] + entry["peers"]
        }
        result.append({"name": case_name(entry["case"]), "case": entry["case"], "sides": sides})
    choices = {
        (precision, what): choice(result, precision, what, passed)
        for precision in set(CLASS.values()) for what in TRAINING}
    for row in result:
        times = times_of(row, passed)
        chosen = choices.get((row["case"]["precision"], row["case"]["what"]))
        row["best"] = min(times, key=times.get, default=None)
        if chosen and chosen.side in times:
            row["best"] = chosen.side
        row["ratios"] = {
            peer: ratio for peer in PEERS if row["best"] and peer in row["sides"]
            and (ratio := ratio_of(row["sides"][peer], row["sides"][row["best"]])) is not None}
    return result


def times_of(row, passed):
    """Milliseconds of a row by our routes that passed their self-test."""
    return {
        side: value["milliseconds"] for side, value in row["sides"].items()
        if side in passed and "milliseconds" in value}


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


class Choice(NamedTuple):
    """A route that is recommended, and of how many routes it is the fastest in how many cases."""

    side: str
    routes: int
    cases: int


def choice(table, precision, what, passed):
    """The route to be recommended for training cases of a kind, in this class of precision; None
    where none was timed. Routes that passed are compared by the cases that all of them were timed
    in, by their mean time relative to the fastest; a route that has no case in common with the
    others is left out."""
    found = [times_of(row, passed) for row in training(table, precision, what)]
    counts = collections.Counter(side for times in found for side in times)
    compared = [side for side, _ in counts.most_common()]
    while compared:
        common = [times for times in found if times.keys() >= set(compared)]
        if common:
            side = min(compared, key=lambda side: mean([
                times[side] / min(times[other] for other in compared) for times in common]))
            return Choice(side, len(compared), len(common))
        compared.pop()
    return None


def training(table, precision, what):
    return [
        row for row in table
        if row["case"]["precision"] == precision and row["case"]["what"] == what]


def comparison(table, side, precision, what):
    """How `side` does in cases of this kind, by peer: its label, geometric mean, least and most."""
    result = []
    for peer, label in PEERS.items():
        ratios = [
            ratio for row in training(table, precision, what) if peer in row["sides"]
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
        sentences.append(without_route(results, card))
    chosen = {
        what: found for what in TRAINING
        if (found := choice(table, "fp32", what, passed)) is not None}
    if chosen:
        sentences.append(f"On this {card} use {recommendation(chosen)}")
        for what, label in [("step", "Training steps are"), ("sweep", "Sweeps of 32 networks are")]:
            found = comparison(table, chosen[what].side, "fp32", what) if what in chosen else []
            if found:
                sentences.append(f"{label} {', '.join(times_as_fast(*item) for item in found)}, all in fp32.")
    elif passed:
        sentences.append(f"These routes pass the self-test: {', '.join(passed)}; none was timed in training.")
    for precision, rounding in [("tf32", "TF32"), ("bf16", "bfloat16")]:
        rounded, exact = choice(table, precision, "step", passed), chosen.get("step")
        if rounded and exact and (gain := gain_of(table, rounded.side, exact.side)):
            sentences.append(
                f"Where products may round to {rounding}, {option(rounded.side)} takes a step in "
                f"{digits(1 / gain, 2)} of that time.")
            found = comparison(table, rounded.side, precision, "step")
            if found:
                sentences.append(f"There it is {', '.join(times_as_fast(*item) for item in found)}.")
    sentences += other_cards(results)
    for label, items in [
            ("Failed", failed(results)), ("Not finished", unfinished(results)),
            ("Not measured", unmeasured(results, table))]:
        if items:
            sentences.append(f"{label}: {'; '.join(items)}.")
    return " ".join(sentences)


def without_route(results, card):
    """What to do where no route passed: a self-test that was not finished says nothing."""
    failing = any(outcome(test) == "fails" for test in results.get("selftests", []))
    rest = any(outcome(test) != "fails" for test in results.get("selftests", []))
    if failing and not rest:
        return f"Do not use this {card} yet: no route passed its self-test."
    more = "more time (BUDGET=) or a test by hand (gputrain selftest) decides"
    if failing:
        return (
            f"Do not use this {card} yet: no self-test that was finished passed; of the other "
            f"routes nothing is known: {more}.")
    return (
        f"Whether results are right on this {card} is not known: no self-test was finished; "
        f"{more}.")


def recommendation(chosen):
    """The route to use, or one for each kind of training, and what it is the fastest of."""
    sides = list(dict.fromkeys(found.side for found in chosen.values()))
    if len(sides) == 1:
        uses, passes = option(sides[0]), "it passes the self-test"
    else:
        uses = " and ".join(
            f"{option(found.side)} for {TRAINING[what]}" for what, found in chosen.items())
        passes = "they pass the self-test"
    fastest = [
        f"{found.routes} such routes in {TRAINING[what]} ({counted(found.cases, 'case')})"
        for what, found in chosen.items() if found.routes > 1]
    if fastest:
        verb = "is" if len(sides) == 1 else "are"
        passes += f", and {verb} the fastest of {' and of '.join(fastest)}"
    exact = [side for side in sides if side.endswith("tf32x3")]
    subject = "It" if len(sides) == 1 else "tf32x3"
    return f"{uses}: {passes}." + (f" {subject} is as exact as fp32." if exact else "")


def counted(number, noun):
    return f"{number} {noun}" + ("" if number == 1 else "s")


def other_cards(results):
    """A sentence for each peer whose card has another name than ours."""
    own = (results.get("device") or {}).get("name", "")
    return [
        f"{label} computes on {about['card']}, gputrain on {own}: the names differ, so that ratios "
        "may be of two cards."
        for peer, label in PEERS.items()
        if (about := results.get("peers", {}).get(peer, {})).get("card") and "error" not in about
        and about["card"].split() != own.split()]


def gain_of(table, rounded, best):
    """How many times as fast the rounded route takes the steps that both were timed in."""
    def sizes(row):
        return {key: value for key, value in row["case"].items() if key != "precision"}

    exact = {
        json.dumps(sizes(row)): row["sides"].get(best, {})
        for row in training(table, "fp32", "step")}
    gains = []
    for row in training(table, CLASS[rounded.split()[1]], "step"):
        mine, other = row["sides"].get(rounded, {}), exact.get(json.dumps(sizes(row)), {})
        if "milliseconds" in mine and "milliseconds" in other:
            gains.append(other["milliseconds"] / mine["milliseconds"])
    return mean(gains) if gains else None


def failed(results):
    """What went wrong, each once and in a few words: parts and sweeps, self-tests, cases."""
    result = parts_that_are("failed", results)
    for test in results.get("selftests", []):
        if outcome(test) == "fails":
            why = "; ".join(test.get("failures") or []) or test.get("reason", "no verdict")
            result.append(f"{test_name(test)} ({short(why)})")
    for row in rows(results):
        for side, value in row["sides"].items():
            if side not in PEERS and value.get("reason", "no time was left") != "no time was left":
                result.append(f"{side} at {row['name']} ({short(value['reason'])})")
    return result


def parts_that_are(state, results):
    """The parts that ended so, with reasons; less the self-tests', which are named one by one."""
    return [
        f"{part['name']} ({short(part['reason'])})" for part in results.get("parts", [])
        if part["state"] == state and part["name"] != "self-tests"]


def unfinished(results):
    """What was begun and cut."""
    tests = [test for test in results.get("selftests", []) if outcome(test) == "not finished"]
    named = [f"{test_name(test)} ({test['reason']})" for test in tests]
    return parts_that_are("cut", results) + named


def unmeasured(results, table):
    """Who and what has no figure, each with the reason."""
    result = [
        part["name"] for part in results.get("parts", [])
        if part["state"] == "left out" and part["name"] != "self-tests"]
    tests = [test for test in results.get("selftests", []) if outcome(test) == "not run"]
    result += map(test_name, tests)
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

    mine = [
        f"{side} {cell(side)}{details(row, value)}" for side, value in row["sides"].items()
        if side not in PEERS]
    ratios = [f"{digits(row['ratios'][peer], 2)}" if peer in row["ratios"] else "–" for peer in PEERS]
    return [row["name"], *map(cell, PEERS), "; ".join(mine), *ratios]


def details(row, value):
    """What else is known of our figure: a product's rate and error, the host's part of a step."""
    result = []
    if row["case"]["what"] == "gemm":
        if "gflops" in value:
            result.append(f"{digits(value['gflops'] / 1e3)} TFLOP/s")
        if "relative_error" in value:
            result.append(f"error {float(value['relative_error']):.1e}")
    elif "host_share" in value:
        result.append(f"host {digits(value['host_share'] * value['milliseconds'] * 1e3)} µs")
    return f" ({', '.join(result)})" if result else ""


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


def outcome(test):
    """How a self-test ended: "passes", "fails", "not run" or "not finished". One that was cut fails
    where it had found an error by then."""
    if test.get("passes"):
        return "passes"
    unknown = {"left out": "not run", "cut": "not finished"}.get(test.get("state"), "fails")
    return "fails" if test.get("failures") else unknown


def test_name(test):
    return f"self-test of {test['gemm']} {test['precision']}"


def verdict(test):
    """A self-test's outcome in words."""
    if outcome(test) == "passes":
        return f"passes, {test['items']} items, greatest error {test['worst']} of its bound"
    why = short("; ".join(test.get("failures") or []) or test.get("reason", "no verdict"))
    return f"{'FAILS' if outcome(test) == 'fails' else outcome(test)}: {why}"


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
        about.append(f"{label}: {peer_text(known) or results.get('peers_absent') or 'not started'}")
    card = {key: value for key, value in machine.get("card", {}).items() if key not in ("name", "driver_version")}
    if card:
        about.append("the card's settings, as they were: " + ", ".join(f"{k} {v}" for k, v in card.items()))
    trial = " Small sizes, a trial of the check itself: nothing here says how fast the device is."
    small = trial if results.get("small") else ""
    lines = [
        f"# gputrain on {title}, {results['date']}", "", advice(results) + small, "",
        "By `make gpu-check`. " + ". ".join(about) + ".", "",
        "## What to beat", "",
        "Medians; products of both sides round their operands to the precision named, those of "
        "tf32x3 being as exact as fp32's. In fp32 and tf32 all else is fp32. In bf16 what is "
        "stored differs: PyTorch's single products have operands and results in bf16, and its "
        "steps (autocast) activations; gputrain and JAX keep everything in fp32 and round on "
        "the way into the product. Ratios are theirs/ours in time over alternating rounds: "
        "above 1 gputrain is faster. Ours is, of the routes that passed their self-test, the "
        "one that is fastest in all steps, or sweeps, of a precision; in other rows, and where "
        "it was not timed, the fastest of the row. JAX's and the graph's sweeps train all "
        "replicas as one batched computation, eager PyTorch one after another. “Host” is the "
        "processor time that launching a step takes; “error” is a product's greatest "
        "error against sums in double precision, as a share of Σ|a·b|.", "",
        *table(HEADER, [cells(row) for row in rows(results)]), "", *earlier(results),
        "## Where a step's time goes", "", *kernels.section(results), "", "## Self-tests", "",
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


def earlier(results):
    """What is said of figures taken from an earlier check."""
    known = results.get("earlier")
    if not known:
        return []
    return [
        f"Some of these cases were measured by an earlier check of this card, {known.get('date')}, gputrain "
        f"{known.get('version') or 'of an unknown version'}.", ""]


def peer_text(about):
    """What a peer is and computes on, or why it takes no part; "" where nothing is known."""
    if "version" not in about:
        return about.get("error", "")
    place = f"{about.get('device', '?')}" + (f" ({about['card']})" if about.get("card") else "")
    return f"{about['version']}, " + (about.get("error") or f"on {place}")


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
