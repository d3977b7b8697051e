"""Which machines a text asks for, and which of them an autonomous node must do without."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from saturn_node import autonomy
from saturn_node.autonomy import Neighbourhood, Reference

NEAR = Neighbourhood.of(("chelsty", "192.168.1.10"), ("SATURN", "vps", "203.0.113.7", "forge.example.org"))
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9) | st.integers(), inner, max_size=3),
    max_leaves=8,
)
SECTIONS = ("services", "volumes", "configs", "networks")
KEYS = (
    "environment", "command", "entrypoint", "healthcheck", "extra_hosts", "dns", "dns_search", "logging", "labels",
    "networks", "container_name", "driver_opts", "content",
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "machines"),
    [
        ("", []),
        ("redis", [("redis", False)]),
        ("redis:6379", [("redis", False)]),
        ("anna@vps", [("vps", False)]),
        ("https://a.example.com/x?y#z", [("a.example.com", True)]),
        ("HTTPS://A.example.com:8443", [("A.example.com", True)]),
        ("postgres://u:p@ss@db:5432/x", [("db", True)]),
        ("jdbc:postgresql://db.example.com:5432/x", [("db.example.com", True)]),
        ("http://[2001:db8::1]:80/", [("2001:db8::1", False)]),
        ("fd7a:115c:a1e0::3", [("fd7a:115c:a1e0::3", False)]),
        ("//nas/share", [("nas", True)]),
        ("nas:/export/x", [("nas", False)]),
        ("a,b;c|d", [("a", False), ("b", False), ("c", False), ("d", False)]),
        ("--url=http://a --x", [("a", True)]),
        ("http://${HOST}:80/", []),
        ("$HOST:80", []),
        ("/etc/x", []),
        ("a/b", []),
        ("10.0.0.0/8", []),
        ("unix:///run/a.sock", []),
        ("sqlite:////data.d/x", []),
        ("file:///etc/x.y", []),
        ("http://", []),
        ("://x", []),
        ("1.1.1.1#53", [("1.1.1.1", False)]),
        ("Host(`web.example.com`)", [("Host", False)]),
    ],
)
def test_machines_of_a_text(text, machines):
    assert list(autonomy.machines_of(text)) == machines


@settings(deadline=None)
@given(st.text() | st.text("/:@[]$.{}=ab1", max_size=30))
def test_any_text_has_machines_or_none(text):
    for machine, is_url in autonomy.machines_of(text):
        assert machine in text or "$" in text
        assert NEAR.is_outside(machine, is_address=is_url) in (True, False)


@pytest.mark.parametrize(
    ("machine", "is_address", "is_outside"),
    [
        ("saturn", False, True),
        ("Saturn", False, True),
        ("vps.", False, True),
        ("203.0.113.7", False, True),
        ("nas.tail1.ts.net", False, True),
        ("8.8.8.8", False, True),
        ("100.64.0.9", False, True),
        ("2001:db8::1", False, True),
        ("example.com", True, True),
        ("example.com", False, False),
        ("chelsty", True, False),
        ("chelsty.example.com", True, False),
        ("192.168.1.10", True, False),
        ("192.168.1.99", True, False),
        ("nas", True, False),
        ("nas.lan", True, False),
        ("fritz.box", True, False),
        ("localhost", True, False),
        ("4.1", True, False),
        ("224.0.0.1", True, False),
        ("ff02::1", True, False),
        ("255.255.255.0", True, False),
        ("0.0.0.0", True, False),
        ("", True, False),
        (".", True, False),
    ],
)
def test_machine_is_outside_when_it_is_not_of_the_lan(machine, is_address, is_outside):
    assert NEAR.is_outside(machine, is_address=is_address) is is_outside


def test_references_name_the_place_and_the_machine_and_nothing_else():
    config = {
        "services": {
            "web": {"environment": {"DB": "postgres://anna:s3cret@vps:5432/x"}, "dns": "1.1.1.1"},
            7: {"command": ["--broker", "saturn", "--broker", "saturn"]},
        },
        "volumes": {
            "media": {"driver_opts": {"type": "cifs", "o": "username=a.b,password=c.d", "device": "//vps/media"}}
        },
        "configs": {"main": {"content": "# https://vps\nurl: https://api.example.com\n"}},
    }
    assert list(autonomy.references(config, NEAR)) == [
        Reference("services.7.command", "saturn"),
        Reference("services.web.environment.DB", "vps"),
        Reference("services.web.dns", "1.1.1.1"),
        Reference("volumes.media.driver_opts", "vps"),
        Reference("configs.main.content", "api.example.com"),
    ]


def test_line_of_hosts_leads_a_name_to_the_lan_and_its_neighbours_with_it():
    hosts = ("vps:192.168.1.3", "a.example.com=192.168.1.4")
    service = {"environment": {"A": "http://vps", "B": "https://a.example.com"}, "extra_hosts": hosts}
    assert list(autonomy.references({"services": {"web": service}}, NEAR)) == []


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from(SECTIONS), anything, max_size=3)
    | st.fixed_dictionaries(
        {
            section: st.dictionaries(
                st.text(max_size=5) | st.integers(),
                st.dictionaries(st.sampled_from(KEYS), anything, max_size=4),
                max_size=2,
            )
            for section in SECTIONS
        }
    )
)
def test_anything_may_stand_in_a_config(config):
    for each in autonomy.references(config, NEAR):
        assert each.key
        assert each.machine


def test_giant_text_is_read_in_one_pass():
    text = "a://" * 50_000 + "@" * 50_000 + ":" * 50_000 + "x." * 50_000
    config = {"services": {"web": {"environment": {"A": text, "B": "[" * 50_000, "C": "${" * 50_000}}}}
    assert list(autonomy.references(config, NEAR)) == []
