"""Device time by kernel of a training step, by kernel_times.c: which cases, the library, the tables."""

import pathlib
import re
import shutil
import subprocess

import cases

HERE = pathlib.Path(__file__).resolve().parent
# The bundle carries the library, as the machine may have no compiler.
CARRIED = HERE.parent.parent / "program" / "kernel_times.so"

# Definitions that tell a program's kernels apart, by what tables call them. Others are left out.
MODES = {"0": "nn", "1": "nt", "2": "tn"}
EPILOGUES = {1: "bias", 2: "output", 4: "derivative", 8: "update"}


def plan(kind, small=False):
    """(case, route) of everything whose kernels are timed."""
    if small or kind != "gpu":
        return [({**cases.sweep(64), "precision": "fp32"}, cases.routes(kind)[0])]
    wide = cases.step(4096, 64, "adam")
    return [
        (wide, ("tiled", "fp32")), (wide, ("tiled", "tf32")), (wide, ("tiled", "bf16")),
        (cases.sweep(64), ("tiled", "fp32")), (cases.sweep(256), ("tiled", "fp32")),
        (cases.step(1024, 64, "adam"), ("tiled", "fp32")),
        (cases.step(4096, 512, "adam"), ("tiled", "fp32")), (dict(what="pass", width=8192), ("tiled", "fp32"))]


def library(folder):
    """The library that times kernels: the carried one, or one compiled into `folder`; None where there
    is neither."""
    if CARRIED.exists():
        return CARRIED
    compiler = shutil.which("cc") or shutil.which("clang") or shutil.which("gcc")
    if compiler is None:
        return None
    made = folder / "kernel_times.so"
    done = subprocess.run(
        [compiler, "-shared", "-fPIC", "-O2", "-o", made, HERE / "kernel_times.c", "-ldl"],
        capture_output=True, text=True)
    return made if done.returncode == 0 else None


def label(entry):
    """A kernel in words: its name and, of products, transpose mode, epilogue and tile."""
    known = dict(re.findall(r"-D\s*(\w+)=(\S+)", entry["options"]))
    words = [entry["kernel"]]
    if "FORM" in known:
        words.append(MODES.get(known["FORM"], known["FORM"]))
    if "TILE_M" in known:
        words.append(f"tile {known['TILE_M']}×{known.get('TILE_N', '?')}×{known.get('TILE_K', '?')}")
    epilogue = int(known.get("EPILOGUE", "0"))
    words += [name for bit, name in EPILOGUES.items() if epilogue & bit]
    if known.get("SLICED") == "1":
        words.append("sliced")
    return " ".join(words)


def section(results):
    """The page's lines: a table for each case, by its share of the device's time."""
    # Here, as page.py imports this file.
    from page import digits, route_name, table
    from peers import name

    found = results.get("kernels", [])
    if not found:
        return [f"Not measured{': ' + results['kernels_absent'] if results.get('kernels_absent') else ''}."]
    lines = [
        "Device time by the queue's profiling, which makes a step slower; launches of one kernel with one size "
        "are summed. Gaps are between a launch's end and the next one's start."]
    for item in found:
        case = {"precision": item["route"][1], **item["case"]}
        lines += ["", f"### {name(case)}, {route_name(item['route'])}", ""]
        timed = [entry for entry in item["kernels"] if "kernel" in entry]
        gaps = next((entry for entry in item["kernels"] if "gaps" in entry), {"gaps": 0, "microseconds": 0})
        total = sum(entry["microseconds"] for entry in timed) or 1
        lines += table(["kernel", "work-items", "launches", "µs a launch", "fastest", "share"], [
            [label(e), f"{e['items']} by {e['group']}", e["launches"], digits(e["microseconds"] / e["launches"]),
             digits(e["fastest"]), f"{100 * e['microseconds'] / total:.0f} %"]
            for e in sorted(timed, key=lambda e: -e["microseconds"])[:16]])
        if gaps["gaps"]:
            lines += ["", f"A gap is {digits(gaps['microseconds'] / gaps['gaps'])} µs."]
    return lines
