"""Sphinx configuration. Builds without network: no intersphinx, no fonts from elsewhere."""

from importlib.metadata import version as installed_version

project = "flask-stripe-credits"
author = "The flask-stripe-credits developers"
copyright = author
version = release = installed_version(project)

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = project
html_show_copyright = False

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
        r"(.*\.)?(F|Loader|BalanceLoader|EmailLoader|OptOut|MailSender|Check|ParamsHook|Models|build_models|TypeVar)",
    ),
]
