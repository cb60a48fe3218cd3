"""The little of OpenCL that probe.py needs, by ctypes: a device, its queue, programs, buffers, launches."""

import ctypes
import os
from ctypes import byref, c_char_p, c_int, c_size_t, c_uint, c_ulong, c_void_p, sizeof

TYPES = {2: "cpu", 4: "gpu"}
DEVICE_NAME, DEVICE_TYPE = 0x102B, 0x1000
BUILD_LOG, BINARY_SIZES, BINARIES = 0x1183, 0x1165, 0x1166
ARGUMENT_ADDRESS, ARGUMENT_TYPE_NAME = 0x1196, 0x1198

SIGNATURES = {
    # name: (result, arguments); p a pointer or handle, u a uint, z a size, l a 64-bit number
    "clGetPlatformIDs": "i upp", "clGetPlatformInfo": "i puzpp", "clGetDeviceIDs": "i plupp",
    "clGetDeviceInfo": "i puzpp", "clCreateContext": "p pupppp", "clCreateCommandQueue": "p pplp",
    "clCreateProgramWithSource": "p puppp", "clCreateProgramWithBinary": "p puppppp",
    "clBuildProgram": "i pupppp", "clGetProgramBuildInfo": "i ppuzpp", "clGetProgramInfo": "i puzpp",
    "clCreateKernel": "p ppp", "clGetKernelArgInfo": "i puuzpp", "clCreateBuffer": "p plzpp",
    "clSetKernelArg": "i puzp", "clEnqueueNDRangeKernel": "i ppupppupp",
    "clEnqueueReadBuffer": "i ppuzzpupp", "clFinish": "i p", "clReleaseMemObject": "i p",
}
LETTERS = {"p": c_void_p, "u": c_uint, "z": c_size_t, "l": c_ulong, "i": c_int}


def load():
    """The ICD loader with its functions' types; the machine's, else the bundle's."""
    for name in ["libOpenCL.so.1", os.environ.get("GPU_CHECK_OPENCL", "libOpenCL.so")]:
        try:
            library = ctypes.CDLL(name)
            break
        except OSError:
            continue
    else:
        raise SystemExit("no libOpenCL.so.1")
    for name, signature in SIGNATURES.items():
        result, arguments = signature.split()
        function = getattr(library, name)
        function.restype = LETTERS[result]
        function.argtypes = [LETTERS[letter] for letter in arguments]
    return library


class Failure(Exception):
    """A call of OpenCL that gave a code."""


class Device:
    """The first device that `wanted` names: gpu, cpu, or part of its name."""

    def __init__(self, wanted):
        self.cl = load()
        self.id = self._find(wanted.lower())
        self.code = c_int()
        self.ids = (c_void_p * 1)(self.id)
        self.context = self.cl.clCreateContext(None, 1, self.ids, None, None, byref(self.code))
        self.check("clCreateContext")
        self.queue = self.cl.clCreateCommandQueue(self.context, self.id, 0, byref(self.code))
        self.check("clCreateCommandQueue")

    def check(self, call, code=None):
        code = self.code.value if code is None else code
        if code != 0:
            raise Failure(f"{call} gave {code}")

    def _find(self, wanted):
        count = c_uint()
        self.cl.clGetPlatformIDs(0, None, byref(count))
        platforms = (c_void_p * max(1, count.value))()
        self.cl.clGetPlatformIDs(count.value, platforms, None)
        for platform in platforms[: count.value]:
            number = c_uint()
            self.cl.clGetDeviceIDs(platform, 0xFFFFFFFF, 0, None, byref(number))
            devices = (c_void_p * max(1, number.value))()
            self.cl.clGetDeviceIDs(platform, 0xFFFFFFFF, number.value, devices, None)
            for device in devices[: number.value]:
                kind = TYPES.get((self._number(device, DEVICE_TYPE, c_ulong) or 0) & 6, "other")
                if wanted == kind or wanted in (self._text(device, DEVICE_NAME) or "").lower():
                    return device
        raise SystemExit(f"no OpenCL device is {wanted}")

    def _text(self, device, query):
        text = ctypes.create_string_buffer(16384)
        failed = self.cl.clGetDeviceInfo(device, query, 16384, text, None)
        return None if failed else text.value.decode(errors="replace")

    def _number(self, device, query, kind):
        value = kind()
        failed = self.cl.clGetDeviceInfo(device, query, sizeof(value), byref(value), None)
        return None if failed else value.value

    def text(self, query):
        """A text that the driver says of the device; None where it does not know the query."""
        return self._text(self.id, query)

    def number(self, query, kind=c_ulong):
        """A number that the driver says of the device."""
        return self._number(self.id, query, kind)

    def build(self, source, options):
        """A program of `source`: its handle, and the code and the log of its build."""
        text = (c_char_p * 1)(source.encode())
        program = self.cl.clCreateProgramWithSource(self.context, 1, text, None, byref(self.code))
        self.check("clCreateProgramWithSource")
        code = self.cl.clBuildProgram(program, 1, self.ids, options.encode(), None, None)
        log = ctypes.create_string_buffer(1 << 16)
        self.cl.clGetProgramBuildInfo(program, self.id, BUILD_LOG, 1 << 16, log, None)
        return program, code, log.value.decode(errors="replace").strip()

    def binary(self, program):
        """What the driver gives as the program's binary; NVIDIA's is PTX."""
        size = c_size_t()
        self.check("clGetProgramInfo", self.cl.clGetProgramInfo(program, BINARY_SIZES, 8, byref(size), None))
        data = ctypes.create_string_buffer(size.value)
        pointers = (c_void_p * 1)(ctypes.addressof(data))
        self.check("clGetProgramInfo", self.cl.clGetProgramInfo(program, BINARIES, 8, pointers, None))
        return data.raw[: size.value]

    def load(self, data, options=""):
        """A program of a binary, and the first code that was not 0."""
        size, status = c_size_t(len(data)), c_int()
        buffer = ctypes.create_string_buffer(data, len(data))
        pointers = (c_void_p * 1)(ctypes.addressof(buffer))
        program = self.cl.clCreateProgramWithBinary(
            self.context, 1, self.ids, byref(size), pointers, byref(status), byref(self.code))
        if self.code.value or not program:
            return None, self.code.value
        return program, self.cl.clBuildProgram(program, 1, self.ids, options.encode(), None, None)

    def kernel(self, program, name):
        kernel = self.cl.clCreateKernel(program, name.encode(), byref(self.code))
        self.check("clCreateKernel")
        return kernel

    def argument(self, kernel, index):
        """An argument's address space and type's name, each with the code of its query."""
        space, name = c_uint(), ctypes.create_string_buffer(64)
        first = self.cl.clGetKernelArgInfo(kernel, index, ARGUMENT_ADDRESS, 4, byref(space), None)
        second = self.cl.clGetKernelArgInfo(kernel, index, ARGUMENT_TYPE_NAME, 64, name, None)
        return [first, hex(space.value), second, name.value.decode(errors="replace")]

    def buffer(self, size):
        handle = self.cl.clCreateBuffer(self.context, 1, size, None, byref(self.code))
        self.check("clCreateBuffer")
        return c_void_p(handle)

    def release(self, buffer):
        self.cl.clReleaseMemObject(buffer)

    def set(self, kernel, *arguments):
        for index, value in enumerate(arguments):
            code = self.cl.clSetKernelArg(kernel, index, sizeof(value), byref(value))
            self.check(f"clSetKernelArg {index}", code)

    def launch(self, kernel, items, group):
        sizes = byref(c_size_t(items)), byref(c_size_t(group))
        return self.cl.clEnqueueNDRangeKernel(self.queue, kernel, 1, None, *sizes, 0, None, None)

    def finish(self):
        return self.cl.clFinish(self.queue)

    def read(self, buffer, target):
        code = self.cl.clEnqueueReadBuffer(
            self.queue, buffer, 1, 0, sizeof(target), target, 0, None, None)
        self.check("clEnqueueReadBuffer", code)
