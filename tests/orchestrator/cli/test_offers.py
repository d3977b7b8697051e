from __future__ import annotations

import click
import pytest

from saturn_orchestrator.cli import offers


def values(offer: offers.Offer, incomplete: str) -> list[str]:
    context = click.Context(click.Command("x"))
    return [item.value for item in offer(context, click.Option(["--x"]), incomplete)]


def letters(_: click.Context) -> offers.Names:
    return {"alpha": "one", "alto": "two", "beta": ""}


def fails(_: click.Context) -> offers.Names:
    raise RuntimeError("the disk is gone")


@pytest.mark.parametrize("incomplete, names", [("", ["alpha", "alto", "beta"]), ("al", ["alpha", "alto"]), ("x", [])])
def test_one_name_is_offered(incomplete, names):
    assert values(offers.one(letters), incomplete) == names


@pytest.mark.parametrize(
    "incomplete, names",
    [
        ("alpha,", ["alpha,alto", "alpha,beta"]),
        ("beta,alt", ["beta,alto"]),
        (" alpha , alto,", [" alpha , alto,beta"]),
        ("alpha,alto,beta,", []),
    ],
)
def test_names_behind_a_comma_are_offered_once(incomplete, names):
    assert values(offers.several(letters), incomplete) == names


@pytest.mark.parametrize("kind", [offers.one, offers.several])
def test_what_goes_wrong_offers_nothing(kind):
    assert values(kind(fails), "") == []


def test_what_is_said_has_no_control_characters_and_is_short():
    said = offers.one(lambda _: {"a": "x\x1b[31m" + "y" * 200, "b": ""})

    first, second = said(click.Context(click.Command("x")), click.Option(["--x"]), "")

    assert (first.help, second.help) == ("x?[31m" + "y" * 74, None)
