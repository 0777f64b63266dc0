# A machine within the machine for one foreign engine: own mounts, processes and network. Read by sh.
#
#   ROOT    the engine's folder; goes with the enclosure
#   CGROUP  the cgroup below which its containers live, without a leading slash; goes as well
#   INIT    a program that runs another and reaps orphans
#
# It lasts until the standard input ends. Then the kernel ends every process in it, and with them go all mounts and devices.
trap '' INT TERM HUP
case "$ROOT" in /?*/?*) ;; *) exit 1 ;; esac
case "$CGROUP" in ?*) ;; *) exit 1 ;; esac

unshare --mount --propagation private --net --pid --fork --kill-child=KILL --mount-proc sh -c '
    for path in /run /var/lib /var/tmp; do mount -t tmpfs tmpfs "$path" || exit 1; done
    /bin/busybox ip link set lo up || exit 1
    echo "containers:200000:1000000" >"$ROOT/subids"
    for name in subuid subgid; do mount --bind "$ROOT/subids" "/etc/$name" || exit 1; done
    exec "$INIT" -- sh -c ": >\"$ROOT/ready\"; exec cat >/dev/null"
'

for attempt in 1 2 3 4 5 6 7 8 9 10; do
    left=$(ls -d /sys/fs/cgroup/*/"$CGROUP" /sys/fs/cgroup/"$CGROUP" 2>/dev/null)
    [ -z "$left" ] && break
    for folder in $left; do find "$folder" -depth -type d -exec rmdir {} \; ; done 2>/dev/null
    sleep 0.1
done
rm -rf --one-file-system "$ROOT"
