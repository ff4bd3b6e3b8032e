"""Every fault of a configuration is told at once, in words, and no value is repeated."""

from __future__ import annotations

import base64

import pytest

from idp.setting_faults import LONGEST_HOST
from idp.settings import Settings, SettingsError


def test_a_complete_configuration_is_taken(environment: dict[str, str]) -> None:
    settings = Settings.from_environ(
        {**environment, "CONNECT_SMS_COUNTRIES": "ch, fr", "CONNECT_EMAIL_CODE_FOR": "900"}
    )
    assert settings.sms_countries == ("CH", "FR")
    assert settings.email_code_for.total_seconds() == 900
    assert settings.host == "localhost:8000"


def test_all_faults_are_reported_at_once(environment: dict[str, str]) -> None:
    bad = {
        "CONNECT_ISSUER": "http://connect.example.ch",
        "CONNECT_SMTP_HOST": "mail.example.ch",
        "CONNECT_SMS_SECRET": "change-me",
        "CONNECT_NO_SUCH_THING": "1",
    }
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ({**environment, **bad})
    text = "\n".join(caught.value.faults)
    for name in ("ISSUER: must be https", "SMTP_SECURITY", "SMS_SECRET: this is a placeholder", "NO_SUCH_THING"):
        assert name in text
    assert "change-me" not in text


def test_missing_settings_are_named() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ({})
    assert "CONNECT_ISSUER: is missing" in caught.value.faults


def test_a_random_key_that_happens_to_spell_a_word_is_no_placeholder(environment: dict[str, str]) -> None:
    key = base64.b64encode(base64.b64decode("testxxxx") + bytes(range(26))).decode()
    assert Settings.from_environ({**environment, "CONNECT_MASTER_KEY": key})


def test_a_database_that_we_do_not_speak_is_named_without_its_password(environment: dict[str, str]) -> None:
    for url in (
        "mysql://root:hunter2@db/connect", "postgresql://u:hunter2@db/c", "sqlite://", "sqlite:///:memory:", "x",
        "postgresql+psycopg://u:hunter2@db:port/c",
    ):  # fmt: skip
        with pytest.raises(SettingsError) as caught:
            Settings.from_environ({**environment, "CONNECT_DATABASE_URL": url})
        assert [fault.split(":")[0] for fault in caught.value.faults] == ["CONNECT_DATABASE_URL"], url
        assert "hunter2" not in str(caught.value)


def test_no_secret_is_in_the_representation(environment: dict[str, str]) -> None:
    settings = Settings.from_environ(
        {**environment, "CONNECT_DATABASE_URL": "postgresql+psycopg://connect:hunter2@db/connect"}
    )
    shown = repr(settings)
    secrets = (environment["CONNECT_MASTER_KEY"], environment["CONNECT_SMS_SECRET"], "hunter2")
    assert not [secret for secret in secrets if secret in shown]
    assert ("issuer=" in shown, "key_active_for=" in shown) == (True, False)  # what was decided, not what is usual


def test_a_host_that_an_sms_has_no_room_for_is_refused(environment: dict[str, str]) -> None:
    fits = "a" * (LONGEST_HOST - len(".example.ch")) + ".example.ch"
    assert Settings.from_environ({**environment, "CONNECT_ISSUER": f"https://{fits}"}).host == fits
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ({**environment, "CONNECT_ISSUER": f"https://a{fits}"})
    assert caught.value.faults == ["CONNECT_ISSUER: the host may have 43 characters, because every SMS ends with it"]
