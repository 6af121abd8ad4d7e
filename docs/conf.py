"""How Sphinx builds the documentation: `python -m sphinx -W docs docs/_build/html`.

The pages are executed while they are built. What is built needs no network: formulas are MathML, and scripts, styles and pictures
are local files.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "tinygrad_edu"
author = "The tinygrad_edu authors"
html_title = "tinygrad_edu"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "docstrings",
    "mathml",
    "pictures",
    "source_pages",
]
exclude_patterns = ["_build", "_ext", "**/.ipynb_checkpoints"]

# Pages are notebooks in Markdown, run in a folder of their own so that what they write is not left here.
# The IPython settings of whoever builds them stay out of it; a kernel would also warn, for each page, that it is not encrypted.
settings = tempfile.TemporaryDirectory()
profile = Path(settings.name) / "profile_default"
profile.mkdir()
(profile / "ipython_kernel_config.py").write_text('get_config().IPKernelApp.log_level = "ERROR"\n', encoding="utf-8")
os.environ["IPYTHONDIR"] = settings.name
nb_execution_mode = "cache"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_execution_in_temp = True
nb_merge_streams = True
nb_ipywidgets_js: dict[str, dict[str, str]] = {}  # the default loads two scripts from the network
nb_render_markdown_format = "myst"

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist", "attrs_inline", "attrs_block"]
myst_heading_anchors = 4
myst_update_mathjax = False
html_math_renderer = "mathml"

autodoc_typehints = "none"  # the docstrings name the types
autodoc_member_order = "bysource"
add_module_names = False
html_show_copyright = False
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_preprocess_types = False

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["tinygrad_edu.css"]
html_js_files = ["pictures.js", "sidebar.js"]
html_copy_source = False
html_show_search_summary = False  # a summary would be fetched, which a browser refuses for a file:// page
html_show_sphinx = False
pygments_style = "friendly"
pygments_dark_style = "monokai"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


SPANISH = {
    "Next": "Siguiente",
    "Previous": "Anterior",
    "Home": "Inicio",
    "On this page": "En esta página",
    "Back to top": "Volver arriba",
    "Search": "Buscar",
}
CAPTIONS = {"Learn": "Aprender", "Do": "Hacer", "Understand": "Entender"}  # in the tree of pages


def in_spanish(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Tell screen readers and browsers that a page of es/ is in Spanish, and translate what the theme writes on it."""
    if page.startswith("es/"):
        context["language"] = "es"
        context["_"] = context["gettext"] = lambda words: SPANISH.get(words, words)
        for english, spanish in CAPTIONS.items():
            caption = '<span class="caption-text">{}</span>'.format
            context["furo_navigation_tree"] = context["furo_navigation_tree"].replace(caption(english), caption(spanish))


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("html-page-context", in_spanish, priority=900)  # after the theme, which makes the tree of pages
