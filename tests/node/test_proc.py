import os
import signal
import sys
import time

import pytest
from saturn_node import proc
from saturn_node.errors import Cancelled, NodeError
from support.node import until


def python(code):
    return (sys.executable, "-u", "-c", code)


def test_run_captures_stdout_and_keeps_the_tail_of_both():
    finished = proc.run(python("import sys; print('out'); sys.stdout.flush(); sys.stderr.write('err\\n'); sys.exit(3)"))
    assert (finished.status, finished.stdout, sorted(finished.tail), finished.ok) == (3, "out\n", ["err", "out"], False)


def test_run_hands_on_each_line_and_splits_progress_bars():
    lines = []
    proc.run(python("print('10%\\r20%\\rdone')"), on_line=lines.append)
    assert lines == ["10%", "20%", "done"]


def test_run_bounds_the_tail_and_the_length_of_a_line():
    finished = proc.run(python("print('x' * 100000); [print(n) for n in range(1000)]"))
    assert len(finished.tail) == proc.TAIL_LINES
    assert finished.tail[-1] == "999"
    lines = []
    proc.run(python("print('x' * 100000)"), on_line=lines.append)
    assert lines == [f"[a line of over {proc.LINE_MAX} bytes]"]


def test_run_gives_an_empty_stdin_and_a_clean_environment():
    code = "import os, sys; print(repr(sys.stdin.read()), *map(os.environ.get, ('COMPOSE_FILE', 'LC_ALL', 'X')))"
    os.environ["COMPOSE_FILE"] = "trap"
    try:
        finished = proc.run(python(code), env={"X": "1"})
    finally:
        del os.environ["COMPOSE_FILE"]
    assert finished.stdout == "'' None C.UTF-8 1\n"


def test_run_ends_the_whole_group_at_its_time_limit(tmp_path):
    pid_file = tmp_path / "pid"
    code = "import subprocess, sys; p = subprocess.Popen(['sleep', '60']); open({!r}, 'w').write(str(p.pid)); p.wait()"
    finished = proc.run(python(code.format(str(pid_file))), timeout_s=1)
    assert finished.cut == "timeout"
    until(lambda: not is_alive(int(pid_file.read_text())), "the grandchild's death")


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_run_ends_a_silent_command_but_not_a_slow_one():
    assert proc.run(python("import time; print('once'); time.sleep(60)"), idle_s=0.5).cut == "idle"
    talking = "import time\nfor n in range(4): print(n); time.sleep(0.3)"
    assert proc.run(python(talking), idle_s=1.0).ok


def test_run_does_not_wait_for_a_grandchild_that_keeps_the_pipe():
    began = time.monotonic()
    finished = proc.run(("sh", "-c", "sleep 20 & echo done"))
    assert (finished.stdout, time.monotonic() - began < 10) == ("done\n", True)


def test_run_kills_what_ignores_term():
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up'); time.sleep(60)"
    grace, proc.GRACE_S = proc.GRACE_S, 0.2
    try:
        assert proc.run(python(code), timeout_s=0.7).status == -signal.SIGKILL
    finally:
        proc.GRACE_S = grace


@pytest.mark.parametrize(
    ("program", "code"),
    [("git", "no_git"), ("docker", "no_docker"), ("docker-compose", "no_compose"), ("x", "no_program")],
)
def test_run_names_a_missing_program(program, code):
    with pytest.raises(NodeError) as failure:
        proc.run(("/nowhere/" + program,))
    assert failure.value.code == code


def test_run_names_a_missing_folder():
    with pytest.raises(NodeError) as failure:
        proc.run(("true",), cwd="/nowhere")
    assert failure.value.code == "folder_missing"


def test_run_refuses_output_without_measure():
    with pytest.raises(NodeError) as failure:
        proc.run(python("import sys\nwhile True: sys.stdout.write('x' * 65536)"))
    assert failure.value.code == "output_too_large"


def test_what_must_be_done_is_done_past_an_interruption_and_ends_with_the_next_one():
    try:
        proc.interrupt()
        with proc.past_interruption():
            assert proc.run(("true",)).ok
            proc.interrupt()
            with pytest.raises(Cancelled):
                proc.pause(0)
        with pytest.raises(Cancelled):
            proc.check_interrupted()
    finally:
        proc._Interruption.requested = False
