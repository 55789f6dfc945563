"""Everything that can be wrong with an installation, looked for in one run that changes nothing."""

from .checks import CHECKS
from .examination import Check, Line, examine
from .findings import Finding, Level
from .patient import Patient

__all__ = ["CHECKS", "Check", "Finding", "Level", "Line", "Patient", "examine"]
