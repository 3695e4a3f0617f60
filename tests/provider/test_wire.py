"""Property maps as the engine sends them, and back."""

from google.protobuf import json_format, struct_pb2
from pulumi.runtime.rpc import UNKNOWN as UNKNOWN_STRING

from vdc.provider.wire import UNKNOWN, decode, encode, has_unknown

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = {SIGNATURE: "1b47061264138c4ac30d75fd1eb44270"}


def struct(values):
    made = struct_pb2.Struct()
    made.update(values)
    return made


def test_secrets_are_unwrapped_at_any_depth_and_whole_numbers_come_back_whole():
    sent = struct({"count": 3, "part": 0.5, "tls": [{"key": {**SECRET, "value": "pem"}}]})
    assert decode(sent) == {"count": 3, "part": 0.5, "tls": [{"key": "pem"}]}
    assert isinstance(decode(sent)["count"], int)


def test_a_secret_output_is_marked_and_its_neighbours_are_not():
    made = json_format.MessageToDict(encode({"key": "pem", "cert": "pem"}, frozenset({"key"})))
    assert made == {"key": {**SECRET, "value": "pem"}, "cert": "pem"}


def test_unknowns_survive_both_ways_and_are_found_at_any_depth():
    read = decode(struct({"a": {"b": [UNKNOWN_STRING]}}))
    assert read == {"a": {"b": [UNKNOWN]}}
    assert has_unknown(read)
    assert not has_unknown({"a": {"b": ["known"]}})
    assert json_format.MessageToDict(encode(read)) == {"a": {"b": [UNKNOWN_STRING]}}
