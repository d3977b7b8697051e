from __future__ import annotations

import click
import pytest
from click.testing import CliRunner
from support import build

from saturn_orchestrator.cli.options import Selection, selection_options
from saturn_orchestrator.errors import UsageError


@click.command()
@selection_options
def echo(selection: Selection) -> None:
    click.echo(repr(selection))


def selected(*words: str) -> str:
    return CliRunner().invoke(echo, words).output.strip()


@pytest.mark.parametrize(
    "words, selection",
    [
        ((), Selection((), (), (), False)),
        (("--hosts", "a,b"), Selection(("a", "b"), (), (), False)),
        (("--hosts", " a , b,,a", "--hosts", "c"), Selection(("a", "b", "c"), (), (), False)),
        (("--tags", "lte", "--roles", "home,media", "--all"), Selection((), ("lte",), ("home", "media"), True)),
    ],
)
def test_the_options_make_one_selection(words, selection):
    assert selected(*words) == repr(selection)


def test_a_selection_gives_hosts_in_the_order_of_the_file(tmp_path):
    topology = build.topology(tmp_path, build.host("beta"), build.host("alpha", tags=("lte",)))

    assert [host.name for host in Selection(("alpha", "beta"), (), (), False).of(topology)] == ["beta", "alpha"]
    assert [host.name for host in Selection((), ("lte",), (), False).of(topology)] == ["alpha"]


def test_an_empty_selection_is_an_error_unless_all_is_the_default(tmp_path):
    topology = build.topology(tmp_path, build.host("beta"), build.host("alpha"))
    nothing = Selection((), (), (), False)

    assert nothing.is_empty
    assert [host.name for host in nothing.of(topology, default_all=True)] == ["beta", "alpha"]
    with pytest.raises(UsageError):
        nothing.of(topology)
