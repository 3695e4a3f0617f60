# The last $1 lines of what the agent has said.
words() {
    if [ -d /run/systemd/system ]; then journalctl --unit vdc-agent --lines "$1" --output cat
    else tail -n "$1" /var/log/vdc/agent.log; fi 2>/dev/null
}
