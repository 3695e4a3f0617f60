"""Machines that a cloud makes: which are taken in, by what, and how many."""

from __future__ import annotations

import asyncio
import base64
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from asn1crypto import cms
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options

from ec2_metadata import ACCOUNT, MACHINE, REGION, Signer, as_ber, document
from join_desk import NOW, SOURCE, Place, csr, fresh, leaf, refused
from vdc.errors import SchedulerError, StackError
from vdc.pool.joining import verdict
from vdc.pool.joining.desk import Credentials, RefusedError
from vdc.pool.joining.identities import VERIFIERS, Evidence, NotVouchedForError, verify
from vdc.pool.joining.patience import REFUSALS
from vdc.provider.admission import Admissions
from vdc.provider.enrolment import (
    FRESH,
    GroupAdmission,
    GroupAdmissions,
    Identity,
    dismiss,
    enrol,
    new_secret,
    release,
    sweep,
)

SIGNER = Signer()
OTHER = Signer()
SECRET = new_secret()
IDENTITY = Identity("pkcs7-document", ACCOUNT, REGION, SIGNER.pem)
NAME = f"dc-cloud-workers-{MACHINE}"


class Fleet(Place):
    """A desk, and a group whose machines a cloud makes."""

    def enrol(self, most: int = 2, secret: str = SECRET, identity: Identity = IDENTITY) -> None:
        group = GroupAdmission.opened_by(
            secret,
            site="cloud",
            group="workers",
            prefix="dc-cloud-workers",
            most=most,
            identity=identity,
        )
        self.act(lambda: enrol(self.scheduler, group))

    def arrive(
        self,
        machine: str = MACHINE,
        *,
        secret: str = SECRET,
        text: str = "",
        signature: str = "",
        group: str = "workers",
        key=None,
    ) -> Credentials:
        text = text or document(machine, pending=self.now)
        evidence = Evidence(text, signature or SIGNER.rsa2048(text))
        request = csr(key or fresh())
        return self.act(
            lambda: self.desk.join_group("cloud", group, secret, request, evidence, SOURCE)
        )

    def live(self, *names: str) -> None:
        """What the scheduler knows, and nothing else."""
        self.scheduler.states = {name: ["ready"] for name in names}

    @property
    def group(self) -> GroupAdmission:
        return self.act(lambda: GroupAdmissions(self.scheduler).get("cloud", "workers"))[0]


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    fleet = Fleet(tmp_path)
    fleet.enrol()
    return fleet


def machine(number: int) -> str:
    return f"i-{number:017x}"


def name(number: int) -> str:
    return f"dc-cloud-workers-{machine(number)}"


# --- joining ---------------------------------------------------------------------


def test_a_machine_becomes_the_node_that_its_cloud_names(fleet):
    key = fresh()
    made = fleet.arrive(key=key)
    assert leaf(made).subject.rfc4514_string() == f"CN={NAME}"
    assert leaf(made).public_key() == key.public_key()
    assert f"introduction-of-{NAME}" in made.text
    record = fleet.record(NAME)
    assert (record.state, record.site, record.group) == ("used", "cloud", "workers")
    assert record.serial == made.serial
    assert fleet.audit == [("joined", NAME, "")]


def test_it_renews_as_every_node_does(fleet):
    key = fresh()
    made = fleet.arrive(key=key)
    fleet.live(NAME)
    fleet.now += timedelta(days=20)
    assert leaf(fleet.renew(NAME, key, made.chain)).not_valid_after_utc > fleet.now


def test_a_machine_joins_once_whatever_key_it_brings(fleet):
    text = document(pending=NOW)
    fleet.arrive(text=text)
    assert refused(lambda: fleet.arrive(text=text)) == verdict.TAKEN
    fleet.now += timedelta(minutes=5)
    assert refused(fleet.arrive) == verdict.TAKEN
    assert fleet.audit[1:] == [("refused", NAME, "replayed")] * 2


def test_of_two_that_show_the_same_machine_at_once_one_is_taken_in(fleet):
    text = document(pending=NOW)
    evidence = Evidence(text, SIGNER.rsa2048(text))

    async def both() -> list[object]:
        joins = [
            fleet.desk.join_group("cloud", "workers", SECRET, csr(fresh()), evidence, SOURCE)
            for _ in range(2)
        ]
        return await asyncio.gather(*joins, return_exceptions=True)

    answers = fleet.act(both)
    assert sorted(type(answer).__name__ for answer in answers) == ["Credentials", "RefusedError"]


def test_the_secret_of_the_group_is_no_nodes_secret(fleet):
    fleet.arrive()
    assert refused(lambda: fleet.join(NAME, SECRET)) == verdict.FOREIGN
    assert refused(lambda: fleet.join(name(9), SECRET)) == verdict.UNDECLARED


# --- what is refused -------------------------------------------------------------


def test_the_secret_alone_is_worth_nothing(fleet):
    for text, signature in (("x", "x"), (document(pending=NOW), "AAAA")):
        assert refused(lambda t=text, s=signature: fleet.arrive(text=t, signature=s)).status == 403
    assert {reason for _, _, reason in fleet.audit} == {"malformed"}
    assert not [path for path in fleet.scheduler.variables if path.startswith("vdc/join/")]


def test_the_document_alone_is_worth_nothing(fleet):
    assert refused(lambda: fleet.arrive(secret=new_secret())) == verdict.FOREIGN
    undeclared = refused(lambda: fleet.arrive(group="others"))
    assert undeclared == verdict.UNDECLARED
    assert (undeclared.status, undeclared.line) == (verdict.FOREIGN.status, verdict.FOREIGN.line)
    assert fleet.audit == [
        ("refused", "cloud/workers", "foreign"),
        ("refused", "cloud/others", "undeclared"),
    ]


OURS = document(pending=NOW)
"""What a machine of the group is told by its cloud."""
TAMPERED = OURS.replace(MACHINE, machine(1))


@pytest.mark.parametrize(
    ("text", "signed", "signer", "reason"),
    [
        (TAMPERED, OURS, SIGNER, "tampered"),
        (OURS, OURS, OTHER, "unsigned"),
        (document(pending=NOW, account="210987654321"), "", SIGNER, "account"),
        (document(pending=NOW, region="eu-west-1"), "", SIGNER, "region"),
        (document("../service", pending=NOW), "", SIGNER, "malformed"),
        ("{}", "", SIGNER, "malformed"),
        ("[]", "", SIGNER, "malformed"),
        ("no document", "", SIGNER, "malformed"),
    ],
)
def test_what_the_cloud_does_not_say_of_a_machine_of_the_group(fleet, text, signed, signer, reason):
    signature = signer.rsa2048(signed or text)
    refusal = refused(lambda: fleet.arrive(text=text, signature=signature))
    assert (refusal.reason, refusal.status, refusal.retry_s) == (reason, 403, None)
    assert fleet.audit == [("refused", "cloud/workers", reason)]


@pytest.mark.parametrize(
    ("age", "taken"),
    [
        (timedelta(minutes=-9), True),
        (timedelta(0), True),
        (FRESH, True),
        (FRESH + timedelta(seconds=1), False),
        (timedelta(minutes=-11), False),
    ],
)
def test_an_identity_is_taken_for_an_hour_after_the_start(fleet, age, taken):
    text = document(pending=NOW - age)
    if taken:
        fleet.arrive(text=text)
    else:
        assert refused(lambda: fleet.arrive(text=text)) == verdict.STALE


def test_a_group_that_was_dismissed_takes_nobody_in_and_renews_nothing(fleet):
    key = fresh()
    made = fleet.arrive(key=key)
    fleet.act(lambda: dismiss(fleet.scheduler, "cloud", "workers"))
    fleet.act(lambda: dismiss(fleet.scheduler, "cloud", "workers"))
    assert refused(lambda: fleet.arrive(machine(2))) == verdict.DISMISSED
    assert refused(lambda: fleet.renew(NAME, key, made.chain)) == verdict.REVOKED
    fleet.enrol()
    fleet.arrive(machine(2))


def test_a_dismissal_touches_no_group_whose_name_begins_the_same(fleet):
    text = document(machine(1), pending=NOW)
    other = GroupAdmission.opened_by(
        SECRET, site="cloud", group="workers-i", prefix="dc-cloud-workers-i", most=1,
        identity=IDENTITY,
    )  # fmt: skip
    fleet.act(lambda: enrol(fleet.scheduler, other))
    fleet.arrive(group="workers-i", text=text)
    fleet.act(lambda: dismiss(fleet.scheduler, "cloud", "workers"))
    assert fleet.record(f"dc-cloud-workers-i-{machine(1)}").state == "used"


def test_a_machine_that_was_revoked_does_not_come_back(fleet):
    fleet.arrive()
    fleet.revoke(NAME)
    assert refused(fleet.arrive) == verdict.REVOKED


def test_a_new_secret_ends_the_old_one(fleet):
    fleet.enrol(secret="another")
    assert refused(fleet.arrive) == verdict.FOREIGN


@pytest.mark.parametrize("site", ["", "..", "a/b", "A"])
def test_what_cannot_be_a_group_is_not_looked_up(fleet, site):
    fleet.scheduler.away = True
    evidence = Evidence("", "")
    request = csr(fresh())

    async def attempt() -> Credentials:
        return await fleet.desk.join_group(site, "workers", SECRET, request, evidence, SOURCE)

    assert refused(lambda: fleet.act(attempt)).status == 400


def test_a_scheduler_that_is_away_costs_nothing(fleet):
    fleet.scheduler.away = True
    with pytest.raises(SchedulerError):
        fleet.arrive()
    fleet.scheduler.away = False
    fleet.arrive()


def test_a_failure_after_the_place_was_taken_costs_nothing(fleet, monkeypatch):
    async def away(*_):
        raise SchedulerError("no answer", 0)

    with monkeypatch.context() as patch:
        patch.setattr(fleet.scheduler, "introduction", away)
        with pytest.raises(SchedulerError):
            fleet.arrive()
    fleet.arrive()
    assert len(fleet.group.claims) == 1


def test_who_is_refused_too_often_is_not_heard_for_a_while(fleet):
    async def many() -> None:
        for _ in range(REFUSALS + 1):
            evidence = Evidence(OURS, SIGNER.rsa2048(OURS))
            with pytest.raises(RefusedError) as caught:
                await fleet.desk.join_group("cloud", "workers", "x", csr(fresh()), evidence, SOURCE)
        assert caught.value.refusal.status == 429

    fleet.act(many)
    assert len(fleet.audit) == REFUSALS


# --- how many --------------------------------------------------------------------


@pytest.mark.parametrize(("most", "room"), [(0, 1), (1, 2), (10, 11), (40, 44)])
def test_while_machines_are_replaced_there_is_room_for_some_more(fleet, most, room):
    fleet.enrol(most)
    assert fleet.group.room == room


def test_no_more_than_the_room_are_live_known_to_the_scheduler_or_not(fleet):
    for number in range(3):
        fleet.arrive(machine(number))
    assert refused(lambda: fleet.arrive(machine(3))) == verdict.FULL
    fleet.live(name(0), name(1), name(2))
    fleet.now += timedelta(minutes=20)
    assert refused(lambda: fleet.arrive(machine(3))) == verdict.FULL
    # Two have gone, and the scheduler has noticed.
    fleet.scheduler.states[name(0)] = ["down"]
    del fleet.scheduler.states[name(1)]
    fleet.arrive(machine(3))
    fleet.arrive(machine(4))
    assert refused(lambda: fleet.arrive(machine(5))) == verdict.FULL


def test_who_has_come_and_gone_at_once_gives_its_place_back(fleet):
    for number in range(3):
        fleet.arrive(machine(number))
    fleet.live(name(0), name(1), name(2))
    fleet.scheduler.states[name(0)] = ["down"]
    fleet.arrive(machine(3))
    assert refused(lambda: fleet.arrive(machine(4))) == verdict.FULL


def test_who_is_forgotten_gives_its_place_back(fleet):
    for number in range(3):
        fleet.arrive(machine(number))
    ended = {name(0), name(7)}
    fleet.act(lambda: release(fleet.scheduler, "cloud", "workers", ended))
    fleet.act(lambda: release(fleet.scheduler, "cloud", "workers", ended))
    assert set(fleet.group.claims) == {name(1), name(2)}
    fleet.arrive(machine(3))
    assert refused(lambda: fleet.arrive(machine(4))) == verdict.FULL
    fleet.act(lambda: release(fleet.scheduler, "cloud", "nobody", ended))


def test_who_was_let_in_and_never_came_gives_its_place_back(fleet):
    for number in range(3):
        fleet.arrive(machine(number))
    fleet.now += timedelta(minutes=11)
    fleet.arrive(machine(3))
    assert set(fleet.group.claims) == {name(3)}


def test_what_the_scheduler_knows_is_not_kept_twice(fleet):
    fleet.arrive(machine(0))
    fleet.live(name(0))
    fleet.arrive(machine(1))
    assert set(fleet.group.claims) == {name(1)}


def test_many_at_once_get_no_more_places_than_there_are(fleet):
    fleet.enrol(10)

    async def crowd() -> list[object]:
        joins = []
        for number in range(19):
            text = document(machine(number), pending=NOW)
            evidence = Evidence(text, SIGNER.rsa2048(text))
            source = f"192.0.2.{number}"
            joins.append(
                fleet.desk.join_group("cloud", "workers", SECRET, csr(fresh()), evidence, source)
            )
        return await asyncio.gather(*joins, return_exceptions=True)

    answers = fleet.act(crowd)
    assert sum(isinstance(answer, Credentials) for answer in answers) == 11
    assert {str(answer) for answer in answers if isinstance(answer, RefusedError)} == {
        verdict.FULL.line
    }


def test_two_services_give_no_more_places_than_there_are(fleet, tmp_path):
    (tmp_path / "second").mkdir()
    second = Fleet(tmp_path / "second", fleet.scheduler)
    fleet.enrol(1)

    async def crowd() -> list[object]:
        joins = []
        for number, place in enumerate((fleet, second, fleet, second)):
            text = document(machine(number), pending=NOW)
            evidence = Evidence(text, SIGNER.rsa2048(text))
            joins.append(
                place.desk.join_group("cloud", "workers", SECRET, csr(fresh()), evidence, SOURCE)
            )
        return await asyncio.gather(*joins, return_exceptions=True)

    answers = fleet.act(crowd)
    assert sum(isinstance(answer, Credentials) for answer in answers) == 2
    assert fleet.scheduler.conflicts


# --- what is kept ----------------------------------------------------------------


def test_an_enrolment_anew_forgets_nobody_who_was_just_let_in(fleet):
    fleet.arrive(machine(0))
    before = fleet.group
    fleet.enrol(5)
    assert fleet.group == replace(before, most=5)


def test_records_of_machines_that_are_gone_are_removed_when_they_cannot_come_again(fleet):
    keys = {number: fresh() for number in range(2)}
    made = {number: fleet.arrive(machine(number), key=keys[number]) for number in keys}

    def swept() -> set[str]:
        fleet.act(lambda: sweep(fleet.scheduler, "cloud", "workers", {name(0)}, fleet.now))
        return set(fleet.act(lambda: Admissions(fleet.scheduler).names("dc-cloud-workers")))

    assert swept() == {name(0), name(1)}
    fleet.now += 2 * FRESH + timedelta(minutes=1)
    assert swept() == {name(0)}
    text = document(machine(1), pending=NOW)
    assert refused(lambda: fleet.arrive(text=text)) == verdict.STALE
    again = refused(lambda: fleet.renew(name(1), keys[1], made[1].chain))
    assert again == verdict.UNDECLARED


def test_no_record_and_no_repr_holds_the_secret(fleet):
    fleet.arrive()
    assert SECRET not in repr(fleet.scheduler.variables)
    assert SECRET not in repr(fleet.group)
    assert SECRET not in fleet.audit_file.read_text()


@pytest.mark.parametrize(
    ("prefix", "said"),
    [("x" * 44, "longer than the 43 characters"), ("dc_a", "cannot be part of a node's name")],
)
def test_a_prefix_that_makes_no_host_name_is_said_at_once(prefix, said):
    with pytest.raises(StackError, match=said):
        GroupAdmission.opened_by(
            SECRET, site="cloud", group="g", prefix=prefix, most=1, identity=IDENTITY
        )


# --- the signature ---------------------------------------------------------------


def encoded(der: bytes) -> str:
    return base64.b64encode(der).decode()


def reason(text: str, signature: str, identity: Identity = IDENTITY) -> str:
    with pytest.raises(NotVouchedForError) as caught:
        verify(identity, Evidence(text, signature))
    return caught.value.reason


def test_both_encodings_of_a_message_are_read():
    for der in (SIGNER.der(OURS), as_ber(SIGNER.der(OURS))):
        assert verify(IDENTITY, Evidence(OURS, encoded(der))).id == MACHINE


def test_a_certificate_in_the_message_counts_for_nothing():
    der = OTHER.der(OURS, [PKCS7Options.Binary])
    assert reason(OURS, encoded(der)) == "unsigned"


def test_a_message_without_its_content_is_refused():
    der = SIGNER.der(OURS, [PKCS7Options.Binary, PKCS7Options.DetachedSignature])
    assert reason(OURS, encoded(der)) == "malformed"


def test_a_message_without_signed_attributes_is_refused():
    """Else what was signed could be shown as a document."""
    der = SIGNER.der(OURS, [PKCS7Options.Binary, PKCS7Options.NoAttributes])
    assert reason(OURS, encoded(der)) == "malformed"


def test_a_content_exchanged_inside_the_message_is_noticed():
    info = cms.ContentInfo.load(SIGNER.der(OURS))
    inner = info["content"]["encap_content_info"]
    inner["content"] = TAMPERED.encode()
    assert reason(TAMPERED, encoded(info.dump(force=True))) == "tampered"


def test_two_signatures_are_one_too_many():
    info = cms.ContentInfo.load(SIGNER.der(OURS))
    signers = info["content"]["signer_infos"]
    signers.append(signers[0].copy())
    assert reason(OURS, encoded(info.dump(force=True))) == "malformed"


@pytest.mark.parametrize("cut", [0, 1, 40, 400, -1])
def test_half_a_message_is_none(cut):
    assert reason(OURS, encoded(SIGNER.der(OURS)[:cut])) == "malformed"


def test_a_message_as_deep_as_a_well_is_none():
    assert reason(OURS, encoded(b"\x30\x80" * 8000)) == "malformed"


def test_every_changed_byte_is_noticed():
    der = SIGNER.der(OURS)
    for at in range(0, len(der), 7):
        changed = bytearray(der)
        changed[at] ^= 0x55
        try:
            found = verify(IDENTITY, Evidence(OURS, encoded(bytes(changed))))
        except NotVouchedForError:
            continue
        assert found.id == MACHINE  # who signed is named, and what is named is not believed


@pytest.mark.parametrize("pem", ["", "none", Signer(1024).pem])
def test_a_declared_certificate_that_proves_nothing_is_said(pem):
    assert reason(OURS, SIGNER.rsa2048(OURS), replace(IDENTITY, certificate=pem)) == "certificate"


def test_a_way_that_nobody_here_knows_is_said():
    assert reason(OURS, SIGNER.rsa2048(OURS), replace(IDENTITY, verifier="x")) == "verifier"


def test_every_way_is_one_word_that_a_shell_reads_as_one():
    assert all(re.fullmatch(r"[a-z0-9-]+", name) for name in VERIFIERS)
