#!/bin/sh
# Makes this machine a node of the pool, from the facts in /etc/vdc and the bundle in this folder.
# Run again it brings the node up to date and leaves alone what is as it should be.
#
#     install.sh              install or bring up to date
#     install.sh uninstall    end all work here and remove everything of ours
set -eu
umask 022
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

etc=/etc/vdc lib=/var/lib/vdc run=/run/vdc log=/var/log/vdc system=/etc/systemd/system
all_units='vdc-boot.service vdc-drain.service vdc-renew.timer vdc-renew.service vdc-logs.service
vdc-notice.service
vdc-agent.service vdc-pool.service'
timesyncd=/etc/systemd/timesyncd.conf.d/vdc.conf
firewalld=/etc/firewalld/services/vdc.xml
rc_local=$(readlink -f /etc/rc.local || echo /etc/rc.local) # a link on some systems
here=$(cd "$(dirname "$0")" && pwd)

say() { echo "vdc: $*"; }
die() {
    echo "vdc: $*" >&2
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }
systemd() { [ -d /run/systemd/system ]; }
firewall() { have firewall-cmd && firewall-cmd --quiet --state 2>/dev/null; }
selinux() { have selinuxenabled && selinuxenabled; }

main() {
    [ "$(id -u)" = 0 ] || die "this needs root"
    case ${1:-install} in
        install) install_node ;;
        uninstall) uninstall_node ;;
        *) die "usage: install.sh [uninstall]" ;;
    esac
}

install_node() {
    [ -f $etc/node.env ] || die "$etc/node.env is missing; it comes with the node's user data"
    facts
    check
    folders
    programs
    contexts
    open_ports
    set_time
    join_pool
    facts # a machine that was told no name has one now
    if systemd; then run_units; else run_supervised; fi
    # Only the bundle of a server holds the pool service; the agent need not wait for it.
    [ ! -f "$here/wheelhouse.tar.gz" ] || $lib/bin/vdc-pool setup "$here/wheelhouse.tar.gz"
    echo "$VDC_BUNDLE_SHA256" >$lib/installed
    say "$VDC_NAME runs"
}

facts() {
    set -a
    # shellcheck disable=SC1091 # written by vdc, on the node
    . $etc/node.env
    set +a
}

check() {
    set --
    [ "$VDC_ROLE" != client ] || set -- work
    [ ! -f "$here/wheelhouse.tar.gz" ] || set -- "$@" service
    [ -z "${VDC_LOGS:-}" ] || set -- "$@" logs
    missing=$("$here/bin/vdc-needs" "$@")
    [ -z "$missing" ] || die "not on this machine: $missing; install that and run this again"
    for file in ca.pem agent.json; do [ -f $etc/$file ] || die "$etc/$file is missing"; done
}

folders() {
    mkdir -p $lib/bin $lib/agent/client $lib/tls $lib/packages $run $log
    chmod 0700 $lib/tls $lib/agent/client
    chmod 0711 $lib/agent # tasks reach their own folders below, and list nothing
    [ "$VDC_ROLE" = client ] || return 0
    work_user
    chown vdc-work:vdc-work $lib/packages
}

# It has the same number on every node, since the scheduler gives a task's files to a number.
work_user() {
    uid=60900
    case $(getent passwd vdc-work || getent passwd $uid || :) in
        '') ;;
        vdc-work:*:$uid:$uid:*) return 0 ;;
        *) die "user vdc-work, or $uid, is somebody else here; it must be free for work" ;;
    esac
    case $(getent group vdc-work || getent group $uid || :) in
        '') groupadd --gid $uid vdc-work ;;
        vdc-work:*:$uid:*) ;;
        *) die "group vdc-work, or $uid, is another one here; it must be free for work" ;;
    esac
    useradd --uid $uid --gid $uid --key UID_MAX=$uid --no-create-home --home-dir /nonexistent \
        --shell "$(command -v nologin || echo /bin/false)" --comment 'Work of the pool' vdc-work
}

programs() {
    for program in "$here"/bin/* "$here"/install.sh; do
        place "$program" "$lib/bin/${program##*/}" 0755
    done
}

# What is there already stays: the agent starts its helpers from its own file. A new file is
# there at once and whole.
place() {
    ! same "$1" "$2" || return 0
    cp "$1" "$2.new"
    chmod "$3" "$2.new"
    mv -f "$2.new" "$2"
}
same() { [ -f "$2" ] && [ "$(sha256sum <"$1")" = "$(sha256sum <"$2")" ]; }

# Under SELinux a unit may start programs of type bin_t only, and /var/lib holds none by nature.
contexts() {
    selinux || return 0
    if have semanage; then
        semanage fcontext --add --type bin_t "$lib/bin(/.*)?" 2>/dev/null ||
            semanage fcontext --modify --type bin_t "$lib/bin(/.*)?"
        restorecon -RF $lib/bin $lib/tls $etc
    else
        chcon -R -t bin_t $lib/bin
    fi
}

open_ports() {
    firewall || return 0
    new=$run/firewalld.xml
    {
        echo '<?xml version="1.0" encoding="utf-8"?>'
        echo '<service><short>vdc</short>'
        for port in $VDC_OPEN_PORTS; do
            echo "<port port=\"${port%/*}\" protocol=\"${port#*/}\"/>"
        done
        echo '</service>'
    } >$new
    # What lies where firewalld reads it need not be what it has read: a run may have been cut.
    if ! same $new $lib/opened || ! firewall-cmd --quiet --query-service=vdc; then
        place $new $firewalld 0644
        firewall-cmd --quiet --reload
        firewall-cmd --quiet --permanent --add-service=vdc
        firewall-cmd --quiet --reload
        place $new $lib/opened 0644
    fi
    rm $new
}

chrony_file() { [ ! -f /etc/chrony/chrony.conf ] || set -- /etc/chrony/chrony.conf; echo "$1"; }

set_time() {
    [ "$(cat $lib/ntp 2>/dev/null)" != "${VDC_NTP:-}" ] || return 0
    unset_time
    if [ -z "${VDC_NTP:-}" ]; then
        say "the clock follows the system's own servers again"
    elif have chronyd; then
        file=$(chrony_file /etc/chrony.conf)
        {
            echo '# vdc begin'
            for server in $VDC_NTP; do echo "server $server iburst"; done
            echo '# vdc end'
        } >>"$file"
    elif [ -x /lib/systemd/systemd-timesyncd ] || [ -x /usr/lib/systemd/systemd-timesyncd ]; then
        mkdir -p "${timesyncd%/*}"
        printf '[Time]\nNTP=%s\n' "$VDC_NTP" >$timesyncd
    else
        say "no chrony and no systemd-timesyncd here: keep the clock right by other means"
    fi
    restart_time
    echo "${VDC_NTP:-}" >$lib/ntp
}

unset_time() {
    file=$(chrony_file /etc/chrony.conf)
    [ ! -f "$file" ] || sed -i '/^# vdc begin$/,/^# vdc end$/d' "$file"
    rm -f $timesyncd
}

restart_time() {
    systemd || return 0
    systemctl try-restart chronyd.service chrony.service systemd-timesyncd.service 2>/dev/null || :
}

# A secret that was refused is refused for ever: 77 tells the unit not to try again by itself.
join_pool() {
    [ "$VDC_ROLE" = client ] || return 0
    $lib/bin/vdc-node join --for 300 && return
    status=$?
    [ $status != 1 ] || status=77
    exit $status
}

wanted_units() {
    echo vdc-agent.service
    [ "$VDC_ROLE" != client ] || echo vdc-drain.service vdc-renew.timer
    [ -z "${VDC_IDENTITY:-}" ] || echo vdc-notice.service
    [ -z "${VDC_LOGS:-}" ] || echo vdc-logs.service
}

run_units() {
    for unit in "$here"/units/*.service "$here"/units/*.timer; do
        [ "${unit##*/}" = vdc-boot.service ] || place "$unit" "$system/${unit##*/}" 0644
    done
    if [ "$VDC_ROLE" = server ]; then
        mkdir -p $system/vdc-agent.service.d
        place "$here/units/vdc-server.conf" $system/vdc-agent.service.d/server.conf 0644
    fi
    ! selinux || restorecon -RF $system/vdc-*
    systemctl daemon-reload
    if [ -z "${VDC_LOGS:-}" ]; then
        systemctl disable --quiet --now vdc-logs.service 2>/dev/null || :
    fi
    # shellcheck disable=SC2046 # several units
    set -- $(wanted_units)
    systemctl enable --quiet "$@"
    if ! as_started || ! systemctl is-active --quiet vdc-agent.service; then
        systemctl restart vdc-agent.service
    fi
    systemctl start "$@"
    digest >$lib/started
}

run_supervised() {
    start_at_boot
    if ! alive $run/supervisor.pid; then
        setsid "$lib/bin/vdc-supervise" </dev/null >>$log/agent.log 2>&1 &
    elif ! as_started && alive $run/agent.pid; then
        agent=$(cat $run/agent.pid)
        kill "$agent" # the supervisor starts the new one
        # Who looks for the agent from here on shall not take the old one for it.
        while [ -e "/proc/$agent/exe" ]; do sleep 1; done
    fi
    digest >$lib/started
}

# What every init that is no systemd runs, or can be told to run, when the machine starts.
start_at_boot() {
    ! grep -qs '^# vdc begin$' "$rc_local" || return 0
    if [ -s "$rc_local" ]; then
        cp -p "$rc_local" "$rc_local.new"
    else
        echo '#!/bin/sh' >"$rc_local.new"
        chmod 0755 "$rc_local.new"
    fi
    sed -i "1a\\
# vdc begin\\
setsid $lib/bin/vdc-supervise </dev/null >>$log/agent.log 2>&1 &\\
# vdc end" "$rc_local.new"
    mv -f "$rc_local.new" "$rc_local"
}

not_at_boot() {
    rm -f "$rc_local.new"
    [ -f "$rc_local" ] || return 0
    sed -i '/^# vdc begin$/,/^# vdc end$/d' "$rc_local"
    [ "$(cat "$rc_local")" != '#!/bin/sh' ] || rm "$rc_local"
}

alive() { [ -f "$1" ] && kill -0 "$(cat "$1")" 2>/dev/null; }

# What a running agent was started from.
digest() {
    cat $lib/bin/nomad $lib/bin/vdc-agent $etc/agent.json $etc/ca.pem $etc/node.env \
        "$here/units/vdc-agent.service" | sha256sum | cut -c1-64
}
as_started() { [ -f $lib/started ] && [ "$(cat $lib/started)" = "$(digest)" ]; }

uninstall_node() {
    if systemd; then
        for unit in $all_units; do systemctl disable --quiet --now "$unit" 2>/dev/null || :; done
    elif alive $run/supervisor.pid; then
        kill "$(cat $run/supervisor.pid)"
    fi
    not_at_boot
    end_processes
    release_mounts
    release_cgroups
    for unit in $all_units; do rm -f "$system/$unit" "$system/$unit.new"; done
    rm -rf $system/vdc-agent.service.d
    if systemd; then
        systemctl daemon-reload
        # shellcheck disable=SC2086 # several units
        systemctl reset-failed $all_units 2>/dev/null || :
    fi
    rm -f $firewalld.new
    if [ -f $firewalld ]; then
        # The file goes when the ports are shut, so that a removal that is cut begins with it again.
        if firewall; then
            firewall-cmd --quiet --permanent --remove-service=vdc || :
            firewall-cmd --quiet --reload
        fi
        rm -f $firewalld
        if firewall; then firewall-cmd --quiet --reload; fi
    fi
    if selinux && have semanage; then
        semanage fcontext --delete "$lib/bin(/.*)?" 2>/dev/null || :
    fi
    for family in -4 -6; do
        ip $family rule del pref 890 prohibit 2>/dev/null || :
    done
    unset_time
    restart_time
    for user in vdc-work vdc-pool; do
        if getent passwd $user >/dev/null; then userdel $user; fi
    done
    if getent group vdc-work >/dev/null; then groupdel vdc-work; fi
    rm -rf $lib $run $log /run/vdc-payload
    # The mark goes last: by it whoever made this a node finds what a cut removal has left.
    [ ! -d $etc ] || find $etc -mindepth 1 ! -name node.json -exec rm -rf {} +
    rm -rf $etc
    say "nothing of vdc is left here"
}

# Ours are the processes of our programs, those that work in our folders, and the work user's.
ours() {
    work=$(id -u vdc-work 2>/dev/null || echo none)
    for process in /proc/[0-9]*; do
        pid=${process#/proc/}
        [ "$pid" != $$ ] || continue
        for link in exe cwd root; do
            case $(readlink "$process/$link" 2>/dev/null) in
                "$lib" | "$lib"/*) echo "$pid" && continue 2 ;;
            esac
        done
        uid=$(awk '/^Uid:/ {print $2}' "$process/status" 2>/dev/null) || continue
        [ "$uid" != "$work" ] || echo "$pid"
    done
}

end_processes() {
    for signal in TERM TERM KILL KILL; do
        processes=$(ours)
        [ -n "$processes" ] || return 0
        # shellcheck disable=SC2086 # several processes
        kill -s $signal $processes 2>/dev/null || :
        sleep 1
    done
    processes=$(ours)
    [ -z "$processes" ] || die "these processes do not end:" "$processes"
}

release_mounts() {
    mounted | sort -r | while read -r folder; do umount -l "$folder"; done
    [ -z "$(mounted)" ] || die "these stay mounted:" "$(mounted)"
}
mounted() { awk -v lib=$lib/ 'index($2, lib) == 1 || $2 == "/run/vdc-payload" {print $2}' /proc/mounts; }

# Where tasks were counted; the kernel keeps a group that holds a process.
release_cgroups() {
    for allocation in "$lib"/agent/alloc/*-*-*-*-*; do
        find /sys/fs/cgroup -depth -type d -path "*/nomad*/${allocation##*/}.*" \
            -exec rmdir {} + 2>/dev/null || :
    done
}

main "$@"
exit
