"""Several processes count in one folder: sums are exact, outlive whoever counted, and gauges are of the living."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families

from idp.services import metrics as known
from idp.services.bundle import Services
from idp.services.metric_files import settled
from idp.services.metrics import (
    COUNTED,
    DUTY_DONE,
    HASH_PLACES,
    HASH_WAIT,
    REDIS_UP,
    VOLUME_REFUSED,
    Metric,
    Metrics,
)
from idp.services.metrics_shown import SAID, shown

pytestmark = pytest.mark.sqlite_only

CHILD = """
import sys
from pathlib import Path
from idp.services.metrics import DUTY_DONE, HASH_PLACES, HASH_WAIT, REDIS_UP, VOLUME_REFUSED, Metrics
metrics = Metrics(Path(sys.argv[1]))
metrics.start()
for _ in range(int(sys.argv[2])):
    metrics.count(VOLUME_REFUSED, "sends")
    metrics.observe(HASH_WAIT, 0.3)
metrics.put(DUTY_DONE, float(sys.argv[2]), "house")
metrics.count(HASH_PLACES, by=3)
metrics.put(REDIS_UP, 0)
print("counted", flush=True)
sys.stdin.read()
"""
Figures = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def figures(services: Services, folder: Path) -> Figures:
    """Every sample by its name and labels; a second one of the same would be no figure."""
    found: Figures = {}
    for family in text_string_to_metric_families(shown(services, folder).decode()):
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            assert key not in found, key
            found[key] = sample.value
    return found


def started(folder: Path) -> Metrics:
    metrics = Metrics(folder)
    metrics.start()
    return metrics


def counting(folder: Path, times: int) -> subprocess.Popen[str]:
    """Another process, which has counted when this returns, and lives until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), str(times)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "counted\n"
    return process


def test_what_several_processes_count_is_one_sum_and_stays_when_they_end(
    app: Flask, services: Services, tmp_path: Path
) -> None:
    folder = tmp_path / "metrics"
    own = started(folder)
    own.count(VOLUME_REFUSED, "sends")
    own.put(REDIS_UP, 1)
    own.count(HASH_PLACES)
    others = [counting(folder, 4), counting(folder, 2)]
    sends, waits = ("connect_volume_refusals_total", (("volume", "sends"),)), ("connect_hash_wait_seconds_count", ())
    done, within = ("connect_duty_done_timestamp_seconds", (("duty", "house"),)), "connect_hash_wait_seconds_bucket"
    seen = figures(services, folder)
    assert (seen[sends], seen[waits], seen[done]) == (7, 6, 4)
    assert (seen[within, (("le", "0.25"),)], seen[within, (("le", "0.5"),)]) == (0, 6)
    assert seen["connect_hash_wait_seconds_sum", ()] == pytest.approx(1.8)
    assert (seen["connect_hash_places_held", ()], seen["connect_redis_up", ()]) == (7, 0)
    for other in others:
        other.communicate()
    for _ in range(2):  # what the dead left is added up once
        seen = figures(services, folder)
        assert (seen[sends], seen[waits], seen[done]) == (7, 6, 4)
        assert (seen["connect_hash_places_held", ()], seen["connect_redis_up", ()]) == (1, 1)
    assert len(list(folder.glob("counter_*.db"))) == 2
    own.count(VOLUME_REFUSED, "sends")
    assert figures(services, folder)[sends] == 8


def test_threads_of_one_process_lose_no_count(app: Flask, services: Services, tmp_path: Path) -> None:
    metrics = started(tmp_path)
    threads = [
        threading.Thread(target=lambda: [metrics.count(VOLUME_REFUSED, "sends") for _ in range(2000)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert figures(services, tmp_path)["connect_volume_refusals_total", (("volume", "sends"),)] == 8000


def test_a_file_that_cannot_be_read_hides_no_other(app: Flask, services: Services, tmp_path: Path) -> None:
    started(tmp_path).count(VOLUME_REFUSED, "sends")
    (tmp_path / "counter_1.db").mkdir()  # as unreadable as another user's file, also for root
    with settled(tmp_path) as files:
        assert not [file for file in files if Path(file).is_dir()]
    assert figures(services, tmp_path)["connect_volume_refusals_total", (("volume", "sends"),)] == 1


def test_a_folder_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for metrics in (Metrics(None), started(tmp_path / "file"), Metrics(tmp_path / "not-started")):
        metrics.count(VOLUME_REFUSED, "sends")
        metrics.observe(HASH_WAIT, 1.0)
        metrics.put(DUTY_DONE, 1.0, "house")
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".db"] == ["file"]


def test_every_figure_is_listed_and_has_a_name_of_its_own() -> None:
    declared = {value for value in vars(known).values() if isinstance(value, Metric)}
    assert declared == set(COUNTED)
    names = [metric.name for metric in COUNTED] + list(SAID)
    assert len(names) == len(set(names))


def test_a_folder_that_goes_away_disturbs_nobody(tmp_path: Path) -> None:
    folder = tmp_path / "figures"
    metrics = started(folder)
    metrics.count(VOLUME_REFUSED, "sends")
    shutil.rmtree(folder)
    metrics.observe(HASH_WAIT, 0.3)
    metrics.put(REDIS_UP, 1)
    metrics.count(VOLUME_REFUSED, "sign_ins")
