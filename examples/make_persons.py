"""Writes examples/persons-a.csv and persons-b.csv: 200 invented insured persons, the same ones every time.

The first ten of either file are the same people: with their two letters one sees how a second portal is added.
"""

from __future__ import annotations

import csv
from pathlib import Path

HERE = Path(__file__).resolve().parent
COLUMNS = (
    "external_id", "insured_number", "given_name", "family_name", "birth_date", "language",
    "address_1", "address_2", "address_3", "address_4", "address_5",
)  # fmt: skip
GIVEN = {
    "fr": ("Hélène", "François", "Chloé", "Zoë", "André", "Geneviève", "Loïc", "Anaïs", "Étienne", "Maëlle"),
    "de": ("Jürg", "Käthi", "Reto", "Ueli", "Sönke", "Vreni", "Łukasz", "Regula", "Beat", "Björn"),
    "it": ("Niccolò", "Chiara", "Mattia", "Ștefan", "Lucia", "Désirée", "Matteo", "Ilaria", "Gioele", "Noè"),
    "en": ("Siân", "Oliver", "Seán", "Charlotte", "Zoë", "Renée", "Øystein", "Ngọc", "Dvořák", "Amélie"),
}
FAMILY = {
    "fr": ("Müller", "Rochat", "Delacrétaz", "Bœuf", "Favre", "Lefèvre", "Çelik", "Dubœuf", "Perrin", "D'Amico"),
    "de": ("Zürcher", "Käser", "Hürlimann", "Wyss-Meier", "Nöthiger", "Kowalczyk", "Frey", "Ötztaler", "Graf", "Ammann"),
    "it": ("Bernasconi", "D'Angelo", "Ciocârlie", "Rossi", "Nicolò", "De Luca", "Pedrazzini", "Bianchi", "Șerban", "Lombardi"),
    "en": ("O'Brien", "Smith-Jones", "MacLeòid", "Håkansson", "Nguyễn", "Brontë", "García", "Novák", "Taylor", "Ó Murchú"),
}  # fmt: skip
ADDRESSES = {
    "fr": (
        ("Rue du Lac {n}", "1000 Lausanne"), ("Chemin des Vignes {n}", "1807 Blonay"), ("Grand-Rue {n}", "1700 Fribourg"),
        ("c/o Famille Rey", "Route de Genève {n}", "1260 Nyon"), ("{n} rue de l'Église", "67000 Strasbourg", "FRANCE"),
    ),
    "de": (
        ("Bahnhofstrasse {n}", "8001 Zürich"), ("Gässli {n}", "3011 Bern"), ("Obere Mühle {n}", "9490 Vaduz", "LIECHTENSTEIN"),
        ("Postfach {n}", "6003 Luzern"), ("Königsallee {n}", "40212 Düsseldorf", "DEUTSCHLAND"),
    ),
    "it": (
        ("Via Nassa {n}", "6900 Lugano"), ("Piazza Grande {n}", "6600 Locarno"), ("Via alla Chiesa {n}", "6500 Bellinzona"),
        ("Presso Rossi", "Via Roma {n}", "22100 Como CO", "ITALIA"), ("Viale Stazione {n}", "6830 Chiasso"),
    ),
    "en": (
        ("Rue de Lausanne {n}", "1202 Genève"), ("{n} High Street", "Oxford OX1 4AW", "UNITED KINGDOM"), ("Seestrasse {n}", "8802 Kilchberg"),
        ("Rua do Século {n}", "1200-433 Lisboa", "PORTUGAL"), ("{n} Main Street, Apt 4", "Boston MA 02108", "USA"),
    ),
}  # fmt: skip
LANGUAGES = ("fr", "de", "fr", "de", "it", "fr", "de", "en", "de", "fr")


def insured_number(serial: int) -> str:
    """A number of the AHV form with its EAN-13 check digit."""
    digits = f"756{serial:09d}"
    total = sum(int(digit) * (3 if at % 2 else 1) for at, digit in enumerate(digits))
    full = digits + str((10 - total % 10) % 10)
    return f"{full[:3]}.{full[3:7]}.{full[7:11]}.{full[11:]}"


def person(number: int, prefix: str) -> dict[str, str]:
    language = LANGUAGES[number % 10]
    tens = number // 10
    given, family = GIVEN[language][(number * 7 + tens) % 10], FAMILY[language][(number * 3 + tens * 7) % 10]
    if number % 25 == 24:
        given = ""  # the fund does not know it: the person is asked
    address = ADDRESSES[language][(number + tens) % 5]
    row = {
        "external_id": f"{prefix}-{number + 1:04d}",
        "insured_number": insured_number(number * 7919 + 100_000_000),
        "given_name": given,
        "family_name": family,
        "birth_date": f"{number % 28 + 1}.{number * 5 % 12 + 1}.{1938 + number * 11 % 62}",
        "language": language,
    }
    return row | {f"address_{at + 1}": line.format(n=number % 80 + 1) for at, line in enumerate(address)}


def write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, delimiter=";", restval="")
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    write(HERE / "persons-a.csv", [person(number, "A") for number in range(100)])
    write(HERE / "persons-b.csv", [person(number if number < 10 else number + 90, "B") for number in range(100)])


if __name__ == "__main__":
    main()
