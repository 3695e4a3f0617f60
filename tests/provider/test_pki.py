"""Certificates of the data centre's own authority."""

import ipaddress
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID

from vdc.provider.pki import (
    LEAF_LIFETIME,
    Signer,
    due_for_renewal,
    issue,
    new_authority,
    new_issuer,
)

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def parsed(pair):
    return x509.load_pem_x509_certificate(pair.cert.encode())


def test_a_leaf_is_signed_by_its_authority_and_by_no_other():
    authority, other = new_authority("a", NOW), new_authority("a", NOW)
    leaf = parsed(issue(authority, "server.global.nomad", ["127.0.0.1"], server=True, now=NOW))
    leaf.verify_directly_issued_by(parsed(authority))
    with pytest.raises(InvalidSignature):
        leaf.verify_directly_issued_by(parsed(other))


def test_names_and_addresses_are_told_apart():
    leaf = parsed(issue(new_authority("a"), "n", ["pool.example", "10.0.0.1", "::1"], server=True))
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["pool.example"]
    assert names.get_values_for_type(x509.IPAddress) == [
        ipaddress.ip_address("10.0.0.1"),
        ipaddress.ip_address("::1"),
    ]


def test_only_a_server_certificate_may_serve():
    authority = new_authority("a")

    def usages(*, server):
        leaf = parsed(issue(authority, "n", ["n"], server=server))
        return set(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)

    assert usages(server=False) == {ExtendedKeyUsageOID.CLIENT_AUTH}
    assert usages(server=True) == {
        ExtendedKeyUsageOID.CLIENT_AUTH,
        ExtendedKeyUsageOID.SERVER_AUTH,
    }


def test_only_two_authorities_stand_above_a_leaf():
    authority = new_authority("a")
    constraints = [
        parsed(pair).extensions.get_extension_for_class(x509.BasicConstraints).value
        for pair in (
            authority,
            new_issuer(authority, "a"),
            issue(authority, "n", ["n"], server=True),
        )
    ]
    assert [(c.ca, c.path_length) for c in constraints] == [(True, 1), (True, 0), (False, None)]


def test_renewal_is_due_after_two_thirds_of_the_life_and_not_before():
    leaf = issue(new_authority("a", NOW), "n", ["n"], server=True, now=NOW)
    two_thirds = NOW + LEAF_LIFETIME * 2 / 3
    assert not due_for_renewal(leaf.cert, two_thirds - timedelta(days=1))
    assert due_for_renewal(leaf.cert, two_thirds + timedelta(days=1))


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("client.global.nomad", True),
        ("n-0.node.vdc", True),
        ("server.global.nomad", False),
        ("pool.vdc", False),
        ("localhost", False),
        ("10.88.0.1", False),
        ("::1", False),
    ],
)
def test_the_issuer_of_nodes_can_name_nothing_else(tmp_path, name, good):
    root = new_authority("a")
    issuer = new_issuer(root, "a")
    pair = issue(issuer, "n-0", [name], server=True)
    for file, text in (("root", root.cert), ("issuer", issuer.cert), ("leaf", pair.cert)):
        (tmp_path / file).write_text(text)
    said = subprocess.run(
        ["openssl", "verify", "-CAfile", "root", "-untrusted", "issuer", "leaf"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (said.returncode == 0) is good, said.stderr
    assert good or "subtree violation" in said.stderr


def test_a_key_of_another_certificate_is_refused():
    authority, other = new_authority("a"), new_authority("a")
    with pytest.raises(ValueError, match="is not that of its certificate"):
        Signer.of(replace(authority, key=other.key))


def test_keys_are_not_shown():
    authority = new_authority("a")
    assert "PRIVATE" not in repr(authority) + repr(Signer.of(authority))
