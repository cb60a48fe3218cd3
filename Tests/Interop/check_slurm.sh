#!/usr/bin/env bash
# Runs the files of Examples/Slurm on a real Slurm of one node, this machine: an array, one process for each
# device, a job that others push aside, and one whose time is too short and that is queued again.
# Needs root and, on Debian, slurm-wlm and munge, which it installs where they are missing. It stops what it
# has started.
# Usage: Tests/Interop/check_slurm.sh [PROGRAM]
set -euo pipefail
cd "$(dirname "$0")/../.."
program=$(realpath "${1:-.build/release/gputrain}")
examples=$PWD/Examples/Slurm
work=$(mktemp -d)
chmod 755 "$work"

[ "$(id -u)" -eq 0 ] || { echo "slurm: needs root" >&2; exit 1; }
if ! command -v slurmctld >/dev/null; then
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq slurm-wlm munge >"$work/install.log" 2>&1 ||
    { cat "$work/install.log" >&2; exit 1; }
fi

stop() {
  scancel --state=PENDING --user=root 2>/dev/null || true
  scancel --user=root 2>/dev/null || true
  for name in slurmd slurmctld munged; do
    [ ! -f "$work/$name.pid" ] || kill "$(cat "$work/$name.pid")" 2>/dev/null || true
  done
  sleep 1
  rm -rf "$work"
}
trap stop EXIT

fail() {
  echo "slurm: $*" >&2
  tail -n 20 "$work"/*.log "$work"/*.out >&2 || true
  echo "slurm: $*" >&2
  exit 1
}

# A Slurm of its own beside whatever else is there.
export SLURM_CONF=$work/slurm.conf
mkdir "$work/munge" "$work/state" "$work/spool"
dd if=/dev/urandom of="$work/munge/key" bs=128 count=1 2>/dev/null
chmod 400 "$work/munge/key"
munged --force --socket="$work/munge/socket" --key-file="$work/munge/key" --num-threads=2 \
  --pid-file="$work/munged.pid" --log-file="$work/munge.log" --seed-file="$work/munge/seed"
cat >"$SLURM_CONF" <<CONF
ClusterName=check
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$work/munge/socket
CryptoType=crypto/munge
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=sched_interval=2,batch_sched_delay=0,requeue_delay=0
KillWait=30
ReturnToService=2
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
# More CPUs than there may be: tasks share them.
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=8 RealMemory=1000 State=UNKNOWN
PartitionName=usual Nodes=ALL Default=YES State=UP PriorityTier=10 PreemptMode=OFF OverSubscribe=NO
PartitionName=spare Nodes=ALL State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=10
CONF
echo "SlurmdParameters=config_overrides" >>"$SLURM_CONF"
slurmctld -c
slurmd -c
for _ in $(seq 60); do
  sinfo -h -o %T 2>/dev/null | grep -q idle && break
  sleep 1
done
sinfo -h -o %T | grep -q idle || fail "the node does not come up"

sweep=(--widths 16,32 --base-width 16 --log2-lr=-8:-5:4 --seeds 3)
submit() { sbatch --parsable --chdir="$work" --output="$work/%x-%j.out" --job-name="$1" "${@:2}"; }
wait_for() { # job
  for _ in $(seq 300); do
    squeue -h -j "$1" 2>/dev/null | grep -q . || return 0
    sleep 1
  done
  fail "job $1 does not end"
}
state() { scontrol show job "$1" | grep -oE 'JobState=[A-Z]+' | sort -u | cut -d= -f2 | tr '\n' ' '; }
# The table less the seconds that runs took, which are its 14th column.
table() { cut -d, -f1-13,15- "$1/summary.csv"; }
same() { # store, settings…
  "$program" sweep "${@:2}" --quiet --out "$work/alone-$(basename "$1")" >/dev/null
  diff <(table "$work/alone-$(basename "$1")") <(table "$1") >&2 || fail "$1 is not as of one process"
  echo "slurm: $(basename "$1"): $("$program" status "$1")"
}
export GPUTRAIN=$program

job=$(submit array --array=1-4 --time=10 --export=ALL "$examples/array.sbatch" "${sweep[@]}" --out "$work/array")
wait_for "$job"
[ "$(state "$job")" = "COMPLETED " ] || fail "array: $(state "$job")"
same "$work/array" "${sweep[@]}"
echo "slurm: array: $(cat "$work"/array-*.out | grep -c 'done by other processes meanwhile') of 4 tasks had help"

export POCL_DEVICES="pthread pthread" KIND=cpu
job=$(submit devices --gpus-per-node=0 --ntasks-per-node=2 --time=10 --export=ALL \
  "$examples/gpus.sbatch" "${sweep[@]}" --out "$work/devices")
wait_for "$job"
[ "$(state "$job")" = "COMPLETED " ] || fail "devices: $(state "$job")"
unset POCL_DEVICES KIND
same "$work/devices" "${sweep[@]}"

# Some seconds of work, pushed aside by a job that wants all CPUs.
long=("${sweep[@]}" --steps 15000)
job=$(submit pushed-aside --partition=spare --time=10 --export=ALL "$examples/preemptible.sbatch" \
  "${long[@]}" --out "$work/pushed-aside")
until [ -d "$work/pushed-aside/claims" ]; do sleep 1; done
sleep 3
other=$(submit other --partition=usual --cpus-per-task=8 --time=5 --wrap "sleep 5")
wait_for "$other"
# Slurm waits two minutes before it begins a job again; released now.
scontrol update jobid="$job" StartTime=now 2>/dev/null || true
wait_for "$job"
[ "$(state "$job")" = "COMPLETED " ] || fail "pushed-aside: $(state "$job")"
grep -q "runs resume from where they were stopped" "$work"/pushed-aside-*.out ||
  fail "pushed-aside: nothing was resumed"
same "$work/pushed-aside" "${long[@]}"
echo "slurm: pushed-aside: $(scontrol show job "$job" | grep -oE 'Restarts=[0-9]+')"

# Two minutes' limit, of which Slurm says a minute before, for more work than that.
longer=("${sweep[@]}" --steps 120000)
job=$(submit too-short --array=1-1 --time=2 --export=ALL "$examples/array.sbatch" \
  "${longer[@]}" --out "$work/too-short")
for _ in $(seq 100); do
  grep -q "stopped; what is done is kept" "$work"/too-short-*.out 2>/dev/null && break
  sleep 1
done
grep -h "stopped; what is done is kept" "$work"/too-short-*.out || fail "too-short: it does not stop by itself"
sleep 2
scontrol show job "$job" | grep -qE 'JobState=(PENDING|CONFIGURING|RUNNING)' || fail "too-short: not queued again"
echo "slurm: too-short: $(scontrol show job "$job" | grep -oE 'Restarts=[0-9]+'), $("$program" status "$work/too-short" | head -n 1)"
echo "slurm: all passed"
