"""Runs gputrain on Intel's OpenCL runtime for CPUs, a second driver beside PoCL.

    python3 Tests/Interop/check_intel.py .build/release/gputrain

Makes an environment under .build, once, with the runtime's packages (0.8 GB), and an ICD file that
names it. `selftest` must pass for every route, and `train` and `check` must give what they give on the
default driver, to rounding: what a driver makes of the kernels differs in the order of sums alone.
Compiled kernels are kept apart. Exits with 1 where anything differs.
"""
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import venv

ENVIRONMENT = pathlib.Path(".build/interop-intel").resolve()
# The runtime needs the compiler's mathematical functions, which its package does not ask for.
PACKAGES = ["intel-opencl-rt", "intel-cmplr-lib-rt"]
ROUTES = ["opencl", "tiled", "clblast"]
# Of losses and activations after a few steps, each of which carries the last one's rounding on.
TOLERANCE = 1e-4


def skip(reason):
    print(f"interop: check_intel.py skipped: {reason}")
    sys.exit(0)


def runtime():
    """The folder of the ICD file that names Intel's runtime."""
    if platform.machine() != "x86_64":
        skip("the runtime is for x86_64")
    folder = ENVIRONMENT / "vendors"
    if not (folder / "intel.icd").exists():
        try:
            venv.create(ENVIRONMENT, clear=True, with_pip=True)
            subprocess.run(
                [ENVIRONMENT / "bin/pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES],
                check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            skip(f"the runtime cannot be had: {error}")
        folder.mkdir()
        (folder / "intel.icd").write_text(f"{ENVIRONMENT}/lib/libintelocl.so\n")
    return folder


def run(program, environment, *arguments, may_fail=False):
    """What a command prints as JSON; a failed one ends the check."""
    done = subprocess.run(
        [program, *arguments, "--json", "--quiet"], capture_output=True, text=True,
        env={**os.environ, **environment})
    if done.returncode != 0 and not (may_fail and done.returncode == 1 and done.stdout):
        sys.exit(f"{' '.join(map(str, arguments))}: exit {done.returncode}: {done.stderr[-1000:]}")
    return json.loads(done.stdout)


def compare(what, got, expected):
    """Whether two lists of numbers agree; says where not."""
    worst = max(abs(a - b) / max(abs(b), 1e-3) for a, b in zip(got, expected, strict=True))
    print(f"  {what}: {len(got)} numbers, greatest relative difference {worst:.1e}")
    return worst <= TOLERANCE


def main():
    program = pathlib.Path(sys.argv[1]).resolve()
    folder = runtime()
    agree = True
    with tempfile.TemporaryDirectory() as work:
        intel = {"OCL_ICD_VENDORS": str(folder), "XDG_CACHE_HOME": f"{work}/cache"}
        devices = run(program, intel, "devices")["devices"]
        if not devices or "Intel" not in devices[0]["platform"]:
            sys.exit(f"the runtime offers no device: {devices}")
        print(f"  {devices[0]['name']}, {devices[0]['platform']}, {devices[0]['driver']}")

        for route in ROUTES:
            items = run(program, intel, "selftest", "--gemm", route, may_fail=True)["items"]
            wrong = [f"{i['name']}: {i.get('failure') or i.get('error')}" for i in items if not i["passes"]]
            print("; ".join([f"  selftest {route}: {len(items) - len(wrong)} of {len(items)} pass", *wrong]))
            agree = agree and not wrong

        for route in ROUTES:
            results = []
            for name, environment in [("intel", intel), ("default", {})]:
                results.append(run(
                    program, environment, "train", "--device", "cpu", "--gemm", route, "--width", "64", "--steps",
                    "10", "--out", f"{work}/{name}-{route}")["result"])
            numbers = [[r["trainLoss"], r["validationLoss"]] for r in results]
            agree = compare(f"train, {route}", *numbers) and agree

        reports = [
            run(program, environment, "check", "--device", "cpu", "--widths", "32,64", "--seeds", "2", "--out",
                f"{work}/{name}-check", may_fail=True)
            for name, environment in [("intel", intel), ("default", {})]
        ]
        numbers = [[v for c in report["coordinates"] for v in c["mean_abs"]] for report in reports]
        agree = compare("check, activations", *numbers) and agree
        if reports[0]["verdict"] != reports[1]["verdict"]:
            print(f"  check: verdicts differ: {reports[0]['verdict']}, {reports[1]['verdict']}")
            agree = False
    sys.exit(0 if agree else 1)


main()
