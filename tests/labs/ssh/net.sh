#!/bin/sh
# The lab's own network and place: 10.89.0.0/24 on a bridge, 10.89.0.254 is this side.
# Runs as the first process of namespaces of its own; everything of the lab goes with it.
set -eu
folder=$1

mount --make-rprivate /
mount -t tmpfs -o mode=755 run /run
mount -t tmpfs -o mode=755 machines "$folder/machines"
ip link set lo up
ip link add lab0 type bridge
ip address add 10.89.0.254/24 dev lab0
ip link set lab0 up
touch "$folder/ready"
exec sleep infinity
