"""Files of insured persons for tests."""

from __future__ import annotations

HEADER = "external_id;insured_number;given_name;family_name;birth_date;language;address_1;address_2"
CELLS = {
    "external_id": "P-1", "insured_number": "756.9217.0769.85", "given_name": "Hélène", "family_name": "Müller",
    "birth_date": "27.3.1958", "language": "fr", "address_1": "Rue du Lac 1", "address_2": "1000 Lausanne",
}  # fmt: skip


def row(external_id: str = "P-1", **cells: str) -> str:
    """A good row, with other cells."""
    return ";".join((CELLS | {"external_id": external_id} | cells).values())


def file(*rows: str, header: str = HEADER) -> bytes:
    return "\n".join([header, *rows, ""]).encode()


def many(count: int, **cells: str) -> bytes:
    """So many persons, P-0 and on."""
    return file(*(row(f"P-{number}", **cells) for number in range(count)))
