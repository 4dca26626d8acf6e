"""The home without Airflow, as the extra [pipeline] brings it, and what is said where that is missing."""

from __future__ import annotations

import os
import subprocess
import sys

from augment_ops.settings import Settings

# What the finder hides is not installed: `find_spec` knows nothing of it either.
_WITHOUT = """
import importlib.abc, sys
hidden = sys.argv[1].split(",")
class Nothing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Nothing())
"""


def without(settings: Settings, hidden: str, program: str) -> subprocess.CompletedProcess[str]:
    there = {"AUGMENT_OPS_HOME": str(settings.home), "AUGMENT_OPS_POLICIES": str(settings.policies)}
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _WITHOUT + program, hidden],
        env=os.environ | there, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_every_page_is_made_without_airflow_and_what_only_monitoring_needs(settings: Settings) -> None:
    done = without(
        settings,
        "airflow,evidently,opentelemetry,playwright,pytest",
        """
from augment_ops.home.serving import serve
from augment_ops.home.web import application
from augment_ops.settings import Settings
sys.path.insert(0, "tests")
from support.visitor import ask
app = application(Settings.from_environment())
pages = ("/", "/runs", "/questions", "/policies", "/drift", "/costs", "/compare")
print([ask(app, path).status_code for path in pages])
""",
    )
    assert done.stdout.strip() == str([200] * 7), done.stderr


def test_the_library_alone_says_which_extra_has_it(settings: Settings) -> None:
    program = "sys.argv = ['augment-ops', 'ui', '--port', '0']\nfrom augment_ops.cli import main\nmain()"
    done = without(settings, "fastapi,uvicorn,starlette", program)
    assert done.returncode == 2
    assert "pip install 'augment-ops[pipeline]==" in done.stderr
