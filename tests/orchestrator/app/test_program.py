"""Programs on SATURN: real small ones, in a folder of their own."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import pytest

from saturn_orchestrator.app.program import LINE_BYTES, MAX_BYTES, Ended, run_program


def run(folder: Path, text: str, timeout_s: float = 30.0, **more: object) -> Ended:
    return asyncio.run(run_program((sys.executable, "-c", text), folder, timeout_s, **more))


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def is_gone(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while lives(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not lives(pid)


def test_status_and_both_streams_are_told(tmp_path: Path):
    ended = run(tmp_path, "import sys; print('out'); sys.stderr.write('err'); raise SystemExit(3)")
    assert ended == Ended(3, b"out\n", b"err")


def test_it_is_given_its_input_environment_and_folder(tmp_path: Path):
    text = "import os, sys; print(os.getcwd(), os.environ['A'], len(sys.stdin.read()))"
    ended = run(tmp_path, text, given=b"x" * 1_000_000, environ={"A": "b"})
    assert ended.out.decode().split() == [str(tmp_path), "b", "1000000"]


def test_a_program_that_does_not_read_is_not_waited_for(tmp_path: Path):
    assert run(tmp_path, "pass", given=b"x" * 1_000_000).status == 0


def test_lines_are_heard_as_they_come_and_bounded(tmp_path: Path):
    heard: list[str] = []
    run(tmp_path, "print('one'); print('x' * 100_000); print('\\xff', end='')", heard=heard.append)
    assert heard == ["one", "x" * LINE_BYTES, "ÿ"]


def test_what_is_kept_is_bounded(tmp_path: Path):
    assert len(run(tmp_path, "print('x' * 1_000_000)").out) == MAX_BYTES + 1


def test_a_background_child_that_holds_the_pipes_is_ended_with_it(tmp_path: Path):
    text = "import subprocess; print(subprocess.Popen(['sleep', '100']).pid)"
    assert is_gone(int(run(tmp_path, text).out))


def test_one_that_will_not_end_is_killed(tmp_path: Path):
    text = (
        "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        " open('pid', 'w').write(str(os.getpid())); time.sleep(100)"
    )
    with pytest.raises(TimeoutError):
        run(tmp_path, text, timeout_s=2.0)
    assert is_gone(int((tmp_path / "pid").read_text()))


def test_cancelled_it_ends_the_program(tmp_path: Path):
    text = "import os, time; print(os.getpid(), flush=True); time.sleep(100)"

    async def cancelled() -> int:
        told: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(run_program((sys.executable, "-c", text), tmp_path, 60, heard=told.set_result))
        pid = int(await told)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return pid

    assert is_gone(asyncio.run(cancelled()))


def test_what_is_not_there_cannot_be_run(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        asyncio.run(run_program(("/no/such/program",), tmp_path, 1.0))
