"""A view as one HTML file that needs nothing else and runs nothing but its own scripts."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import escape

from kgbuild.errors import KGError
from kgbuild.resources import resource


def render(title: str, data: Mapping[str, Any], library: str) -> str:
    """The page of ``data`` (JSON-able), drawn by ``library``, the source of vis-network.

    The Content-Security-Policy admits the page's own scripts and style by their hashes, and no request at all.
    """
    folder = resource("viz")
    # The comment that names a source map would make developer tools ask for a file beside the page.
    library = re.sub(r"//# sourceMappingURL=.*", "", library)
    app = (folder / "app.js").read_text(encoding="utf-8")
    style = (folder / "app.css").read_text(encoding="utf-8")
    for name, script in (("library", library), ("app.js", app)):
        if re.search(r"</script|<!--", script, re.IGNORECASE):
            raise KGError(f"{name} would end its own <script> element; report which pyvis and kgbuild are installed")
    # A lone surrogate has no UTF-8; in the data JSON escapes it.
    title = title.encode("utf-8", "replace").decode("utf-8")
    payload = json.dumps(data, allow_nan=False).encode("ascii")
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {_hash(library)} {_hash(app)}",
            f"style-src {_hash(style)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    environment = Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("page.html").render(
        title=title,
        policy=policy,
        style=style,
        library=library,
        app=app,
        data=base64.b64encode(gzip.compress(payload, mtime=0)).decode("ascii"),
    )


def notebook(html: str) -> str:
    """A page as a cell of a notebook: a frame that shares nothing with the notebook, and what to do if it stays empty."""
    return (
        '<p style="font-size:small">An interactive drawing. If nothing shows below, make this notebook trusted and run the cell again.</p>'
        '<iframe title="kgbuild view" sandbox="allow-scripts allow-popups allow-popups-to-escape-sandbox" '
        f'style="width:100%;height:720px;border:0" srcdoc="{escape(html)}"></iframe>'
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}'"
