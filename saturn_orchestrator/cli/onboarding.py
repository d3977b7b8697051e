"""How `saturn onboard` is wired: what is shown, what is asked, and what follows."""

from __future__ import annotations

import asyncio
import sys

from saturn_orchestrator.app.deploy import Deploy
from saturn_orchestrator.app.enrolment import Enrolment
from saturn_orchestrator.app.onboard import Onboard, Onboarded, Outcome, Ports, onboard
from saturn_orchestrator.app.planning import Scope
from saturn_orchestrator.app.workplace import inventory
from saturn_orchestrator.cli.dialling import dialled
from saturn_orchestrator.cli.doctor import run_doctor
from saturn_orchestrator.cli.question import is_yes
from saturn_orchestrator.cli.trust import asking
from saturn_orchestrator.cli.wiring import machine, person, run_deploy
from saturn_orchestrator.errors import RepositoryError
from saturn_orchestrator.onboarding.preparation import Preparation
from saturn_orchestrator.report.documents import dump
from saturn_orchestrator.report.onboard_view import (
    onboarded_text,
    onboarding_document,
    preparation_text,
    word_line,
)
from saturn_orchestrator.report.plan_view import diff_text
from saturn_orchestrator.report.problems import problem_text
from saturn_orchestrator.report.style import console, show
from saturn_orchestrator.report.trust_view import trusted_text
from saturn_orchestrator.session.introduction import Outcome as KeyOutcome
from saturn_orchestrator.state.outcome import EXIT_DECLINED, EXIT_FAILED
from saturn_orchestrator.topology.location import shown
from saturn_orchestrator.topology.model import Topology

_EXIT_CODES = {Outcome.DECLINED: EXIT_DECLINED, Outcome.BLOCKED: EXIT_FAILED}


def enrolled(wanted: Enrolment, *, asks: bool) -> bool:
    """Show what is to be written into the repository, ask, and write it; whether it stands there now."""
    if not wanted.changes:
        return True
    show(console(sys.stderr), *(diff_text(change.diff) for change in wanted.changes))
    if asks and not asyncio.run(is_yes(f"\nWrite this entry of {wanted.host.name}? [y]es / [N]o: ")):
        return False
    wanted.write()
    return True


def prepared(topology: Topology, order: Onboard, *, asks: bool) -> Onboarded:
    """Pin the host's key and make it ready, asking at each."""
    screen = console(sys.stderr)

    async def confirm(wanted: Preparation) -> bool:
        return not asks or await is_yes(f"\nDo this on {wanted.host}? [y]es / [N]o: ")

    return dialled(
        topology,
        lambda dial: onboard(
            order,
            Ports(
                scan=dial.scan,
                shell=dial.shell,
                ask_key=asking(),
                confirm=confirm,
                show=lambda wanted: show(screen, preparation_text(wanted)),
                tell=lambda host, word: show(screen, word_line(host.name, word)) if word.step else None,
            ),
        ),
    )


def reported(done: Onboarded, wanted: Enrolment, again: str, *, as_json: bool) -> int:
    """Print what came of it, or its document; the exit code."""
    files = [shown(change.file) for change in wanted.changes]
    following = _following(done, again, is_written=bool(files) or done.trusted.outcome in _KEY_WRITTEN)
    if as_json:
        document = onboarding_document(done.host.name, done.outcome, done.trusted, done.before, files, following)
        sys.stdout.write(dump(document))
    else:
        show(console(sys.stdout), trusted_text(done.trusted))
        show(console(sys.stdout), onboarded_text(done.host.name, done.outcome, following))
    return _EXIT_CODES.get(done.outcome, 0)


_KEY_WRITTEN = {KeyOutcome.PINNED, KeyOutcome.REPLACED}


def _following(done: Onboarded, again: str, *, is_written: bool) -> tuple[str, ...]:
    """What a person types next."""
    if done.outcome not in {Outcome.READY, Outcome.PREPARED}:
        return (again,)
    name = done.host.name
    committing = (f"git add -A && git commit -m 'Add {name}'",) if is_written else ()
    return (*committing, f"saturn doctor --hosts {name}", f"saturn deploy --hosts {name}")


def finished(done: Onboarded, wanted: Enrolment, *, yes: bool, verbose: bool) -> int:
    """Clone the repository, look whether all is well, and offer the first deploy; the exit code."""
    if done.after is None:
        return 0
    if not done.after.machine.has_checkout and (code := _cloned(done, wanted, verbose=verbose)):
        return code
    known = inventory(lambda: wanted.topology.file)
    return run_doctor(known, (done.host,), as_json=False) or _first_deploy(done, wanted, yes=yes, verbose=verbose)


def _cloned(done: Onboarded, wanted: Enrolment, *, verbose: bool) -> int:
    """The exit code of a run that brings the repository, from origin or from SATURN, and no image.

    A repository without a commit is for a person to see to, and spoils nothing that was done.
    """
    scope = Scope(frozenset(), prefetch=True)
    order = Deploy(wanted.topology, (done.host,), person(), machine(), scope, verb="prefetch")
    try:
        return run_deploy(order, yes=True, hooks=False, as_json=False, verbose=verbose)
    except RepositoryError as error:
        show(console(sys.stderr), problem_text(error))
        return EXIT_FAILED


def _first_deploy(done: Onboarded, wanted: Enrolment, *, yes: bool, verbose: bool) -> int:
    """Offer the first deploy of a host that has services and none deployed; the exit code. It has a plan of its own."""
    if not done.after or done.after.machine.is_deployed or not done.host.services:
        return 0
    if not yes and not asyncio.run(is_yes(f"\nPlan the first deploy of {done.host.name} now? [y]es / [N]o: ")):
        return 0
    order = Deploy(wanted.topology, (done.host,), person(), machine())
    return run_deploy(order, yes=yes, hooks=True, as_json=False, verbose=verbose)
