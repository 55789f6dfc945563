"""Sphinx configuration."""

from importlib.metadata import version as installed_version

project = "flask-stripe-credits"
author = "The flask-stripe-credits developers"
copyright = author
version = release = installed_version(project)

extensions = ["myst_parser"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = project
