#!/bin/bash
# One machine that runs libvirtd: namespaces and control groups of its own.
#
#     host.sh STATE NETNS GROUP    stays until its child, the machine's init, ends
#     host.sh STATE inside         what that init starts
#     host.sh STATE libvirtd       starts libvirtd again, from inside the host's namespaces
# STATE holds what libvirt keeps (run, etc, lib, log and cache) and the SSH server's configuration.
set -euo pipefail
state=$1

# Every hierarchy of control groups as "v1 MOUNT CONTROLLERS" or "v2 MOUNT -".
hierarchies() {
    awk '$(NF - 2) ~ /^cgroup2?$/ && $5 ~ "^/sys/fs/cgroup" { print $(NF - 2), $5, $NF }' \
        /proc/self/mountinfo | while read -r type point options; do
        if [ "$type" = cgroup2 ]; then
            echo "v2 $point -"
        else
            echo "v1 $point $(tr , '\n' <<<"$options" | grep -vE "$not_controllers" | paste -sd ,)"
        fi
    done
}
not_controllers='^(r[ow]|xattr|clone_children|release_agent=.*)$'

outside() {
    local netns=$1 group=$2 own file
    hierarchies >"$state/hierarchies"
    while read -r _ point controllers; do
        own=$point/$group
        mkdir -p "$own"
        case $controllers in *cpuset*)
            # A new cpuset is empty, and takes no process.
            for file in cpuset.cpus cpuset.mems; do cat "$point/$file" >"$own/$file"; done ;;
        esac
        echo $$ >"$own/cgroup.procs"
    done <"$state/hierarchies"
    exec nsenter --net="$netns" \
        unshare --cgroup --mount --propagation private --pid --fork --kill-child \
        tini -- "$0" "$state" inside
}

inside() {
    mount -t proc proc /proc
    umount --recursive --lazy /sys
    mount -t sysfs sysfs /sys
    mount_groups
    # A KVM that opens is not one that boots: nested, it may not, and libvirt cannot tell.
    if [ -e /dev/kvm ]; then mount --bind /dev/null /dev/kvm; fi
    local part
    for part in run:/run/libvirt etc:/etc/libvirt lib:/var/lib/libvirt log:/var/log/libvirt \
        cache:/var/cache/libvirt; do
        mkdir -p "${part#*:}"
        mount --bind "$state/${part%%:*}" "${part#*:}"
    done
    # What other machines on this one hold there is not ours.
    mount -t tmpfs tmpfs /run/lock
    mkdir -p /run/sshd
    ip link set lo up
    virtlogd --daemon --pid-file /run/libvirt/virtlogd.pid
    start_libvirtd
    /usr/sbin/sshd -f "$state/ssh/sshd_config"
    exec sleep infinity
}

# The host sees its own control groups as all there are. Where there is v1, it sees v1 alone: what
# v2 holds beside it differs from machine to machine, and libvirt changes its ways with that.
mount_groups() {
    local version point controllers
    if ! grep -q ^v1 "$state/hierarchies"; then
        mount -t cgroup2 cgroup2 /sys/fs/cgroup
        # A group of v2 that shares out controllers holds no process itself.
        mkdir /sys/fs/cgroup/host
        echo 1 >/sys/fs/cgroup/host/cgroup.procs
        join_groups
        return
    fi
    mount -t tmpfs -o mode=755,size=1m cgroup /sys/fs/cgroup
    while read -r version point controllers; do
        if [ "$version" = v2 ]; then continue; fi
        mkdir "/sys/fs/cgroup/${point##*/}"
        case $controllers in name=*) controllers=none,$controllers ;; esac
        mount -t cgroup -o "$controllers" cgroup "/sys/fs/cgroup/${point##*/}"
    done <"$state/hierarchies"
}

# Who enters the namespaces is not yet in the groups.
join_groups() {
    local group
    if [ -e /sys/fs/cgroup/host ]; then
        echo $$ >/sys/fs/cgroup/host/cgroup.procs
        return
    fi
    for group in /sys/fs/cgroup/*; do echo $$ >"$group/cgroup.procs"; done
}

start_libvirtd() {
    libvirtd --daemon --pid-file /run/libvirt/libvirtd.pid
}

case $2 in
inside) inside ;;
libvirtd) join_groups && start_libvirtd ;;
*) outside "$2" "$3" ;;
esac
