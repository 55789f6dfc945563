"""What the tests' own process and its children find in the environment."""

from __future__ import annotations

import os
import sys

# Hundreds of processes import the same modules: whatever the shell prefers, each is compiled once.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
