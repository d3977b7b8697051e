"""What stands on a node after a deploy: containers, and the record of them."""

from saturn_node.compose import Container
from saturn_node.state import ServiceRecord

OLD, NEW = "sha256:old", "sha256:new"


def container(service="web", **fields):
    known = {
        "id": service, "name": f"web-{service}-1", "project": "web", "service": service, "image": "app:1",
        "image_id": OLD, "state": "running", "health": "", "exit_code": 0, "restarts": 0, "started_at": "1",
        "policy": "unless-stopped", "hash": "h1", "folder": "",
    }  # fmt: skip
    return Container(**{**known, **fields})


def record(*services, keys=None, ports=(), **known):
    """What a deploy left."""
    stood = {"hash": "h1", "image": "app:1", "image_id": OLD, "digest": "", **known}
    kept = {"image": "i1", "environment.A": "a1", "scale": "s1"} if keys is None else keys
    names = services or ("web",)
    return ServiceRecord("r", "", "", (), dict.fromkeys(names, stood), dict.fromkeys(names, kept), ports)
