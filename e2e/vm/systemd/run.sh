#!/usr/bin/env bash
# Boots Debian's systemd (252) and its bus in a virtual machine with cgroup v2, and has gantry-runc, and gantryd with
# native.cgroupdriver=systemd, make their containers scopes there: checks.sh. Fails unless every check held. The root file system is made once, by mmdebstrap.
#
#   run.sh [FOLDER-OF-BINARIES]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
checkout=$(cd "$here/../../.." && pwd)
binaries=${1:-$checkout/target/dist/bin}
kernel=$checkout/target/testdata/vm-kernel
root=$checkout/target/testdata/vm-systemd
console=${VM_CONSOLE:-$checkout/target/testdata/vm-systemd-console.log}
deadline_s=${VM_DEADLINE_S:-300}

. "$here/../machine.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bash "$here/../fetch-kernel.sh" "$kernel"
if [ ! -e "$root/complete" ]; then
    rm -rf "$root"
    mkdir -p "$root"
    excluded=(--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*'
        --dpkgopt='path-exclude=/usr/share/locale/*')
    mmdebstrap --quiet --variant=apt --include=systemd,systemd-sysv,dbus "${excluded[@]}" bookworm "$root/root.tar" \
        http://deb.debian.org/debian
    touch "$root/complete"
fi

tree=$work/tree
mkdir -p "$tree"
tar -C "$tree" -xf "$root/root.tar" --exclude './dev/*'
rm -rf "$tree"/var/lib/apt/lists/* "$tree"/var/cache/apt/*
for name in gantry gantryd gantry-shim gantry-init gantry-runc; do
    install -m 755 "$binaries/$name" "$tree/usr/bin/"
done
install -m 755 /bin/busybox "$tree/usr/bin/"
# Where the daemon's containers have their roots.
cp "$kernel"/modules/*-overlay.ko "$tree/overlay.ko"
install -m 755 "$here/checks.sh" "$here/../words.sh" "$tree/"
install -m 755 "$here/init" "$tree/init"
install -m 644 "$here/gantry-checks.service" "$tree/etc/systemd/system/"
mkdir -p "$tree/bundle/rootfs/bin" "$tree/bundle/rootfs"/{proc,sys,dev,tmp}
cp /bin/busybox "$tree/bundle/rootfs/bin/"
for applet in sh sleep cat; do ln -s busybox "$tree/bundle/rootfs/bin/$applet"; done
boot 2048 'ok|FAIL|done' systemd.unit=gantry-checks.service systemd.show_status=0
grep -qE '^done [1-9][0-9]* 0$' "$console"
