"""The floor of many hosts: asyncssh with a semaphore. `bounded.py KEY KNOWN_HOSTS AT_ONCE COMMAND REQUESTS PLACES`.

COMMAND runs on every address of the file PLACES, one `ADDRESS:PORT` a line. REQUESTS is a file with what its standard
input gets on each, a line each, or `-`; with it the answer is read to the end that the executor marks.
"""

import asyncio
import sys
from pathlib import Path

import asyncssh


async def main(key: str, known: str, at_once: str, command: str, wanted: list[str], asked: list[bytes]) -> None:
    options = {
        "client_keys": [asyncssh.read_private_key(key)],
        "known_hosts": asyncssh.read_known_hosts(known),
        "config": None,
        "agent_path": None,
        "kex_algs": "curve25519-sha256",
    }
    room = asyncio.Semaphore(int(at_once))
    failures: list[str] = []

    async def run(place: str, question: bytes) -> None:
        address, _, port = place.rpartition(":")
        try:
            async with room, asyncssh.connect(address, int(port), **options) as connection:
                if not question:
                    await connection.run(command, check=True)
                    return
                process = await connection.create_process(command, encoding=None)
                process.stdin.write(question)
                while (line := await process.stdout.readline()) != b"[SATURN] end\n":
                    if not line:
                        failures.append(place)
                        return
        except (OSError, asyncssh.Error) as error:
            failures.append(f"{place}: {error}")

    await asyncio.gather(*(run(place, question) for place, question in zip(wanted, asked, strict=True)))
    print(f"{len(failures)} failures", *failures[:5], sep="\n")
    sys.exit(bool(failures))


every = Path(sys.argv[6]).read_text().split()
questions = [b""] * len(every) if sys.argv[5] == "-" else Path(sys.argv[5]).read_bytes().splitlines(keepends=True)
asyncio.run(main(*sys.argv[1:5], every, questions))
