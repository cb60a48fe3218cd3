#!/usr/bin/env bash
# gputrain beside PyTorch, JAX and tinygrad on this machine; the peers' environment is made here
# (about 5 GB) and nothing else needs it. Arguments go to compare.py.
set -euo pipefail
cd "$(dirname "$0")/../.."
venv=.build-peers/venv
if [ ! -x "$venv/bin/python" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install -q torch numpy jax tinygrad
fi
swift build -c release --product gputrain
exec "$venv/bin/python" Benchmarks/Peers/compare.py --gputrain .build/release/gputrain "$@"
