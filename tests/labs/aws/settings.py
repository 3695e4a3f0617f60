"""What the lab's AWS is called, and where its parts answer."""

from __future__ import annotations

from labs.lab import SIDE

ACCOUNT = "123456789012"
REGION = "eu-central-1"
ZONES = ("eu-central-1a", "eu-central-1b")
KEY, SECRET = "AKIALABLABLABLABLAB0", "secret-of-the-lab"
"""The user's credential; any other is refused."""

PORT = 4566
ENDPOINT = f"http://{SIDE}:{PORT}"
METADATA = "169.254.169.254"

MOTO = {
    "MOTO_ACCOUNT_ID": ACCOUNT,
    "MOTO_ENABLE_AMI_VALIDATION": "true",
    "MOTO_ENABLE_KEYPAIR_VALIDATION": "false",
    "MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION": "true",
    "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",
}
"""The server's environment: moto takes what AWS would refuse, unless told otherwise."""
