"""Figures for operators: the same for the dashboard, ``flask credits stats`` and the admin API."""

from .credits import Credits
from .figures import Figures, PackageFigures, figures
from .funnel import Funnel
from .health import Undelivered, Waiting, Webhooks
from .period import Bucket, Period
from .takings import CurrencyFigures, GoneBack, Lifetime, Takings

__all__ = [
    "Bucket",
    "Credits",
    "CurrencyFigures",
    "Figures",
    "Funnel",
    "GoneBack",
    "Lifetime",
    "PackageFigures",
    "Period",
    "Takings",
    "Undelivered",
    "Waiting",
    "Webhooks",
    "figures",
]
