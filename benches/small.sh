#!/bin/sh
# The row "small": 2,000 bots play for a minute on a server that has 64 MiB for everything, the kernel's buffers for its
# sockets too where a control group counts them. The server has core 0, the bots core 1.
#
#   cargo build --release && sudo benches/small.sh [MIB] [BOTS] [SECONDS]
#
# Without control groups (or the right to make one) the address space is limited instead. Passes where nobody was refused or
# lost and no tick was late, else fails; prints the bots' report, and what the server used at most.
set -eu
mib=${1:-64} bots=${2:-2000} seconds=${3:-60}
evertick=$(dirname "$0")/../target/release/evertick
work=$(mktemp -d)
group=
if [ -f /sys/fs/cgroup/cgroup.controllers ] && mkdir /sys/fs/cgroup/evertick-small 2>/dev/null; then
    group=/sys/fs/cgroup/evertick-small limit=memory.max peak=memory.peak swap=memory.swap.max
elif mkdir /sys/fs/cgroup/memory/evertick-small 2>/dev/null; then
    group=/sys/fs/cgroup/memory/evertick-small limit=memory.limit_in_bytes peak=memory.max_usage_in_bytes swap=
fi

end() {
    [ -z "${server:-}" ] || kill "$server" 2>/dev/null || true
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
    echo $((mib << 20)) >"$group/$limit"
    [ -z "$swap" ] || echo 0 >"$group/$swap"
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
    how="$mib MiB of address space"
fi
server=$!
until grep -q listening "$work/out"; do
    kill -0 "$server" || { cat "$work/log" && exit 1; }
    sleep 0.1
done
url=$(sed 's|.*http:|ws:|' "$work/out")/ws

echo "$bots bots for $seconds s, $how"
# Fails where somebody was refused or lost, or a batch came out of order.
taskset -c 1 "$evertick" bots --url "$url" --count "$bots" --seconds "$seconds" --json >"$work/report"
cat "$work/report"
late=$(sed -n 's/.*"overruns": *\([0-9]*\).*/\1/p' "$work/report")
[ -z "$group" ] || echo "the group's peak: $(($(cat "$group/$peak") >> 10)) KiB"
grep -E 'VmPeak|VmHWM' "/proc/$server/status"
[ "$late" = 0 ] || { echo "late ticks: ${late:-unknown}" >&2 && exit 1; }
