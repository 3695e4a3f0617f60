# Removes everything of ours from a machine, the mark last, so that a cut removal is found again.
set -eu
be_alone
for program in /var/lib/vdc/bin/install.sh /var/lib/vdc/bundle/install.sh; do
    if [ -f "$program" ]; then
        # A copy outside of what it removes.
        cp "$program" /run/vdc-uninstall.sh
        sh /run/vdc-uninstall.sh uninstall
        rm -f /run/vdc-uninstall.sh
        break
    fi
done
rm -rf /var/lib/vdc
find /etc/vdc -mindepth 1 ! -name node.json -exec rm -rf {} + 2>/dev/null || :
rm -rf /etc/vdc
