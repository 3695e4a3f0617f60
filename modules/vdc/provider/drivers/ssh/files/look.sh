# What a machine is and what of ours is on it, as `key=value` lines. Changes nothing.
# Standard input: the data centre's CA, by which a certificate there is known to be ours.

ca=$(cat)
say() { printf '%s=%s\n' "$1" "$2"; }

say now "$(date +%s)"
say kernel "$(uname -s)"
say arch "$(uname -m)"
place=/var/lib
[ -d /var/lib/vdc ] && place=/var/lib/vdc
say free_kib "$(df -Pk "$place" | awk 'NR == 2 { print $4 }')"
say cores "$(getconf _NPROCESSORS_ONLN 2>/dev/null || grep -c '^processor' /proc/cpuinfo)"
say memory_kib "$(awk '/^MemTotal:/ { print $2 }' /proc/meminfo)"

if [ -f /etc/vdc/node.json ]; then
    say mark "$(cat /etc/vdc/node.json)"
elif find /etc/vdc -mindepth 1 ! -name '.node.json.*' 2>/dev/null | grep -q .; then
    # (A mark that a cut run had begun to write is none.)
    say strange /etc/vdc
elif [ -e /var/lib/vdc ]; then
    say strange /var/lib/vdc
fi
[ -f /var/lib/vdc/installed ] && say installed "$(cat /var/lib/vdc/installed)"
for bundle in /var/lib/vdc/payload/*.tar.gz; do
    [ -f "$bundle" ] && say payload "${bundle##*/}"
done
# The agent is known by the path in its command line, with systemd and without.
grep -qszxF /etc/vdc/agent.json /proc/[0-9]*/cmdline && say agent running

cert=/var/lib/vdc/tls/cert.pem
if [ -s "$cert" ]; then
    # A node that was away too long renews by itself: only the signature counts here.
    if printf '%s\n' "$ca" |
        openssl verify -no_check_time -CAfile /dev/stdin -untrusted "$cert" "$cert" >/dev/null 2>&1
    then say identity ours
    else say identity foreign
    fi
fi
exit 0
