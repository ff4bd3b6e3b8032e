"""Each run has all three deployments, and `--on` has one of them alone."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import dev
from tests.support.engines import DEPLOYMENTS, WITH_REDIS

ROOT = Path(dev.__file__).parent
SAMPLE = ("tests/idp/test_readiness.py", "tests/idp/test_request_log.py", "tests/idp/models/test_prepared.py")


def collected(*options: str) -> Counter[str]:
    """How many tests there are on each deployment."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *options, *SAMPLE]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return Counter(re.findall(r"\[(sqlite|postgresql\+redis|postgresql)[\]-]", said))


def test_each_run_has_all_deployments_and_one_may_be_chosen() -> None:
    assert dev.DEPLOYMENTS == DEPLOYMENTS
    assert set(collected()) == set(DEPLOYMENTS)
    assert set(collected("--on", WITH_REDIS)) == {WITH_REDIS}
