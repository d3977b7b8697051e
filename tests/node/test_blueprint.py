"""Blueprints: what is wanted of a service, kept as digests that tell nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from saturn_node.blueprint import blueprints, moved_keys

CHECKOUT = "/opt/homelab/repo"
IDS = {"services/web/conf": "id-of-conf", "services/web/app": "id-of-app", "services/web/token": "id-of-token"}


def blueprint(salt="salt", config=None, **definition):
    known = {"name": "web", "services": {"web": {"image": "app:1", **definition}}, **(config or {})}
    return blueprints(known, CHECKOUT, lambda path: IDS.get(path, ""), salt)["web"]


def inside(path):
    return f"{CHECKOUT}/services/web/{path}"


def moved(before, after):
    """What moves between two definitions of a service."""
    return moved_keys(blueprint(**before).keys, blueprint(**after).keys)


@given(st.text(max_size=8), st.text())
def test_no_value_can_be_found_in_a_blueprint(text, salt):
    value = f"<{text}>"
    kept = blueprint(salt, environment={"A": value}, labels={"b": value}, command=[value], deploy={"x": value})
    assert value not in str(kept)
    assert set(map(len, kept.keys.values())) == {24}
    assert list(kept.keys) == ["image", "command", "environment.A", "labels.b", "deploy", "scale"]


@pytest.mark.parametrize("value", ["hunter2", "1", "yes", "0000"])
def test_a_short_value_has_another_digest_on_another_node(value):
    here, there = (blueprint(salt, environment={"PIN": value}).keys["environment.PIN"] for salt in ("a", "b"))
    assert here != there


@pytest.mark.parametrize(
    ("before", "after", "names"),
    [
        ({}, {"environment": {"A": "1", "B": ""}}, ("environment.A", "environment.B")),
        ({"environment": {"A": "1", "B": "1"}}, {"environment": {"A": "2"}}, ("environment.A", "environment.B")),
        ({"labels": {"a": "1"}}, {"labels": {"a": "2"}}, ("labels.a",)),
        ({"image": "app:1"}, {"image": "app:2"}, ("image",)),
        ({"command": ["a"]}, {"command": ["b"]}, ("command",)),
        ({}, {"scale": 2}, ("scale",)),
        ({"scale": 2}, {"scale": 2, "deploy": {"replicas": 2}}, ("deploy",)),
        ({}, {"deploy": {"replicas": 1}}, ("deploy",)),
        ({"deploy": {"replicas": 1}}, {"deploy": {"replicas": 3}}, ("scale",)),
        ({}, {"deploy": {"resources": {"limits": {"cpus": "1"}}}}, ("deploy",)),
        ({}, {"deploy": {"resources": {}}}, ("deploy",)),
        ({}, {"depends_on": {"db": {}}, "profiles": [], "pull_policy": "never", "x-note": "a"}, ()),
        ({}, {"command": None, "environment": None, "labels": None}, ()),
    ],
)
def test_what_moves_between_two_definitions_is_named(before, after, names):
    assert moved(before, after) == names


def test_a_service_scaled_to_nothing_has_no_blueprint():
    config = {"services": {"web": {"image": "app:1", "scale": 0}, "db": {"image": "db:1"}}}
    assert list(blueprints(config, CHECKOUT, lambda _: "", "salt")) == ["db"]


def files(config=None, **definition):
    keys = blueprint(config=config, **definition).keys
    return {key: value for key, value in keys.items() if key.startswith(("file ", "build "))}


@pytest.mark.parametrize(
    ("volume", "known"),
    [
        ({"type": "bind", "source": inside("conf")}, {"file services/web/conf": "id-of-conf"}),
        ({"type": "bind", "source": inside("conf") + "/"}, {"file services/web/conf": "id-of-conf"}),
        ({"type": "bind", "source": inside("../web/conf")}, {"file services/web/conf": "id-of-conf"}),
        ({"type": "bind", "source": inside("unknown to git")}, {}),
        ({"type": "bind", "source": CHECKOUT + "-other/services/web/conf"}, {}),
        ({"type": "bind", "source": inside("../../../data")}, {}),
        ({"type": "volume", "source": "conf"}, {}),
    ],
)
def test_a_mounted_file_is_known_by_the_id_that_git_has_for_it(volume, known):
    assert files(volumes=[volume]) == known


def test_the_files_of_configs_and_secrets_that_a_service_uses_are_known():
    config = {
        "configs": {"main": {"file": inside("conf")}, "unused": {"file": inside("app")}, "inline": {"content": "x"}},
        "secrets": {"token": {"file": inside("token")}},
    }
    used = {"configs": [{"source": "main"}, {"source": "inline"}], "secrets": ["token", "nowhere"]}
    assert files(config, **used) == {"file services/web/conf": "id-of-conf", "file services/web/token": "id-of-token"}


def test_a_build_is_known_by_its_context_and_its_arguments():
    first, second = (blueprint(build={"context": inside("app"), "args": {"A": each}}) for each in "12")
    assert first.is_built
    assert first.keys["build services/web/app"].endswith("id-of-app")
    assert moved_keys(first.keys, second.keys) == ("build services/web/app",)


def test_a_build_from_elsewhere_is_known_by_its_address_alone():
    built = blueprint(image=None, build="https://forge/app.git")
    assert (built.image, built.is_built, list(built.keys)) == (
        "web-web",
        True,
        ["scale", "build https://forge/app.git"],
    )


@pytest.mark.parametrize(
    ("port", "text"),
    [
        ({"target": 80, "published": "8080", "protocol": "tcp"}, "0.0.0.0:8080->80/tcp"),
        ({"target": 53, "published": "53", "protocol": "udp", "host_ip": "127.0.0.1"}, "127.0.0.1:53->53/udp"),
        ({"target": 80}, "0.0.0.0:?->80/tcp"),
        ("8080:80", "8080:80"),
    ],
)
def test_a_port_is_a_text_that_a_person_reads(port, text):
    assert blueprint(ports=[port]).ports == (text,)


_keys = st.dictionaries(st.sampled_from("abcd"), st.sampled_from("12"))


@given(_keys, _keys)
def test_moved_keys_are_those_that_are_not_the_same(before, after):
    differing = {key for key, _ in set(before.items()) ^ set(after.items())}
    assert moved_keys(before, after) == moved_keys(after, before) == tuple(sorted(differing))
