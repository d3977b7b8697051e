"""How deploy and attach are wired: which view watches, who is asked, where the journal lies, what Ctrl-C means."""

from __future__ import annotations

import asyncio
import os
import platform
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from saturn_orchestrator.app.consent import Answer
from saturn_orchestrator.app.deploy import Deploy, Ports, Propose, deploy, proposed
from saturn_orchestrator.app.hooks import Hooks
from saturn_orchestrator.cli.aftermath import LastState, follow_refusal, follow_up
from saturn_orchestrator.cli.dialling import dialled
from saturn_orchestrator.cli.question import ask, question
from saturn_orchestrator.errors import HookFailed, Unreachable
from saturn_orchestrator.events import SessionWaiting
from saturn_orchestrator.journal import Journal, Records, journal_file
from saturn_orchestrator.plan.model import HostPlan
from saturn_orchestrator.records import dataclass
from saturn_orchestrator.report.documents import (
    Document,
    away_document,
    dump,
    no_run_document,
    run_document,
    runs_document,
)
from saturn_orchestrator.report.lines import hook_line, waiting_line
from saturn_orchestrator.report.plain import PlainView
from saturn_orchestrator.report.plan_view import diff_text, plan_text
from saturn_orchestrator.report.problems import problem_text
from saturn_orchestrator.report.streams import silence
from saturn_orchestrator.report.style import Screen, can_redraw, console, show, unbroken, verbatim
from saturn_orchestrator.report.summary import summary
from saturn_orchestrator.rollout.runner import Stop
from saturn_orchestrator.rollout.sinks import Sink
from saturn_orchestrator.session.base import OpenSession
from saturn_orchestrator.state.model import RunState
from saturn_orchestrator.state.outcome import EXIT_FAILED, EXIT_UNREACHABLE, combined, outcome
from saturn_orchestrator.state.standing import Deferred
from saturn_orchestrator.topology.model import Host, Topology, login_name

if TYPE_CHECKING:
    from saturn_orchestrator.app.attach import Attach, Attached

_STOPPING = "stopping: what runs ends after the service in hand; Ctrl-C again leaves the nodes to go on by themselves"


T = TypeVar("T")


class View(Sink, Protocol):
    """A sink on a screen that can make room for a plan and a question."""

    def hold(self) -> AbstractContextManager[None]:
        """Keep still while something else is written."""


@dataclass(frozen=True)
class Terminal:
    """What a person sees while a run goes on: progress and questions on standard error."""

    screen: Screen
    view: View
    is_verbose: bool

    @classmethod
    def of(cls, *, verbose: bool) -> Terminal:
        """A live view on a terminal that can redraw, plain lines elsewhere."""
        screen = console(sys.stderr)
        return cls(screen, _view(screen), verbose)

    def show(self, plan: HostPlan) -> None:
        """The plan, whole, above whatever is redrawn."""
        with self.view.hold():
            show(self.screen, plan_text(plan), "")

    async def ask(self, plan: HostPlan) -> Answer:
        """The question for one host, which it names."""
        with self.view.hold():
            return await ask(question(plan))

    def show_text(self, text: str) -> None:
        """Lines that a person asked to see, as they are, above whatever is redrawn."""
        with self.view.hold():
            show(self.screen, diff_text(text))

    def say(self, sentence: str) -> None:
        """A sentence of saturn's own between the lines. It may end with a command, so it is never broken."""
        with self.view.hold():
            show(self.screen, unbroken(f"note: {sentence}", "yellow"))

    def hear(self, hook: str, line: str) -> None:
        """A line that a hook prints; it may hold anything."""
        with self.view.hold():
            show(self.screen, hook_line(hook, line))

    def announce(self, host: str, event: SessionWaiting) -> None:
        """What keeps a person waiting."""
        with self.view.hold():
            show(self.screen, waiting_line(host, event))

    def trace(self, text: str) -> None:
        """What only --verbose shows."""
        if self.is_verbose:
            with self.view.hold():
                show(self.screen, verbatim(text, "dim"))


def _view(screen: Screen) -> View:
    if not can_redraw(screen):
        return PlainView(sys.stderr)
    from saturn_orchestrator.report.live import LiveView

    return LiveView(screen)


def run_deploy(
    order: Deploy, *, yes: bool, hooks: bool, as_json: bool, verbose: bool, propose: Propose = proposed
) -> int:
    """Deploy, print the summary (or the document), and return the exit code. hooks: run those of the repository."""
    terminal = Terminal.of(verbose=verbose)
    return dialled(
        order.topology,
        lambda dial: _deployed(order, terminal, dial, propose, asks=not yes, hooks=hooks, as_json=as_json),
        announce=None,
    )


async def _deployed(
    order: Deploy,
    terminal: Terminal,
    dial: OpenSession,
    propose: Propose,
    *,
    asks: bool,
    hooks: bool,
    as_json: bool,
    extra: Mapping[str, Any] | None = None,
) -> int:
    """The exit code of a deploy. extra: what its document says beside the run."""
    around = Hooks(order, terminal.hear) if hooks else None
    state = await carried_out(
        lambda ports: deploy(order, ports, propose), order, terminal, dial, asks=asks, hooks=around
    )
    return await concluded(order, state, terminal, as_json=as_json, hooks=around, extra=extra)


async def carried_out(
    work: Callable[[Ports], Awaitable[RunState]],
    order: Deploy,
    terminal: Terminal,
    dial: OpenSession,
    *,
    asks: bool,
    hooks: Hooks | None = None,
) -> RunState:
    """The state of a run that the person at the terminal watches, is asked about, and may stop."""
    stop, last = Stop(), LastState()
    journal = Journal(journal_file(os.environ), str(order.topology.file), terminal.say)
    ports = Ports(
        open_session=dial,
        show=terminal.show,
        show_text=terminal.show_text,
        say=terminal.say,
        ask=terminal.ask if asks else None,
        sinks=(journal, terminal.view, last),
        stop=stop,
        trace=terminal.trace,
        before=hooks.before if hooks else None,
    )
    try:
        return await _interruptible(work(ports), stop, terminal)
    except HookFailed:
        await follow_refusal(order, last.run, terminal.say)
        raise


async def concluded(
    order: Deploy,
    state: RunState,
    terminal: Terminal,
    *,
    as_json: bool,
    hooks: Hooks | None = None,
    extra: Mapping[str, Any] | None = None,
) -> int:
    """Print the summary of a run, or its document with what `extra` says beside it, and see to what follows a run.

    Returns the exit code.
    """
    document = {**run_document(state, outcome(state)), **(extra or {})}
    code = _told(state, terminal, document if as_json else None)
    await follow_up(order, state, document, hooks, terminal.say)
    return code


def _told(state: RunState, terminal: Terminal, document: Document | None) -> int:
    """Print the document of a run, or its summary if there is none; the exit code."""
    verdict = outcome(state)
    is_told = True
    if document:
        is_told = _is_printed(dump(document), terminal, f"saturn show {state.run} --json")
    else:
        show(console(sys.stdout), summary(state, verdict))
    _say_what_runs((state,), terminal)
    return verdict.exit_code if is_told else verdict.exit_code or EXIT_FAILED


def run_catch_up(
    topology: Topology,
    hosts: Sequence[Host],
    memory: Records,
    link_patience_s: float,
    *,
    hooks: bool,
    as_json: bool,
    verbose: bool,
) -> int:
    """Deploy what waits for hosts that are back, print the summary (or the document), and return the exit code."""
    terminal = Terminal.of(verbose=verbose)
    with memory.kept_open():
        known = {host.name: memory.deferred(host.name) for host in hosts}
    waiting = {name: each for name, each in known.items() if each}
    return dialled(
        topology,
        lambda dial: _caught_up(
            topology, hosts, waiting, terminal, dial, link_patience_s, hooks=hooks, as_json=as_json
        ),
        terminal.announce,
    )


async def _caught_up(
    topology: Topology,
    hosts: Sequence[Host],
    waiting: Mapping[str, Deferred],
    terminal: Terminal,
    open_session: OpenSession,
    link_patience_s: float,
    *,
    hooks: bool,
    as_json: bool,
) -> int:
    from saturn_orchestrator.app.catch_up import checking, look

    found = await look(waiting, hosts, open_session)
    for name, error in found.away.items():
        terminal.say(f"{name} is still away, and {waiting[name].revision[:8]} waits for it: {error.message}")
    if not waiting:
        terminal.say("nothing was deferred for these hosts")
    code = combined(error.exit_code for error in found.away.values())
    extra = {"away": away_document(found.away)}
    if not found.back:
        if as_json:
            sys.stdout.write(dump({**no_run_document(code), **extra}))
        return code
    order = Deploy(
        topology,
        tuple(host for host in hosts if host.name in found.back),
        person(),
        machine(),
        revisions={name: waiting[name].revision for name in found.back},
        batches=topology.rollout.batches,
        max_failures=topology.rollout.max_failures,
        confirmed={name: waiting[name].by for name in found.back},
        link_patience_s=link_patience_s,
        verb="catch-up",
    )
    dial = found.opening(open_session)
    done = await _deployed(
        order,
        terminal,
        dial,
        lambda planner: checking(planner, waiting),
        asks=False,
        hooks=hooks,
        as_json=as_json,
        extra=extra,
    )
    return combined((done, code))


def run_attach(order: Attach, topology: Topology, *, as_json: bool, verbose: bool) -> int:
    """Attach, print the summary of each run (or the document), and return the exit code."""
    from saturn_orchestrator.app.attach import Watch, attach

    terminal = Terminal.of(verbose=verbose)
    stop = Stop()
    journal = Journal(journal_file(os.environ), str(topology.file), terminal.say)
    memory = Records(journal_file(os.environ), terminal.say)

    async def work(open_session: OpenSession) -> Attached:
        watch = Watch(open_session, memory, (journal, terminal.view), stop, terminal.trace)
        return await _interruptible(attach(order, watch), stop, terminal)

    found = dialled(topology, work, terminal.announce)
    verdicts = [(run, outcome(run)) for run in found.runs]
    is_told = True
    if as_json:
        is_told = _is_printed(dump(runs_document(verdicts)), terminal, "saturn show RUN --json")
    else:
        for run, verdict in verdicts:
            show(console(sys.stdout), summary(run, verdict))
    _say_the_rest(order, found, terminal)
    codes = [verdict.exit_code for _, verdict in verdicts]
    away = [EXIT_UNREACHABLE if isinstance(error, Unreachable) else EXIT_FAILED for error in found.away.values()]
    return combined([*codes, *away, *(() if is_told else (EXIT_FAILED,))])


def _say_the_rest(order: Attach, found: Attached, terminal: Terminal) -> None:
    """What no summary tells: hosts that could not be asked, and those with nothing to attach to."""
    for error in found.away.values():
        show(terminal.screen, problem_text(error))
    idle = [each.name for each in order.hosts if each.name not in found.away and not _has(found.runs, each.name)]
    if idle:
        terminal.say(
            f"nothing to attach to on {', '.join(idle)}: nothing is at work, and every run is known here to its end"
        )
    _say_what_runs(found.runs, terminal)


def _has(runs: Sequence[RunState], host: str) -> bool:
    return any(host in run.hosts for run in runs)


async def _interruptible(work: Awaitable[T], stop: Stop, terminal: Terminal) -> T:
    loop = asyncio.get_running_loop()

    def press() -> None:
        stop.press()
        if stop.presses == 1:  # said in a moment, below a question that the press took away
            loop.call_later(0.05, terminal.say, _STOPPING)

    handlers = {signal.SIGINT: press, signal.SIGTERM: stop.leave, signal.SIGHUP: stop.leave}
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        return await work
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)


def _is_printed(document: str, terminal: Terminal, again: str) -> bool:
    """Print the document on standard output; False, and a word of how to have it again, when it did not take it."""
    try:
        sys.stdout.write(document)
        sys.stdout.flush()
    except OSError as error:
        silence(sys.stdout)
        terminal.say(f"the document could not be written ({error.strerror}); again: {again}")
        return False
    return True


def _say_what_runs(runs: Sequence[RunState], terminal: Terminal) -> None:
    """The last lines of a screen that was left: what goes on where, and what to type."""
    running = list(dict.fromkeys(host.host for run in runs for host in run.hosts.values() if not host.status.is_final))
    if running:
        hosts = ",".join(running)
        terminal.say(f"still at work: {', '.join(running)}; watch: saturn attach --hosts {hosts}")
        terminal.say(f"to stop: saturn cancel --hosts {hosts}")


def person() -> str:
    """The login name of whoever gives the order."""
    return login_name()


def machine() -> str:
    """The name of the machine that the order comes from."""
    return platform.node() or "unknown"
