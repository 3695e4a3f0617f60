# What lets systemd be the first process of namespaces; sourced by scripts that start it.
# Each works on the root that is the current folder, before it becomes the root.

# The control groups that this process was put into, as a tree of their own.
own_control_groups() {
    groups=sys/fs/cgroup
    if ! grep -qv '^0::' /proc/self/cgroup; then
        mount -t cgroup2 cgroup $groups
        return
    fi
    mount -t tmpfs -o mode=755 cgroup $groups
    sed 's/^0::.*/v2/; s/^[0-9]*:\([^:]*\):.*/\1/' /proc/self/cgroup | while read -r controllers; do
        case $controllers in
            v2) folder=unified options='-t cgroup2' ;;
            name=*) folder=${controllers#name=} options="-t cgroup -o none,$controllers" ;;
            *) folder=$controllers options="-t cgroup -o $controllers" ;;
        esac
        mkdir "$groups/$folder"
        # shellcheck disable=SC2086 # several words
        mount $options cgroup "$groups/$folder"
    done
}

# The few devices that every program expects; the console is the file $1.
own_devices() {
    mount -t tmpfs -o mode=755 dev dev
    for device in null zero full random urandom tty; do
        : >dev/$device
        mount --bind /dev/$device dev/$device
    done
    mkdir dev/pts dev/shm
    mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
    ln -s pts/ptmx dev/ptmx
    ln -s /proc/self/fd dev/fd
    : >dev/console
    mount --bind "$1" dev/console
}

# Of this machine's services none, but those that systemd cannot do without.
no_services() {
    : >etc/fstab
    : >etc/machine-id
    rm -rf etc/systemd/system
    mkdir etc/systemd/system
    for service in cloud-init console-getty dbus systemd-logind systemd-networkd systemd-udevd; do
        ln -s /dev/null etc/systemd/system/$service.service
    done
}

# Once the root is the root.
become_systemd() {
    exec env -i container=lxc PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd \
        --unit=multi-user.target </dev/null >/dev/console 2>&1
}
