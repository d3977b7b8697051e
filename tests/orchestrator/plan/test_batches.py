from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import build

from saturn_orchestrator.plan.batches import allowance, batches, counted, saturn_last

names = st.integers(0, 40).map(lambda count: tuple(f"h{number}" for number in range(count)))
sizes = st.lists(st.integers(1, 12).map(str) | st.integers(1, 100).map("{}%".format), min_size=1, max_size=5)


@given(names, sizes)
def test_batches_are_the_hosts_each_once_in_their_order_and_none_is_empty(hosts, wanted):
    cut = batches(hosts, wanted)

    assert tuple(host for batch in cut for host in batch) == hosts
    assert all(cut)


@given(names, sizes)
def test_every_batch_but_the_last_is_as_large_as_its_size_says_and_the_last_size_is_repeated(hosts, wanted):
    cut = batches(hosts, wanted)
    expected = [counted(size, len(hosts)) for size in (*wanted, *[wanted[-1]] * len(cut))][: len(cut)]

    assert [len(batch) for batch in cut[:-1]] == expected[:-1]
    assert all(len(batch) <= size for batch, size in zip(cut[-1:], expected[-1:], strict=True))


@pytest.mark.parametrize(
    "sizes, lengths",
    [
        (("100%",), [8]),
        (("1",), [1] * 8),
        (("1", "25%", "100%"), [1, 2, 5]),
        (("1", "3"), [1, 3, 3, 1]),
        (("50%", "1"), [4, 1, 1, 1, 1]),
        (("1%",), [1] * 8),
        (("100",), [8]),
    ],
)
def test_sizes_are_counts_and_parts_of_all_hosts(sizes, lengths):
    assert [len(batch) for batch in batches("abcdefgh", sizes)] == lengths


@pytest.mark.parametrize("listed, ordered", [("sab", "abs"), ("asb", "abs"), ("ab", "ab"), ("s", "s")])
def test_the_machine_that_a_rollout_comes_from_goes_last(listed, ordered):
    hosts = [build.host(name, transport="local" if name == "s" else "ssh") for name in listed]

    assert "".join(host.name for host in saturn_last(hosts)) == ordered


def test_no_hosts_are_no_batches():
    assert batches((), ("1",)) == ()


@pytest.mark.parametrize("size, count", [("3", 3), ("0", 1), ("25%", 3), ("30%", 3), ("31%", 4), ("1%", 1), ("0%", 1)])
def test_a_percentage_is_rounded_up_and_never_less_than_one_host(size, count):
    assert counted(size, 10) == count


@pytest.mark.parametrize("said, allowed", [(0, 0), (2, 2), ("3", 3), ("0%", 0), ("10%", 1), ("19%", 1), ("100%", 10)])
def test_how_many_may_fail_is_rounded_down(said, allowed):
    assert allowance(said, 10) == allowed
