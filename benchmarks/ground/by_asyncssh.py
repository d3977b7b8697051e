"""One connection a host, and `executor.py` on its standard input. `by_asyncssh.py ORDERS`, which homelab.py writes."""

import asyncio
import json
import shlex
import sys
from pathlib import Path

import asyncssh


async def main(orders: dict) -> None:
    source = Path(__file__).with_name("executor.py").read_text()
    options = {
        "client_keys": [asyncssh.read_private_key(orders["identity"])],
        "known_hosts": asyncssh.read_known_hosts(orders["known_hosts"]),
        "config": None,
        "agent_path": None,
    }

    async def deploy(host: dict) -> None:
        command = shlex.join(("python3", "-I", "-S", "-", host["root"], *orders["services"]))
        async with asyncssh.connect(host["address"], host["port"], **options) as connection:
            await connection.run(command, input=source, check=True)

    await asyncio.gather(*(deploy(host) for host in orders["hosts"]))


asyncio.run(main(json.loads(Path(sys.argv[1]).read_text())))
