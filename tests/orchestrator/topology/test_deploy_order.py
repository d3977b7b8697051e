from __future__ import annotations

from graphlib import TopologicalSorter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saturn_orchestrator.topology.order import cycles, deploy_order

NAMES = ("a", "b", "c", "d", "e", "f")
acyclic = st.fixed_dictionaries(
    {name: st.sets(st.sampled_from(NAMES[:index] or "-")) for index, name in enumerate(NAMES)}
)
graphs = st.dictionaries(st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES), unique=True))


@pytest.mark.parametrize(
    ("listed", "depends_on", "ordered"),
    [
        ("cab", {}, "cab"),
        ("abc", {"a": ["c"]}, "cab"),
        ("abcd", {"b": ["d"], "d": ["c"]}, "acdb"),
        ("ab", {"a": ["elsewhere"]}, "ab"),
    ],
)
def test_deploy_order_moves_a_dependency_just_before_its_first_need(
    listed: str, depends_on: dict[str, list[str]], ordered: str
):
    assert deploy_order(listed, depends_on) == tuple(ordered)


@pytest.mark.parametrize(
    ("listed", "depends_on", "carriers", "ordered"),
    [
        ("abc", {}, "a", "bca"),
        ("abcd", {}, "ca", "bdac"),
        ("abc", {"b": ["a"]}, "a", "cab"),
        ("abcd", {"b": ["c"], "c": ["a"]}, "a", "dacb"),
        ("abcd", {"b": ["a"]}, "ad", "cabd"),
        ("abc", {"a": ["c"]}, "a", "bca"),
    ],
)
def test_what_carries_the_connection_comes_last_unless_something_needs_it(
    listed: str, depends_on: dict[str, list[str]], carriers: str, ordered: str
):
    assert deploy_order(listed, depends_on, carriers) == tuple(ordered)


@given(st.permutations(NAMES), acyclic, st.sets(st.sampled_from(NAMES)))
def test_before_a_carrier_stands_whatever_does_not_need_one(
    listed: list[str], depends_on: dict[str, set[str]], carriers: set[str]
):
    ordered = deploy_order(listed, {name: sorted(needed) for name, needed in depends_on.items()}, carriers)
    first = min((ordered.index(name) for name in carriers), default=len(ordered))
    assert sorted(ordered) == sorted(listed)
    assert all(ordered.index(need) < ordered.index(name) for name in NAMES for need in depends_on[name] & set(NAMES))
    assert all(needs(name, depends_on) & carriers for name in ordered[first:] if name not in carriers)


def needs(name: str, depends_on: dict[str, set[str]]) -> set[str]:
    """What a service needs, itself or through others."""
    direct = depends_on.get(name, set())
    return direct.union(*(needs(each, depends_on) for each in direct))


@given(st.permutations(NAMES), acyclic)
def test_deploy_order_puts_every_service_after_what_it_needs(listed: list[str], depends_on: dict[str, set[str]]):
    ordered = deploy_order(listed, {name: sorted(needed) for name, needed in depends_on.items()})
    assert sorted(ordered) == sorted(listed)
    assert all(
        ordered.index(need) < ordered.index(name) for name in NAMES for need in depends_on[name] if need in NAMES
    )


@given(graphs)
def test_deploy_order_holds_every_service_once_even_in_a_circle(depends_on: dict[str, list[str]]):
    assert sorted(deploy_order(NAMES, depends_on, "af")) == list(NAMES)


@pytest.mark.parametrize(
    ("depends_on", "found"),
    [
        ({"a": ["b"], "b": ["c"]}, ()),
        ({"a": ["a"]}, (("a", "a"),)),
        ({"a": ["b"], "b": ["a"]}, (("a", "b", "a"),)),
        ({"a": ["b"], "b": ["c"], "c": ["b"]}, (("b", "c", "b"),)),
        ({"a": ["b"], "b": ["a"], "c": ["d"], "d": ["c"]}, (("a", "b", "a"), ("c", "d", "c"))),
    ],
)
def test_cycles_are_named_in_full_and_once(depends_on: dict[str, list[str]], found: tuple[tuple[str, ...], ...]):
    assert cycles(NAMES, depends_on) == found


@given(graphs)
def test_cycles_are_found_exactly_when_there_is_no_order(depends_on: dict[str, list[str]]):
    found = cycles(NAMES, depends_on)
    assert all(after in depends_on[before] for cycle in found for before, after in pairwise(cycle))
    sorter = TopologicalSorter(depends_on)
    if found:
        with pytest.raises(ValueError, match="cycle"):
            sorter.prepare()
    else:
        sorter.prepare()
