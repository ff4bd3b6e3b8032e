"""Every fault of a configuration is told at once, in words, and no value is repeated."""

from __future__ import annotations

import base64

import pytest

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
