#!/bin/sh
# What must hold of containers on a host with SELinux. Runs inside the virtual machine, as root, under busybox, with policy.cil enforced.
# Prints `ok NAME` or `FAIL NAME REASON` for each check in the list at the end, then one line `done N FAILED`.
export GANTRY_HOST=unix:///run/gantry/gantry.sock GANTRY_AUTOSTART=0

# --- words that the checks are made of

. /words.sh
before_check() { dmesg -c >/dev/null; }
# What the kernel denied meanwhile.
explain_failure() { dmesg | sed -n 's/.*\(avc: .*\|SELinux: .*\|overlayfs: .*\)/    \1/p' | tail -n 5; }
gantry() { timeout 60 /bin/gantry "$@"; }
run() { gantry run --rm --network none "$@"; }
# background NAME FLAG...: a container that waits.
background() {
    name=$1
    shift
    gantry run -d --network none --name "$name" "$@" busybox sleep 1000 >/dev/null
}
process_label() { gantry inspect -f '{{.ProcessLabel}}' "$1"; }
mount_label() { gantry inspect -f '{{.MountLabel}}' "$1"; }
label_of() { /usr/bin/stat -c %C "$1"; }
own_label='cat /proc/self/attr/current'
has() { case "$2" in *"$3"*) ;; *) fail "$1 is '$2', without '$3'" ;; esac }
# denied COMMAND...: the kernel lets it not.
denied() {
    said=$("$@" 2>&1) && fail "it is not denied: $*"
    has "what $* says" "$said" 'ermission denied'
}
# start_daemon FLAG...: in the domain that a service's file would give it.
start_daemon() {
    printf 'system_u:system_r:gantryd_t:s0-s0:c0.c1023' >/proc/self/attr/exec
    setsid /bin/gantryd "$@" >>/tmp/gantryd.log 2>&1 &
    echo $! >/tmp/gantryd.pid
    # For the programs of this shell.
    echo >/proc/self/attr/exec
    until_true gantry version
}
end_daemon() {
    kill "-$1" "$(cat /tmp/gantryd.pid)"
    until_true gone "/proc/$(cat /tmp/gantryd.pid)"
}

# --- checks; each runs in a shell of its own, with -eu, and fails with the last line that it printed

the_kernel_enforces() {
    same enforce "$(cat /sys/fs/selinux/enforce)" 1
    has 'the own label' "$(cat /proc/self/attr/current)" :kernel_t:
}

# What is there when labels are switched on: layers, which are labelled then, and a container, which stays as it is.
the_switch_may_come_later() {
    # On a disk as hosts have them, where labels are kept with the files.
    rmmod brd
    insmod /modules/*-brd.ko rd_size=262144
    mkfs.ext4 -q /dev/ram0
    mkdir -p /var/lib/gantry
    mount -t ext4 /dev/ram0 /var/lib/gantry
    start_daemon
    gantry import -c 'CMD ["sh"]' /busybox.tar busybox:latest >/dev/null
    gantry create --network none --name early busybox $own_label >/dev/null
    end_daemon TERM
    start_daemon --selinux-enabled
    file=$(find /var/lib/gantry/layers -path '*/bin/busybox')
    same 'the label of a layer' "$(label_of "$file")" system_u:object_r:image_file_t:s0
    same 'the label' "$(process_label early)" ''
    has 'the label of its process' "$(gantry start -a early)" :gantryd_t:
    gantry rm early >/dev/null
}

the_daemon_tells_of_it() {
    has 'the label of the daemon' "$(cat "/proc/$(cat /tmp/gantryd.pid)/attr/current")" :gantryd_t:
    has info "$(gantry info --format '{{.SecurityOptions}}')" name=selinux
}

processes_have_labels() {
    background one
    background two
    label=$(process_label one)
    case "$label" in system_u:system_r:container_t:s0:c*,c*) ;; *) fail "the label is '$label'" ;; esac
    pid=$(gantry inspect -f '{{.State.Pid}}' one)
    same 'the process, from outside' "$(tr -d '\0' <"/proc/$pid/attr/current")" "$label"
    same 'another one' "$(run --security-opt "label=level:s0:c1,c2" busybox $own_label | tr -d '\0')" system_u:system_r:container_t:s0:c1,c2
    [ "$label" != "$(process_label two)" ] || fail "both have $label"
    same 'the level of files' "$(mount_label one)" "system_u:object_r:container_file_t:${label#*:container_t:}"
}

files_have_labels() {
    pid=$(gantry inspect -f '{{.State.Pid}}' one)
    for path in / /bin/busybox /dev /dev/null /dev/shm /etc/hostname /etc/hosts; do
        same "the label of $path" "$(label_of "/proc/$pid/root$path")" "$(mount_label one)"
    done
}

a_container_uses_what_is_its_own() {
    run --tmpfs /mine --shm-size 1m --hostname me busybox sh -euc '
        for dir in / /tmp /dev /dev/shm /mine /root; do echo x >$dir/file; cat $dir/file >/dev/null; done
        cp /bin/busybox /mine/own && chmod 755 /mine/own && mv /tmp/file /tmp/other && rm /tmp/other
        [ "$(cat /etc/hostname)" = me ] && cat /etc/hosts /etc/resolv.conf >/dev/null
        ls /proc/acpi /sys/firmware /dev/mqueue >/dev/null
        echo x >/dev/null; head -c 1 /dev/urandom >/dev/null; ln -s x /link; mkfifo /fifo; mknod /tmp/zero c 1 5'
    run --read-only --tmpfs /run busybox sh -euc 'echo x >/run/file; [ "$(cat /run/file)" = x ]'
    run --init busybox true
    run -t busybox sh -euc 'tty; echo x >$(tty)' | grep -q /dev/pts || fail 'there is no terminal'
}

one_cannot_touch_the_other_s() {
    gantry exec one sh -c 'echo secret >/secret'
    upper=$(gantry inspect -f '{{.GraphDriver.Data.UpperDir}}' one)
    same 'the file below' "$(label_of "$upper/secret")" "$(mount_label one)"
    denied run -v "$upper:/other" busybox cat /other/secret
    denied run --pid host --security-opt label=level:s0:c1,c2 busybox ls "/proc/$(gantry inspect -f '{{.State.Pid}}' one)/root/"
    same 'with the same level' "$(run -v "$upper:/other" --security-opt "label=level:$(process_label one | cut -d : -f 4-)" busybox cat /other/secret)" secret
}

host_folders_are_relabelled() {
    mkdir -p /srv/data/deep
    echo inside >/srv/data/deep/file
    echo outside >/srv/outside
    ln -s /srv/outside /srv/data/link
    mkfifo /srv/data/fifo
    denied run -v /srv/data:/data busybox cat /data/deep/file
    background private -v /srv/data:/data:Z
    same 'what it reads' "$(gantry exec private cat /data/deep/file)" inside
    gantry exec private sh -c 'echo new >/data/new'
    for path in /srv/data /srv/data/deep/file /srv/data/new /srv/data/link /srv/data/fifo; do
        same "the label of $path" "$(label_of "$path")" "$(mount_label private)"
    done
    same 'what a link leads to' "$(label_of /srv/outside)" system_u:object_r:host_file_t:s0
    denied run -v /srv/data:/data busybox cat /data/deep/file
    run -v /srv/data:/data:z busybox cat /data/deep/file
    same 'the shared label' "$(label_of /srv/data/deep/file)" system_u:object_r:container_file_t:s0
    gantry exec private cat /data/deep/file
    run -v /srv/data:/data:ro busybox cat /data/deep/file
    gantry rm -f private >/dev/null
}

the_host_s_own_folders_are_not() {
    ln -s /etc /srv/link
    mkdir -p /srv/holder/etc
    for path in /etc /usr/../etc /srv/link; do
        said=$(run -v "$path:/x:Z" busybox true 2>&1) && fail "$path is relabelled"
        has 'what it says' "$said" "SELinux relabeling of"
    done
    busybox mount -o bind /etc /srv/holder/etc
    said=$(run -v /srv/holder:/x:z busybox true 2>&1) && fail 'what is mounted below is relabelled'
    busybox umount /srv/holder/etc
    has 'what it says' "$said" 'SELinux relabeling of /srv/holder/etc'
    same 'the label of /etc' "$(label_of /etc)" system_u:object_r:host_file_t:s0
}

# Somebody puts a link in the place of a directory, and that back again, while it is labelled.
swapped_files_lead_nowhere() {
    mkdir -p /srv/lure/dir /srv/host
    echo host >/srv/host/file
    for number in $(seq 200); do echo x >"/srv/lure/dir/$number"; done
    (
        while [ ! -e /tmp/enough ]; do
            mv /srv/lure/dir /srv/lure/aside
            ln -s /srv/host /srv/lure/dir
            rm /srv/lure/dir
            mv /srv/lure/aside /srv/lure/dir
        done
    ) &
    for _ in 1 2 3 4 5 6; do
        run -v /srv/lure:/lure:z busybox true || fail 'it does not run'
        run -v /srv/lure:/lure:Z busybox true || fail 'it does not run'
    done
    touch /tmp/enough
    wait
    for path in /srv/host /srv/host/file; do
        same "the label of $path" "$(label_of $path)" system_u:object_r:host_file_t:s0
    done
}

labels_may_be_left_out() {
    echo host >/srv/plain
    for flag in --security-opt=label=disable --privileged --pid=host --ipc=host; do
        has "the label with $flag" "$(run "$flag" busybox $own_label)" :spc_t:
        same "the file with $flag" "$(run "$flag" -v /srv/plain:/plain busybox cat /plain)" host
    done
    background open --privileged
    same 'ProcessLabel' "$(process_label open)" ''
    same 'MountLabel' "$(mount_label open)" system_u:object_r:container_file_t:s0:c1022,c1023
    gantry rm -f open >/dev/null
}

labels_may_be_others() {
    seen=$(run --security-opt label=type:other_container_t --security-opt label=level:s0:c7,c8 busybox $own_label | tr -d '\0')
    same 'the label' "$seen" system_u:system_r:other_container_t:s0:c7,c8
    background typed --security-opt label=type:other_container_t --security-opt label=filetype:other_file_t
    has 'MountLabel' "$(mount_label typed)" :other_file_t:s0:c
    gantry exec typed sh -c 'echo x >/file && cat /file'
    gantry rm -f typed >/dev/null
    said=$(run --security-opt label=type:nonsense_t busybox true 2>&1) && fail 'it runs with a label that nobody knows'
    has 'what it says' "$said" 'does not know the label'
    said=$(run --security-opt label=nonsense:x busybox true 2>&1) && fail 'it runs with an option that nobody knows'
    has 'what it says' "$said" 'bad label option'
}

the_runtime_refuses_unknown_labels() {
    mkdir -p /tmp/bundle/rootfs
    tar -C /tmp/bundle/rootfs -xf /busybox.tar
    /usr/bin/chcon -R system_u:object_r:container_file_t:s0:c1,c2 /tmp/bundle
    gantry-runc spec --bundle /tmp/bundle
    sed -i 's/"terminal": true/"terminal": false/; s/"sh"/"cat","\/proc\/self\/attr\/current"/' /tmp/bundle/config.json
    cp /tmp/bundle/config.json /tmp/plain.json
    for label in system_u:system_r:container_t:s0:c1,c2 system_u:system_r:nonsense_t:s0; do
        sed "s/\"noNewPrivileges\": true/&, \"selinuxLabel\": \"$label\"/" /tmp/plain.json >/tmp/bundle/config.json
        said=$(gantry-runc run --bundle /tmp/bundle labelled 2>&1 </dev/null | tr -d '\0') || true
        case $label in
            *container_t*) has 'what a known label gives' "$said" "$label" ;;
            *) has 'what an unknown label gives' "$said" 'set the SELinux label' ;;
        esac
    done
}

exec_has_the_container_s_label() {
    same 'an exec' "$(gantry exec one $own_label | tr -d '\0')" "$(process_label one)"
    same 'a privileged exec' "$(gantry exec --privileged one $own_label | tr -d '\0')" "$(process_label one)"
}

joined_containers_have_one_label() {
    same 'with its processes' "$(run --pid container:one busybox $own_label | tr -d '\0')" "$(process_label one)"
    background giver --ipc shareable
    gantry exec giver sh -c 'echo given >/dev/shm/file'
    same 'with its memory' "$(run --ipc container:giver busybox cat /dev/shm/file)" given
    said=$(run --ipc container:giver --pid container:one busybox true 2>&1) && fail 'two labels at once'
    has 'what it says' "$said" "labels aren't the same"
    gantry run --rm --network container:giver busybox cat /etc/hosts /etc/resolv.conf >/dev/null
    gantry exec giver cat /etc/hosts >/dev/null
    gantry rm -f giver >/dev/null
}

volumes_are_shared() {
    run -v named:/data busybox sh -c 'echo kept >/data/file'
    same 'for the next one' "$(run -v named:/data:ro busybox cat /data/file)" kept
    path=$(gantry volume inspect -f '{{.Mountpoint}}' named)
    same 'its label' "$(label_of "$path/file")" system_u:object_r:container_file_t:s0
    run -v /nameless busybox sh -c 'echo x >/nameless/file && cat /nameless/file'
    run --mount type=volume,src=long,dst=/data busybox sh -c 'echo x >/data/file'
    background holder -v named:/data:Z
    same 'for one alone' "$(label_of "$path/file")" "$(mount_label holder)"
    denied run -v named:/data:ro busybox cat /data/file
    gantry rm -f holder >/dev/null
    run -v named:/data busybox cat /data/file
    run --mount type=image,src=busybox,dst=/image busybox /image/bin/busybox true
}

files_are_copied() {
    echo copied >/tmp/copied
    gantry cp /tmp/copied one:/copied
    same 'into a running one' "$(gantry exec one cat /copied)" copied
    gantry commit one kept >/dev/null
    same 'from its image' "$(run kept cat /copied)" copied
}

builds_are_labelled() {
    mkdir -p /tmp/context
    echo context >/tmp/context/file
    echo hidden >/tmp/hidden
    cat >/tmp/context/Dockerfile <<'END'
FROM busybox
COPY file /file
RUN --network=none cat /proc/self/attr/current >/label && cat /file && sh -c 'echo written >/written'
RUN --network=none --mount=type=cache,target=/cache --mount=type=secret,id=s --mount=type=tmpfs,target=/t --mount=type=bind,target=/context \
    echo cached >/cache/file && cat /run/secrets/s >/dev/null && echo x >/t/file && cat /context/file
RUN --network=none --mount=type=cache,target=/cache --mount=type=bind,target=/context,rw cat /cache/file /written && echo x >/context/new
END
    gantry build --secret id=s,src=/tmp/hidden -t built /tmp/context >/tmp/build.log 2>&1 || fail "$(tail -n 5 /tmp/build.log)"
    has 'the label of a command' "$(run built cat /label)" :container_t:s0:c
    same 'what it wrote' "$(run built cat /written)" written
}

labels_outlive_the_daemon() {
    before=$(process_label one)
    file=$(find /var/lib/gantry/layers -path '*/bin/busybox' | head -n 1)
    /usr/bin/chcon system_u:object_r:other_file_t:s0 "$file"
    end_daemon KILL
    start_daemon --selinux-enabled
    same 'what is labelled once' "$(label_of "$file")" system_u:object_r:other_file_t:s0
    /usr/bin/chcon system_u:object_r:image_file_t:s0 "$file"
    same 'ProcessLabel' "$(process_label one)" "$before"
    same 'an exec' "$(gantry exec one $own_label | tr -d '\0')" "$before"
    # As after the host's own labelling of all its files.
    upper=$(gantry inspect -f '{{.GraphDriver.Data.UpperDir}}' one)
    gantry exec one cp /bin/busybox /busybox
    gantry stop -t 0 one >/dev/null
    /usr/bin/chcon -R system_u:object_r:host_file_t:s0 "$upper"
    gantry start one >/dev/null
    same 'after that' "$(gantry exec one /busybox cat /secret)" secret
    gantry restart -t 0 one >/dev/null
    same 'after a restart' "$(gantry exec one $own_label | tr -d '\0')" "$before"
    gantry exec one cat /secret >/dev/null
    same 'a container with that level' "$(run --security-opt "label=level:${before#*:container_t:}" busybox $own_label | tr -d '\0')" "$before"
}

networks_work() {
    gantry run --rm busybox sh -c 'cat /etc/resolv.conf && ip addr show eth0' | grep -q 172.17.0 || fail 'there is no address'
}

without_the_switch_there_are_none() {
    end_daemon TERM
    start_daemon
    case "$(gantry info --format '{{.SecurityOptions}}')" in *selinux*) fail 'info tells of SELinux' ;; esac
    has 'the label' "$(run busybox $own_label)" :gantryd_t:
    echo free >/srv/free
    same 'a bind with Z' "$(run -v /srv/free:/free:Z busybox cat /free)" free
    same 'its label' "$(label_of /srv/free)" system_u:object_r:host_file_t:s0
    same 'that of one with a label' "$(gantry exec one $own_label | tr -d '\0')" "$(process_label one)"
    gantry rm -f one two >/dev/null
    end_daemon TERM
}

a_policy_without_contexts_is_refused() {
    mv /etc/selinux/small/contexts/lxc_contexts /tmp/
    said=$(timeout 20 /bin/gantryd --selinux-enabled 2>&1) && fail 'it starts'
    mv /tmp/lxc_contexts /etc/selinux/small/contexts/
    has 'what it says' "$said" 'contexts of containers'
}

nothing_is_left() {
    same 'mounts left' "$(grep -c /gantry/ /proc/mounts)" 0
    umount /var/lib/gantry
    same 'bundles left' "$(ls /run/gantry/containers)" ''
}

# --- the list

. /choices
checks=${chosen:-the_kernel_enforces the_switch_may_come_later the_daemon_tells_of_it processes_have_labels files_have_labels a_container_uses_what_is_its_own
one_cannot_touch_the_other_s host_folders_are_relabelled the_host_s_own_folders_are_not swapped_files_lead_nowhere labels_may_be_left_out labels_may_be_others
the_runtime_refuses_unknown_labels exec_has_the_container_s_label joined_containers_have_one_label volumes_are_shared files_are_copied builds_are_labelled
labels_outlive_the_daemon networks_work without_the_switch_there_are_none a_policy_without_contexts_is_refused nothing_is_left}

run_checks $checks
