#!/bin/sh
# Becomes systemd over this machine's files: boot.sh FOLDER ADDRESS
# Runs in namespaces of its own. Everything that the machine writes is in memory and goes with it;
# FOLDER/kept is its /run/kept.
set -eu
. "$(dirname "$0")/../labs/systemd.sh"
home=$1 address=$2
mount --make-rprivate /
mkdir -p "$home/kept" "$home/over"
mount -t tmpfs over "$home/over"
mkdir "$home/over/changes" "$home/over/work" "$home/over/root"
mount -t overlay -o "lowerdir=/,upperdir=$home/over/changes,workdir=$home/over/work" over \
    "$home/over/root"
cd "$home/over/root"

mount -t proc proc proc
mount -t sysfs sysfs sys
own_control_groups
own_devices "$home/console"

mount -t tmpfs -o mode=755 run run
mkdir run/kept run/changes
mount --bind "$home/kept" run/kept
mount --bind "$home/over/changes" run/changes
mount -t tmpfs -o mode=1777 tmp tmp

no_services
rm -rf etc/vdc var/lib/vdc

pivot_root . .
umount -l .
ip link set lo up
ip link add up0 type veth peer name up1
ip address add "$address/24" dev up0
ip link set up0 up
ip link set up1 up
become_systemd
