"""Commands of a host that wait where a test wants them to: git, docker and a health check, held in a stage.

Small programs lie before the real ones on the host's PATH. While `/var/hold/<stage>` stands, the command of that stage
says `held` and waits; they also count what docker was really told to bring up. A python3 beside them shows saturn's
executor, and nothing else, a clock that is as far ahead as `/var/hold/clock` says: no namespace can give one host a
clock of its own.
"""

from support.fleet.host import FleetHost
from support.fleet.process import wait_until

FOLDER = "/var/hold"
STAGES = ("prepare", "validate", "deploy", "verify")
_HELD = f"held() {{ touch {FOLDER}/held; while [ -e {FOLDER}/$1 ]; do sleep 0.05; done; }}"
# A worker marks its commands; those of a plan are nobody's to hold.
_IN_A_RUN = '[ -n "$SATURN_COMMAND_OF" ]'
HEALTHCHECK = f"{_HELD}\nif {_IN_A_RUN} && [ -e {FOLDER}/verify ]; then held verify; fi\n"
_GIT = f"""\
#!/bin/sh
{_HELD}
case " $* " in
  *" clone "*|*" fetch "*) if {_IN_A_RUN} && [ -e {FOLDER}/prepare ]; then held prepare; fi;;
esac
exec /usr/bin/git "$@"
"""
_DOCKER = f"""\
#!/bin/sh
{_HELD}
case " $* " in
  *" config "*) if {_IN_A_RUN} && [ -e {FOLDER}/validate ]; then held validate; fi;;
  *" up "*) if [ -e {FOLDER}/deploy ]; then held deploy; fi; echo "$*" >> {FOLDER}/ups;;
esac
exec /usr/bin/docker "$@"
"""
_PYTHON = f"""\
#!/usr/bin/python3
import os, runpy, sys, time

real_time, real_gmtime = time.time, time.gmtime


def step():
    try:
        with open("{FOLDER}/clock") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 0


time.time = lambda: real_time() + step()
time.gmtime = lambda seconds=None: real_gmtime(time.time() if seconds is None else seconds)
sys.executable = "/usr/local/bin/python3"
words = sys.argv[1:]
if not os.path.exists("{FOLDER}/clock") or not words or words[0] != "-I":
    os.execv("/usr/bin/python3", ["python3", *words])
while words[0] in ("-I", "-S"):
    words.pop(0)
if words[0] == "-c":
    sys.argv = ["-c", *words[2:]]
    exec(compile(words[1], "<string>", "exec"), {{"__name__": "__main__"}})
else:
    sys.argv = words
    runpy.run_path(words[0], run_name="__main__")
"""
_PROGRAMS = {"git": _GIT, "docker": _DOCKER, "python3": _PYTHON}
PATIENCE_S = 60


class Hold:
    """The held commands of one host."""

    def __init__(self, host: FleetHost) -> None:
        self._host = host

    def install(self) -> None:
        """Put the programs in place; nothing is held."""
        self._host.exec("sh", "-c", f"rm -rf {FOLDER}; mkdir -m 1777 {FOLDER}", user="root")
        for name, text in _PROGRAMS.items():
            self._host.write(f"/usr/local/bin/{name}", text, owner="root", mode=0o755)

    def remove(self) -> None:
        """Leave the host as it was."""
        names = " ".join(f"/usr/local/bin/{name}" for name in _PROGRAMS)
        self._host.exec("sh", "-c", f"rm -rf {FOLDER} {names}", user="root")

    def set(self, stage: str) -> None:
        """From now on the command of the stage waits."""
        self._host.write(f"{FOLDER}/{stage}", "")

    def await_held(self) -> None:
        """Wait until a command waits."""
        held = self._host.path(f"{FOLDER}/held")
        wait_until(f"{self._host.name} comes to the hold", held.exists, limit_s=PATIENCE_S)

    def lift(self) -> None:
        """Let every command go on."""
        for stage in STAGES:
            self._host.path(f"{FOLDER}/{stage}").unlink(missing_ok=True)

    def set_clock(self, step_s: int) -> None:
        """The clock that the executor sees is so far ahead."""
        self._host.path(f"{FOLDER}/clock").write_text(f"{step_s:+d}\n")

    def ups(self) -> list[str]:
        """The services that docker was told to bring up, in order."""
        file = self._host.path(f"{FOLDER}/ups")
        calls = file.read_text().splitlines() if file.exists() else []
        return [(words := call.split())[words.index("-p") + 1] for call in calls]
