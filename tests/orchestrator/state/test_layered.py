from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from saturn_orchestrator.state.layered import SMALL, Layered, with_changed

NAMES = [f"h{number}" for number in range(3 * SMALL)]


@given(st.lists(st.tuples(st.sampled_from([*NAMES, "new", "newer"]), st.integers()), max_size=200))
def test_it_is_a_dict_that_was_copied_each_time(changes):
    plain = dict.fromkeys(NAMES, 0)
    layered, before = plain, dict(plain)
    for key, value in changes:
        plain = {**plain, key: value}
        layered = with_changed(layered, key, value)

    assert layered == plain
    assert list(layered.items()) == list(plain.items())
    assert dict.fromkeys(NAMES, 0) == before


def test_many_values_are_not_copied_for_one_change():
    whole = dict.fromkeys(NAMES, 0)
    changed = with_changed(whole, "h7", 1)

    assert isinstance(changed, Layered)
    assert changed._below is whole
    assert (changed["h7"], changed["h8"], whole["h7"], len(changed)) == (1, 0, 0, len(NAMES))


def test_few_values_are():
    assert with_changed({"a": 1, "b": 2}, "a", 3) == {"a": 3, "b": 2}
