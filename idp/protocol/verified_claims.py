"""How a person was tied to the record: OpenID Connect for Identity Assurance 1.0, `verified_claims`.

The evidence is the fund's record: a code went by post to the address on file, came back here, and a second item of the
record was checked beside it. Given on request only, and reduced to what the request names (§7).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from idp.errors import ProtocolError
from idp.models.person import InsuredPerson, RegistrationCode
from idp.models.portal import Portal
from idp.services.bundle import Services

CLAIMS = {
    "given_name": "profile", "family_name": "profile", "birthdate": "profile", "insured_number": "insurance",
    "external_id": "insurance",
}  # fmt: skip
EVIDENCE = "electronic_record"
RECORD = "pension_fund_record"
KNOWLEDGE = "kbv"  # the predefined word for an answer that only the person should know
MOST_SETS = 5
RESTRICTIONS = {"value", "values", "max_age"}
REMARKS = {"essential", "purpose"}


class _Unfit(Exception):
    """What is known does not meet a restriction of the request."""


def check(wanted: object) -> None:
    """The form of a request for verified claims: one set or several. Raises `ProtocolError` invalid_request."""
    sets = wanted if isinstance(wanted, list) else [wanted]
    if not 0 < len(sets) <= MOST_SETS:
        raise ProtocolError("invalid_request", f"claims asks for none or more than {MOST_SETS} sets of verified_claims")
    for one in sets:
        parts = (one.get("verification"), one.get("claims")) if isinstance(one, dict) else (None, None)
        if not all(isinstance(part, dict) and part for part in parts):
            raise ProtocolError("invalid_request", "verified_claims must name members of verification and of claims")
        _check_template(one)


def names_in(wanted: Any) -> set[str]:
    """The claims that a request wants to be told as verified."""
    return {name for one in (wanted if isinstance(wanted, list) else [wanted]) for name in one["claims"]}


def _check_template(node: object) -> None:
    """Null, an object of members or restrictions, or an array of such objects."""
    if isinstance(node, list):
        for entry in node:
            _check_template(entry if isinstance(entry, dict) else ())
    elif isinstance(node, dict):
        for name, part in node.items():
            if name not in RESTRICTIONS | REMARKS:
                _check_template(part)
    elif node is not None:
        raise ProtocolError("invalid_request", "verified_claims has a member that is neither null nor an object")


def release(bundle: Services, portal: Portal, record: InsuredPerson, wanted: Any) -> dict[str, Any]:
    """`verified_claims` as it answers the request, or nothing: without evidence, or where a restriction is not met."""
    code = bundle.registration_codes.redeemed_for(record)
    if code is None:
        return {}
    known = {"verification": _verification(bundle, portal, record, code), "claims": of_record(portal, record)}
    sets = wanted if isinstance(wanted, list) else [wanted]
    found = [chosen for one in sets if (chosen := _answer(one, known, bundle.clock.now()))]
    if not found:
        return {}
    return {"verified_claims": found if isinstance(wanted, list) else found[0]}


def _verification(bundle: Services, portal: Portal, record: InsuredPerson, code: RegistrationCode) -> dict[str, Any]:
    redeemed = _moment(code.redeemed_at)
    fund = portal.name("fr")
    checks = [
        {"check_method": "letter", "organization": fund, "time": _moment(code.issued_at)},
        {"check_method": "letter_code", "organization": fund, "time": redeemed},
    ]
    if code.second_item is not None:
        checks.append({"check_method": KNOWLEDGE, "organization": fund, "time": redeemed})
    source = {"type": RECORD, "created_at": _moment(record.created_at), "source": {"name": fund}}
    return {
        "trust_framework": bundle.settings.trust_framework,
        "time": redeemed,
        "verification_process": str(code.id),
        "evidence": [{"type": EVIDENCE, "check_details": checks, "record": source}],
    }


def of_record(portal: Portal, record: InsuredPerson) -> dict[str, Any]:
    """What can be said as verified: the fund's own data of the person, within the portal's scopes."""
    known = {
        "given_name": record.given_name, "family_name": record.family_name, "birthdate": record.birth_date.isoformat(),
        "insured_number": record.insured_number, "external_id": record.external_id,
    }  # fmt: skip
    return {name: value for name, value in known.items() if value and CLAIMS[name] in portal.scopes}


def _moment(at: datetime | None) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if at else ""


def _answer(wanted: dict[str, Any], known: dict[str, Any], now: datetime) -> dict[str, Any] | None:
    """One set of verified claims, or None when a restriction on the verification is not met or no claim is left."""
    try:
        verification = _select({"trust_framework": None, **wanted["verification"]}, known["verification"], now)
    except _Unfit:
        return None
    claims: dict[str, Any] = {}
    for name, how in wanted["claims"].items():
        try:
            claims |= _select({name: how}, known["claims"], now)
        except _Unfit:
            continue
    return {"verification": verification, "claims": claims} if claims else None


def _select(wanted: Any, known: Any, now: datetime) -> Any:
    """`known` reduced to what is wanted. Raises `_Unfit`."""
    if isinstance(wanted, list):
        return _filter(wanted, known, now)
    asked = {name: part for name, part in (wanted or {}).items() if name not in REMARKS}
    if RESTRICTIONS & set(asked):
        return _restricted(asked, known, now)
    if not asked or not isinstance(known, dict):
        return known
    chosen = {}
    for name, part in asked.items():
        if name in known:
            chosen[name] = _select(part, known[name], now)
        elif isinstance(part, dict) and RESTRICTIONS & set(part):
            raise _Unfit
    return {**({"type": known["type"]} if known.get("type") == EVIDENCE else {}), **chosen}


def _filter(wanted: list[Any], known: Any, now: datetime) -> list[Any]:
    """The entries of an array that meet one of several templates, each as its template asks."""
    fitting = []
    for entry in known if isinstance(known, list) else []:
        for template in wanted:
            try:
                fitting.append(_select(template, entry, now))
                break
            except _Unfit:
                continue
    if not fitting:
        raise _Unfit
    return fitting


def _restricted(how: dict[str, Any], known: Any, now: datetime) -> Any:
    if "value" in how and known != how["value"]:
        raise _Unfit
    if "values" in how and (not isinstance(how["values"], list) or known not in how["values"]):
        raise _Unfit
    if "max_age" in how and not _is_young(known, how["max_age"], now):
        raise _Unfit
    return known


def _is_young(known: Any, max_age: object, now: datetime) -> bool:
    try:
        at = datetime.fromisoformat(known)
    except (TypeError, ValueError):
        return False
    return isinstance(max_age, int) and 0 <= max_age <= 10**10 and now - at <= timedelta(seconds=max_age)
