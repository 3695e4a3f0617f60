# Installs or brings up to date from what lies here, then waits for the agent's process.
# Usage: start.sh SECONDS
set -eu
rm -f /var/lib/vdc/installed
if command -v timeout >/dev/null 2>&1; then
    alone timeout "$1" sh /etc/vdc/boot.sh /var/lib/vdc/payload
else
    alone sh /etc/vdc/boot.sh /var/lib/vdc/payload
fi

tries=60
until grep -qszxF /etc/vdc/agent.json /proc/[0-9]*/cmdline; do
    tries=$((tries - 1))
    if [ "$tries" = 0 ]; then
        echo "the agent does not start" >&2
        words 2 >&2
        exit 1
    fi
    sleep 0.5
done
