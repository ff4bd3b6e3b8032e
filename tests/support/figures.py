"""What `/metrics` of an application or an installation says, as numbers by name and labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families

from tests.support.authority import Authority
from tests.support.person import ISSUER

TOKEN = "figures-are-for-those-who-watch-over-it"


def counting(folder: Path) -> dict[str, str]:
    """The settings of an installation that counts."""
    return {"CONNECT_METRICS_FOLDER": str(folder / "metrics"), "CONNECT_METRICS_TOKEN": TOKEN}


@dataclass(frozen=True)
class Figures:
    """Every sample; a second one of the same name and labels would be no figure."""

    samples: dict[tuple[str, frozenset[tuple[str, str]]], float]

    @classmethod
    def read(cls, text: str) -> Figures:
        found: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                key = sample.name, frozenset(sample.labels.items())
                assert key not in found, key
                found[key] = sample.value
        return cls(found)

    def of(self, name: str, **labels: str) -> float:
        """0 where nothing was counted yet."""
        return self.samples.get((name, frozenset(labels.items())), 0)

    def series(self, *names: str) -> set[tuple[str, frozenset[tuple[str, str]]]]:
        """The series of figures whose names begin so, or all."""
        return {key for key in self.samples if not names or key[0].startswith(names)}

    def labels(self) -> set[str]:
        """Every value of a label."""
        return {value for _, labels in self.samples for _, value in labels}


def scraped(issuer: str, authority: Authority) -> str:
    """What an installation shows, by whichever of its processes answers."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Connection": "close"}
    answer = requests.get(f"{issuer}/metrics", headers=headers, verify=str(authority.file), timeout=30)
    answer.raise_for_status()
    return answer.text


def asked(web: Flask, token: str = TOKEN, **options: Any) -> Figures:
    answer = web.test_client().get("/metrics", headers={"Authorization": f"Bearer {token}"}, base_url=ISSUER, **options)
    assert answer.status_code == 200
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    return Figures.read(answer.get_data(as_text=True))
