"""A page with the results of `icnet benchmark gpu`."""

from pathlib import Path
from typing import Any

from jinja2 import Environment

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>ICNet on {{ device }}</title>
<style>body{font-family:sans-serif;max-width:70em;margin:2em auto;padding:0 1em}table{border-collapse:collapse}
td,th{padding:.3em .8em;border-bottom:1px solid #ccc;text-align:right}td:first-child,th:first-child{text-align:left}
.wrong{color:#b00}</style></head><body>
<h1>ICNet on {{ device }}</h1>
{% for problem in wrong %}<p class="wrong">{{ problem }}</p>
{% else %}<p>Labels agree with those of the CPU.</p>{% endfor %}
<p><img src="gpu.png" alt="roofline" style="max-width:100%"></p>
<table><tr><th></th><th>ms</th><th>frames/s</th><th>upload and preprocess, ms</th><th>network, ms</th>
<th>postprocess and download, ms</th><th>GFLOP/s</th><th>as on the CPU</th><th>memory, MB</th></tr>
{% for row in rows %}<tr><td>{{ row.name }}</td>
{% if row.error %}<td colspan="8" style="text-align:left">{{ row.error }}</td>{% else %}
<td>{{ "%.2f"|format(row.ms) }}</td><td>{{ "%.0f"|format(row.frames_per_s) }}</td>
{% for stage in ("preprocess", "inference", "postprocess") %}<td>{{ "%.2f"|format(row.stages[stage]) }}</td>{% endfor %}
<td>{{ "%.0f"|format(row.gflops or 0) }}</td><td{% if not row.ok %} class="wrong"{% endif %}>
{{ "%.3f"|format(100 * row.agreement) }} %</td>
<td>{{ "-" if row.memory_mb is none else "%.0f"|format(row.memory_mb) }}</td>{% endif %}</tr>{% endfor %}</table>
<p>Soak: {{ soak.frames }} frames in {{ soak.seconds }} s, {{ soak.failures }} failed calls, device memory
{{ soak.memory_early }} bytes after a tenth of the time, {{ soak.memory_late }} at the end.</p>
<p>Copy: {{ "%.0f"|format(roofline.bandwidth_gb_s) }} GB/s. Matrix product:
{% for precision, peak in roofline.peak_gflops.items() %}{{ precision }} {{ "%.0f"|format(peak) }} GFLOP/s
{{ "" if loop.last else ", " }}{% endfor %}.</p>
</body></html>
"""


def write_page(result: dict[str, Any], page: Path) -> None:
    """Write the page; gpu.png is expected beside it."""
    page.write_text(Environment(autoescape=True).from_string(PAGE).render(result), encoding="utf-8")
