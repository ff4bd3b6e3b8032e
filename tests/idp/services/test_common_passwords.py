"""A password must be long, nobody else's and not one's own data; nothing else is asked of it (NIST SP 800-63B-4)."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from idp.clock import FrozenClock
from idp.services.assembly import build_services
from idp.services.bundle import Services
from idp.services.common_passwords import FILE, SHORTEST_STEM, WIDTH, CommonPasswords
from idp.services.passwords import LONGEST, SHORTEST
from idp.settings import Settings, SettingsError
from tests.actions import PASSWORD
from tests.support.walks import NEW_PASSWORD

pytestmark = pytest.mark.no_database

# What zxcvbn alone lets pass, as it stands in lists of stolen passwords.
STOLEN = (
    "invin0veritas", "xande159357486", "andy73taylor", "yfczytxrf1995", "Warrender1996", "gthdjvfqcrfz",
    "streetball123", "fulhamfootballclub1967", "goldendragon1992", "saeedalvi1234",
)  # fmt: skip
WORDS = ("Bundesverfassungsgericht", "développement", "internazionale", "Krankenkasse", "administration")
GOOD = (
    PASSWORD, NEW_PASSWORD, "sonnenblume am waldrand", "zebra lampe tunnel", "correct horse battery staple",
    "le chat boit du thé", "T9$kQw2!xVbn7", "мой старый синий трактор", "四月の雨は静かに降る夜の町",
)  # fmt: skip


@pytest.fixture
def common() -> CommonPasswords:
    return CommonPasswords()


def reason(services: Services, password: str, *own: str) -> str | None:
    found = services.passwords.problem(password, own)
    return found.reason if found else None


@pytest.mark.parametrize("password", STOLEN)
def test_a_stolen_password_is_known_however_it_is_dressed_up(services: Services, password: str) -> None:
    for form in (password, password.upper(), password.replace("a", "@").replace("o", "0"), f"  {password}!"):
        assert reason(services, form.strip()) == "e.pw.common", form


@pytest.mark.parametrize("word", WORDS)
def test_a_single_word_with_digits_and_signs_around_it_is_no_password(services: Services, word: str) -> None:
    for form in (f"{word}2026", f"77{word}!!", f"{word.upper()}-1958", unicodedata.normalize("NFD", f"{word}2026")):
        assert reason(services, form) == "e.pw.common", form


@pytest.mark.parametrize("password", GOOD)
def test_a_sentence_or_a_random_password_is_taken(services: Services, password: str) -> None:
    assert reason(services, password) is None


def test_the_list_is_sorted_whole_and_small(common: CommonPasswords) -> None:
    known = FILE.read_bytes()
    entries = [known[at : at + WIDTH] for at in range(0, len(known), WIDTH)]
    assert len(known) % WIDTH == 0
    assert entries == sorted(set(entries))
    assert len(entries) > 100_000
    assert len(known) < 1_000_000
    assert all(common._is_known(entry) for entry in (entries[0], entries[-1], entries[len(entries) // 2]))
    assert not common._is_known(b"\xff" * WIDTH)
    assert not common._is_known(b"\x00" * WIDTH)


def test_what_is_left_of_a_password_must_be_long_enough_to_judge_it(common: CommonPasswords) -> None:
    assert SHORTEST_STEM == 8
    assert not common.has("test 27.3.1958 27")
    assert not common.has("!!!!!! 4711 !!!!!!")


def test_length_counts_code_points_after_composition(services: Services) -> None:
    composed = "é" * 3 + "xk vq zw"
    assert len(composed) == SHORTEST - 1
    assert reason(services, unicodedata.normalize("NFD", composed)) == "e.pw.short"
    assert reason(services, "") == "e.pw.empty"
    words = "vier pferde im regen und neun kamele am waldrand, "
    assert reason(services, (words * 6)[:LONGEST]) is None
    assert reason(services, (words * 6)[: LONGEST + 1]) == "e.pw.long"


def test_ones_own_data_make_no_password(services: Services) -> None:
    own = ("Hélène", "Müller-Schmid", "helene.mueller", "helene.mueller@example.ch", "Caisse CPX")
    for password in (
        "helene.mueller",
        "Müller-Schmid1",
        "helene.mueller@example.ch",
        "HÉLÈNE Hélène",
        "helene-1958-27.3.",
        "1958HeleneMuller-Schmid",
    ):
        assert reason(services, password, *own) == "e.pw.self", password
    for password in (PASSWORD, "helene und vier pferde", "caisse cpx und neun kamele"):
        assert reason(services, password, *own) is None


def test_an_installation_adds_its_own_words_and_list(
    environment: dict[str, str], clock: FrozenClock, tmp_path: Path
) -> None:
    file = tmp_path / "list.txt"
    file.write_text("Seilbahn-Kulm\n\n  Grüezi Mitenand\n", encoding="utf-8")
    given = environment | {"CONNECT_BLOCKLIST_FILE": str(file), "CONNECT_INSTALLATION_WORDS": "Zugvogel, Xyloquartz"}
    own = build_services(Settings.from_environ(given), clock=clock)
    plain = build_services(Settings.from_environ(environment), clock=clock)
    for password in ("Seilbahn-Kulm", "seilbahn-kulm 2026", "GRÜEZI MITENAND"):
        assert reason(own, password) == "e.pw.common"
        assert reason(plain, password) is None
    assert reason(own, "xyloquartz12") == "e.pw.common"
    assert reason(plain, "xyloquartz12") is None
    assert reason(own, "invin0veritas") == "e.pw.common"


@pytest.mark.parametrize(
    ("content", "fault"), [(None, "cannot be read"), (b"gr\xfcezi", "is not UTF-8"), (b" \n", "is empty")]
)
def test_a_list_that_cannot_be_used_is_a_fault_of_the_configuration(
    environment: dict[str, str], tmp_path: Path, content: bytes | None, fault: str
) -> None:
    file = tmp_path / "list.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ(environment | {"CONNECT_BLOCKLIST_FILE": str(file)})
    assert caught.value.faults == [f"CONNECT_BLOCKLIST_FILE: {fault}"]


def test_a_list_that_is_too_large_is_one_too(environment: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    with file.open("wb") as sparse:
        sparse.truncate(32 * 2**20 + 1)
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ(environment | {"CONNECT_BLOCKLIST_FILE": str(file)})
    assert caught.value.faults == ["CONNECT_BLOCKLIST_FILE: has more than 32 MB"]
