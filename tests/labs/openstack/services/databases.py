"""Makes one service's new database: ``databases.py SERVICE FOLDER``."""

import sys
import uuid
from pathlib import Path

_PASSWORD = "lab"  # as in settings.py, which this environment cannot import
_CATALOG = (
    ("image", "glance", 9292, ""),
    ("placement", "placement", 8778, ""),
    ("compute", "nova", 8774, "/v2.1"),
    ("network", "neutron", 9696, ""),
)


def keystone(folder):
    """Tables, the administrator, a project and a user of the services and of the lab, catalog."""
    from keystone.cmd import cli

    file = ["keystone-manage", "--config-file", f"{folder}/etc/keystone.conf"]
    cli.main(argv=[*file, "db_sync"], developer_config_file=None)
    cli.CONF.clear()  # so that a second command can be read in the same process
    bootstrap = [
        *("bootstrap", "--bootstrap-password", _PASSWORD),
        *("--bootstrap-region-id", "RegionOne"),
        *("--bootstrap-public-url", "http://127.0.0.1:5000/v3"),
        *("--bootstrap-internal-url", "http://127.0.0.1:15000/v3"),
    ]
    cli.main(argv=[*file, *bootstrap], developer_config_file=None)

    from keystone.common import provider_api

    managers = provider_api.ProviderAPIs
    roles = {role["name"]: role["id"] for role in managers.role_api.list_roles()}
    # Neutron lets only the role `service` bind ports.
    for name, granted in (("services", ("admin", "service")), ("lab", ("member",))):
        _user(managers, name, [roles[role] for role in granted])
    for kind, name, port, path in _CATALOG:
        service = uuid.uuid4().hex
        managers.catalog_api.create_service(
            service, {"id": service, "type": kind, "name": name, "enabled": True}
        )
        for interface, behind in (("public", 0), ("internal", 10_000)):
            endpoint = uuid.uuid4().hex
            managers.catalog_api.create_endpoint(
                endpoint,
                {
                    "id": endpoint,
                    "interface": interface,
                    "region_id": "RegionOne",
                    "service_id": service,
                    "url": f"http://127.0.0.1:{port + behind}{path}",
                    "enabled": True,
                },
            )


def _user(managers, name, roles):
    """A user, a project of the same name, and roles in it."""
    project = uuid.uuid4().hex
    managers.resource_api.create_project(
        project,
        {
            "id": project,
            "name": name,
            "domain_id": "default",
            "parent_id": "default",
            "description": "",
            "enabled": True,
            "is_domain": False,
            "options": {},
            "tags": [],
        },
    )
    user = managers.identity_api.create_user(
        {"name": name, "password": _PASSWORD, "domain_id": "default", "enabled": True}
    )
    for role in roles:
        managers.assignment_api.add_role_to_user_and_project(user["id"], project, role)


def glance(folder):
    """Tables."""
    from glance.cmd import manage

    sys.argv = ["glance-manage", "--config-file", f"{folder}/etc/glance-api.conf", "db_sync"]
    manage.main()


def placement(folder):
    """Tables."""
    from placement.cmd import manage

    file = f"{folder}/etc/placement.conf"
    sys.argv = ["placement-manage", "--config-file", file, "db", "sync"]
    manage.main()


def neutron(folder):
    """Tables, made from the models: its migrations do not run on SQLite."""
    import sqlalchemy
    from neutron.db.migration.models import head

    models = head.get_metadata()
    engine = sqlalchemy.create_engine(f"sqlite:///{folder}/db/neutron.sqlite")
    models.create_all(engine)
    attributes = models.tables["standardattributes"]
    rules = models.tables["securitygroupdefaultrules"]
    # The rules of new security groups, which a migration of neutron inserts.
    with engine.begin() as connection:
        for direction in ("egress", "ingress"):
            for family in ("IPv4", "IPv6"):
                ingress = direction == "ingress"
                key = connection.execute(
                    sqlalchemy.insert(attributes).values(
                        resource_type="securitygroupdefaultrules", description="Legacy default"
                    )
                ).inserted_primary_key[0]
                connection.execute(
                    sqlalchemy.insert(rules).values(
                        id=str(uuid.uuid4()),
                        standard_attr_id=key,
                        direction=direction,
                        ethertype=family,
                        remote_group_id="PARENT" if ingress else None,
                        used_in_default_sg=True,
                        used_in_non_default_sg=not ingress,
                    )
                )


def nova(folder):
    """Tables of its API and of both cells."""
    from nova import config, objects
    from nova.cmd import manage

    config.parse_args(["nova-manage", "--config-file", f"{folder}/etc/nova.conf"])
    objects.register_all()
    manage.ApiDbCommands().sync()
    cells = manage.CellV2Commands()
    cells.map_cell0(database_connection=f"sqlite:///{folder}/db/nova_cell0.sqlite")
    cells.create_cell(
        name="cell1",
        database_connection=f"sqlite:///{folder}/db/nova_cell1.sqlite",
        transport_url="fake:/",
    )
    manage.DbCommands().sync()


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]))
