"""One connection and one thread a host, one `run` a step. `by_fabric.py ORDERS`, which homelab.py writes."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fabric import Connection

orders = json.loads(Path(sys.argv[1]).read_text())


def deploy(host: dict) -> None:
    key = {"key_filename": orders["identity"], "look_for_keys": False, "allow_agent": False}
    with Connection(host["address"], user=orders["user"], port=host["port"], connect_kwargs=key) as connection:
        for step in host["steps"]:
            connection.run(step, hide=True, in_stream=False)


with ThreadPoolExecutor(len(orders["hosts"])) as pool:
    list(pool.map(deploy, orders["hosts"]))
