"""What this machine is: prints one JSON object. Reads settings of the card and changes none."""

import glob
import json
import os
import pathlib
import platform
import subprocess

DRIVER_FILES = ["libnvidia-opencl.so*", "libnvidia-nvvm*.so*", "libnvidia-ptxjitcompiler.so*", "libcuda.so*"]
FOLDERS = [
    "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib",
    "/usr/local/nvidia/lib64", "/usr/local/nvidia/lib", "/run/opengl-driver/lib",
]
CARD = ["name", "driver_version", "memory.total", "clocks.sm", "clocks.max.sm", "clocks.mem", "power.limit",
        "temperature.gpu", "mig.mode.current"]


def said(*command):
    """What a command prints; nothing where it is missing, fails or takes long."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=8)
        return done.stdout.strip() if done.returncode == 0 else ""
    except (OSError, subprocess.TimeoutExpired):
        return ""


def card():
    """The first NVIDIA card's values by nvidia-smi's names."""
    line = said("nvidia-smi", f"--query-gpu={','.join(CARD)}", "--format=csv,noheader").split("\n")[0]
    values = [value.strip() for value in line.split(",")]
    return dict(zip(CARD, values)) if len(values) == len(CARD) else {}


def processor():
    path = pathlib.Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((l.split(":", 1)[1].strip() for l in lines if l.startswith("model name")), "")


def main():
    icd = os.environ.get("OCL_ICD_VENDORS") or "/etc/OpenCL/vendors"
    files = {
        path: pathlib.Path(path).read_text(errors="replace").strip()
        for path in sorted(glob.glob(os.path.join(icd, "*.icd")))
    }
    found = sorted({p for folder in FOLDERS for name in DRIVER_FILES for p in glob.glob(f"{folder}/{name}")})
    print(json.dumps({
        "system": platform.platform(), "libc": " ".join(platform.libc_ver()), "cores": os.cpu_count(),
        "processor": processor(), "card": card(), "icd_files": files, "driver_files": found,
        "python": platform.python_version(),
    }))


main()
