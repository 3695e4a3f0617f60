"""All of nova in one process: conductor, scheduler, API and two compute hosts."""

import nova.monkey_patch  # noqa: I001 - before anything else

import shlex
import sys
import time
from pathlib import Path

import os_brick
import os_vif
from nova import config, context, objects, service, utils
from nova.compute import rpcapi as compute
from nova.conductor import rpcapi as conductor
from nova.objects import host_mapping
from nova.scheduler import rpcapi as scheduler
from oslo_log import log
from oslo_privsep import priv_context
from oslo_service import service as services

import nova.conf
import nova.virt

HOSTS = ("host-a", "host-b")
_POLL_S = 0.2


def main():
    """Serves until it is ended; both hosts take servers a moment after they are there."""
    # Nova loads hypervisors from its own package alone.
    nova.virt.__path__.append(str(Path(__file__).parent))
    config.parse_args(sys.argv)
    log.setup(nova.conf.CONF, "nova")
    priv_context.init(root_helper=shlex.split(utils.get_root_helper()))
    objects.register_all()
    os_brick.setup(nova.conf.CONF)
    os_vif.initialize()
    objects.Service.enable_min_version_cache()
    launcher = services.ServiceLauncher(nova.conf.CONF, restart_method="mutate")
    for binary, topic, host in (
        ("nova-conductor", conductor.RPC_TOPIC, HOSTS[0]),
        ("nova-scheduler", scheduler.RPC_TOPIC, HOSTS[0]),
        *(("nova-compute", compute.RPC_TOPIC, host) for host in HOSTS),
    ):
        launcher.launch_service(service.Service.create(host=host, binary=binary, topic=topic))
    launcher.launch_service(service.WSGIService("osapi_compute"))
    while len(host_mapping.HostMappingList.get_all(context.get_admin_context())) < len(HOSTS):
        host_mapping.discover_hosts(context.get_admin_context())
        time.sleep(_POLL_S)
    launcher.wait()


if __name__ == "__main__":
    main()
