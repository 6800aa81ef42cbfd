"""Settings: defaults that run, everything that is wrong at once, nothing open by mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidegate.service.settings import Settings, SettingsError, read_settings


def written(folder: Path, text: str) -> Path:
    """A file of settings."""
    path = folder / "tidegate.yaml"
    path.write_text(text)
    return path


def test_defaults_run_in_an_empty_folder() -> None:
    """On loopback, with an embedded ledger."""
    settings = read_settings(None)
    assert settings == Settings()
    assert settings.ledger_url == "sqlite:///tidegate-data/ledger.db"
    assert settings.listen.is_loopback


def test_paths_are_taken_from_the_folder_of_the_file(tmp_path: Path) -> None:
    """And what is said on the command line stands instead."""
    path = written(tmp_path, "policy: shop\nkeys: /secret/keys.json\nlisten:\n  port: 1\n")
    settings = read_settings(path)
    assert settings.policy == str(tmp_path / "shop")
    assert settings.keys_path == Path("/secret/keys.json")
    assert settings.data_folder == tmp_path / "tidegate-data"
    assert read_settings(path, policy="here").policy == "here"
    assert read_settings(written(tmp_path, "")).policy == str(tmp_path / "policy")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("polcy: shop\n", "polcy: Extra inputs are not permitted"),
        ("listen: {port: 70000}\n", "listen.port"),
        ("listen: {port: '80'}\n", "listen.port"),
        ("listen: {host: 0.0.0.0}\n", "plain HTTP is for loopback only"),
        ("listen: {host: example.org}\n", "plain HTTP is for loopback only"),
        ("listen: {certificate: a.pem}\n", "come together"),
        ("deciding: {low_waiting: 9, normal_waiting: 8}\n", "low_waiting <= normal_waiting"),
        ("deciding: {deadline_ms: 100000}\n", "deadline_ms <= max_deadline_ms"),
        ("clients: {shop: {priority: urgent}}\n", "clients.shop.priority"),
        ("tokens: {issuer: 'https://id'}\n", "issuer and jwks come together"),
        ("mode: production\n", "production trusts the tokens of your identity provider"),
        ("mode: production\n", "keys from a vault"),
        ("mode: staging\n", "mode"),
        ("[1]\n", "holds no settings by name"),
        ("a: [\n", "cannot be read"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    """Nothing is started."""
    with pytest.raises(SettingsError) as refused:
        read_settings(written(tmp_path, text))
    assert said in str(refused.value)


def test_all_errors_come_at_once(tmp_path: Path) -> None:
    """One line each."""
    with pytest.raises(SettingsError) as refused:
        read_settings(written(tmp_path, "a: 1\nb: 2\nlisten: {port: -1}\n"))
    assert len(str(refused.value).split("\n")) == 3


def test_a_certificate_lets_it_listen_to_others(tmp_path: Path) -> None:
    """That is what it is for."""
    text = "listen: {host: 0.0.0.0, certificate: a.pem, private_key: b.pem}\n"
    assert not read_settings(written(tmp_path, text)).listen.is_loopback
