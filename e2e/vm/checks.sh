#!/bin/sh
# What must hold on a machine with nothing but cgroup v2. Runs inside the virtual machine, as root, under busybox.
# Prints `ok NAME` or `FAIL NAME REASON` for each check in the list at the end, then one line `done N FAILED`.
root=/sys/fs/cgroup
export GANTRY_HOST=unix:///run/gantry/gantry.sock GANTRY_AUTOSTART=0

# --- words that the checks are made of

gantry() { timeout 120 /bin/gantry "$@"; }
runc() { timeout 120 /bin/gantry-runc --root /run/runc "$@"; }
run() { gantry run --rm --network none "$@"; }
# background NAME FLAG...: a container that waits, with a program that ends on SIGTERM.
background() {
    name=$1
    shift
    gantry run -d --network none --name "$name" "$@" busybox sh -c 'trap "exit 3" TERM; while :; do sleep 0.1; done'
}
cgroup_of() { echo "$root/gantry/$(gantry inspect -f '{{.Id}}' "$1")"; }
pid_of() { gantry inspect -f '{{.State.Pid}}' "$1"; }
start_daemon() {
    setsid /bin/gantryd >>/tmp/gantryd.log 2>&1 &
    echo $! >/tmp/gantryd.pid
    until_true gantry version
}
# processes WORDS: the pids of processes whose command line contains these words. busybox' timeout leaves a watcher with
# the words of what it ran, which looks every second whether it can go.
processes() {
    for entry in /proc/[0-9]*; do
        case "$(tr '\0' ' ' <"$entry/cmdline")" in
            timeout*) ;;
            *"$1"*) echo "${entry#/proc/}" ;;
        esac
    done 2>/dev/null
}
running() { [ -n "$(processes "$1")" ]; }
ended() { ! running "$1"; }

. /words.sh
. /checkpoint.sh

# --- checks; each runs in a shell of its own, with -eu, and fails with the last line that it printed

machine_is_pure_v2() {
    same 'the only hierarchy' "$(grep -c cgroup /proc/mounts)" 1
    same 'own cgroup' "$(cat /proc/self/cgroup)" 0::/system
    for controller in cpu cpuset memory pids io; do
        grep -qw "$controller" "$root/cgroup.controllers" || fail "the kernel lacks $controller"
    done
}

# Before anybody has loaded a rule: a kernel without the packet filter, and one that lacks a small part of it. The daemon starts, says what
# is missing, and runs what needs no bridge.
missing_parts_of_the_packet_filter_are_named() {
    packet_filter='nft_compat nft_masq nft_nat nft_chain_nat nft_fib_inet nft_fib_ipv4 nft_fib_ipv6 nft_fib nft_ct nf_tables'
    for module in $packet_filter; do rmmod "$module" 2>/dev/null || true; done
    grep -q '^nf_tables ' /proc/modules && fail "nf_tables cannot be unloaded: $(grep '^nf' /proc/modules)"
    lacks 'nf_tables, nft_chain_nat, nft_ct, nft_fib_inet, nft_nat, nft_masq'
    for module in /modules/*; do insmod "$module" 2>/dev/null || true; done
    rmmod nft_masq
    lacks nft_masq
    for module in /modules/*nft_masq*; do insmod "$module"; done
}
# lacks MODULES: a daemon here says that the kernel lacks these.
lacks() {
    : >/tmp/gantryd.log
    start_daemon
    says="packet filter (nftables) lacks $1: load these modules"
    grep -F "$says" /tmp/gantryd.log || fail "its log does not say that $1 is missing: $(cat /tmp/gantryd.log)"
    gantry info 2>&1 | grep -F "$says" || fail 'info does not warn'
    gantry run --rm --network none hello-world | grep -q Gantry || fail 'no container runs'
    gantry run --rm --network host hello-world | grep -q Gantry || fail 'no container runs on the host'
    said=$(gantry run --rm hello-world 2>&1) && fail 'a container has a bridge network'
    echo "$said" | grep -F "$says" || fail "run says: $said"
    said=$(gantry network create mine 2>&1) && fail 'a bridge network can be made'
    echo "$said" | grep -F "$says" || fail "network create says: $said"
    [ ! -e /sys/class/net/gantry0 ] || fail 'a bridge is left'
    kill "$(cat /tmp/gantryd.pid)"
    until_true gone "/proc/$(cat /tmp/gantryd.pid)"
}

daemon_starts() {
    start_daemon
    gantry info | grep -i 'cgroup version: 2' || fail "info does not tell of v2: $(gantry info | grep -i cgroup)"
}

hello_world() { gantry run --rm hello-world | grep -q 'Gantry'; }

containers_have_networks() {
    gantry network ls --format '{{.Name}}' | grep -qx bridge || fail 'there is no bridge network'
    gantry run -d --name server -p 8080:80 busybox sh -c 'echo from the bridge | nc -l -p 80' >/dev/null
    same 'the address' "$(gantry inspect -f '{{.NetworkSettings.Networks.bridge.IPAddress}}' server)" 172.17.0.2
    until_true answers_on_the_host
    gantry rm -f server >/dev/null
}
answers_on_the_host() { [ "$(nc -w 2 127.0.0.1 8080 </dev/null)" = 'from the bridge' ]; }

import_busybox() { gantry import -c 'CMD ["sh"]' /images/busybox.tar busybox:latest; }

limits_are_set() {
    background limits -m 64m --memory-swap 96m --memory-reservation 32m --cpus 0.5 --cpu-shares 512 \
        --pids-limit 20 --cpuset-cpus 0
    cgroup=$(cgroup_of limits)
    same memory.max "$(cat "$cgroup/memory.max")" 67108864
    same memory.swap.max "$(cat "$cgroup/memory.swap.max")" 33554432
    same memory.low "$(cat "$cgroup/memory.low")" 33554432
    same cpu.max "$(cat "$cgroup/cpu.max")" '50000 100000'
    same cpuset.cpus "$(cat "$cgroup/cpuset.cpus")" 0
    same pids.max "$(cat "$cgroup/pids.max")" 20
    [ "$(cat "$cgroup/cpu.weight")" -lt 100 ] || fail "half of the shares is cpu.weight $(cat "$cgroup/cpu.weight")"
    same 'processors inside' "$(gantry exec limits nproc)" 1
}

limits_are_seen_inside() {
    seen=$(gantry exec limits sh -c 'cat /proc/self/cgroup; cd /sys/fs/cgroup; cat memory.max pids.max cpu.max' | tr '\n' ' ')
    same 'inside' "$seen" '0::/ 67108864 20 50000 100000 '
    gantry exec limits grep -q ' /sys/fs/cgroup cgroup2 ro' /proc/mounts || fail 'cgroup2 is not mounted read-only'
    gantry exec limits sh -c 'echo 30 >/sys/fs/cgroup/pids.max' 2>/dev/null && fail 'a container can raise its limit'
    same pids.max "$(cat "$(cgroup_of limits)/pids.max")" 20
}

host_cgroup_namespace() {
    seen=$(run --name open --cgroupns host busybox cat /proc/self/cgroup)
    case "$seen" in 0::/gantry/*) ;; *) fail "with --cgroupns host the container sees $seen" ;; esac
}

exec_joins_the_cgroup() {
    gantry exec -d limits sleep 1000
    cgroup=$(cgroup_of limits)
    until_true running 'sleep 1000'
    pid=$(processes 'sleep 1000')
    same "the exec's cgroup" "$(cat "/proc/$pid/cgroup")" "0::${cgroup#"$root"}"
    grep -qx "$pid" "$cgroup/cgroup.procs"
}

stop_and_remove() {
    cgroup=$(cgroup_of limits)
    [ -d "$cgroup" ]
    gantry stop -t 60 limits
    same 'exit code' "$(gantry inspect -f '{{.State.ExitCode}}' limits)" 3
    gantry rm limits
    until_true gone "$cgroup"
    same 'what outlived the container' "$(processes 'sleep 1000')" ''
}

# Above files of the image, of what was written, and of mounts: this kernel's overlayfs takes none of a mount without a place.
files_are_copied_while_it_does_not_run() {
    gantry create --name still -v still:/kept busybox true >/dev/null
    echo new >/tmp/new
    gantry cp /tmp/new still:/new
    gantry cp /tmp/new still:/kept/new
    for place in new kept/new; do
        gantry cp "still:/$place" /tmp/back
        same "/$place" "$(cat /tmp/back)" new
        rm /tmp/back
    done
    gantry rm -v still >/dev/null
    gantry volume rm still >/dev/null
}

kill_and_remove() {
    background victim
    cgroup=$(cgroup_of victim)
    gantry kill victim
    same 'exit code' "$(gantry wait victim)" 137
    until_true gone "$cgroup"
    gantry rm victim
}

remove_by_force() {
    background forced
    # Cgroups that the container made below its own go, too.
    cgroup=$(cgroup_of forced)
    mkdir -p "$cgroup/a/b"
    gantry rm -f forced
    until_true gone "$cgroup"
}

processes_are_limited() {
    script='i=0; while [ $i -lt 50 ]; do sleep 30 & i=$((i + 1)); done; sleep 30'
    gantry run -d --network none --name bomb --pids-limit 20 busybox sh -c "$script"
    cgroup=$(cgroup_of bomb)
    # The shell gives up at the first fork that fails; that ends the container.
    same 'exit code' "$(gantry wait bomb)" 2
    gantry logs bomb 2>&1 | grep -q "can't fork" || fail "the fork bomb went off: $(gantry logs bomb 2>&1 | tail -1)"
    until_true gone "$cgroup"
    gantry rm bomb
}

memory_is_limited() {
    status=0
    gantry run --network none --name hungry -m 16m --memory-swap 16m busybox tail /dev/zero || status=$?
    same 'exit code' "$status" 137
    same OOMKilled "$(gantry inspect -f '{{.State.OOMKilled}}' hungry)" true
    gantry rm hungry
}

devices_are_refused() {
    # With these capabilities and a node of its own, only the program on the cgroup stands in between.
    for node in 'mem c 1 1' 'ram b 1 0'; do
        script="mknod /$node && dd if=/${node%% *} of=/dev/null bs=512 count=1"
        said=$(run --cap-add SYS_RAWIO --cap-add SYS_ADMIN busybox sh -c "$script" 2>&1) && fail "$node can be read"
        case "$said" in *'Operation not permitted'*) ;; *) fail "$node: $said" ;; esac
    done
    run busybox sh -c 'echo x >/dev/null && head -c 4 /dev/urandom >/dev/zero && echo x >/dev/full' 2>&1 | grep -q 'No space' ||
        fail 'the usual devices cannot be used'
}

devices_are_given() {
    run --device /dev/ram0:/dev/disk:r busybox dd if=/dev/disk of=/dev/null bs=512 count=1
    said=$(run --device /dev/ram0:/dev/disk:r busybox dd if=/dev/zero of=/dev/disk bs=512 count=1 conv=notrunc 2>&1) &&
        fail 'a device that may be read can be written'
    case "$said" in *'Operation not permitted'*) ;; *) fail "$said" ;; esac
}

privileged_has_devices() {
    run --privileged busybox sh -c 'dd if=/dev/ram0 of=/dev/null bs=512 count=1 && dd if=/dev/mem of=/dev/null bs=512 count=1'
}

killed_daemon_finds_its_containers() {
    background survivor
    pid=$(pid_of survivor)
    kill -9 "$(cat /tmp/gantryd.pid)"
    until_true gone "/proc/$(cat /tmp/gantryd.pid)"
    start_daemon
    same 'pid' "$(pid_of survivor)" "$pid"
    same 'status' "$(gantry inspect -f '{{.State.Status}}' survivor)" running
    same 'inside' "$(gantry exec survivor cat /proc/self/cgroup)" 0::/
    cgroup=$(cgroup_of survivor)
    gantry stop -t 60 survivor
    same 'exit code' "$(gantry inspect -f '{{.State.ExitCode}}' survivor)" 3
    gantry rm survivor
    until_true gone "$cgroup"
}

# Old kernels take mount options of 255 bytes and all of an overlay's layers in one of them.
roots_may_be_deep() {
    deep=/tmp/$(printf 'd%.0s' $(seq 200))/$(printf 'e%.0s' $(seq 200))
    mkdir -p "$deep"
    setsid /bin/gantryd --data-root "$deep/data" --exec-root "$deep/run" -H unix:///tmp/deep.sock >/tmp/deep.log 2>&1 &
    daemon=$!
    export GANTRY_HOST=unix:///tmp/deep.sock
    until_true gantry version
    gantry run --rm --network none hello-world | grep -q Gantry
    gantry import /images/busybox.tar busybox:latest
    same 'what is written and read' "$(run busybox sh -c 'echo here >/etc/new && cat /etc/new')" here
    kill "$daemon"
    until_true gone "/proc/$daemon"
}

# bundle FOLDER WORDS...: a bundle of busybox whose program is these words of JSON.
bundle() {
    mkdir -p "$1/rootfs"
    tar -xf /images/busybox.tar -C "$1/rootfs"
    (cd "$1" && rm -f config.json && /bin/gantry-runc spec)
    sed -i -e '/"terminal"/s/true/false/' -e "/\"args\"/,/]/c \"args\": [$2]," "$1/config.json"
    # A limit, and a place of our choice.
    sed -i 's|"linux": {|"linux": { "cgroupsPath": "/bundles/'"${1##*/}"'",|' "$1/config.json"
}

runc_runs_a_bundle() {
    bundle /tmp/one '"sh", "-c", "cat /proc/self/cgroup; exit 7"'
    status=0
    said=$(runc run -b /tmp/one one) || status=$?
    same 'exit code' "$status" 7
    same 'inside' "$said" 0::/
    gone "$root/bundles/one"
}

runc_pauses_and_updates() {
    bundle /tmp/two '"sleep", "1000"'
    runc create -b /tmp/two two </dev/null >/tmp/two.out 2>&1
    runc start two
    cgroup=$root/bundles/two
    runc pause two
    same cgroup.freeze "$(cat "$cgroup/cgroup.freeze")" 1
    grep -qx 'frozen 1' "$cgroup/cgroup.events"
    runc resume two
    grep -qx 'frozen 0' "$cgroup/cgroup.events"
    runc update --memory 33554432 --pids-limit 9 --cpu-quota 20000 two
    same memory.max "$(cat "$cgroup/memory.max")" 33554432
    same pids.max "$(cat "$cgroup/pids.max")" 9
    same cpu.max "$(cat "$cgroup/cpu.max")" '20000 100000'
    same 'inside' "$(runc exec two cat /proc/self/cgroup)" 0::/
    runc kill two KILL
    until_true runc delete two
    gone "$cgroup"
}

# The kernel keeps the policy, a profile `gantry-test` that allows everything except /secret; the file system goes again.
runc_confines_by_apparmor() {
    mount -t securityfs securityfs /sys/kernel/security
    base64 -d </apparmor.base64 >/tmp/policy
    loaded=0
    cat /tmp/policy >/sys/kernel/security/apparmor/.replace || loaded=1
    umount /sys/kernel/security
    same 'loading the policy' "$loaded" 0
    bundle /tmp/three '"sh", "-c", "cat /proc/self/attr/current; cat /secret || echo kept"'
    echo secret >/tmp/three/rootfs/secret
    sed -i 's|"cwd": "/",|"cwd": "/", "apparmorProfile": "gantry-test",|' /tmp/three/config.json
    same 'confined' "$(runc run -b /tmp/three three 2>/dev/null)" "$(printf 'gantry-test (enforce)\nkept')"
    sed -i 's/gantry-test/no-such-profile/' /tmp/three/config.json
    said=$(runc run -b /tmp/three three 2>&1) && fail 'a profile that does not exist was applied'
    case "$said" in *'apply the AppArmor profile "no-such-profile"'*) ;; *) fail "$said" ;; esac
    bundle /tmp/four '"sleep", "1000"'
    runc run -d -b /tmp/four four </dev/null >/tmp/four.out 2>&1
    sed -i 's/"noNewPrivileges": true/"noNewPrivileges": false/' /tmp/four/config.json
    same 'exec' "$(runc exec --apparmor gantry-test four cat /proc/self/attr/current)" 'gantry-test (enforce)'
    runc delete -f four
}

# The default profile is loaded by the first container that needs it, also when somebody has taken it away; the runtime's own wall
# (read-only paths) is off, so that what refuses is the profile.
containers_are_confined_by_apparmor() {
    mount -t securityfs securityfs /sys/kernel/security
    base64 -d </apparmor.base64 >/tmp/policy
    cat /tmp/policy >/sys/kernel/security/apparmor/.replace
    kill "$(cat /tmp/gantryd.pid)"
    until_true gone "/proc/$(cat /tmp/gantryd.pid)"
    start_daemon
    gantry info | grep -qw apparmor || fail 'info does not tell of AppArmor'
    label='cat /proc/self/attr/current'
    open='--security-opt systempaths=unconfined'
    same 'by default' "$(run busybox $label)" 'docker-default (enforce)'
    printf docker-default >/sys/kernel/security/apparmor/.remove
    same 'again' "$(run busybox $label)" 'docker-default (enforce)'
    same 'privileged' "$(run --privileged busybox $label)" unconfined
    same 'unconfined' "$(run --security-opt apparmor=unconfined busybox $label)" unconfined
    same 'own profile' "$(run --security-opt apparmor=gantry-test busybox $label)" 'gantry-test (enforce)'
    said=$(run --security-opt apparmor=no-such-profile busybox true 2>&1) && fail 'a profile that is not there was applied'
    echo "$said" | grep -q no-such-profile || fail "$said"
    background confined
    same 'the record' "$(gantry inspect -f '{{.AppArmorProfile}}' confined)" docker-default
    gantry exec confined sh -c 'kill -0 1' || fail 'processes of a container cannot signal one another'
    # What runs under a profile that goes is confined no longer.
    printf docker-default >/sys/kernel/security/apparmor/.remove
    same 'exec' "$(gantry exec confined $label)" 'docker-default (enforce)'
    gantry stop -t 5 confined >/dev/null
    same 'its end' "$(gantry inspect -f '{{.State.ExitCode}}' confined)" 3
    gantry rm -f confined
    as_root="--cap-add SYS_ADMIN $open"
    run $as_root busybox mount -t tmpfs none /mnt 2>/dev/null && fail 'the profile lets it mount'
    run $as_root --security-opt apparmor=unconfined busybox sh -c 'mkdir -p /mnt && mount -t tmpfs none /mnt' || fail 'nothing else would let it'
    run $open busybox sh -c 'echo 1 >/proc/sys/kernel/printk' 2>/dev/null && fail 'the profile lets it write into /proc/sys'
    run $open busybox sh -c 'echo b >/proc/sysrq-trigger' 2>/dev/null && fail 'the profile lets it use sysrq'
    run $open --ipc private busybox sh -c 'cat /proc/sys/kernel/shmmax >/proc/sys/kernel/shmmax' || fail 'its own IPC limits are refused'
    run $open busybox cat /proc/kcore >/dev/null 2>&1 && fail 'the profile lets it read the memory'
    run busybox sh -c 'echo 5 >/proc/self/oom_score_adj && echo x >/tmp/file && rm /tmp/file' || fail 'usual things are refused'
    umount /sys/kernel/security
    # The daemon looks once, when it starts.
    kill "$(cat /tmp/gantryd.pid)"
    until_true gone "/proc/$(cat /tmp/gantryd.pid)"
    start_daemon
    case "$(run busybox $label)" in *docker-default*) fail 'a daemon that cannot load it applies the profile' ;; esac
}

# On a data root whose file system has project quotas.
writable_layers_have_sizes() {
    rmmod brd 2>/dev/null || true
    insmod /modules/*-brd.ko rd_size=98304
    mkfs.ext4 -q -I 256 -O quota,project /dev/ram1
    mkdir -p /sized
    mount -t ext4 /dev/ram1 /sized
    root_daemon /sized
    said=$(run --storage-opt size=4m busybox true 2>&1) && fail 'a size is taken where nothing keeps it'
    echo "$said" | grep -q 'mount it with the option prjquota' || fail "$said"
    sized_ends
    umount /sized
    mount -t ext4 -o prjquota /dev/ram1 /sized
    root_daemon /sized --storage-opt overlay2.size=8m
    gantry info | grep -q 'Project quotas: true' || fail 'info does not tell'
    same 'df inside' "$(run --storage-opt size=4m busybox df -k / | awk 'END { print $2 }')" 4096
    same 'df by default' "$(run busybox df -k / | awk 'END { print $2 }')" 8192
    fill='dd if=/dev/zero of=/big bs=64k count=200 2>&1; stat -c %s /big'
    said=$(run --storage-opt size=4m busybox sh -c "$fill")
    echo "$said" | grep -q 'quota exceeded\|No space left' || fail "no end: $said"
    [ "$(echo "$said" | tail -n 1)" -lt 4194304 ] || fail "it holds more: $said"
    # Neither a privileged one nor a running one holds more, and nobody else has less.
    said=$(run --privileged --storage-opt size=4m busybox sh -c "$fill")
    [ "$(echo "$said" | tail -n 1)" -lt 4194304 ] || fail "a privileged one holds more: $said"
    same 'zero is no limit' "$(run --storage-opt size=0 busybox sh -c "$fill" | tail -n 1)" 13107200
    gantry create --network none --name kept --storage-opt size=2m busybox sh -c "$fill" >/dev/null
    same 'what was asked for' "$(gantry inspect -f '{{.HostConfig.StorageOpt.size}}' kept)" 2m
    sized_ends
    root_daemon /sized
    said=$(gantry start -a kept)
    [ "$(echo "$said" | tail -n 1)" -lt 2097152 ] || fail "after a start of the daemon: $said"
    # Nobody moves a file out of its project.
    change='-v /lib:/lib:ro -v /lib64:/lib64:ro -v /usr/sbin/chattr:/bin/chattr:ro busybox sh -c'
    for way in 'touch /a; chattr -p 0 /a' 'mkdir /a; chattr -P /a'; do
        said=$(run --storage-opt size=4m $change "$way" 2>&1) && fail "it can $way"
        echo "$said" | grep -q 'not permitted' || fail "$said"
        run --storage-opt size=0 $change "$way" || fail "nobody else can $way"
    done
    gantry rm kept >/dev/null
    # All numbers are given back.
    until_true sh -c '[ -z "$(ls /sized/data/layers/trash)" ]'
    same 'after the end' "$(run busybox df -k / | awk 'END { print ($2 > 16384) }')" 1
    sized_ends
    umount /sized
}
# root_daemon FOLDER FLAG...: a daemon of its own on that file system, with the image; sized_ends ends it.
root_daemon() {
    folder=$1
    shift
    setsid /bin/gantryd --data-root "$folder/data" --exec-root /run/sized --bridge none -H unix:///tmp/sized.sock "$@" >/tmp/sized.log 2>&1 &
    sized=$!
    export GANTRY_HOST=unix:///tmp/sized.sock
    until_true gantry version
    gantry image inspect busybox >/dev/null 2>&1 || gantry import -c 'CMD ["sh"]' /images/busybox.tar busybox:latest
}
sized_ends() {
    kill "$sized"
    until_true gone "/proc/$sized"
}

# A user to whom a part of the cgroups was given, as systemd does it, may limit containers there, and nowhere else.
runc_without_root() {
    place=/user.slice/user-1000
    cgroup=$root$place
    mkdir -p "$cgroup/session"
    sed 's/[^ ]*/+&/g' "$root/cgroup.controllers" >"$root/user.slice/cgroup.subtree_control"
    for entry in "$cgroup" "$cgroup/cgroup.procs" "$cgroup/cgroup.subtree_control" "$cgroup/session" "$cgroup/session/cgroup.procs"; do
        chown 1000:1000 "$entry"
    done
    echo 'mara:x:1000:1000::/:/bin/sh' >>/etc/passwd
    echo 'mara:x:1000:' >>/etc/group
    mkdir -p /tmp/mara/run /tmp/mara/rootfs
    tar -xf /images/busybox.tar -C /tmp/mara/rootfs
    chown -R 1000:1000 /tmp/mara
    cat >/tmp/mara/steps <<'EOF'
set -eu
cd /tmp/mara
export XDG_RUNTIME_DIR=/tmp/mara/run
gantry-runc spec --rootless
sed -i -e '/"terminal"/s/true/false/' -e '/"args"/,/]/c "args": ["sleep", "1000"],' config.json
sed -i 's|"linux": {|"linux": { "resources": { "pids": { "limit": 33 } },|' config.json
gantry-runc run -d mine </dev/null >out 2>&1
gantry-runc exec mine cat /proc/self/cgroup
EOF
    said=$(sh -c "echo 0 >$cgroup/session/cgroup.procs; exec su mara -s /bin/sh -c 'sh /tmp/mara/steps'" 2>&1) ||
        fail "$said $(cat /tmp/mara/out)"
    same 'inside' "$said" 0::/
    same pids.max "$(cat "$cgroup/mine/pids.max")" 33
    su mara -s /bin/sh -c 'XDG_RUNTIME_DIR=/tmp/mara/run gantry-runc delete --force mine'
    gone "$cgroup/mine"
    rmdir "$cgroup/session" "$cgroup" "$root/user.slice"
}

# By the specification's "Cgroup ownership"; also where a container may do without a cgroup.
cgroup_is_given_to_its_user() {
    bundle /tmp/owned '"sleep", "1000"'
    sed -i -e 's/"uid": 0/"uid": 1234/' -e '/"type": "cgroup",/,/]/s/"ro"/"rw"/' /tmp/owned/config.json
    for rootless in false true; do
        runc --rootless $rootless run -d -b /tmp/owned owned </dev/null >/tmp/owned.out 2>&1 || fail "$(cat /tmp/owned.out)"
        cgroup=$root/bundles/owned
        for file in . cgroup.procs cgroup.subtree_control; do
            same "the owner of $file" "$(stat -c %u "$cgroup/$file")" 1234
        done
        same 'the owner of pids.max' "$(stat -c %u "$cgroup/pids.max")" 0
        # It may organise there, and lift no limit.
        runc exec owned sh -c 'mkdir /sys/fs/cgroup/inner && rmdir /sys/fs/cgroup/inner' || fail 'its user cannot make a cgroup'
        runc exec owned sh -c 'echo 5 >/sys/fs/cgroup/pids.max' 2>/dev/null && fail 'its user can change a limit'
        runc delete -f owned
        gone "$cgroup"
    done
}

foreign_commands_are_emulated() {
    mkdir /tmp/foreign
    cp /foreign/busybox /tmp/foreign/
    cat >/tmp/foreign/Dockerfile <<'END'
FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "sh", "-c", "/bin/busybox uname -m >/machine"]
CMD ["/bin/busybox", "cat", "/machine"]
END
    build_it() { gantry build -q --platform linux/arm64 -t foreign /tmp/foreign; }
    build_it 2>/tmp/refused && fail 'it was built without an emulator'
    grep -q 'tell the kernel of an emulator' /tmp/refused || fail "$(cat /tmp/refused)"
    formats=/proc/sys/fs/binfmt_misc
    mount -t binfmt_misc binfmt_misc $formats
    # What Debian's qemu-user-static says; F: the emulator is the host's, wherever the program is.
    printf '%s' ':arm64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/usr/sbin/qemu-aarch64-static:F' >$formats/register
    build_it >/dev/null
    same 'the architecture of the image' "$(gantry image inspect -f '{{.Architecture}}' foreign)" arm64
    same 'the machine that it sees' "$(run foreign 2>/dev/null)" aarch64
    gantry rmi foreign >/dev/null
    echo -1 >$formats/arm64
    umount $formats
}

nothing_is_left() {
    gantry ps -aq | while read -r id; do gantry rm -f "$id"; done
    kill "$(cat /tmp/gantryd.pid)"
    until_true gone "/proc/$(cat /tmp/gantryd.pid)"
    same mounts "$(cat /proc/self/mountinfo)" "$(cat /tmp/mounts.before)"
    left=$(find "$root" -mindepth 1 -type d ! -path "$root/system" ! -path "$root/bundles" ! -path "$root/gantry")
    same 'cgroups left' "$left" ''
    until_true ended gantry
    same 'bundles left' "$(ls /run/gantry/containers /run/runc 2>/dev/null | grep -v :)" ''
}

# --- the list

checks='machine_is_pure_v2 missing_parts_of_the_packet_filter_are_named daemon_starts hello_world import_busybox containers_have_networks limits_are_set limits_are_seen_inside
host_cgroup_namespace exec_joins_the_cgroup stop_and_remove files_are_copied_while_it_does_not_run kill_and_remove remove_by_force processes_are_limited
memory_is_limited devices_are_refused devices_are_given privileged_has_devices killed_daemon_finds_its_containers
roots_may_be_deep runc_runs_a_bundle runc_pauses_and_updates
runc_confines_by_apparmor containers_are_confined_by_apparmor writable_layers_have_sizes runc_without_root cgroup_is_given_to_its_user checkpoint_and_restore a_checkpoint_gives_no_more_than_the_bundle
shim_checkpoints foreign_commands_are_emulated nothing_is_left'
. /choices
case "$chosen" in
    '') ;;
    checkpoints) checks=$checkpoint_checks ;;
    *) checks=$chosen ;;
esac

cp /proc/self/mountinfo /tmp/mounts.before
run_checks $checks
[ "$failed" -eq 0 ] || tail -n 40 /tmp/gantryd.log | sed 's/^/    gantryd: /'
