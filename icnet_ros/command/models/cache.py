"""`icnet cache`: shows and clears the files that engines built."""

from datetime import datetime, timezone

import typer
from rich.table import Table

from icnet_ros.command.console import console
from icnet_ros.engine.artefacts.cache_entries import CacheEntry, cache_folder, clear, entries, limit_bytes

app = typer.Typer(help="Networks that engines compiled for this machine.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Networks that engines compiled for this machine."""


@app.command("list")
def list_() -> None:
    """Show the entries, the most recently used first, and the limit."""
    found = entries()
    table = Table("entry", "MiB", "last used (UTC)", title=str(cache_folder()), title_justify="left")
    for entry in found:
        used = datetime.fromtimestamp(entry.used, timezone.utc)
        table.add_row(entry.name, f"{entry.size / 2**20:.1f}", f"{used:%Y-%m-%d %H:%M}")
    console.print(table)
    console.print(f"{_total(found)}; limit {limit_bytes() / 2**20:.0f} MiB (ICNET_CACHE_MIB)")


@app.command("clear")
def clear_() -> None:
    """Remove all entries. They are built again when an engine needs them."""
    console.print(f"removed {_total(clear())} from {cache_folder()!s}", soft_wrap=True)


def _total(counted: list[CacheEntry]) -> str:
    word = "entry" if len(counted) == 1 else "entries"
    return f"{len(counted)} {word}, {sum(entry.size for entry in counted) / 2**20:.1f} MiB"
