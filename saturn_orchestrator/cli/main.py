"""`saturn`: the group of verbs, each imported when it is called, and the one place where errors are caught."""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from saturn_orchestrator import __version__
from saturn_orchestrator.cli.completion import VARIABLE, completed
from saturn_orchestrator.cli.groups import Words
from saturn_orchestrator.errors import Interrupted, SaturnError

VERBS = {
    "init": "Write a commented starter into a new or existing repository.",
    "onboard": "Take a machine in: topology, host key, what it lacks, first deploy.",
    "trust": "Look at the key of a host, ask, and pin it.",
    "validate": "Check the inventory and the services, on this machine alone.",
    "plan": "Show what a deploy would do to each host; nothing is touched.",
    "deploy": "Show what would change on each host, ask, and deploy.",
    "rollback": "Return hosts to a former deployment.",
    "backup": "Write backups of services, list, verify and fetch them.",
    "restore": "Bring a backup of a service back.",
    "prefetch": "Bring commits and images to the hosts beforehand.",
    "catch-up": "Do what was confirmed for hosts that were away.",
    "attach": "Watch what the nodes are doing, and bring home what they did unseen.",
    "cancel": "Tell the nodes to stop what they are doing.",
    "status": "Show where every node stands.",
    "history": "List the runs that this machine knows of.",
    "show": "Show one run as it ended, or all its events.",
    "logs": "Print what a host said in a run, from the journal.",
    "doctor": "Look for what is wrong with this machine and the hosts.",
    "diagnose": "Collect a node's diagnostics and bring them here.",
    "recover": "Gather all that is known of a host in trouble, for a person or a model.",
    "notify": "Send a test message to everybody who is sent notices.",
    "demo": "Deploy a sample homelab to nodes on this very machine.",
    "help": "Show the help of a verb, or its manual page.",
    "completion": "Print what teaches a shell to complete saturn's words.",
}
"""Every verb with its one line of help, so that `saturn --help` imports none of them."""


_SELDOM = 30_000, 1, 2
"""When garbage is looked for: among young objects less often than Python would, since that is a twentieth of a short
command's time; among all of them as often, since that bounds the memory of a long one."""


class LazyGroup(Words):
    """A group that knows its verbs by name and imports one only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The verbs, in the order in which a person meets them."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The verb of that name, from the module of that name."""
        if cmd_name not in VERBS:
            return None
        verb: click.Command = import_module(f"saturn_orchestrator.cli.{cmd_name.replace('-', '_')}").command
        return verb

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The verbs that begin so, and saturn's own options."""
        verbs = [CompletionItem(verb, help=said) for verb, said in VERBS.items() if verb.startswith(incomplete)]
        return [*verbs, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The verbs and their one line each."""
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--inventory",
    type=click.Path(path_type=Path),
    envvar="SATURN_INVENTORY",
    help="The topology file.  [default: inventory/topology.yaml, found from here upwards]",
)
@click.option("--verbose", is_flag=True, help="Show tracebacks and what is otherwise left out.")
@click.version_option(__version__, prog_name="saturn")
@click.pass_context
def saturn(ctx: click.Context, inventory: Path | None, verbose: bool) -> None:
    """Deploys a homelab of Docker Compose machines: plan, confirm each host, roll out."""
    ctx.obj = {"inventory": inventory, "verbose": verbose}


def main(argv: list[str] | None = None) -> None:
    """The console script: run a verb, print an error in words, exit with the documented code."""
    gc.freeze()  # what was imported until here stays; it also begins to count anew
    gc.set_threshold(*_SELDOM)
    words = sys.argv[1:] if argv is None else argv
    code = completed(saturn) if os.environ.get(VARIABLE) else _run(words)
    gc.freeze()  # what is left ends with the process: nobody needs to look for garbage in it
    sys.exit(code)


def _run(words: list[str]) -> int:
    try:
        result: Any = saturn.main(words, prog_name="saturn", standalone_mode=False)
    except click.exceptions.Abort:
        return _told(Interrupted("interrupted; nothing was left half done"), words)
    except KeyboardInterrupt:
        return _told(Interrupted("interrupted"), words)
    except click.ClickException as error:
        error.show()
        return 2
    except SaturnError as error:
        return _told(error, words)
    except Exception as error:  # noqa: BLE001 - the one boundary: a defect of ours is told in a sentence, too
        from saturn_orchestrator.session.descriptors import spent

        if without := spent(error):
            return _told(without, words, cause=error)
        message = f"a defect in saturn: {type(error).__name__}: {error}"
        hint = "saturn doctor --local   # then run it again as `saturn --verbose …`, and report what it shows"
        return _told(SaturnError(message, code="internal_error", hint=hint), words, cause=error)
    return result if isinstance(result, int) else 0


def _told(error: SaturnError, words: list[str], cause: Exception | None = None) -> int:
    from saturn_orchestrator.report.problems import problem_text
    from saturn_orchestrator.report.style import console

    if "--verbose" in words:
        import traceback

        traceback.print_exception(cause or error)
    console(sys.stderr).print(problem_text(error))
    return error.exit_code
