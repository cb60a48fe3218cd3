"""What an OpenCL driver is and does: facts that gputrain's design rests on.

    python3 probe.py [gpu|cpu|PART OF A NAME]

Prints a line of JSON for each fact as soon as it is known, {"name": …, "value": …} or {"name": …,
"error": …}, so that one that hangs loses none of those before it. Times are in microseconds.
"""

import ctypes
import json
import re
import statistics
import sys
import time
from ctypes import c_float, c_size_t, c_uint, c_ulong

from opencl import Device

OPTIONS = "-cl-std=CL1.2 -cl-kernel-arg-info"
TYPED = """typedef float4 vector;
__kernel void t(__global const float* restrict a, __global const float4* restrict b, __global const uint* c,
    __global uchar* d, __global ulong* e, float f, uint g, ulong h, float4 i) {
  d[g] = (uchar)(a[g] + b[g].x + c[g] + e[g] + f + h + i.x); }"""
LOCAL = """__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void t(__global uint* sums) {
  __local uint words[WORDS];
  for (uint i = get_local_id(0); i < WORDS; i += 256) words[i] = i * 7u + get_group_id(0);
  barrier(CLK_LOCAL_MEM_FENCE);
  uint sum = 0;
  for (uint i = get_local_id(0); i < WORDS; i += 256) sum += words[WORDS - 1 - i];
  sums[get_global_id(0)] = sum; }"""
EMPTY = """__kernel void one(__global float* a) { if (get_global_id(0) == 1u << 30) a[0] = 1; }
__kernel void many(__global float* a, __global float* b, __global float* c, __global float* d,
    __global float* e, float f, uint g, uint h, uint i, uint j, uint k, ulong l, ulong m) {
  if (get_global_id(0) == 1u << 30) a[0] = f + g + h + i + j + k + l + m + b[0] + c[0] + d[0] + e[0]; }"""
COPIES = """__kernel void vload4_copy(__global const float* restrict a, __global float* restrict b) {
  size_t i = get_global_id(0) * 4; vstore4(vload4(0, a + i), 0, b + i); }
__kernel void float4_copy(__global const float4* restrict a, __global float4* restrict b) {
  size_t i = get_global_id(0); b[i] = a[i]; }
__kernel void float_copy(__global const float* restrict a, __global float* restrict b) {
  size_t i = get_global_id(0); b[i] = a[i]; }
__kernel void float4_read(__global const float4* restrict a, __global float4* restrict b) {
  size_t n = get_global_size(0), i = get_global_id(0); float4 s = 0.0f;
  for (uint k = 0; k < 64; k++) s += a[i + k * n];
  if (s.x == 1e30f) b[i] = s; }"""


def say(name, value):
    print(json.dumps({"name": name, "value": value}), flush=True)


def microseconds(body, count):
    """The median of `count` calls."""
    times = []
    for _ in range(count):
        start = time.perf_counter()
        body()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6


def description(device):
    texts = {"device": 0x102B, "driver": 0x102D, "version": 0x102F, "extensions": 0x1030}
    numbers = {
        "compute_units": (0x1002, c_uint), "local_bytes": (0x1023, c_ulong), "memory_bytes": (0x101F, c_ulong),
        "largest_buffer_bytes": (0x1010, c_ulong), "clock_megahertz": (0x100C, c_uint),
        "largest_group": (0x1004, c_size_t), "nvidia_capability_major": (0x4000, c_uint),
        "nvidia_capability_minor": (0x4001, c_uint), "nvidia_registers": (0x4002, c_uint),
        "nvidia_warp": (0x4003, c_uint),
    }
    for name, query in texts.items():
        say(name, device.text(query))
    for name, (query, kind) in numbers.items():
        say(name, device.number(query, kind))


def launches(device):
    """What a launch costs the host, and together with waiting for it."""
    program, _, _ = device.build(EMPTY, OPTIONS)
    small = device.buffer(1024)
    one, many = device.kernel(program, "one"), device.kernel(program, "many")
    device.set(one, small)
    device.set(many, *[small] * 5, c_float(1), *[c_uint(1)] * 5, *[c_ulong(1)] * 2)
    for name, kernel in [("one_argument", one), ("thirteen_arguments", many)]:
        enqueued, finished = [], []
        for _ in range(5):
            device.finish()
            start = time.perf_counter()
            for _ in range(1000):
                device.launch(kernel, 64, 64)
            enqueued.append((time.perf_counter() - start) * 1e3)
            device.finish()
            finished.append((time.perf_counter() - start) * 1e3)
        say(f"launch_{name}_us", {
            "enqueue": round(statistics.median(enqueued), 2), "with_execution": round(statistics.median(finished), 2)})

    def launch_and_wait():
        device.launch(one, 64, 64)
        device.finish()

    say("launch_and_wait_us", round(microseconds(launch_and_wait, 200), 1))
    target = ctypes.create_string_buffer(64)
    say("read_64_bytes_us", round(microseconds(lambda: device.read(small, target), 200), 1))
    created, released, behind = [], [], []
    for _ in range(20):
        start = time.perf_counter()
        buffer = device.buffer(64 << 20)
        device.set(one, buffer)
        device.launch(one, 64, 64)
        device.finish()
        created.append(time.perf_counter() - start)
        # Released while launches that use it are still under way: does the driver wait for them?
        for _ in range(100):
            device.launch(one, 64, 64)
        start = time.perf_counter()
        device.release(buffer)
        behind.append(time.perf_counter() - start)
        device.finish()
        buffer = device.buffer(64 << 20)
        start = time.perf_counter()
        device.release(buffer)
        released.append(time.perf_counter() - start)
    say("buffer_64_mib_us", {
        "create_and_first_use": round(statistics.median(created) * 1e6, 1),
        "release": round(statistics.median(released) * 1e6, 1),
        "release_with_launches_under_way": round(statistics.median(behind) * 1e6, 1)})


def bandwidth(device):
    """Bytes a second of copies and of reads, by how wide an access is written."""
    size = (1024 if device.number(0x1000) & 4 else 64) << 20
    program, _, _ = device.build(COPIES, OPTIONS)
    a, b = device.buffer(size), device.buffer(size)
    result = {}
    for name, items, moved in [
        ("float_copy", size // 4, 2 * size), ("vload4_copy", size // 16, 2 * size),
        ("float4_copy", size // 16, 2 * size), ("float4_read", size // 16 // 64, size),
    ]:
        kernel = device.kernel(program, name)
        device.set(kernel, a, b)

        def three():
            for _ in range(3):
                device.launch(kernel, items, 256)
            device.finish()

        three()
        result[name] = round(3 * moved / microseconds(three, 7) / 1e3)
    for buffer in (a, b):
        device.release(buffer)
    say("bandwidth_gigabytes_per_second", result)


def local_memory(device):
    """Which sizes of local memory a kernel can have, beyond what is reported: built, run and right."""
    for kibibytes in (32, 48, 64, 96, 128, 160, 200, 227):
        words = kibibytes * 256
        name = f"local_memory_{kibibytes}_kib"
        program, code, log = device.build(LOCAL, f"{OPTIONS} -DWORDS={words}")
        if code:
            say(name, f"build gives {code}: {log[:160]}")
            continue
        kernel = device.kernel(program, "t")
        sums = device.buffer(1024 * 4)
        device.set(kernel, sums)
        codes = device.launch(kernel, 1024, 256), device.finish()
        if any(codes):
            say(name, f"launch gives {codes[0]}, wait gives {codes[1]}")
            continue
        got = (c_uint * 1024)()
        device.read(sums, got)
        expected = [sum((words - 1 - i) * 7 for i in range(j, words, 256)) & 0xFFFFFFFF for j in (0, 255)]
        say(name, "right" if [got[0], got[255]] == expected else "WRONG")


def arguments(device):
    """What is known of a kernel's arguments, from source and from binaries, and PTX for another target."""
    start = time.perf_counter()
    program, code, log = device.build(TYPED, OPTIONS)
    say("build_small_program_s", round(time.perf_counter() - start, 3))
    device.check(f"clBuildProgram ({log[:200]})", code)
    kernel = device.kernel(program, "t")
    say("argument_types", [device.argument(kernel, index) for index in range(9)])
    data = device.binary(program)
    say("binary_begins", data[:200].decode(errors="replace"))
    for options in (OPTIONS, ""):
        again, code = device.load(data, options)
        found = [device.argument(device.kernel(again, "t"), index) for index in range(2)] if code == 0 else None
        say(f"argument_types_of_binary{'' if options else '_without_options'}", [code, found])
    if b".target sm_90" in data:
        _, code = device.load(re.sub(rb"\.target sm_90\b", b".target sm_90a", data))
        say("retargeted_to_sm_90a", code)
    else:
        say("retargeted_to_sm_90a", "not tried: the binary is not PTX for sm_90")


def options(device):
    _, code, log = device.build(TYPED, OPTIONS + " -cl-nv-maxrregcount=128 -cl-nv-verbose")
    say("nvidia_register_limit", [code, log[:400]])
    prefetch = """__kernel void t(__global const float* p, __global float* q) {
      __builtin_prefetch(p + 64, 0, 2); q[0] = p[0]; }"""
    _, code, log = device.build(prefetch, OPTIONS)
    say("builtin_prefetch_of_global", [code, log[:300]])


def main():
    device = Device(sys.argv[1] if len(sys.argv) > 1 else "gpu")
    # Whatever may break a driver comes last.
    for part in (description, launches, bandwidth, arguments, options, local_memory):
        try:
            part(device)
        except Exception as error:
            print(json.dumps({"name": part.__name__, "error": f"{type(error).__name__}: {error}"}), flush=True)


main()
