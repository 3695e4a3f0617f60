"""What stands before the API: who calls is looked at, and faults happen that a test asks for."""

from __future__ import annotations

import base64
import json
import re
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO
from threading import RLock
from typing import Any
from urllib.parse import parse_qs

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.autoscaling import autoscaling_backends
from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.iam.models import iam_backends

from labs.aws.machines import region
from labs.aws.settings import ACCOUNT, KEY, REGION, SECRET
from labs.aws.wishes import Wishes
from labs.cloud_faults import next_for

_SIGNED = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/\d+/(?P<region>[^/]+)/(?P<service>[^/]+)/"
    r"aws4_request, ?SignedHeaders=(?P<headers>[^,]+), ?Signature=(?P<signature>[0-9a-f]+)"
)
_USER_DATA_BYTES = 16384
_DELETES = {
    "DeleteVpc": "VpcId",
    "DeleteInternetGateway": "InternetGatewayId",
    "DeleteRouteTable": "RouteTableId",
    "DeleteLaunchTemplate": "LaunchTemplateId",
    "DeleteVolume": "VolumeId",
    "DeleteNetworkInterface": "NetworkInterfaceId",
    "ReleaseAddress": "AllocationId",
    "DeleteSubnet": "SubnetId",
    "DeleteSecurityGroup": "GroupId",
}

Answer = Callable[[str, list[tuple[str, str]]], Any]
Application = Callable[[dict[str, Any], Answer], Iterable[bytes]]


@dataclass(frozen=True)
class Call:
    """One request, as far as it is looked at."""

    service: str
    action: str
    json: bool

    def refused(self, status: int, code: str, words: str) -> tuple[int, bytes]:
        """An error as the service words it."""
        if self.json:
            return status, json.dumps({"__type": code, "message": words}).encode()
        inner = f"<Error><Code>{code}</Code><Message>{words}</Message></Error>"
        if self.service == "ec2":
            inner = f"<Response><Errors>{inner}</Errors><RequestID>lab</RequestID></Response>"
        else:
            inner = f"<ErrorResponse>{inner}<RequestId>lab</RequestId></ErrorResponse>"
        return status, inner.encode()


class Door:
    """A WSGI application around moto's.

    Args:
        inner: moto's.
        wishes: What is to go wrong.
        roles: What the metadata service has given out, by role.
        lock: Held while moto works: it is not made for threads.
    """

    def __init__(
        self, inner: Application, wishes: Wishes, roles: dict[str, dict[str, str]], lock: RLock
    ) -> None:
        self._inner, self._wishes, self._roles, self._lock = inner, wishes, roles, lock

    def __call__(self, environ: dict[str, Any], answer: Answer) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = BytesIO(body)
        call = _call(environ, body)
        fault = next_for(self._wishes.faults, f"{call.service} {call.action}")
        refusal = self._refusal(call, environ, body)
        if refusal is None and fault is not None:
            if fault.does == "throttle":
                refusal = _throttled(call)
            elif fault.does == "fail":
                refusal = call.refused(500, "InternalFailure", "An internal error has occurred.")
            elif fault.does == "delay":
                time.sleep(fault.seconds)
        if refusal is not None:
            return _answered(answer, *refusal)
        with self._lock:
            said = list(self._inner(environ, answer))
            _forget_tags(call, body)
        if fault is not None and fault.does == "lose":
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        return said

    # --- who may --------------------------------------------------------------------

    def _refusal(
        self, call: Call, environ: dict[str, Any], body: bytes
    ) -> tuple[int, bytes] | None:
        found = _SIGNED.match(environ.get("HTTP_AUTHORIZATION", ""))
        if found is None:
            return call.refused(403, "MissingAuthenticationToken", "The request is not signed.")
        role, held = self._held(found["key"])
        if held is None:
            code = "AuthFailure" if call.service == "ec2" else "InvalidClientTokenId"
            return call.refused(403, code, "The security token included in the request is invalid.")
        if _signature(environ, body, found, held) != found["signature"]:
            return call.refused(
                403,
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided.",
            )
        if role and not _may(role, call, body):
            who = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}"
            code = "UnauthorizedOperation" if call.service == "ec2" else "AccessDenied"
            what = f"{call.service}:{call.action}"
            return call.refused(403, code, f"User: {who} is not authorized to perform: {what}")
        return _too_long(call, body)

    def _held(self, key: str) -> tuple[str, Credentials | None]:
        if key == KEY:
            return "", Credentials(KEY, SECRET)
        for role, it in self._roles.items():
            if it["AccessKeyId"] == key:
                return role, Credentials(key, it["SecretAccessKey"], it["Token"])
        return "", None


def _call(environ: dict[str, Any], body: bytes) -> Call:
    found = _SIGNED.match(environ.get("HTTP_AUTHORIZATION", ""))
    service = found["service"] if found else "unknown"
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return Call(service, target.rpartition(".")[2], json=True)
    action = parse_qs(body.decode(errors="replace")).get("Action")
    plain = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
    return Call(service, action[0] if action else plain, json=False)


def _signature(
    environ: dict[str, Any], body: bytes, found: re.Match[str], held: Credentials
) -> str:
    """What the signature has to be."""
    names = {
        "host": "HTTP_HOST",
        "content-type": "CONTENT_TYPE",
        "content-length": "CONTENT_LENGTH",
    }
    headers = {
        name: environ.get(names.get(name, f"HTTP_{name.upper().replace('-', '_')}"), "")
        for name in found["headers"].split(";")
    }
    query = f"?{environ['QUERY_STRING']}" if environ.get("QUERY_STRING") else ""
    url = f"{environ['wsgi.url_scheme']}://{environ['HTTP_HOST']}{environ['PATH_INFO']}{query}"
    request = AWSRequest(environ["REQUEST_METHOD"], url, headers=headers, data=body)
    request.context["timestamp"] = environ.get("HTTP_X_AMZ_DATE", "")
    auth = SigV4Auth(held, found["service"], found["region"])
    whole = auth.string_to_sign(request, auth.canonical_request(request))
    return str(auth.signature(whole, request))


def _may(role: str, call: Call, body: bytes) -> bool:
    """Whether a role's policies allow a call about what it is about."""
    held = iam_backends[ACCOUNT]["aws"].get_role(role)
    documents = (*held.policies.values(), *(it.document for it in held.managed_policies.values()))
    what, about = f"{call.service}:{call.action}", _about(body)
    return any(
        IAMPolicy(document).is_action_permitted(what, about) == PermissionResult.PERMITTED
        for document in documents
    )


def _about(body: bytes) -> str:
    """The ARN of the group that a call names; of the rest no role here has a right."""
    named = parse_qs(body.decode()).get("AutoScalingGroupName", ())
    groups = autoscaling_backends[ACCOUNT][REGION].autoscaling_groups
    known = (groups[name] for name in named if name in groups)
    return next((str(group.arn) for group in known), "*")


def _too_long(call: Call, body: bytes) -> tuple[int, bytes] | None:
    """EC2 counts user data before it is encoded."""
    if call.service != "ec2" or b"UserData=" not in body:
        return None
    for name, (value, *_) in parse_qs(body.decode()).items():
        if name.endswith("UserData") and len(base64.b64decode(value)) > _USER_DATA_BYTES:
            return call.refused(
                400, "InvalidUserData.Malformed", "User data is limited to 16384 bytes"
            )
    return None


def _forget_tags(call: Call, body: bytes) -> None:
    """What is deleted has no tags any more; moto would go on to list them."""
    name = _DELETES.get(call.action) if call.service == "ec2" else None
    for identity in parse_qs(body.decode()).get(name, ()) if name else ():
        if not _stands(identity):
            region().tags.pop(identity, None)


def _stands(identity: str) -> bool:
    """Whether EC2 still has it."""
    here = region()
    kept = {
        "vpc": here.vpcs,
        "igw": here.internet_gateways,
        "rtb": here.route_tables,
        "lt": here.launch_templates,
        "vol": here.volumes,
        "eni": here.enis,
        "eipalloc": {it.allocation_id for it in here.addresses},
        "subnet": {key for zone in here.subnets.values() for key in zone},
        "sg": {key for vpc in here.groups.values() for key in vpc},
    }
    return identity in kept[identity.partition("-")[0]]


def _throttled(call: Call) -> tuple[int, bytes]:
    if call.service == "ec2":
        return call.refused(503, "RequestLimitExceeded", "Request limit exceeded.")
    code = "ThrottlingException" if call.json else "Throttling"
    return call.refused(400, code, "Rate exceeded")


def _answered(answer: Answer, status: int, body: bytes) -> list[bytes]:
    answer(f"{status} Refused", [("Content-Length", str(len(body)))])
    return [body]
