"""Notices: how a run ended, told to whoever `notify` of the topology names, through Apprise.

Nothing here fails a run, and no URL is shown whole: it holds what lets its owner send in a person's name.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import shlex
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from urllib.parse import unquote

from saturn_orchestrator import files
from saturn_orchestrator.app.deploy import Deploy
from saturn_orchestrator.app.pieces import make_private
from saturn_orchestrator.app.program import run_program
from saturn_orchestrator.errors import InventoryFinding, SaturnError
from saturn_orchestrator.events import neutral, now
from saturn_orchestrator.records import replace
from saturn_orchestrator.report.notice import notice_of
from saturn_orchestrator.state.model import RunState
from saturn_orchestrator.state.notices import Ledger, Notice, Sent, Told, ledger_of, occasions, ruling
from saturn_orchestrator.state.outcome import Outcome
from saturn_orchestrator.topology.location import shown
from saturn_orchestrator.topology.model import Target, Topology

LIMIT_S = 10.0
"""How long a target may take, and before that the command that prints its URL."""

FILE = "notices.json"

_DEPLOYING = frozenset({"deploy", "rollback", "catch-up"})
_VARIABLE = "env:"
_REASON_MAX = 200
_PLAIN_HOST = re.compile(r"localhost|\d{1,3}(?:\.\d{1,3}){3}|(?:[a-z][a-z0-9-]{0,23}\.){1,4}[a-z]{2,12}")
_SECRET_WORD = re.compile(r"(?=\S*\d)(?=\S*[A-Za-z])[\w-]{16,}")


class Notices:
    """The targets of one topology, and what they were told before."""

    def __init__(self, topology: Topology, folder: Path) -> None:
        """`folder`: where saturn keeps what it must not forget."""
        self._topology = topology
        self._file = folder / FILE

    async def follow(self, order: Deploy, run: RunState, verdict: Outcome) -> str:
        """Tell of the end of a run whoever wants to know; a sentence about what went wrong with it, else ""."""
        if not self._topology.notify.targets:
            return ""
        about = f"{'deploy' if order.verb in _DEPLOYING else order.verb} {self._topology.file}"
        ledger = _remembered(self._file)
        found = ruling(ledger, run, about, now())
        words = occasions(run, verdict) | ({"recovered"} if found.recovered else frozenset())
        wanting = [each for each in self._topology.notify.targets if words.intersection(each.when)]
        if wanting and not found.is_held:
            sent = await delivered(wanting, notice_of(run, words, order.verb, found), self._topology.folder)
            if all(each.problem for each in sent):
                found = replace(found, ledger=ledger)  # nobody knows of it: the next one is not held back
        else:
            sent = ()
        complaint = _keep(self._file, found.ledger) if found.ledger != ledger and (wanting or found.recovered) else ""
        return "; ".join(filter(None, (_complaint(sent), complaint)))

    async def say(self, notice: Notice) -> tuple[Sent, ...]:
        """Send a notice to every target, whatever it wants to be told."""
        return await delivered(self._topology.notify.targets, notice, self._topology.folder)


async def delivered(targets: Sequence[Target], notice: Notice, folder: Path) -> tuple[Sent, ...]:
    """Send the notice to all the targets at once; what became of each, in their order. folder: where commands run.

    Raises:
        SaturnError: Apprise is not installed.
    """
    _require_apprise()
    return tuple(await asyncio.gather(*(_sent(each, notice, folder) for each in targets)))


async def _sent(target: Target, notice: Notice, folder: Path) -> Sent:
    url, problem = await _url(target, folder, os.environ)
    if not problem:
        problem = await _in_time(lambda: _pushed(url, notice))
    return Sent(name_of(target), problem)


async def _url(target: Target, folder: Path, environ: Mapping[str, str]) -> tuple[str, str]:
    """The URL of the target, and why there is none."""
    if target.url is None:
        return await _printed(target.url_command, folder)
    if not target.url.startswith(_VARIABLE):
        return target.url, ""
    variable = target.url.removeprefix(_VARIABLE)
    url = environ.get(variable, "").strip()
    return url, "" if url else f"the environment variable {variable} is not set"


async def _printed(command: Sequence[str], folder: Path) -> tuple[str, str]:
    """The first line that the command prints, and why it is of no use."""
    try:
        ended = await run_program(command, folder, LIMIT_S)
    except TimeoutError:
        return "", f"the command that prints its URL did not end within {LIMIT_S:g} s"
    except OSError as error:
        return "", f"the command that prints its URL cannot be run: {error.strerror}"
    url = ended.out.decode("utf-8", "replace").partition("\n")[0].strip()
    if ended.status:
        return "", f"the command that prints its URL ended with status {ended.status}"
    return url, "" if url else "the command that should print its URL printed none"


# --- apprise ---------------------------------------------------------------------------------------------------------


def _require_apprise() -> None:
    try:
        import apprise  # noqa: F401 - an extra, and slow to import: looked for only where a topology has targets
    except ImportError as error:
        raise SaturnError(
            "notices need Apprise, which is not installed here",
            code="apprise_missing",
            hint="pip install 'saturn-orchestrator[notify]'",
        ) from error


async def _in_time(work: Callable[[], str]) -> str:
    """What the work answers, in a thread that is not waited for at the end of saturn, should it hang."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str] = loop.create_future()

    def tell(text: str) -> None:
        if not answer.done():
            answer.set_result(text)

    def run() -> None:
        text = work()
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(tell, text)

    threading.Thread(target=run, name="notice", daemon=True).start()
    try:
        async with asyncio.timeout(LIMIT_S):
            return await answer
    except TimeoutError:
        return f"no answer within {LIMIT_S:g} s"


def _pushed(url: str, notice: Notice) -> str:
    """Send it to one URL; why that did not work, "" when it did."""
    import apprise

    log = logging.getLogger("apprise")  # what it tells is heard below; without a handler Python would print it
    log.propagate = False
    log.addHandler(logging.NullHandler())
    complaints: list[str] = []
    service = apprise.Apprise(asset=apprise.AppriseAsset(app_id="saturn", app_desc="saturn"))
    try:
        if not service.add(url):
            return "its URL is none that Apprise understands"
        is_taken = service.notify(
            title=notice.title,
            body=notice.body,
            body_format="text",
            log_callback=lambda entry, _: complaints.append(entry.message),
        )
    except Exception as error:  # noqa: BLE001 - a plugin of somebody else's must not cost a run its end
        return type(error).__name__
    return "" if is_taken else _reason(complaints, url)


def _reason(complaints: Sequence[str], url: str) -> str:
    """The last thing that was logged, without any part of the URL that could be a secret."""
    text = neutral(complaints[-1] if complaints else "it was not taken")
    for secret in sorted(_parts(url), key=len, reverse=True):
        text = text.replace(secret, "…")
    return text[:_REASON_MAX]


def _parts(url: str) -> set[str]:
    """The words of a URL behind its scheme, quoted and not, but for the machine that it names."""
    _, _, rest = url.partition("://")
    words = {form for word in re.split(r"[/?&=@:,;#]+", rest) for form in (word, unquote(word))}
    return {word for word in words if len(word) > 3 and word != _machine(url).partition(":")[0]} | {rest}


# --- what may be shown of a target ------------------------------------------------------------------------------------


def name_of(target: Target) -> str:
    """The target as a person knows it: where its URL comes from, or of one that is written out the harmless part."""
    if target.url is None:
        return shlex.join(target.url_command)
    if target.url.startswith(_VARIABLE):
        return target.url
    return f"{_scheme(target.url)}://{_machine(target.url)}…"


def _scheme(url: str) -> str:
    return url.partition("://")[0][:20] if "://" in url else "?"


def _machine(url: str) -> str:
    """The machine that a URL names, with its port; "" where its place may hold a token."""
    name, _, port = _place(url).rpartition("@")[2].partition(":")
    if not _PLAIN_HOST.fullmatch(name):
        return ""
    return f"{name}:{port}" if re.fullmatch(r"\d{1,5}", port) else name


def _place(url: str) -> str:
    """What stands between the scheme and the first slash: `user:password@machine:port`, or anything else."""
    return re.split(r"[/?#]", url.partition("://")[2], maxsplit=1)[0]


def target_findings(topology: Topology) -> Iterator[InventoryFinding]:
    """What `saturn validate` says of targets whose URL is written out: it looks like one with a secret in it."""
    if not any(_is_secret(each.url) for each in topology.notify.targets):
        return
    from saturn_orchestrator.topology.document import read

    document = read(topology.file, shown(topology.file))
    for index, target in enumerate(topology.notify.targets):
        if _is_secret(target.url):
            found = document.finding(
                ("notify", "targets", index, "url"),
                f"{name_of(target)} seems to hold a password or a token, and everybody who reads the repository has it",
                "url: env:SATURN_NOTIFY_URL, or url_command: [pass, show, saturn/notify]",
            )
            yield replace(found, code="notify_secret", severity="warning")


def _is_secret(url: str | None) -> bool:
    """Whether a written URL has a password, or a long word of letters and digits."""
    if url is None or url.startswith(_VARIABLE):
        return False
    has_password = ":" in _place(url).rpartition("@")[0]
    return has_password or any(_SECRET_WORD.fullmatch(word) for word in _parts(url))


# --- what was told before ---------------------------------------------------------------------------------------------


def _complaint(sent: Iterable[Sent]) -> str:
    failed = [f"{each.target} ({each.problem})" for each in sent if each.problem]
    return f"no notice reached {', '.join(failed)}; try: saturn notify" if failed else ""


def _remembered(file: Path) -> Ledger:
    """What was told before; nothing where that cannot be read, so that a notice comes twice rather than never."""
    try:
        return ledger_of(json.loads(file.read_bytes()))
    except (OSError, ValueError, RecursionError):
        return {}


def _keep(file: Path, ledger: Mapping[str, Told]) -> str:
    """Write what was told, whole or not at all; why that did not work, "" when it did."""
    text = json.dumps({mark: asdict(told) for mark, told in ledger.items()}, indent=1)
    try:
        make_private(file.parent)
        files.put(file, text.encode())
    except OSError as error:
        return f"what notices were sent cannot be remembered: {error.strerror}"
    return ""
