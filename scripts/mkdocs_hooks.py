"""Hooks of the documentation site, see mkdocs.yml."""

import re
from typing import Any


def on_page_content(html: str, **_: Any) -> str:
    """Links of models/README.md, which is included in a page, as links within the site."""
    return re.sub(r'href="\.\./docs/(\w+)\.md', r'href="\1.html', html)
