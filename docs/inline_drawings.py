"""Puts a page's SVG drawings into its HTML, so that they are as light or dark as the page.

An SVG behind ``<img>`` only knows what the system prefers.
"""

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx


def _inline(app: Sphinx, doctree: nodes.document, _: str) -> None:
    if app.builder.format != "html":
        return
    for image in list(doctree.findall(nodes.image)):
        if image["uri"].endswith(".svg"):
            svg = (Path(app.srcdir) / image["uri"]).read_text(encoding="utf-8")
            drawing = nodes.raw("", f'<figure class="drawn">{svg}</figure>', format="html")
            image.parent.replace_self(drawing)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("doctree-resolved", _inline)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
