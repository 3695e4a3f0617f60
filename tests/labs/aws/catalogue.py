"""What AWS has ready for every account, and moto has not: quotas of EC2, images and their names."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from moto.core.responses import ActionResult
from moto.core.types import Base64EncodedString
from moto.ec2.models.amis import Ami
from moto.ec2.responses.general import General
from moto.servicequotas.models import ServiceQuotasBackend
from moto.ssm.models import Parameter, ssm_backends

from labs.aws.machines import region
from labs.aws.settings import ACCOUNT, REGION
from labs.aws.wishes import Wishes

_QUOTAS = {
    "L-1216C47A": "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances",
    "L-34B43A08": "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests",
}
_CONSOLE_BYTES = 65536


def install(wishes: Wishes) -> None:
    """From now on moto knows the account's virtual CPUs, and what nodes write to their consoles."""
    known = ServiceQuotasBackend.get_service_quota

    def quota(self: Any, service_code: str, quota_code: str) -> dict[str, Any]:
        if service_code != "ec2" or quota_code not in _QUOTAS:
            return known(self, service_code, quota_code)
        return {
            "ServiceCode": "ec2",
            "QuotaCode": quota_code,
            "QuotaName": _QUOTAS[quota_code],
            "Value": float(wishes.limited),
            "Unit": "None",
            "Adjustable": True,
        }

    def console(self: Any) -> ActionResult:
        machine = self.ec2_backend.get_instance(self._get_param("InstanceId"))
        file = wishes.folder.parent / "nodes" / machine.id / "console"
        said = file.read_bytes()[-_CONSOLE_BYTES:] if file.exists() else b""
        text = Base64EncodedString.from_raw_string(said.decode(errors="replace"))
        now = datetime.now(UTC)
        return ActionResult({"InstanceId": machine.id, "Timestamp": now, "Output": text})

    ServiceQuotasBackend.get_service_quota = quota  # type: ignore[method-assign]
    General.get_console_output = console  # type: ignore[method-assign]


def publish(wishes: Wishes) -> None:
    """Images that are wished for, each the newest of its parameter when it comes."""
    amis, parameters = region().amis, ssm_backends[ACCOUNT][REGION]._parameters
    for ami, (_, parameter) in wishes.images().items():
        if ami in amis:
            continue
        amis[ami] = Ami(
            region(), ami, name=f"lab-{ami}", architecture="x86_64", virtualization_type="hvm",
            root_device_name="/dev/xvda", owner_id="136693071363", public=True,
        )  # fmt: skip
        versions = parameters[parameter]
        versions.append(
            Parameter(
                account_id=ACCOUNT, name=parameter, value=ami, parameter_type="String",
                description=None, allowed_pattern=None, keyid=None,
                last_modified_date=datetime.now(UTC), version=len(versions) + 1,
                data_type="aws:ec2:image",
            )
        )  # fmt: skip
