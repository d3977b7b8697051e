"""How a deploy is wired: which view watches, who is asked, where the journal lies, what Ctrl-C means."""

from __future__ import annotations

import asyncio
import os
import platform
import signal
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from saturn_orchestrator.app.consent import Answer
from saturn_orchestrator.app.deploy import Deploy, Ports, deploy
from saturn_orchestrator.cli.question import ask
from saturn_orchestrator.journal import Journal, state_folder
from saturn_orchestrator.plan.model import HostPlan
from saturn_orchestrator.report.documents import dump, run_document
from saturn_orchestrator.report.live import LiveView
from saturn_orchestrator.report.plain import PlainView
from saturn_orchestrator.report.plan_view import plan_text
from saturn_orchestrator.report.style import Screen, can_redraw, console, show, verbatim
from saturn_orchestrator.report.summary import summary
from saturn_orchestrator.rollout.runner import Stop
from saturn_orchestrator.rollout.sinks import Sink
from saturn_orchestrator.session.dial import open_session
from saturn_orchestrator.state.model import RunState
from saturn_orchestrator.state.outcome import outcome
from saturn_orchestrator.topology.model import login_name

_STOPPING = "stopping: what runs ends after the service in hand; Ctrl-C again leaves the nodes to go on by themselves"


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
        view: View = LiveView(screen) if can_redraw(screen) else PlainView(sys.stderr)
        return cls(screen, view, verbose)

    def show(self, plan: HostPlan) -> None:
        """The plan, whole, above whatever is redrawn."""
        with self.view.hold():
            show(self.screen, plan_text(plan), "")

    async def ask(self, plan: HostPlan) -> Answer:
        """The question for one host, which it names."""
        with self.view.hold():
            return await ask(f"Deploy {plan.host}? [y]es / [N]o / [a]ll remaining / [q]uit: ")

    def say(self, sentence: str) -> None:
        """A sentence of saturn's own between the lines."""
        with self.view.hold():
            show(self.screen, verbatim(f"note: {sentence}", "yellow"))

    def trace(self, text: str) -> None:
        """What only --verbose shows."""
        if self.is_verbose:
            with self.view.hold():
                show(self.screen, verbatim(text, "dim"))


def run_deploy(order: Deploy, *, yes: bool, as_json: bool, verbose: bool) -> int:
    """Deploy, print the summary (or the document), and return the exit code."""
    terminal = Terminal.of(verbose=verbose)
    stop = Stop()
    journal = Journal(state_folder(os.environ) / "journal.db", str(order.topology.file), terminal.say)
    ports = Ports(
        open_session=open_session,
        show=terminal.show,
        ask=None if yes else terminal.ask,
        sinks=(journal, terminal.view),
        stop=stop,
        trace=terminal.trace,
    )
    state = asyncio.run(_interruptible(order, ports, stop, terminal))
    _print_result(state, terminal, as_json=as_json)
    return outcome(state).exit_code


async def _interruptible(order: Deploy, ports: Ports, stop: Stop, terminal: Terminal) -> RunState:
    loop = asyncio.get_running_loop()

    def press() -> None:
        stop.press()
        if stop.presses == 1:  # said in a moment, below a question that the press took away
            loop.call_later(0.05, terminal.say, _STOPPING)

    handlers = {signal.SIGINT: press, signal.SIGTERM: stop.leave, signal.SIGHUP: stop.leave}
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        return await deploy(order, ports)
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)


def _print_result(state: RunState, terminal: Terminal, *, as_json: bool) -> None:
    verdict = outcome(state)
    if as_json:
        sys.stdout.write(dump(run_document(state, verdict)))
        sys.stdout.flush()
        return
    show(console(sys.stdout), summary(state, verdict))
    running = [host.host for host in state.hosts.values() if not host.status.is_final]
    if running:
        terminal.say(f"still running on {', '.join(running)}; look with: saturn status --hosts {','.join(running)}")


def person() -> str:
    """The login name of whoever gives the order."""
    return login_name()


def machine() -> str:
    """The name of the machine that the order comes from."""
    return platform.node() or "unknown"
