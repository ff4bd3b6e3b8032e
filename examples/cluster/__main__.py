"""`python3 dev.py cluster`: the cluster with the sample portals, letters and inbox of the demonstration, to look at.

Everything lies in a new folder that goes when it ends, with Ctrl-C.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path

from examples import demo
from examples.cluster.cluster import PORTS, Cluster, made, running
from idp.web import log

LOOKS_EVERY_S = 0.3


def main() -> None:
    parser = argparse.ArgumentParser(prog="dev.py cluster", description=__doc__)
    parser.add_argument("--port", type=int, default=8443, help="port of nginx; the nine above it are used too")
    ports = demo.Ports(parser.parse_args().port)
    above = ports.sms + 1
    log.configure("error")  # here; the processes write to logs of their own
    of_cluster = (ports.connect, *range(above, above + PORTS - 1))
    demo.check_ports((ports.connect, *ports.portals, ports.smtp, ports.sms, *of_cluster[1:]), "cluster")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with tempfile.TemporaryDirectory(prefix="connect-cluster-") as name:
            folder = Path(name)
            folder.chmod(0o711)  # nginx and PostgreSQL are somebody else
            environ = demo.environment(folder, ports)
            run(made(folder, f"https://localhost:{ports.connect}", of_cluster, environ), ports)
    except KeyboardInterrupt:
        print("\nEnded; nothing of it is left.")


def run(cluster: Cluster, ports: demo.Ports) -> None:
    folder = cluster.folder
    with running(cluster):
        with cluster.inside() as services:
            demo.fill(folder, ports, services)
        believes = {"REQUESTS_CA_BUNDLE": str(cluster.certificate)}
        others = demo.start(folder, demo.surroundings(folder, ports), cluster.environ | believes)
        try:
            demo.wait_until_all_answer(others, ports.homes)
            say(cluster)
            while not cluster.ended() and all(other.poll() is None for other in others):
                time.sleep(LOOKS_EVERY_S)
            print(f"A part of the cluster ended: {cluster.ended()}", flush=True)
            sys.exit(1)
        finally:
            demo.stop(others)


def say(cluster: Cluster) -> None:
    """Where things are, and what to try."""
    one, two = cluster.instances
    print(f"1. Open {cluster.issuer}/demo : letters and inbox. Your browser does not know our certificate; go on.")
    print(f"2. nginx asks the instances at ports {one.port} and {two.port}: /readyz says how each is.")
    print(f"3. touch {one.drain} empties the first one; rm lets it in again.")
    print(f"4. PostgreSQL: primary at port {cluster.postgresql.ports[0]}, replica at {cluster.postgresql.ports[1]}.")
    print(f"5. Configurations and logs lie in {cluster.folder} .")
    print("6. Ctrl-C ends it, and nothing of it is left.", flush=True)


if __name__ == "__main__":
    main()
