"""What a compose service asks of its node, in compose's short and long syntax."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from saturn_node import claims

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9) | st.integers(), inner, max_size=3),
    max_leaves=6,
)
KEYS = ("devices", "volumes", "device_cgroup_rules", "deploy", "gpus", "user", "environment", "scale")


@pytest.mark.parametrize(
    ("volume", "bind"),
    [
        ("/srv/a:/b", ("/srv/a", "/b")),
        ("/srv//a/../b/:/c:ro", ("/srv/b", "/c")),
        ("~/a:/b", ("~/a", "/b")),
        ({"type": "bind", "source": "/a", "target": "/b"}, ("/a", "/b")),
        ({"type": "bind", "source": "/a"}, ("/a", "")),
        ("/cache", None),
        ("data:/a", None),
        ("./a:/b", None),
        ("${A}:/b", None),
        ("/srv/$A:/b", None),
        ({"type": "bind", "source": "./a", "target": "/b"}, None),
        ({"type": "volume", "source": "/a", "target": "/b"}, None),
        ({"type": "bind"}, None),
        (None, None),
        (7, None),
        ([], None),
    ],
)
def test_bind_mount_is_known_by_its_source(volume, bind):
    found = [(source, target) for _, source, target in claims.binds({"volumes": [volume]})]
    assert found == ([bind] if bind else [])


@pytest.mark.parametrize(
    ("service", "devices"),
    [
        ({"devices": ["/dev/ttyUSB0:/dev/x:rw"]}, [("devices[0]", "/dev/ttyUSB0")]),
        ({"devices": [{"source": "/dev//ttyUSB0"}]}, [("devices[0]", "/dev/ttyUSB0")]),
        ({"devices": ["nvidia.com/gpu=all"]}, [("devices[0]", "nvidia.com/gpu=all")]),
        ({"devices": [{}, None, ""]}, [("devices[1]", "None")]),
        ({"volumes": ["a:/b", "/dev:/dev"]}, [("volumes[1]", "/dev")]),
        ({"volumes": ["/development:/dev"]}, []),
        ({"device_cgroup_rules": ["c 188:* rmw"]}, [("device_cgroup_rules[0]", "/dev/ttyUSB0")]),
        ({"device_cgroup_rules": ["c 1:3 r", "", None, "c"]}, []),
        ({"gpus": "all"}, [("gpus", "gpu")]),
        ({"gpus": [{"driver": "nvidia", "device_ids": ["0"]}]}, [("gpus", "nvidia"), ("gpus", "0"), ("gpus", "gpu")]),
        ({"deploy": {"resources": []}}, []),
        ({"deploy": {"resources": {"reservations": {"devices": ["x"]}}}}, []),
    ],
)
def test_devices_are_found_wherever_they_are_asked_for(service, devices):
    assert list(claims.devices(service)) == devices


@pytest.mark.parametrize(
    ("user", "ids"),
    [
        ("1000", (1000, 1000)),
        (1000, (1000, 1000)),
        (0, (0, 0)),
        ("1000:10", (1000, 10)),
        ("4294967294", (4294967294, 4294967294)),
        ("4294967295", None),
        ("9" * 5000, None),
        ("node", None),
        ("1000:node", None),
        ("node:1000", None),
        ("\u00b2", None),
        ("-1", None),
        ("1000:", (1000, 1000)),
        (":1000", None),
        ("", None),
        (None, None),
        (True, None),
        ([], None),
        ("$UID:$GID", None),
    ],
)
def test_user_counts_when_it_is_a_number(user, ids):
    assert claims.numeric_user({"user": user}) == ids


@pytest.mark.parametrize(
    ("source", "is_one"),
    [
        ("/var/run/docker.sock", True),
        ("/run/user/1000/podman/podman.sock", True),
        ("/", True),
        ("/run", True),
        ("/run/dbus", False),
        ("/srv/docker.sock.d", False),
    ],
)
def test_socket_of_the_engine_is_known(source, is_one):
    assert claims.is_socket(source) is is_one


@pytest.mark.parametrize(
    ("service", "copies"),
    [
        ({}, 1),
        ({"scale": 0}, 0),
        ({"scale": 0, "deploy": {"replicas": 3}}, 0),
        ({"deploy": {"replicas": 0}}, 0),
        ({"deploy": None, "scale": None}, 1),
        ({"deploy": []}, 1),
    ],
)
def test_copies_are_those_of_scale_else_of_deploy(service, copies):
    assert claims.copies(service) == copies


@pytest.mark.parametrize(
    ("value", "pairs"),
    [
        ({"A": "b", "C": None, "D": 1}, [("A", "b"), ("D", "1")]),
        (["A=b=c", "C"], [("A", "b=c"), ("C", "")]),
        ("A=b", []),
        (None, []),
    ],
)
def test_names_and_values_are_read_from_both_syntaxes(value, pairs):
    assert list(claims.pairs(value)) == pairs


@settings(deadline=None)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, anything)))
def test_anything_may_stand_in_a_service(service):
    list(claims.devices(service))
    list(claims.binds(service))
    list(claims.pairs(service.get("environment")))
    claims.numeric_user(service)
    claims.copies(service)
