"""The floor: asyncssh connects and runs `true` on every address. `bare.py KEY KNOWN_HOSTS ADDRESS:PORT ...`."""

import asyncio
import sys

import asyncssh


async def main(key: str, known: str, places: list[str]) -> None:
    options = {
        "client_keys": [asyncssh.read_private_key(key)],
        "known_hosts": asyncssh.read_known_hosts(known),
        "config": None,
        "agent_path": None,
    }

    async def run(place: str) -> None:
        address, _, port = place.rpartition(":")
        async with asyncssh.connect(address, int(port), **options) as connection:
            await connection.run("true", check=True)

    await asyncio.gather(*(run(place) for place in places))


asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
