"""Sphinx configuration. Builds without network: no intersphinx, no fonts from elsewhere."""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

project = "flask-stripe-credits"
author = "The flask-stripe-credits developers"
copyright = author
version = release = installed_version(project)

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton", "inline_drawings"]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"{project} {version}"
html_show_copyright = False
html_favicon = "../example_app/static/icon.svg"

# What a command printed isn't for copying.
copybutton_selector = "div:not(.highlight-text):not(.highlight-json) > div.highlight > pre"

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"

# Every reference has to lead somewhere, but for names that other projects document: there is no
# intersphinx, since it needs the network.
nitpicky = True
nitpick_ignore_regex = [
    (r"py:.*", r"(collections|datetime|decimal|typing|uuid|types)\..*"),
    (r"py:.*", r"(flask|flask_sqlalchemy|flask_wtf|sqlalchemy|stripe|werkzeug)\..*"),
    (
        r"py:.*",
        r"(CollectorRegistry|Decimal|Exception|Flask|Mapping|SQLAlchemy|ValueError|dt\.datetime)",
    ),
    # Type variables, and the names of attributes in the docstrings of our own classes.
    (
        r"py:.*",
        r"(.*\.)?(F|R|Loader|BalanceLoader|EmailLoader|OptOut|MailSender|Check|ParamsHook|Models|build_models|TypeVar)",
    ),
]
