"""Links from a page to a file of the repository work on GitHub; here they lead to a page that shows the file."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_for_filename
from sphinx import addnodes

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def source_of(app: Sphinx, docname: str, target: str) -> Path | None:
    """The file or folder of the repository, outside the pages, that a relative link of a page means."""
    pages, root = Path(app.srcdir), Path(app.srcdir).parent
    path = (pages / docname).parent.joinpath(target.partition("#")[0]).resolve()
    if "://" in target or not path.exists() or not path.is_relative_to(root):
        return None
    return path.relative_to(root) if path.suffix == ".py" or not path.is_relative_to(pages) else None


def page_of(path: Path) -> str:
    """The page that shows a file or a folder."""
    return f"_source/{path.as_posix()}"


def wanted(env: Any) -> dict[str, set[Path]]:
    """What each page links to: Sphinx keeps it with what else it knows of the pages."""
    if not hasattr(env, "source_pages"):
        env.source_pages = {}
    pages: dict[str, set[Path]] = env.source_pages
    return pages


def rewrite_links(app: Sphinx, doctree: nodes.document) -> None:
    """Point the links of a page to the pages that show the files."""
    docname = app.env.docname
    links = [*doctree.findall(addnodes.download_reference), *doctree.findall(addnodes.pending_xref)]
    for link in links:
        if isinstance(link, addnodes.pending_xref) and link["reftype"] != "myst":
            continue
        path = source_of(app, docname, link["reftarget"])
        if path is None:
            continue
        wanted(app.env).setdefault(docname, set()).add(path)
        here = posixpath.dirname(docname) or "."
        link.replace_self(
            nodes.reference("", "", *link.children, internal=True, refuri=f"{posixpath.relpath(page_of(path), here)}.html")
        )


def forget(app: Sphinx, env: Any, docname: str) -> None:
    """Forget what a page that is read again had linked to."""
    wanted(env).pop(docname, None)


def merge(app: Sphinx, env: Any, docnames: set[str], other: Any) -> None:
    """Take over what another process has read."""
    wanted(env).update({name: paths for name, paths in wanted(other).items() if name in docnames})


def pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """A page for each file that is linked to, and for each file in a folder that is."""
    root = Path(app.srcdir).parent
    todo = sorted(set().union(*wanted(app.env).values()))
    done: set[Path] = set()
    while todo:
        path = todo.pop()
        if path in done:
            continue
        done.add(path)
        if (root / path).is_dir():
            inside = [p.relative_to(root) for p in sorted((root / path).iterdir()) if p.is_dir() or p.suffix == ".py"]
            inside = [p for p in inside if not p.name.startswith(("_", ".")) or p.suffix == ".py"]
            todo += inside
            body = "".join(f'<li><a href="{path.name}/{p.name}.html">{p.name}</a></li>' for p in inside)
            body = f"<ul>{body}</ul>"
        else:
            text = (root / path).read_text(encoding="utf-8")
            body = highlight(text, get_lexer_for_filename(path.name), HtmlFormatter(linenos="inline", lineanchors="L"))
        yield page_of(path), {"title": path.as_posix(), "body": f"<h1>{path.as_posix()}</h1>\n{body}"}, "page.html"


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("doctree-read", rewrite_links, priority=400)  # before Sphinx copies the files as downloads
    app.connect("html-collect-pages", pages)
    app.connect("env-purge-doc", forget)
    app.connect("env-merge-info", merge)
    return {"env_version": 1, "parallel_read_safe": True, "parallel_write_safe": True}
