"""Draws docs/images/architecture.svg and frame.svg: `python scripts/draw_architecture.py`."""

from html import escape
from pathlib import Path

IMAGES = Path(__file__).parents[1] / "docs" / "images"
INK, SOFT, LINE, CARD = "#1d2733", "#5c6b7a", "#9fb0c3", "#ffffff"
FILLS = ("#dbe7ff", "#e3f1e6", "#fff0d6", "#f3e6fa", "#fde3e3", "#e2f3f5", "#eceff3")
LAYERS = (
    (("command", "command line"), ("node", "ROS nodes, rclpy")),
    (("training", "recipes, loop, pruning"), ("benchmark", "measured figures")),
    (("live", "runs with real nodes"), ("evaluation", "annotated datasets")),
    (("report", "JSON, pages, video, gates"),),
    (("replay", "recorded drives"),),
    (("metrics", "from label maps"), ("engine", "frames in, label maps out"), ("dataset", "annotated images")),
    (("checkpoint", "weights and their meaning"),),
    (("network", "torch modules"),),
)
SHARED = (("wire", "messages, bags"), ("render", "pictures, video"), ("ground", "grid, scan"))
LIVE = (
    ("DDS bytes", "image message"),
    ("node/camera", "receives"),
    ("node/worker", "newest image"),
    ("wire/decoders", "decode"),
    ("engine", "label map"),
    ("node/outputs", "wire encode"),
    ("DDS bytes", "label image"),
)
REPLAY = (
    ("bag bytes", "image message"),
    ("wire/reading", "reads, decodes"),
    ("replay/labelling", "stored or new"),
    ("engine", "label map"),
    ("metrics", "scores, flicker"),
    ("result store", "PNG, record"),
    ("report/writer", "all outputs"),
)


def box(x: float, y: float, width: float, height: float, fill: str, name: str, text: str) -> str:
    """A rounded box with a name and a line of text."""
    middle = x + width / 2
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="9" fill="{fill}" stroke="{LINE}"/>'
        f'<text x="{middle}" y="{y + height / 2 - 3}" class="n">{escape(name)}</text>'
        f'<text x="{middle}" y="{y + height / 2 + 15}" class="t">{escape(text)}</text>'
    )


def page(width: int, height: int, body: list[str]) -> str:
    """An SVG file."""
    style = (
        f"text{{font-family:system-ui,Segoe UI,Roboto,sans-serif;text-anchor:middle;fill:{INK}}}"
        f".n{{font-size:16px;font-weight:600}}.t{{font-size:12.5px;fill:{SOFT}}}"
        f".h{{font-size:15px;font-weight:600;text-anchor:start}}.s{{font-size:12.5px;fill:{SOFT};text-anchor:start}}"
    )
    arrow = (
        f'<defs><marker id="a" markerWidth="9" markerHeight="8" refX="8" refY="4" orient="auto">'
        f'<path d="M0,0 L9,4 L0,8 z" fill="{SOFT}"/></marker></defs>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
        f"<style>{style}</style>{arrow}"
        f'<rect width="{width}" height="{height}" fill="{CARD}" rx="12"/>{"".join(body)}</svg>\n'
    )


def architecture() -> str:
    """Layers from top to bottom; a package imports from the layers below it only."""
    body, top, height, gap, total = [], 20, 54, 16, 690
    for number, layer in enumerate(LAYERS):
        width = (total - gap * (len(layer) - 1)) / len(layer)
        y = top + number * (height + gap)
        for place, (name, text) in enumerate(layer):
            body.append(box(20 + place * (width + gap), y, width, height, FILLS[number % len(FILLS)], name, text))
        if number:
            middle = 20 + total / 2
            body.append(f'<path d="M{middle},{y - gap} V{y - 1}" stroke="{SOFT}" marker-end="url(#a)"/>')
    bottom = top + len(LAYERS) * (height + gap) - gap
    for place, (name, text) in enumerate(SHARED):
        middle = top + place * (bottom - top + gap) / len(SHARED)
        body.append(box(740, middle, 160, (bottom - top + gap) / len(SHARED) - gap, FILLS[6], name, text))
    body.append(
        f'<text x="20" y="{bottom + 30}" class="s">An arrow reads "imports from"; a package may use every layer below '
        "it. wire, render and ground import none of the others and are used by all.</text>"
    )
    return page(920, bottom + 48, body)


def frame() -> str:
    """Processing steps of a frame, live and in a replay."""
    body, width, height, gap = [], 122, 62, 14
    for row, (title, steps) in enumerate((("Live", LIVE), ("Replay", REPLAY))):
        y = 46 + row * 124
        body.append(f'<text x="16" y="{y - 14}" class="h">{title}</text>')
        for place, (name, text) in enumerate(steps):
            x = 16 + place * (width + gap)
            fill = FILLS[0] if name == "engine" else FILLS[1] if "wire" in name or "wire" in text else FILLS[6]
            body.append(box(x, y, width, height, fill, name, text))
            if place:
                middle = y + height / 2
                body.append(f'<path d="M{x - gap},{middle} H{x - 1}" stroke="{SOFT}" marker-end="url(#a)"/>')
    return page(16 + 7 * (width + gap) + 2, 250, body).replace(".n{font-size:16px", ".n{font-size:13px")


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    (IMAGES / "architecture.svg").write_text(architecture())
    (IMAGES / "frame.svg").write_text(frame())
