"""Who is taken in and who is not: what is sent, what is decided, what is kept."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from join_desk import ISSUER, NOW, ROOT, SOURCE, Place, csr, fresh, leaf, refused
from vdc.errors import SchedulerError
from vdc.pool.joining import verdict
from vdc.pool.joining.desk import TOO_MANY, RefusedError
from vdc.pool.joining.patience import REFUSALS, network
from vdc.pool.joining.petition import MalformedError, requested_key
from vdc.provider import pki
from vdc.provider.admission import admit


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


# --- joining ---------------------------------------------------------------------


def test_a_node_gets_what_its_record_says_and_nothing_it_asks_for(place):
    key = fresh()
    secret = place.admit("n-0")
    asked = csr(key, ["server.global.nomad", "n-1.node.vdc"], ca=True)
    made = place.act(lambda: place.desk.join("n-0", secret, asked, SOURCE))
    cert = leaf(made)
    names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["client.global.nomad", "n-0.node.vdc"]
    assert cert.subject.rfc4514_string() == "CN=n-0"
    assert not cert.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert cert.public_key() == key.public_key()
    assert cert.not_valid_after_utc - NOW == timedelta(days=30)
    assert made.text.count("BEGIN CERTIFICATE") == 2
    assert "\nintroduction-of-n-0\n" in made.text
    assert place.record("n-0").state == "used"
    assert place.audit == [("joined", "n-0", "")]


def test_a_secret_is_good_once(place):
    secret = place.admit("n-0")
    key = fresh()
    place.join("n-0", secret, key)
    assert refused(lambda: place.join("n-0", secret)) == verdict.REPLAYED
    assert refused(lambda: place.join("n-0", secret, key)) == verdict.REPLAYED


def test_of_two_at_once_one_is_taken_in(place):
    secret = place.admit("n-0")

    async def both() -> list[object]:
        # Both have read the record before one of them writes it.
        place.scheduler.meeting, place.scheduler.meet = asyncio.Barrier(2), 2
        joins = [place.desk.join("n-0", secret, csr(fresh()), SOURCE) for _ in range(2)]
        return await asyncio.gather(*joins, return_exceptions=True)

    answers = place.act(both)
    assert sorted(type(answer).__name__ for answer in answers) == ["Credentials", "RefusedError"]
    assert sorted(place.audit) == [("joined", "n-0", ""), ("refused", "n-0", "replayed")]


def test_the_secret_of_another_name_opens_nothing(place):
    other = place.admit("n-1")
    place.admit("n-0")
    assert refused(lambda: place.join("n-0", other)) == verdict.FOREIGN
    assert place.record("n-0").state == "open"


def test_who_proves_nothing_does_not_learn_which_names_there_are(place):
    place.admit("n-0")
    undeclared = refused(lambda: place.join("n-9", "x"))
    foreign = refused(lambda: place.join("n-0", "x"))
    assert (undeclared.status, undeclared.line) == (foreign.status, foreign.line)
    assert place.audit == [("refused", "n-9", "undeclared"), ("refused", "n-0", "foreign")]


def test_a_revoked_secret_is_refused(place):
    secret = place.admit("n-0")
    place.revoke("n-0")
    assert refused(lambda: place.join("n-0", secret)) == verdict.REVOKED


def test_a_new_admission_replaces_one_that_was_not_used(place):
    old, new = place.admit("n-0"), place.admit("n-0")
    assert refused(lambda: place.join("n-0", old)) == verdict.FOREIGN
    place.join("n-0", new)


@pytest.mark.parametrize("state", ["ready", "initializing", "disconnected"])
def test_a_name_that_is_live_is_refused_and_costs_no_secret(place, state):
    secret = place.admit("n-0")
    place.scheduler.states["n-0"] = ["down", state]
    refusal = refused(lambda: place.join("n-0", secret))
    assert (refusal.reason, refusal.status, refusal.retry_s) == ("live", 409, 5)
    place.scheduler.states["n-0"] = ["down"]
    place.join("n-0", secret)


def test_a_scheduler_that_is_away_costs_no_secret(place):
    secret = place.admit("n-0")
    place.scheduler.away = True
    with pytest.raises(SchedulerError):
        place.join("n-0", secret)
    place.scheduler.away = False
    place.join("n-0", secret)
    assert place.audit == [("joined", "n-0", "")]


# --- renewal ---------------------------------------------------------------------


def joined(place: Place, name: str = "n-0"):
    key = fresh()
    made = place.join(name, place.admit(name), key)
    place.scheduler.states[name] = ["ready"]
    return key, made


def test_a_renewal_gives_another_thirty_days_and_no_introduction(place):
    key, made = joined(place)
    place.now = NOW + timedelta(days=20)
    again = place.renew("n-0", key, made.chain)
    assert leaf(again).not_valid_after_utc == place.now + timedelta(days=30)
    assert again.introduction == ""
    assert place.record("n-0").serial == again.serial


@pytest.mark.parametrize("states", [[], ["down"]])
def test_a_node_that_was_away_too_long_comes_back_with_what_it_has(place, states):
    key, made = joined(place)
    place.now = NOW + timedelta(days=90)
    place.scheduler.states["n-0"] = states
    again = place.renew("n-0", key, made.chain)
    assert again.introduction == "introduction-of-n-0"
    assert leaf(again).not_valid_after_utc == place.now + timedelta(days=30)


def test_no_certificate_outlives_the_one_that_signed_it(place):
    key, made = joined(place)
    place.now = NOW + pki.ISSUER_LIFETIME - timedelta(days=3)
    again = leaf(place.renew("n-0", key, made.chain))
    assert again.not_valid_after_utc == NOW + pki.ISSUER_LIFETIME


def test_an_answer_that_got_lost_can_be_asked_for_again(place):
    key, made = joined(place)
    place.renew("n-0", key, made.chain)
    again = place.renew("n-0", key, made.chain)
    last = place.renew("n-0", key, again.chain)
    assert refused(lambda: place.renew("n-0", key, made.chain)) == verdict.SUPERSEDED
    place.renew("n-0", key, last.chain)


def test_a_renewal_may_bring_a_new_key(place):
    key, made = joined(place)
    new = fresh()
    assert leaf(place.renew("n-0", key, made.chain, csr_of=new)).public_key() == new.public_key()


def test_what_a_renewal_needs(place):
    key, made = joined(place)
    other_key, other = joined(place, "n-1")
    mine = refused(lambda: place.renew("n-0", key, made.chain, proof_of=fresh(), csr_of=fresh()))
    assert mine == verdict.UNPROVEN
    assert refused(lambda: place.renew("n-0", other_key, other.chain)) == verdict.NOT_OURS
    place.revoke("n-0")
    assert refused(lambda: place.renew("n-0", key, made.chain)) == verdict.REVOKED
    place.scheduler.variables.clear()
    assert refused(lambda: place.renew("n-0", key, made.chain)) == verdict.UNDECLARED


def test_a_chain_of_another_authority_is_not_ours(place):
    key, _ = joined(place)
    root = pki.new_authority("a", NOW)
    issuer = pki.Signer.of(pki.new_issuer(root, "a", NOW))
    forged = pki.certify_node(issuer, key.public_key(), "n-0", NOW)
    forged_text = forged.public_bytes(Encoding.PEM).decode()
    for signer in (pki.new_issuer(root, "a", NOW).cert, ISSUER.cert):
        chain = forged_text + signer
        assert refused(lambda chain=chain: place.renew("n-0", key, chain)) == verdict.NOT_OURS


def test_a_chain_over_a_certificate_that_may_sign_nothing_is_not_ours(place):
    key, _ = joined(place)
    pair = pki.issue(ROOT, "service", ["pool.vdc"], server=True, now=NOW)
    forged = pki.certify_node(pki.Signer.of(pair), key.public_key(), "n-0", NOW)
    chain = forged.public_bytes(Encoding.PEM).decode() + pair.cert
    assert refused(lambda: place.renew("n-0", key, chain)) == verdict.NOT_OURS


def test_a_node_that_is_admitted_anew_renews_until_its_successor_has_come(place):
    key, made = joined(place)
    secret = place.admit("n-0")
    made = place.renew("n-0", key, made.chain)
    place.scheduler.states["n-0"] = ["down"]
    place.join("n-0", secret)
    assert refused(lambda: place.renew("n-0", key, made.chain)) == verdict.SUPERSEDED


def test_an_admission_after_a_revocation_does_not_bring_the_old_certificate_back(place):
    key, made = joined(place)
    place.revoke("n-0")
    place.admit("n-0")
    assert refused(lambda: place.renew("n-0", key, made.chain)) == verdict.SUPERSEDED


# --- what is sent ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no certificate request"),
        ("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
         "no certificate request"),
        (csr(rsa.generate_private_key(65537, 2048)), "not of the curve P-256"),
        (csr(ec.generate_private_key(ec.SECP384R1())), "not of the curve P-256"),
    ],
)  # fmt: skip
def test_a_request_that_cannot_be_used_is_named(text, said):
    with pytest.raises(MalformedError, match=said):
        requested_key(text)


def test_a_request_for_a_key_that_the_sender_does_not_have_is_refused():
    request = x509.load_pem_x509_csr(csr(fresh()).encode())
    der = bytearray(request.public_bytes(Encoding.DER))
    der[-1] ^= 1
    text = base64.encodebytes(bytes(der)).decode()
    with pytest.raises(MalformedError, match=r"not signed by its own key|no certificate request"):
        requested_key(
            f"-----BEGIN CERTIFICATE REQUEST-----\n{text}-----END CERTIFICATE REQUEST-----\n"
        )


@pytest.mark.parametrize("name", ["", "N-0", "server.global.nomad", "-n", "n" * 64, "n\n0"])
def test_what_cannot_be_a_name_is_not_looked_up(place, name):
    place.scheduler.away = True
    assert refused(lambda: place.join(name, "s")).status == 400


def odd_certificate() -> str:
    """A certificate that is well-formed, and whose key is of an unheard-of kind."""
    der = x509.load_pem_x509_certificate(ISSUER.cert.encode()).public_bytes(Encoding.DER)
    oid = bytes.fromhex("06072a8648ce3d0201")  # id-ecPublicKey
    changed = der.replace(oid, oid[:-1] + b"\x7f")
    text = base64.encodebytes(changed).decode()
    return f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    "chain",
    ["", ISSUER.cert, ISSUER.cert * 3, "-----BEGIN CERTIFICATE-----", odd_certificate() * 2],
)
def test_a_chain_that_cannot_be_used_is_malformed(place, chain):
    key, _ = joined(place)
    assert refused(lambda: place.renew("n-0", key, chain)).reason == "malformed"


# --- the limit -------------------------------------------------------------------


def test_who_is_refused_too_often_is_not_heard_for_a_while(place):
    async def many() -> verdict.Refusal:
        for _ in range(REFUSALS):
            with pytest.raises(RefusedError) as caught:
                await place.desk.join("n-0", "wrong", csr(fresh()), SOURCE)
            assert caught.value.refusal == verdict.UNDECLARED
        secret = await admit(place.scheduler, "n-0", "here", "workers")
        with pytest.raises(RefusedError) as caught:
            await place.desk.join("n-0", secret, csr(fresh()), SOURCE)
        await place.desk.join("n-0", secret, csr(fresh()), "192.0.2.8")
        return caught.value.refusal

    assert place.act(many) == TOO_MANY
    assert len(place.audit) == REFUSALS + 1


@pytest.mark.parametrize(
    ("source", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8::1:2:3:4", "2001:db8::/64"),
        ("unknown", "unknown"),
    ],
)
def test_a_source_is_what_one_host_is_given(source, counted):
    assert network(source) == counted


def test_the_audit_is_for_its_owner_alone_and_holds_no_secret(place):
    secret = place.admit("n-0")
    place.join("n-0", secret)
    assert place.audit_file.stat().st_mode & 0o777 == 0o600
    assert secret not in place.audit_file.read_text()
    assert secret not in json.dumps(place.scheduler.variables)
