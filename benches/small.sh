#!/bin/sh
# The row "small": 2,000 bots play for a minute on a server that has 64 MiB for everything, the kernel's buffers for its
# sockets too where a control group counts them. The server has core 0, the bots core 1.
#
#   cargo build --release && sudo benches/small.sh [MIB] [BOTS] [SECONDS]
#
# Without control groups (or the right to make one) the address space is limited instead. Passes where nobody was refused or
# lost and no tick was late; prints the bots' report, and what the server used at most. Ends with 1 where it does not pass,
# with 2 where it could not be tried.
set -eu

give_up() {
    echo "small: $*" >&2
    exit 2
}

case ${1:-} in -h | --help)
    sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
    exit
    ;;
esac
[ $# -le 3 ] || give_up "what is $4? small.sh [MIB] [BOTS] [SECONDS]"
mib=${1:-64} bots=${2:-2000} seconds=${3:-60}
for number in "$mib" "$bots" "$seconds"; do
    case $number in
    *[!0-9]* | 0* | '') give_up "$number: a whole number from 1 on is needed: small.sh [MIB] [BOTS] [SECONDS]" ;;
    esac
done
evertick=$(dirname "$0")/../target/release/evertick
[ -x "$evertick" ] || give_up "there is no $evertick: cargo build --release"
command -v taskset >/dev/null || give_up "there is no taskset: install the package util-linux"

group=
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
    parent=/sys/fs/cgroup limit=memory.max peak=memory.peak swap=memory.swap.max
else
    parent=/sys/fs/cgroup/memory limit=memory.limit_in_bytes peak=memory.max_usage_in_bytes swap=
fi
[ ! -d $parent/evertick-small ] || give_up "an earlier run has left $parent/evertick-small: end what is in it, then rmdir it"
if mkdir $parent/evertick-small 2>/dev/null; then
    group=$parent/evertick-small
    if ! echo $((mib << 20)) 2>/dev/null >"$group/$limit" || { [ -n "$swap" ] && ! echo 0 2>/dev/null >"$group/$swap"; }; then
        rmdir "$group"
        give_up "the control group $group takes no limit of memory: is the controller memory on in $parent?"
    fi
fi

work=$(mktemp -d)
server=
end() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    wait
    [ -z "$group" ] || rmdir "$group"
    rm -r "$work"
}
trap end EXIT

serve() {
    exec taskset -c 0 "$evertick" serve --listen 127.0.0.1:0 --data-dir "$work/data" --spawn spread --connect-rate 0 \
        --max-connections-per-ip 0 --max-connections 4096 --max-players 4096
}
if [ -n "$group" ]; then
    (
        # The group of the one process that this subshell becomes.
        sh -c 'echo $PPID' >"$group/cgroup.procs"
        serve
    ) >"$work/out" 2>"$work/log" &
    how="a control group of $mib MiB"
else
    (
        ulimit -s 256
        ulimit -v $((mib << 10))
        serve
    ) >"$work/out" 2>"$work/log" &
    how="$mib MiB of address space, for there is no right to make a control group"
fi
server=$!

is_there() {
    # One that has ended and was not waited for still has a number.
    kill -0 "$server" 2>/dev/null && ! grep -q '^State:.*Z' "/proc/$server/status" 2>/dev/null
}

# Says what became of the server, which has ended by itself.
ended() {
    status=0
    wait "$server" || status=$?
    server=
    reason="ended with $status"
    [ "$status" -le 128 ] || reason="was ended by signal $((status - 128))"
    tail -n 3 "$work/log" >&2
    echo "small: the server $reason $1, in $how" >&2
    exit 1
}

until grep -q listening "$work/out"; do
    is_there || ended 'before it listened'
    sleep 0.1
done
url=$(sed 's|.*http:|ws:|' "$work/out")/ws

echo "$bots bots for $seconds s, $how"
failed=
taskset -c 1 "$evertick" bots --url "$url" --count "$bots" --seconds "$seconds" --json >"$work/report" 2>"$work/bots" || failed=$?
cat "$work/report"
[ -z "$group" ] || echo "the group's peak: $(($(cat "$group/$peak") >> 10)) KiB"
grep -E 'VmPeak|VmHWM' "/proc/$server/status" 2>/dev/null || true
is_there || ended 'while the bots played'
if [ -n "$failed" ]; then
    # Somebody was refused or lost, or a batch came out of order: its last line says what.
    tail -n 1 "$work/bots" >&2
    echo "small: the bots ended with $failed" >&2
    exit 1
fi
late=$(sed -n 's/.*"overruns": *\([0-9]*\).*/\1/p' "$work/report")
[ "$late" = 0 ] || { echo "small: late ticks: ${late:-unknown}" >&2 && exit 1; }
