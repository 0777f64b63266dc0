#!/usr/bin/env bash
# Unpacks two of Debian's programs into a folder, without installing them: `busybox` for arm64, and `qemu-aarch64-static`, which
# executes it elsewhere. Does nothing when they are there.
#
#   fetch-foreign.sh FOLDER
set -euo pipefail
folder=${1:?usage: fetch-foreign.sh FOLDER}
[ -x "$folder/busybox" ] && [ -x "$folder/qemu-aarch64-static" ] && exit

partial=$(mktemp -d)
trap 'rm -rf "$partial"' EXIT
mkdir -p "$partial"/{lists,cache/archives}/partial "$folder"
# Lists of its own: this machine's know nothing of another processor, and stay so.
options=(-qq -o DPkg::Lock::Timeout=300 -o APT::Sandbox::User=root -o Dir::State::lists="$partial/lists" -o Dir::Cache="$partial/cache"
    -o APT::Architectures::=amd64 -o APT::Architectures::=arm64)
apt-get "${options[@]}" update
(cd "$partial" && apt-get "${options[@]}" download busybox-static:arm64 qemu-user-static)
for package in "$partial"/*.deb; do dpkg-deb -x "$package" "$partial/root"; done
find "$partial/root" -path '*/bin/busybox' -type f -exec cp {} "$folder/busybox" \;
cp "$partial/root/usr/bin/qemu-aarch64-static" "$folder/"
