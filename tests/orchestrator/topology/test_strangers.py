"""What an autonomous host must not need."""

from __future__ import annotations

import pytest
from support.build import host

from saturn_orchestrator.topology.model import Git
from saturn_orchestrator.topology.strangers import by_host, forge, strangers


def test_saturn_the_other_hosts_and_the_forge_are_strangers():
    own, other = host("chelsty"), host("vps", address="203.0.113.10")
    assert strangers(own, [own, other], "saturn") == ("saturn", "vps", "203.0.113.10", "forge")


def test_a_host_on_the_lan_is_a_neighbour_unless_it_is_saturn():
    own = host("chelsty", git=Git(url="/srv/git"))
    neighbour, saturn = host("nas", address="192.168.1.5"), host("saturn", address="192.168.1.6")
    assert strangers(own, [own, neighbour], "saturn") == ("saturn",)
    assert strangers(own, [own, saturn], "saturn") == ("saturn",)


def test_a_lan_may_have_addresses_of_ipv6():
    own, neighbour = host("chelsty", git=Git(url="/srv/git")), host("nas", address="fd12:3456:789a::5")
    assert strangers(own, [own, neighbour], "chelsty") == ()


def test_a_tailnet_address_is_no_lan():
    own, other = host("chelsty", git=Git(url="/srv/git")), host("solaria", address="100.64.0.7")
    assert strangers(own, [own, other], "chelsty") == ("solaria", "100.64.0.7")


def test_a_host_is_no_stranger_to_itself():
    own = host("chelsty", git=Git(url="ssh://git@chelsty/homelab.git"))
    assert strangers(own, [own], "chelsty") == ()


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("ssh://git@forge/homelab.git", "forge"),
        ("https://user:pw@git.example.com:3000/a/b.git", "git.example.com"),
        ("git@github.com:me/homelab.git", "github.com"),
        ("ssh://git@[fd7a:115c:a1e0::1]/x", "fd7a:115c:a1e0::1"),
        ("/srv/git/homelab.git", ""),
        ("file:///srv/git", ""),
        ("", ""),
    ],
)
def test_the_forge_is_the_machine_in_the_url(url: str, name: str):
    assert forge(url) == name


def test_every_autonomous_host_gets_its_own():
    hosts = {each.name: each for each in (host("a", autonomous=True), host("b"))}
    found = by_host(hosts, "saturn")
    assert {name: each.strangers for name, each in found.items()} == {"a": ("saturn", "b", "forge"), "b": ()}
