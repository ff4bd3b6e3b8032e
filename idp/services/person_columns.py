"""Which column holds which field: recognised by its name in four languages, or as a portal's operator chose before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from idp.services.person_rows import ADDRESS, COLUMNS, REQUIRED
from idp.services.person_words import fold

# Beside the names of the fields themselves, written without case, accents, spaces and signs.
NAMES: Mapping[str, tuple[str, ...]] = {
    "external_id": (
        "referenz", "referenznummer", "personennummer", "personennr", "personnummer", "externeid", "reference",
        "numerodereference", "noreference", "numerodepersonne", "nopersonne", "ndepersonne", "riferimento",
        "numerodiriferimento", "numeropersona", "personnumber", "personid", "membernumber", "id",
        "personalnummer", "personalnr", "mitarbeiternummer", "mitarbeiternr", "mitgliednummer", "mitgliedernummer",
        "mitgliednr", "matricule", "numerodematricule", "numerodemembre", "ndemembre", "nomembre",
        "matricola", "numerodimatricola",
        "numerodimembro", "employeenumber", "staffnumber", "personnelnumber",
    ),
    "insured_number": (
        "versichertennummer", "versichertennr", "ahvnummer", "ahvnr", "ahv", "sozialversicherungsnummer",
        "svnummer", "numerodassure", "numeroassure", "noassure", "nassure", "ndassure", "numeroavs", "noavs", "navs",
        "avs", "numerodassicurato", "numeroassicurato", "noassicurato", "insurednumber", "insurancenumber", "ahvnumber",
        "socialsecuritynumber",
    ),
    "given_name": ("vorname", "vornamen", "prenom", "prenoms", "nome", "firstname", "givenname", "forename"),
    "family_name": (
        "name", "nachname", "familienname", "nom", "nomdefamille", "cognome", "lastname", "familyname", "surname",
    ),
    "birth_date": (
        "geburtsdatum", "gebdatum", "geboren", "datedenaissance", "naissance", "neele", "datadinascita", "nascita",
        "dateofbirth", "birthdate", "birthday", "dob",
    ),
    "language": ("sprache", "korrespondenzsprache", "langue", "languedecorrespondance", "lingua", "language"),
    "address_1": (
        "adresse", "adresszeile1", "adresse1", "strasse", "strassenr", "strasseundnummer", "rue", "rueetnumero",
        "lignedadresse1", "indirizzo", "indirizzo1", "via", "viaenumero", "street", "address", "addressline1",
        "hausnummer", "hausnr",
    ),
    "address_2": (
        "adresszeile2", "adresse2", "plz", "ort", "plzort", "wohnort", "npa", "localite", "npalocalite", "npalieu",
        "lieu", "ville", "lignedadresse2", "indirizzo2", "luogo", "npaluogo", "localita", "postcode", "town", "city",
        "postcodeandtown", "addressline2", "zip",
    ),
    "address_3": ("adresszeile3", "adresse3", "lignedadresse3", "indirizzo3", "addressline3", "land", "pays", "paese",
                  "country"),
    "address_4": ("adresszeile4", "adresse4", "lignedadresse4", "indirizzo4", "addressline4"),
    "address_5": ("adresszeile5", "adresse5", "lignedadresse5", "indirizzo5", "addressline5"),
}  # fmt: skip
KNOWN = {name: field for field, names in NAMES.items() for name in (fold(field), *names)}
JOINED = {"given_name", "family_name", *ADDRESS}  # a field that several columns may make up


def recognise(headings: Sequence[str], remembered: Mapping[str, str] | None = None) -> list[str]:
    """The field of each column, empty where none is known. `remembered` goes by the folded heading."""
    known = KNOWN | dict(remembered or {})
    fields, taken = list[str](), set[str]()
    for heading in headings:
        field = known.get(fold(heading), "")
        fields.append(field if field not in taken or field in JOINED else "")
        taken.add(field)
    return fields


def missing(fields: Sequence[str]) -> list[str]:
    """The fields that every file must have and that no column holds."""
    return [name for name in REQUIRED if name not in fields]


def doubled(fields: Sequence[str]) -> list[str]:
    """The fields that several columns hold though they cannot be joined."""
    counts = {name: len(list(same)) for name, same in groupby(sorted(fields))}
    return [name for name in COLUMNS if counts.get(name, 0) > 1 and name not in JOINED]
