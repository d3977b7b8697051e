"""Records are what a frozen dataclass of the standard library is, to whoever uses them."""

import copy
import dataclasses
import pickle

import pytest
from saturn_node import wire
from saturn_node.wire import BackupOrder, NodeOrder, Progress, ServiceOrder

BY_THE_BOOK = dataclasses.make_dataclass(
    "BackupOrder",
    [("paths", tuple, ("config", "data")), ("quiesce", str, "stop"), ("keep", int, 5), ("exclude", tuple, ())],
    frozen=True,
)
ORDER = BackupOrder(("data",), keep=3)


def test_a_record_compares_hashes_and_reads_as_a_frozen_dataclass_does():
    same, other = BY_THE_BOOK(("data",), keep=3), BackupOrder()
    assert (ORDER, hash(ORDER), repr(ORDER)) == (BackupOrder(("data",), keep=3), hash(same), repr(same))
    assert other != ORDER
    assert same != ORDER
    assert dataclasses.asdict(ORDER) == dataclasses.asdict(same)
    assert [each.name for each in dataclasses.fields(ORDER)] == list(vars(ORDER)) == list(vars(same))


def test_a_record_cannot_be_changed_but_replaced_copied_and_pickled():
    with pytest.raises(dataclasses.FrozenInstanceError):
        ORDER.keep = 4
    with pytest.raises(dataclasses.FrozenInstanceError):
        del ORDER.keep
    assert dataclasses.replace(ORDER, keep=5) == BackupOrder(("data",))
    assert copy.deepcopy(ORDER) == pickle.loads(pickle.dumps(ORDER)) == ORDER


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ((), {}),
        (("a",), {}),
        (("a", "b"), {"nonsense": 1}),
        (("a", "b"), {"name": "c"}),
        (tuple("abcdefghijklm"), {}),
    ],
)
def test_a_record_is_made_of_its_fields_and_of_nothing_else(given, named):
    with pytest.raises(TypeError):
        ServiceOrder(*given, **named)


def test_a_default_that_may_move_is_made_anew_for_each():
    first, second = (NodeOrder("h", "/r", "/c", "", "main") for _ in range(2))
    assert first == second
    assert first.conventions is not second.conventions


def test_a_record_keeps_its_type_beside_its_fields():
    told = Progress(1, "at", "r1", "h", "deploy", text="x")
    assert (Progress.type, told.type, wire.plain(told)["type"]) == ("progress", "progress", "progress")
