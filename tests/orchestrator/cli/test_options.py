from __future__ import annotations

from ast import literal_eval

import click
import pytest
from click.testing import CliRunner
from support import build

from saturn_orchestrator.cli.options import (
    Selection,
    Wish,
    chosen_services,
    duration,
    revisions,
    rollout_options,
    selection_options,
    wish_options,
)
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


@click.command()
@rollout_options
@wish_options
@click.option("--expires", callback=duration, default="7d")
def echo_all(wish: Wish, **told: object) -> None:
    click.echo(repr(sorted({**vars(wish), **told}.items())))


def told(*words: str) -> dict[str, object]:
    result = CliRunner().invoke(echo_all, words)
    assert result.exit_code == 0, result.output
    return dict(literal_eval(result.output))


def test_what_is_not_given_is_left_to_the_topology():
    assert told() == {
        "batches": (), "max_failures": None, "revision": "", "services": (), "expires": 604_800.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    "words, batches",
    [
        (("--batch", "1,25%,100%"), ("1", "25%", "100%")),
        (("--batch", "1, 1 ,100%"), ("1", "1", "100%")),
        (("--batch", "2", "--batch", "2"), ("2", "2")),
    ],
)
def test_batches_are_kept_as_they_are_written(words, batches):
    assert told(*words)["batches"] == batches


@pytest.mark.parametrize("said, allowed", [("0", 0), ("3", 3), ("0%", "0%"), ("25%", "25%"), ("100%", "100%")])
def test_max_failures_is_a_number_or_a_percentage(said, allowed):
    assert told("--max-failures", said)["max_failures"] == allowed


@pytest.mark.parametrize(
    "said, seconds", [("90", 90.0), ("90s", 90.0), ("1.5m", 90.0), ("2h", 7200.0), ("7d", 604_800.0)]
)
def test_a_duration_has_a_unit(said, seconds):
    assert told("--expires", said)["expires"] == seconds


@pytest.mark.parametrize(
    "words",
    [
        ("--batch", "0"), ("--batch", "0%"), ("--batch", "101%"), ("--batch", "half"), ("--batch", "1,-1"),
        ("--max-failures", "-1"), ("--max-failures", "101%"), ("--max-failures", "some"),
        ("--expires", "soon"), ("--expires", "-1d"), ("--expires", "1w"),
    ],
)  # fmt: skip
def test_what_is_no_number_is_refused(words):
    assert CliRunner().invoke(echo_all, words).exit_code == 2


HOSTS = (
    build.host("alpha", services=(build.service("web"), build.service("db"))),
    build.host("beta", services=(build.service("db"),)),
)


@pytest.mark.parametrize(
    "services, hosts, chosen",
    [
        ((), ["alpha", "beta"], None),
        (("db",), ["alpha", "beta"], {"db"}),
        (("web",), ["alpha"], {"web"}),
        (("web", "db"), ["alpha", "beta"], {"web", "db"}),
    ],
)
def test_services_choose_the_hosts_that_have_them(services, hosts, chosen):
    found, wanted = chosen_services(HOSTS, services)

    assert ([host.name for host in found], wanted) == (hosts, chosen)


def test_a_service_that_no_host_has_is_an_error():
    with pytest.raises(UsageError) as caught:
        chosen_services(HOSTS, ("wbe",))

    assert (caught.value.code, caught.value.notes) == ("unknown_service", ("services of these hosts: web, db",))
    assert "web" in caught.value.hint


def test_a_revision_is_for_every_host():
    assert (revisions(HOSTS, "v1"), revisions(HOSTS, "")) == ({"alpha": "v1", "beta": "v1"}, {})
