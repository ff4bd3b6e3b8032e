"""`python3 dev.py cluster`: everything is there, its sample portals trust it, and nothing of it is left."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from examples.cluster.program import ROOT
from tests.support.ports import free_ports

LINES, PORTS = 6, 10
ENDS_WITHIN_S = 60


@pytest.mark.long
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_the_cluster_can_be_looked_at_and_leaves_nothing_behind(how: signal.Signals) -> None:
    first = free_ports(PORTS)
    command = [sys.executable, "dev.py", "cluster", "--port", str(first)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        said = "".join(process.stdout.readline() for _ in range(LINES))
        found = re.search(r"logs lie in (\S+) \.", said)
        assert found, said
        folder = Path(found[1])
        inbox = requests.get(f"https://localhost:{first}/demo", verify=str(folder / "certificate.pem"), timeout=30)
        assert inbox.status_code == 200
        for portal in (first + 1, first + 2):
            answer = requests.get(f"http://localhost:{portal}/login", allow_redirects=False, timeout=30)
            assert answer.headers["Location"].startswith(f"https://localhost:{first}/authorize?")
    finally:
        process.send_signal(how)
        process.communicate(timeout=ENDS_WITHIN_S)
    assert not folder.exists()
    assert not any(answers(first + above) for above in range(PORTS))


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
