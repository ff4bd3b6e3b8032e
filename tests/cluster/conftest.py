"""One cluster for all tests of this folder: the one of `python3 dev.py cluster`, with cheap password hashing.

An instance has two workers where the full sizes run, and one else: each takes seconds of a core to start.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from examples.cluster.cluster import PORTS, Cluster, made, running
from idp.services.bundle import Services
from tests.cluster.site import Site, installed
from tests.support.ports import free_ports
from tests.support.served import installation
from tests.support.servers import new_run_folder
from tests.support.waiting import wait_until

LETTER_CODES_PER_HOUR = 12
ANY_NUMBER = "1000000000"
VOLUMES = {"CONNECT_LETTER_CODES_PER_HOUR": str(LETTER_CODES_PER_HOUR), "CONNECT_SIGN_INS_PER_HOUR": ANY_NUMBER}


@pytest.fixture(scope="session")
def cluster(pytestconfig: pytest.Config) -> Iterator[Cluster]:
    folder = new_run_folder()
    first = free_ports(PORTS)
    issuer = f"https://localhost:{first}"
    environ = installation(folder, issuer, CONNECT_LOG_LEVEL="warning", **VOLUMES)
    workers = 1 if "not long" in str(pytestconfig.option.markexpr) else 2
    try:
        with running(made(folder, issuer, range(first, first + PORTS), environ, workers)) as whole:
            yield whole
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def services(cluster: Cluster) -> Iterator[Services]:
    """Of the cluster, in this process."""
    with cluster.inside() as found:
        yield found


@pytest.fixture
def site(cluster: Cluster, services: Services) -> Iterator[Site]:
    """Two instances that answer, and what a portal and persons need of them."""
    yield installed(cluster, services)
    for instance in cluster.instances:  # whole again; a busy machine may have lost Redis for a second
        wait_until(lambda: instance.readiness().get("status") == "ok")  # noqa: B023
