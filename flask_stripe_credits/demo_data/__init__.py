"""A year of made-up purchases for dashboards, pictures and measurements; the sandbox's only.

Everything is as the money's path would have left it: the same facts, and grants, status and audit
log from the same pure functions. Only no receiver is called and Stripe knows nothing of it.
"""

from .marks import LARGEST_SEED as LARGEST_SEED
from .writing import make_demo_data as make_demo_data
from .writing import purge_demo_data as purge_demo_data
