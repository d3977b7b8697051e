"""Images that carry the connection to a node: without them nobody reaches it, or it reaches nothing by name. Pure."""

from __future__ import annotations

import re

TUNNELS = (
    "tailscale/tailscale", "headscale", "wireguard", "wg-easy", "gluetun", "netbird", "netbirdio/management",
    "netbirdio/signal", "netbirdio/relay", "zerotier", "openvpn-as", "cloudflared",
)  # fmt: skip
"""Mesh networks, VPN gateways and their coordinators."""

NAMES = ("pihole", "adguardhome", "coredns", "technitium/dns-server", "unbound", "dnsmasq", "bind9")
"""Servers of names."""

FORGES = ("gitea", "forgejo", "gogs", "gitlab", "gitlab-ce", "gitlab-ee")
"""Where nodes fetch their commits."""

KNOWN = (*TUNNELS, *NAMES, *FORGES)
"""The end of an image's name, before tag and digest: whole steps of its path, so that any registry may stand before."""

_IMAGE = re.compile(
    r"^(?:[^#\n]|(?<=\S)#)*?"  # no comment
    r"(?<![\w.-])[\"']?image[\"']?[ \t]*:[ \t]*(?:&\S+[ \t]+)?[\"']?"
    r"(?:[^\s\"',#]{0,300}(?:/|\$\{\w+:?-))?"  # registry and namespace; or a variable of which this is the default
    rf"(?:{'|'.join(re.escape(each) for each in KNOWN)})"
    r"(?=[\s:@\"'},]|\Z)",  # what follows is a tag, a digest or nothing
    re.MULTILINE,
)


def is_carrier(data: bytes) -> bool:
    """The same for what a compose file holds."""
    text = data.decode("utf-8", "replace")
    return carries_connection(text.replace("\r\n", "\n").replace("\r", "\n"))


def carries_connection(compose: str) -> bool:
    """Whether an `image:` line in the text of a compose file names a known carrier. The text is not parsed."""
    return _IMAGE.search(compose) is not None
