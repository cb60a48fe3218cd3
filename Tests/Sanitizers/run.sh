#!/usr/bin/env bash
# Runs tests with the address and the thread sanitizer.
#
#     Tests/Sanitizers/run.sh [address|thread]… [-- FILTER…]
#
# FILTER   which tests, as of `swift test --filter`; by default those of readers, stores, sharing, sweeps that are
#          stopped and the kernels' host side
#
# What drivers and libraries do that is none of ours is in the *.supp files, each with its reason.
set -euo pipefail
cd "$(dirname "$0")/../.."

kinds=() filters=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do kinds+=("$1") && shift; done
[ $# -eq 0 ] || shift
filters=("$@")
[ ${#kinds[@]} -gt 0 ] || kinds=(address thread)

# PoCL's own threads spin and are not instrumented: what needs no device first, then small parts of what does.
common=(ExperimentsTests.CSV ExperimentsTests.IDX ExperimentsTests.NPY ExperimentsTests.CIFAR
  ExperimentsTests.Token ExperimentsTests.Text ExperimentsTests.Weight ExperimentsTests.Safetensors
  ExperimentsTests.PyTorch ExperimentsTests.NPZ ExperimentsTests.StrictJSON ExperimentsTests.Claim
  ExperimentsTests.RunStore ExperimentsTests.Atomic ExperimentsTests.GroupQueue ExperimentsTests.Result
  ExperimentsTests.Report ExperimentsTests.SharedSweep ExperimentsTests.StoppedSweep
  OpenCLTests TensorsTests.Recording TensorsTests.KernelVariant)

status=0
for kind in "${kinds[@]}"; do
  options=(--sanitize="$kind" --scratch-path ".build-$kind")
  "${SWIFT:-swift}" build --build-tests "${options[@]}"
  arguments=()
  for filter in ${filters[@]+"${filters[@]}"} $([ ${#filters[@]} -gt 0 ] || echo "${common[@]}"); do
    arguments+=(--filter "$filter")
  done
  here=$PWD/Tests/Sanitizers
  # Swift's own handler would end a process before the sanitizer has told what it found. A test asks for more
  # memory than there is, and hostile files have a bound in seconds that instrumented code exceeds. Leaks are those of
  # drivers and Foundation, which keep what they need to the end. Threads of theirs have signal stacks of their own,
  # which the address sanitizer would take for its own.
  address=detect_leaks=0:use_sigaltstack=0:allocator_may_return_null=1:suppressions=$here/address.supp
  SWIFT_BACKTRACE=enable=no ASAN_OPTIONS=$address \
    TSAN_OPTIONS=suppressions=$here/thread.supp:second_deadlock_stack=1:allocator_may_return_null=1 \
    "${SWIFT:-swift}" test --skip-build "${options[@]}" "${arguments[@]}" \
    --skip hostilePickles_endInErrors || status=1
done
exit $status
