from __future__ import annotations

from pathlib import Path

import pytest

from saturn_orchestrator.topology.carriers import KNOWN, carries_connection

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "topology.md"


def service(image: str) -> str:
    return f"services:\n  main:\n    image: {image}\n    restart: always\n"


@pytest.mark.parametrize("image", KNOWN)
@pytest.mark.parametrize("form", ["{}", "somebody/{}:1.2", "ghcr.io/somebody/{}@sha256:0f1e", '"registry:5000/{}"'])
def test_every_known_image_is_found_wherever_it_comes_from(image: str, form: str):
    assert carries_connection(service(form.format(image)))


@pytest.mark.parametrize(
    "text",
    [
        service("'tailscale/tailscale:latest'   # the mesh"),
        service("${VPN_IMAGE:-tailscale/tailscale}"),
        service("${VPN_IMAGE-ghcr.io/tailscale/tailscale:stable}"),
        service("${REGISTRY:-docker.io}/tailscale/tailscale:${TAG:-stable}"),
        service("&vpn linuxserver/wireguard"),
        service("codeberg.org/forgejo/forgejo:11").replace("\n", "\r\n"),
        '{"services": {"main": {"image":"gitea/gitea","restart":"always"}}}',
        "services: {main: {image: pihole/pihole, restart: always}}",
        "services:\n  main:\n    labels: [a#b]\n    image: coredns/coredns",
        service("busybox") + "  other:\n    image : adguard/adguardhome\n",
    ],
)
def test_an_image_is_found_however_it_is_written(text: str):
    assert carries_connection(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        service("busybox"),
        service("gitea/act_runner"),
        service("gitlab/gitlab-runner"),
        service("prom/unbound-exporter"),
        service("my-unbound"),
        service("tailscale"),
        service("registry.gitlab.com/group/app"),
        service("me/dns-server"),
        service("pihole/exporter:pihole"),
        "services:\n  main:\n    # image: tailscale/tailscale\n    image: busybox\n",
        "services:\n  main:\n    image: busybox # was tailscale/tailscale\n",
        "services:\n  main:\n    my-image: tailscale/tailscale\n    image: busybox\n",
        "services:\n  main:\n    image: busybox\n    command: run tailscale/tailscale\n",
        "services:\n  main:\n    image:\n      tailscale: no\n",
    ],
)
def test_nothing_else_is_found(text: str):
    assert not carries_connection(text)


def test_every_known_image_stands_in_the_reference():
    reference = REFERENCE.read_text(encoding="utf-8")
    assert [each for each in KNOWN if f"`{each}`" not in reference] == []
