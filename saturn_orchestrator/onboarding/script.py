"""Steps as one script for `sh -s`, and what it says of them. Pure.

The script is a function that is called at its end, so that half a script does nothing. A line that breaks lets the step
in hand end, and no other begin.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator

from saturn_orchestrator.events import neutral
from saturn_orchestrator.onboarding.packages import Choice
from saturn_orchestrator.onboarding.preparation import Step
from saturn_orchestrator.records import dataclass

EVIDENCE = 20
"""Lines of a step's output that are told when it fails."""

_HEAD = f"""saturn_steps() {{
trap '' HUP PIPE
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
log=$(mktemp) || exit 1
say() {{ printf 'saturn-step %s\\n' "$*" || exit 1; }}
failed() {{ tail -n {EVIDENCE} "$log" | sed 's/^/saturn-out /'; say "failed $1 $2"; rm -f "$log"; exit 0; }}
"""
_FOOT = """rm -f "$log"
say over
exit 0
}
saturn_steps 2>/dev/null
"""
_MAX_LINE = 500


@dataclass(frozen=True)
class Word:
    """What the script says. kind: begin | end | failed | over. status: the exit status of what failed.

    evidence: the end of its output.
    """

    kind: str
    step: str = ""
    status: int = 0
    evidence: tuple[str, ...] = ()


def script(steps: Iterable[Step]) -> str:
    """The steps in their order; the first that fails ends it."""
    return "".join((_HEAD, *(_spelled(step) for step in steps), _FOOT))


def _spelled(step: Step) -> str:
    commands = " && ".join(_either(choice) for choice in step.choices)
    return (
        f"say begin {step.name}\n"
        f'{{ {commands}; }} </dev/null >"$log" 2>&1 || failed {step.name} $?\n'
        f"say end {step.name}\n"
    )


def _either(choice: Choice) -> str:
    return f"{{ {' || '.join(map(shlex.join, choice))}; }}"


class Listening:
    """Makes words of lines; what is none of either is a login's noise."""

    def __init__(self, steps: Iterable[Step]) -> None:
        """Only of these steps anything is believed."""
        self._names = {step.name for step in steps}
        self._evidence: list[str] = []

    def words(self, line: str) -> Iterator[Word]:
        """The word of a line, if it holds one."""
        mark, _, rest = line.partition(" ")
        if mark == "saturn-out":
            self._evidence = [*self._evidence, neutral(rest)[:_MAX_LINE]][-EVIDENCE:]
        if mark != "saturn-step":
            return
        kind, name, status = (*rest.split(" "), "", "")[:3]
        if kind == "over":
            yield Word(kind)
        elif kind in {"begin", "end", "failed"} and name in self._names:
            yield Word(kind, name, int(status) if status.isascii() and status.isdigit() else 0, tuple(self._evidence))
