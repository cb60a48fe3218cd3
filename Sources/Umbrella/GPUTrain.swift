// Everything with one import. The attribute is the one by which swift-collections and swift-numerics
// make their umbrella modules; the modules can be imported one by one as well.
@_exported import Experiments
@_exported import Networks
@_exported import OpenCL
@_exported import Spectral
@_exported import Tensors
@_exported import Training
