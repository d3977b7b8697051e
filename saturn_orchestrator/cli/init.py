"""`saturn init`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("init")
@click.argument("folder", type=click.Path(path_type=Path), default=".", metavar="[DIR]")
def command(folder: Path) -> int:
    """Write a commented starter into DIR (here, by default). Files that exist are never overwritten."""
    from saturn_orchestrator.app.init import initialise

    done = initialise(folder)
    for path in done.created:
        click.echo(f"created  {path}")
    for path in done.kept:
        click.echo(f"kept     {path}")
    click.echo("\nNext:")
    if folder != Path():
        click.echo(f"  cd {folder}")
    click.echo("  edit inventory/topology.yaml       # your hosts")
    click.echo("  saturn validate")
    click.echo("  git init -b main && git add -A && git commit -m 'my homelab'   # unless it is a repository already")
    click.echo("  saturn onboard first               # pins its host key, and makes what it lacks")
    return 0
