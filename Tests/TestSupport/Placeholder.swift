import OpenCL
