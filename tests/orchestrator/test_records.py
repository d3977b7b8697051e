"""A record is what the standard library would make of it, used or not."""

import copy
import dataclasses
import pickle
import threading

import pytest
from pydantic import TypeAdapter

from saturn_orchestrator.records import dataclass, field, replace


@dataclass(frozen=True)
class Place:
    name: str
    port: int = 22
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def words(self) -> str:
        return f"{self.name}:{self.port}"


@dataclass(frozen=True)
class Room(Place):
    floor: int = 0


class Plain(Place):
    pass


def fresh() -> type:
    """A class that nobody has used."""

    @dataclass(frozen=True)
    class Fresh:
        a: int
        b: str = "x"

    return Fresh


def test_a_record_is_compared_shown_and_frozen():
    assert Place("a") == Place("a", 22, {})
    assert Place("a") != Place("b")
    assert repr(Place("a")) == "Place(name='a', port=22, tags={})"
    assert Place("a").words == "a:22"
    with pytest.raises(dataclasses.FrozenInstanceError):
        Place("a").port = 1
    with pytest.raises(TypeError, match="Place needs a value for its field name"):
        Place()


def test_defaults_are_made_anew():
    assert Place("a").tags is not Place("a").tags


def test_a_class_may_build_on_another():
    assert Room("a", floor=2) == Room("a", 22, {}, 2)
    assert [each.name for each in dataclasses.fields(Room)] == ["name", "port", "tags", "floor"]
    assert Plain("a").words == "a:22"


def test_only_this_field_makes_defaults_anew():
    with pytest.raises(AssertionError, match="use field of this module"):

        @dataclass(frozen=True)
        class Wrong:
            tags: list[str] = dataclasses.field(default_factory=list)


def test_fields_are_known_before_the_first_record():
    assert [each.name for each in dataclasses.fields(fresh())] == ["a", "b"]
    assert dataclasses.is_dataclass(fresh())


def test_a_record_is_hashed_replaced_copied_and_pickled():
    one = fresh()(1)
    assert hash(one) == hash(type(one)(1))
    assert dataclasses.replace(one, b="y") == replace(one, b="y") == type(one)(1, "y")
    assert copy.deepcopy(Room("a")) == Room("a")
    assert pickle.loads(pickle.dumps(Room("a"))) == Room("a")


def test_a_record_is_replaced_by_its_fields_alone():
    one = Room("a", tags={"b": "c"})
    vars(one)["_kept"] = "beside its fields"

    assert replace(one, floor=3) == Room("a", 22, {"b": "c"}, 3)
    assert "_kept" not in vars(replace(one, floor=3))
    with pytest.raises(TypeError, match="Room has the fields name, port, tags, floor, and was given cellar"):
        replace(one, cellar=1)
    with pytest.raises(TypeError, match="Place has the fields name, port, tags, and was given 1 by position, name"):
        Place("a", name="b")


def test_a_record_is_unpacked_by_position():
    match fresh()(1, "y"):
        case object(a=1, b="y") as found:
            assert type(found).__match_args__ == ("a", "b")
        case _:
            pytest.fail("it was not recognised")


def test_pydantic_reads_it():
    assert TypeAdapter(Place).validate_python({"name": "a", "port": "2"}) == Place("a", 2)


def test_threads_may_use_it_for_the_first_time_at_once():
    for _ in range(50):
        kind, begin, made = fresh(), threading.Barrier(4), []

        def make(kind=kind, begin=begin, made=made):
            begin.wait()
            made.append(kind(1))

        threads = [threading.Thread(target=make) for _ in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert made == [kind(1)] * 4
