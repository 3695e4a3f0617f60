# A run that was cut may still be at work here: one installs or removes at a time. The lock is on a
# folder that is always there, and goes with the process that holds it.

_lock() { flock --version 2>/dev/null | grep -q util-linux; }
_busy() { echo "another run is still at work on this machine; run this again in a minute" >&2; }

# Runs a command that may leave processes behind; they do not hold the lock.
alone() {
    _lock || { "$@"; return; }
    code=0
    flock --close --wait 60 --conflict-exit-code 97 /var/lib "$@" || code=$?
    [ "$code" != 97 ] || _busy
    return "$code"
}

# The rest of this program is alone.
be_alone() {
    _lock || return 0
    exec 9</var/lib
    flock --wait 60 9 || { _busy; exit 1; }
}
