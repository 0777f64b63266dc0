#!/usr/bin/env bash
# Unpacks Debian's docker command line into a folder, without installing it: the package would start a daemon.
#
#   fetch-docker-cli.sh FOLDER
set -euo pipefail
folder=${1:?usage: fetch-docker-cli.sh FOLDER}

partial=$(mktemp -d)
trap 'rm -rf "$partial"' EXIT
apt-get update -qq -o DPkg::Lock::Timeout=300
(cd "$partial" && apt-get download -qq docker.io)
mkdir -p "$folder"
dpkg-deb -x "$partial"/docker.io_*.deb "$partial/root"
mkdir -p "$folder/usr/bin"
mv "$partial/root/usr/bin/docker" "$folder/usr/bin/docker"
"$folder/usr/bin/docker" --version
