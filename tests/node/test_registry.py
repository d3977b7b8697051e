"""How much there is to download, from what registries tell in the shapes of the OCI image spec; never a failure."""

import pytest
from saturn_node import registry
from support.node import Node

LINUX = {"os": "linux", "architecture": "arm64"}
INDEX = {
    "manifests": [
        {"digest": "sha256:a", "size": 1, "platform": {"os": "linux", "architecture": "amd64"}},
        {"digest": "sha256:b", "size": 1, "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}},
        {"digest": "sha256:c", "size": 1, "platform": {"os": "unknown", "architecture": "unknown"}},
    ]
}


@pytest.mark.parametrize(
    ("index", "platform", "digest"),
    [
        (INDEX, LINUX, "sha256:b"),
        (INDEX, {"os": "linux", "architecture": "riscv64"}, ""),
        (INDEX, {}, ""),
        ({"layers": [{"size": 1}]}, LINUX, ""),
        ({"manifests": None}, LINUX, ""),
        ({"manifests": [{"digest": "sha256:d"}]}, LINUX, ""),
    ],
)
def test_the_manifest_of_the_own_platform_is_chosen(index, platform, digest):
    assert registry.chosen(index, platform) == digest


@pytest.mark.parametrize(
    ("manifest", "size"),
    [
        ({"layers": [{"size": 30}, {"size": 12}], "config": {"size": 7}}, 42),
        ({"layers": []}, registry.UNKNOWN),
        ({}, registry.UNKNOWN),
        ({"layers": [{"size": 30}, {}]}, registry.UNKNOWN),
        ({"layers": [{"size": -1}]}, registry.UNKNOWN),
        ({"layers": [{"size": "30"}]}, registry.UNKNOWN),
        ({"layers": ["30"]}, registry.UNKNOWN),
    ],
)
def test_a_size_is_the_sum_of_the_layers_or_unknown(manifest, size):
    assert registry.size_of(manifest) == size


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("caddy", "caddy"),
        ("caddy:2.8", "caddy"),
        ("ghcr.io/a/b:1", "ghcr.io/a/b"),
        ("registry:5000/app", "registry:5000/app"),
        ("registry:5000/app:1.2@sha256:a", "registry:5000/app"),
    ],
)
def test_a_name_without_its_tag(image, name):
    assert registry.without_tag(image) == name


def test_a_plan_tells_what_is_to_be_downloaded_where_somebody_knows(tmp_path):
    node = Node(tmp_path)
    node.commit_services("web", "db")
    bundled = node.commit_services("web", "db", image="web:1")
    node.deploy("r1", bundled)
    revision = node.commit_services("web", image="web:2")
    node.control(sizes={"web:2": 82_000_000})
    node.git("fetch", "-q", node.origin, "main", folder=node.checkout)
    known = next(each for each in node.ask(node.request("plan", "p1", revision)) if each["type"] == "plan")
    node.control()
    unknown = next(each for each in node.ask(node.request("plan", "p2", revision)) if each["type"] == "plan")
    assert [image["size"] for each in known["changes"] for image in each["images"]] == [82_000_000]
    assert [image["size"] for each in unknown["changes"] for image in each["images"]] == [registry.UNKNOWN]
