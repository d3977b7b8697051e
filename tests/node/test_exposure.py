"""Where a published port answers, however it is written."""

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from saturn_node import exposure
from saturn_node.exposure import Port

PLACES = {
    exposure.EVERYWHERE,
    exposure.LOOPBACK,
    exposure.LAN,
    exposure.TAILNET,
    exposure.WORLD,
    exposure.VARIABLE,
    exposure.UNKNOWN,
}
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9) | st.integers(), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("", exposure.EVERYWHERE),
        ("0.0.0.0", exposure.EVERYWHERE),
        ("::", exposure.EVERYWHERE),
        ("::ffff:0.0.0.0", exposure.EVERYWHERE),
        ("127.0.0.1", exposure.LOOPBACK),
        ("localhost", exposure.LOOPBACK),
        ("::ffff:127.0.0.1", exposure.LOOPBACK),
        ("10.255.255.255", exposure.LAN),
        ("172.15.255.255", exposure.WORLD),
        ("172.16.0.0", exposure.LAN),
        ("172.31.255.255", exposure.LAN),
        ("172.32.0.0", exposure.WORLD),
        ("192.168.0.1", exposure.LAN),
        ("fe80::1%eth0", exposure.LAN),
        ("fd00::1", exposure.LAN),
        ("100.64.0.1", exposure.TAILNET),
        ("100.128.0.1", exposure.WORLD),
        ("fd7a:115c:a1e0::53", exposure.TAILNET),
        ("fd7a:115c:a1e1::53", exposure.LAN),
        ("8.8.8.8", exposure.WORLD),
        ("$", exposure.VARIABLE),
        ("127.0.0.$", exposure.VARIABLE),
        ("127.1", exposure.UNKNOWN),
        ("example.org", exposure.UNKNOWN),
        ("\0", exposure.UNKNOWN),
        ("%", exposure.UNKNOWN),
    ],
)
def test_address_answers_where_it_lies(address, place):
    assert exposure.reach(address) == place


@settings(deadline=None)
@given(st.text())
def test_any_text_has_a_place(address):
    assert exposure.reach(address) in PLACES


@settings(deadline=None)
@given(st.ip_addresses(network="127.0.0.0/8") | st.just(ipaddress.ip_address("::1")))
def test_every_loopback_is_loopback(address):
    assert exposure.reach(str(address)) == exposure.LOOPBACK
    short = f"[{address}]:80:80" if address.version == 6 else f"{address}:80:80"
    assert [exposure.reach(each.address) for each in exposure.published_ports({"ports": [short]})] == ["loopback"]


@settings(deadline=None)
@given(st.ip_addresses(network="100.64.0.0/10") | st.ip_addresses(network="fd7a:115c:a1e0::/48"))
def test_every_address_of_the_tailnet_is_of_the_tailnet(address):
    assert exposure.reach(str(address)) == exposure.TAILNET


@pytest.mark.parametrize(
    ("written", "port"),
    [
        ("80", Port("", "", "80", "tcp", 0)),
        (80, Port("", "", "80", "tcp", 0)),
        ("80/udp", Port("", "", "80", "udp", 0)),
        ("8080:80", Port("", "8080", "80", "tcp", 0)),
        (":80", Port("", "", "80", "tcp", 0)),
        ("8000-8010:80-90/udp", Port("", "8000-8010", "80-90", "udp", 0)),
        ("127.0.0.1:8080:80/tcp", Port("127.0.0.1", "8080", "80", "tcp", 0)),
        ("127.0.0.1::80", Port("127.0.0.1", "", "80", "tcp", 0)),
        ("[::1]:8080:80", Port("::1", "8080", "80", "tcp", 0)),
        ("::1:8080:80", Port("::1", "8080", "80", "tcp", 0)),
        ("${BIND:-[::1]}:8080:80", Port("$", "8080", "80", "tcp", 0)),
        ("${PORT:-8080}:80", Port("", "$", "80", "tcp", 0)),
        ("$PORTS", Port("$", "", "$", "tcp", 0)),
        ({"target": 80}, Port("", "", "80", "tcp", 0)),
        (
            {"target": 80, "published": 8080, "host_ip": "::1", "protocol": "udp", "mode": "host"},
            Port("::1", "8080", "80", "udp", 0),
        ),
    ],
)
def test_port_is_read_in_both_syntaxes(written, port):
    assert exposure.published_ports({"ports": [written]}) == (port,)


@pytest.mark.parametrize("ports", [None, "80:80", {80: 80}, 80, [None, "", " "]])
def test_what_is_no_port_publishes_nothing(ports):
    assert exposure.published_ports({"ports": ports}) == ()


@settings(deadline=None)
@given(anything)
def test_anything_may_stand_where_ports_do(ports):
    for each in exposure.published_ports({"ports": ports, "network_mode": ports}):
        assert exposure.reach(each.address) in PLACES
        assert each.words


@pytest.mark.parametrize(
    ("port", "words"),
    [
        (Port("", "8080", "80", "tcp", 0), "8080"),
        (Port("", "53", "53", "udp", 0), "53/udp"),
        (Port("", "", "80", "tcp", 0), "a free port for 80"),
    ],
)
def test_port_is_spoken_of_by_its_number(port, words):
    assert port.words == words


@pytest.mark.parametrize(
    "address", ["10.1.2.3", "172.20.0.1", "192.168.1.1", "127.0.0.1", "::1", "fe80::1", "fd12:3456::1", "localhost"]
)
def test_addresses_of_a_lan(address):
    assert exposure.is_local(address)


@pytest.mark.parametrize("address", ["100.64.0.1", "fd7a:115c:a1e0::5", "203.0.113.1", "172.32.0.1", "nas", ""])
def test_other_addresses(address):
    assert not exposure.is_local(address)
