"""Installing for real: the agent runs, twice is once, work goes on, and nothing stays."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bootstrap.nodes import server_node, work_node
from bootstrap.sandbox import ADDRESS, Sandbox, booted, plain
from nomad_lab import nomad_binary, wait_for
from vdc.bootstrap import layout
from vdc.bootstrap.agent import ServerRole
from vdc.bootstrap.node import (
    BundleSource,
    NodeBoot,
    NodeFile,
    boot_unit,
    node_files,
    server_agent,
    work_agent,
)
from vdc.home import Home
from vdc.provider import pki
from vdc.provider.bundle import bundle
from vdc.toolchain.pins import Platform

pytestmark = [pytest.mark.real, pytest.mark.long]

PROGRAMS = Path(layout.__file__).parent / "files"
FIREWALL = Path(__file__).parent / "firewall-cmd"
POOL = "10.99.0.2"
ALLOCATION = layout.AGENT_DATA / "alloc/6f1c3e0a-1111-2222-3333-444455556666"
BOOT = f"sh {layout.BOOT}"
ANSWERS = (
    f"curl -s -o /dev/null --cacert {layout.CA} --cert {layout.TLS.cert} --key {layout.TLS.key} "
    "--connect-to ::{address}:4646 https://{role}.global.nomad/v1/agent/health"
)
RECORDING = """#!/bin/sh
echo "$1 while $(systemctl is-system-running), agent $(systemctl is-active vdc-agent)" \
    >>/run/kept/calls
"""
# Notes what comes in over UDP and TCP, at the usual port and at another.
LISTENER = """
import socketserver, sys, threading
class Note(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            with open(sys.argv[1], "ab") as heard:
                heard.write(line.rstrip(b"\\n") + b"\\n")
class Datagrams(socketserver.ThreadingUDPServer):
    def finish_request(self, request, address):
        with open(sys.argv[1], "ab") as heard:
            heard.write(request[0] + b"\\n")
class Datagrams6(Datagrams):
    address_family = 10
servers = [
    Datagrams(("127.0.0.1", 514), Note),
    Datagrams6(("::1", 6514), Note),
    socketserver.ThreadingTCPServer(("127.0.0.1", 6514), Note),
]
for server in servers:
    threading.Thread(target=server.serve_forever).start()
"""
STRANGERS = f"""
mount -t tmpfs none /usr/local/sbin
for tool in semanage restorecon selinuxenabled chronyd; do
    printf '#!/bin/sh\\necho "%s $*" >>/run/asked\\n' $tool >/usr/local/sbin/$tool
    chmod 755 /usr/local/sbin/$tool
done
cp {FIREWALL} /usr/local/sbin/firewall-cmd
mkdir -p /etc/chrony /etc/firewalld/services /run/bundle/bin
echo "pool ntp.example.org iburst" >/etc/chrony/chrony.conf
cp {PROGRAMS}/vdc-* /run/bundle/bin
cp -r {PROGRAMS}/units {PROGRAMS}/install.sh /run/bundle
printf '#!/bin/sh\\nexec sleep 999\\n' >/run/bundle/bin/nomad
chmod 755 /run/bundle/bin/nomad
"""


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Sandbox]:
    with plain(tmp_path) as machine:
        yield machine


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Sandbox]:
    with booted(tmp_path) as machine:
        yield machine


@pytest.fixture(scope="module")
def source() -> BundleSource:
    made = bundle(Platform.current().machine, nomad_binary(), Home.of_user())
    return BundleSource(made.sha256, made.path.parent)


def tell(machine: Sandbox, node: NodeBoot) -> None:
    """What user data would bring."""
    for file in (*node_files(node), NodeFile(layout.BOOT_UNIT, boot_unit())):
        machine.put(file.path, file.content, file.mode)


def worker(machine: Sandbox, source: BundleSource) -> None:
    """Tells the machine that it is a work node, and that it has joined already."""
    authority = pki.new_authority("test")
    node = work_node()
    pair = pki.issue(authority, node.name, ["client.global.nomad"], server=True)
    keys = (NodeFile(layout.TLS.cert, pair.cert), NodeFile(layout.TLS.key, pair.key, 0o600))
    agent = work_agent(node.name, node.site, (f"{POOL}:4647",), node.group)
    tell(
        machine,
        replace(
            node,
            endpoints=(f"https://{POOL}:8443",),
            ca_cert=authority.cert,
            bundle=source,
            join_secret="",
            agent_json=agent,
            files=keys,
        ),
    )


def server(machine: Sandbox, source: BundleSource) -> None:
    """Tells the machine that it is the one control server."""
    authority = pki.new_authority("test")
    node = server_node()
    pair = pki.issue(authority, node.name, ["server.global.nomad"], server=True)
    keys = (NodeFile(layout.TLS.cert, pair.cert), NodeFile(layout.TLS.key, pair.key, 0o600))
    role = ServerRole(1, (f"{ADDRESS}:4648",), "bm90IGEgc2VjcmV0LCBidXQgMzIgYnl0ZXMgbG9uZyE=")
    agent = server_agent(node.name, node.site, ADDRESS, role)
    tell(
        machine,
        replace(node, ca_cert=authority.cert, bundle=source, agent_json=agent, files=keys),
    )


def agent_pid(machine: Sandbox) -> str:
    """The pid of a work node's agent, once it answers."""
    call = ANSWERS.format(address="127.0.0.1", role="client")
    wait_for("the agent answers", lambda: machine.run(call, check=False).returncode == 0)
    pid = machine.says(f"cat {layout.RUN}/agent.pid")
    assert machine.says(f"readlink /proc/{pid}/exe") == str(layout.NOMAD)
    return pid


def other_agent(machine: Sandbox, pid: str) -> str:
    wait_for("another agent", lambda: machine.says(f"cat {layout.RUN}/agent.pid") != pid)
    return agent_pid(machine)


def leave_work(machine: Sandbox) -> None:
    """What tasks are to a machine: processes of the work user, in folders and mounts of ours."""
    machine.run(f"""
        mkdir -p {ALLOCATION}/secrets
        mount -t tmpfs none {ALLOCATION}/secrets
        exec >/dev/null 2>&1
        setpriv --reuid {layout.WORK_USER} --regid {layout.WORK_USER} --clear-groups sleep 999 &
        cd {layout.LIB}
        setsid sh -c 'trap "" TERM; while :; do sleep 1; done' &
    """)


def test_a_node_without_systemd(machine: Sandbox, source: BundleSource) -> None:
    before = machine.traces()
    worker(machine, source)

    machine.run(BOOT)
    first = agent_pid(machine)
    learned = machine.says(f"cat {layout.RUN}/machine.json")
    assert f'"http": "{ADDRESS}"' in learned
    assert '"network_interface": "up0"' in learned
    assert machine.says(f"stat -c %U {layout.PACKAGES}") == layout.WORK_USER
    assert machine.says(f"cat {layout.INSTALLED}") == source.sha256

    # Again, in both ways: it is done already.
    machine.run(BOOT)
    machine.run(f"rm {layout.INSTALLED}; {BOOT}")
    assert agent_pid(machine) == first

    # An agent that dies comes again, and one whose configuration changed is another one.
    machine.run(f"kill -KILL {first}")
    second = other_agent(machine, first)
    machine.run(f"sed -i s/INFO/WARN/ {layout.AGENT_JSON}; rm {layout.INSTALLED}; {BOOT}")
    other_agent(machine, second)

    leave_work(machine)
    machine.run(f"sh {layout.INSTALL} uninstall")
    left = machine.says("ps -e -o comm=").split()
    assert left == [Path(sys.executable).name, "sh", "ps"]
    assert machine.run("grep /var/lib/vdc /proc/mounts", check=False).returncode == 1
    machine.run(f"sh {PROGRAMS}/install.sh uninstall")
    assert machine.traces() == before


METADATA = ("169.254.169.254", "fd00:ec2::254")
"""Where EC2 answers whoever asks on a machine."""


def test_work_is_kept_from_what_its_cloud_says_of_the_machine(
    machine: Sandbox, source: BundleSource
) -> None:
    machine.run(f"""
        ip netns add beyond
        ip link set up1 netns beyond
        ip link set up0 up
        ip address add fd00::1/64 dev up0 nodad
        for address in 10.99.0.2/24 fd00::2/64 {METADATA[0]}/32 {METADATA[1]}/128; do
            ip -n beyond address add $address dev up1 nodad
        done
        ip -n beyond link set up1 up
        ip route add {METADATA[0]} dev up0
        ip -6 route add {METADATA[1]} dev up0
        cd /run
        for address in {" ".join(METADATA)} 10.99.0.2; do
            ip netns exec beyond {sys.executable} -m http.server --bind $address 80 \
                >/dev/null 2>&1 &
        done
    """)
    worker(machine, source)
    machine.run(BOOT)
    agent_pid(machine)

    def reaches(user: str, address: str) -> bool:
        host = f"[{address}]" if ":" in address else address
        ask = f"curl --silent --output /dev/null --max-time 5 http://{host}/"
        become = f"setpriv --reuid {user} --clear-groups"
        return machine.run(f"{become} {ask}", check=False).returncode == 0

    for address in (*METADATA, "10.99.0.2"):
        wait_for("the service", lambda address=address: reaches("root", address))
    assert [reaches(layout.WORK_USER, address) for address in (*METADATA, "10.99.0.2")] == [
        False, False, True,
    ]  # fmt: skip
    rules = "ip rule show pref 890; ip -6 rule show pref 890"
    machine.run(f"kill -KILL {agent_pid(machine)}")
    wait_for(
        "the agent again",
        lambda: (
            machine.run(ANSWERS.format(address="127.0.0.1", role="client"), check=False).returncode
            == 0
        ),
    )
    assert len(machine.says(rules).splitlines()) == 2
    machine.run(f"sh {layout.INSTALL} uninstall")
    assert machine.says(rules) == ""


def test_a_node_under_systemd(system: Sandbox, source: BundleSource) -> None:
    before = system.traces()
    worker(system, source)
    # What a machine that its cloud vouched for knows beside the others.
    system.run(f"echo VDC_IDENTITY=pkcs7-document >>{layout.NODE_ENV}")
    system.run("systemctl daemon-reload; systemctl enable --now vdc-boot.service")
    first = agent_pid(system)
    units = "vdc-agent vdc-drain vdc-renew.timer vdc-notice"
    assert system.says(f"systemctl is-active {units}").split() == ["active"] * 4

    # Tasks go on while their agent is restarted, and so does the agent when there is no change.
    task = system.says(
        "sleep 999 >/dev/null 2>&1 & "
        "for group in $(find /sys/fs/cgroup -name vdc-agent.service); do "
        "echo $! >$group/cgroup.procs; done; echo $!"
    )
    system.run("systemctl restart vdc-agent")
    second = other_agent(system, first)
    assert system.says(f"cat /proc/{task}/comm") == "sleep"
    system.run(f"kill {task}; rm {layout.INSTALLED}; {BOOT}")
    assert agent_pid(system) == second

    leave_work(system)
    system.run(f"sh {layout.INSTALL} uninstall")
    assert system.says("systemctl list-unit-files --no-legend 'vdc-*'", check=False) == ""
    assert system.says("systemctl list-units --all --no-legend 'vdc-*'") == ""
    assert system.run("grep /var/lib/vdc /proc/mounts", check=False).returncode == 1
    assert system.traces() == before


def test_work_moves_away_only_when_the_machine_shuts_down(
    system: Sandbox, source: BundleSource
) -> None:
    worker(system, source)
    system.run(BOOT)
    system.put(layout.VDC_NODE, RECORDING, 0o755)
    system.run("systemctl restart vdc-drain; systemctl restart vdc-agent; systemctl poweroff")
    wait_for("the machine is off", lambda: not Path(f"/proc/{system.pid}").exists())
    calls = (system.kept / "calls").read_text().splitlines()
    assert [call.split()[0] for call in calls] == ["resume", "renew", "drain"]
    assert calls[-1] == "drain while stopping, agent active"


def test_a_control_server_under_systemd(system: Sandbox, source: BundleSource) -> None:
    before = system.traces()
    server(system, source)
    system.run(BOOT)
    call = ANSWERS.format(address=ADDRESS, role="server")
    wait_for("the server answers", lambda: system.run(call, check=False).returncode == 0)
    assert system.says("systemctl show -p ProtectSystem --value vdc-agent") == "strict"
    assert system.says("systemctl is-enabled vdc-drain", check=False) == "disabled"
    assert system.run(f"id {layout.WORK_USER}", check=False).returncode != 0
    system.run(f"sh {layout.INSTALL} uninstall")
    assert system.traces() == before


def test_what_the_system_has_is_told_of_the_node(machine: Sandbox) -> None:
    """SELinux, firewalld and chrony, which are not on this machine: what they would be asked."""
    before = machine.traces()
    for file in node_files(replace(work_node(), join_secret="", ntp=("10.0.0.1", "10.0.0.2"))):
        machine.put(file.path, file.content, file.mode)
    machine.put(layout.TLS.cert, "joined")
    machine.run(STRANGERS)
    asked = Path("/run/asked")

    for times in ("first", "second"):
        machine.run(f": >{asked}; sh /run/bundle/install.sh")
        calls = machine.says(f"cat {asked}").splitlines()
        labels = [call for call in calls if call.startswith(("semanage", "restorecon"))]
        assert labels == [
            "semanage fcontext --add --type bin_t /var/lib/vdc/bin(/.*)?",
            "restorecon -RF /var/lib/vdc/bin /var/lib/vdc/tls /etc/vdc",
        ]
        opened = [call for call in calls if "--permanent" in call]
        assert opened == ["firewall-cmd --quiet --permanent --add-service=vdc"] * (times == "first")
    service = machine.says("cat /etc/firewalld/services/vdc.xml")
    assert '<port port="20000-32000" protocol="tcp"/>' in service
    assert machine.says("cat /etc/chrony/chrony.conf").splitlines() == [
        "pool ntp.example.org iburst",
        "# vdc begin",
        "server 10.0.0.1 iburst",
        "server 10.0.0.2 iburst",
        "# vdc end",
    ]

    machine.run(f": >{asked}; sh {layout.INSTALL} uninstall")
    calls = machine.says(f"cat {asked}").splitlines()
    assert "semanage fcontext --delete /var/lib/vdc/bin(/.*)?" in calls
    assert "firewall-cmd --quiet --permanent --remove-service=vdc" in calls
    assert machine.says("cat /etc/chrony/chrony.conf") == "pool ntp.example.org iburst"
    machine.run(
        "rm -r /etc/chrony /etc/firewalld /run/bundle /run/asked /run/firewall; "
        "umount /usr/local/sbin"
    )
    assert machine.traces() == before


def test_a_read_only_usr_is_left_as_it_is(machine: Sandbox) -> None:
    for file in node_files(replace(work_node(), join_secret="")):
        machine.put(file.path, file.content, file.mode)
    machine.put(layout.TLS.cert, "joined")
    machine.run(STRANGERS)
    machine.run("mount --bind -o ro /usr /usr; mount --bind /usr/local/sbin /usr/local/sbin")
    assert machine.run("touch /usr/mine", check=False).returncode != 0
    machine.run("sh /run/bundle/install.sh")
    assert machine.says(f"cat {layout.LIB}/started")
    machine.run(f"sh {layout.INSTALL} uninstall")
    assert machine.run(f"test -e {layout.LIB}", check=False).returncode != 0


def test_the_journal_reaches_its_destination(system: Sandbox, source: BundleSource) -> None:
    worker(system, source)
    heard = Path("/run/heard")
    system.run(f"python3 -c '{LISTENER}' {heard} >/dev/null 2>&1 &")
    for place in ("udp://127.0.0.1", "udp://[::1]:6514", "tcp://127.0.0.1:6514"):
        system.run(f"sed -i /^VDC_LOGS=/d {layout.NODE_ENV}; rm -f {layout.INSTALLED}")
        system.run(f"echo VDC_LOGS=syslog+{place} >>{layout.NODE_ENV}; {BOOT}")
        system.run("systemctl restart vdc-logs")
        said = f"said to {place}"

        def hears(said: str = said) -> bool:
            system.run(f"logger {said}")
            return said in system.says(f"cat {heard}", check=False)

        wait_for(f"what is {said}", hears)
    assert f" {work_node().name} " in system.says(f"cat {heard}")


@pytest.mark.parametrize("call", ["--reload", "--permanent --add-service=vdc"])
def test_the_ports_open_though_a_run_was_cut_before(machine: Sandbox, call: str) -> None:
    for file in node_files(replace(work_node(), join_secret="")):
        machine.put(file.path, file.content, file.mode)
    machine.put(layout.TLS.cert, "joined")
    machine.run(STRANGERS)
    again = f"""
        echo "--quiet {call}" >/run/cut
        ! sh /run/bundle/install.sh
        rm /run/cut
        sh /run/bundle/install.sh
        cat /run/firewall/runtime
    """
    assert "20000-32000" in machine.says(again)
    machine.run(f"sed -i s/20000-32000/20000-40000/ {layout.NODE_ENV}")
    assert "20000-40000" in machine.says(again)

    machine.run(f"""
        echo "--quiet --reload" >/run/cut
        ! sh {layout.INSTALL} uninstall
        rm /run/cut
        sh /run/bundle/install.sh uninstall
        test ! -e /run/firewall/runtime
        test -z "$(ls /etc/firewalld/services)"
    """)


def test_what_starts_at_boot_already_is_never_half_there(machine: Sandbox) -> None:
    """A second name of the file shows whether anybody has written into it."""
    for file in node_files(replace(work_node(), join_secret="")):
        machine.put(file.path, file.content, file.mode)
    machine.put(layout.TLS.cert, "joined")
    own = "#!/bin/sh -e\necho started"
    # Where RHEL has it, /etc/rc.local being a link to it.
    machine.put(Path("/etc/rc.d/rc.local"), own + "\n", 0o750)
    machine.run(STRANGERS)
    machine.run("""
        ln -sfn rc.d/rc.local /etc/rc.local
        ln /etc/rc.d/rc.local /etc/rc.d/before
        sh /run/bundle/install.sh
        test -L /etc/rc.local
    """)
    assert machine.says("cat /etc/rc.d/before") == own
    assert machine.says("stat -c %a /etc/rc.d/rc.local") == "750"
    first, *ours, last = machine.says("cat /etc/rc.local").splitlines()
    assert f"{first}\n{last}" == own
    assert ours[0] == "# vdc begin"
    assert "vdc-supervise" in ours[1]
    machine.run(f"sh {layout.INSTALL} uninstall")
    assert machine.says("cat /etc/rc.local; ls /etc/rc.d") == f"{own}\nbefore\nrc.local"


def test_a_bundle_of_another_sum_is_not_installed(machine: Sandbox, source: BundleSource) -> None:
    worker(machine, replace(source, sha256="0" * 64))
    machine.run("ip link delete up0")  # and the pool is out of reach
    done = machine.run(BOOT, check=False)
    assert done.returncode == 1
    assert f"vdc: no bundle {'0' * 64} in {source.folder}" in done.stderr
    assert machine.run(f"test -e {layout.BIN}", check=False).returncode != 0
