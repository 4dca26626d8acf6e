"""The DAGs that come with augment-ops, for Airflow: an upgrade of the package reaches them.

DAGs of your own go beside this file. Airflow's plugins of the package (roles, login) are loaded where this folder has
no plugins/ of its own.
"""

from __future__ import annotations

import sys
from importlib import import_module

from augment_ops import shipped

sys.path.insert(0, str(shipped.dags()))  # their modules import each other by name
for name in shipped.DAGS:
    globals()[name] = import_module(name).dag
