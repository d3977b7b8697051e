"""The floor: asyncssh connects and runs a command everywhere. `bare.py KEY KNOWN_HOSTS COMMAND ADDRESS:PORT ...`."""

import asyncio
import sys

import asyncssh


async def main(key: str, known: str, command: str, places: list[str]) -> None:
    options = {
        "client_keys": [asyncssh.read_private_key(key)],
        "known_hosts": asyncssh.read_known_hosts(known),
        "config": None,
        "agent_path": None,
    }

    async def run(place: str) -> None:
        address, _, port = place.rpartition(":")
        async with asyncssh.connect(address, int(port), **options) as connection:
            await connection.run(command, check=True)

    await asyncio.gather(*(run(place) for place in places))


asyncio.run(main(*sys.argv[1:4], sys.argv[4:]))
