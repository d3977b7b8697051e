from __future__ import annotations

from saturn_orchestrator.report.folding import ALIKE, MANY, folded, folded_lines


def test_few_hosts_all_stand_whole():
    hosts = ["same"] * MANY

    assert folded(hosts, str) == (hosts, [])


def test_of_many_those_that_need_a_person_stand_whole_and_the_alike_are_counted():
    well = [("well", number) for number in range(MANY)]
    old = [("old", number) for number in range(ALIKE)]
    odd = [("odd", number) for number in range(ALIKE - 1)]
    broken = [("broken", number) for number in range(9)]

    whole, alike = folded([*broken, *odd, *old, *well], lambda host: None if host[0] == "broken" else host[0])

    assert whole == [*broken, *odd]
    assert alike == [well, old]


def test_a_group_is_one_line_and_all_are_a_command_away():
    lines = folded_lines(
        [(["a", "b", "c"], "well"), ([f"h{n}" for n in range(940)], "unchanged at 3f2a91c0")], "saturn x"
    )

    assert [line.plain for line in lines] == [
        "and 3 hosts well: a, b, c", "and 940 hosts unchanged at 3f2a91c0: h0, h1, h2, …", "all of them: saturn x",
    ]  # fmt: skip
    assert folded_lines([], "saturn x") == []
