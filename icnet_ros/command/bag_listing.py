"""`icnet replay --list`: what is in a bag."""

from pathlib import Path

import typer
from rich.table import Column, Table

from icnet_ros.command.console import console, errors, progress_bar


def list_contents(path: Path | None) -> None:
    """Print the topics of a bag: which are cameras, how they are encoded, and what is damaged. Exit code 1 if it is."""
    if path is None:
        return
    from icnet_ros.replay.bag_listing import list_bag
    from icnet_ros.wire.bag import open_bag

    with open_bag(path) as bag, progress_bar("reading") as update:
        listings, damage = list_bag(bag, lambda done, total: update("reading", done, total))
    columns = (Column(name, overflow="fold") for name in ("topic", "type", "messages", "taken for", "encoding", "size"))
    table = Table(*columns, title=str(path), title_justify="left")
    for one in listings:
        encodings = ", ".join(
            f"{name} ({count})" if len(one.encodings) > 1 else name for name, count in one.encodings.items()
        )
        keys = "" if one.key_frames is None else f", {one.key_frames} key frames"
        size = f"{one.size[1]}x{one.size[0]}" if one.size else ""
        cells = (one.topic.name, one.topic.described, str(one.topic.messages), one.role, encodings + keys, size)
        table.add_row(*cells)
    console.print(table)
    said = [remark for one in listings for remark in one.remarks]
    said += [
        f"{one.topic.name}: {one.unreadable} messages cannot be read: {one.reason}"
        for one in listings
        if one.unreadable
    ]
    for text in [*said, *([damage] if damage else [])]:
        errors.print(text, style="yellow", soft_wrap=True)
    raise typer.Exit(1 if damage or any(one.unreadable for one in listings) else 0)
