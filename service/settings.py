"""How a service is set up: a YAML file, strict, with defaults that run in an empty folder.

Whatever is wrong is said at once, with the place. What production must not have is refused here,
before anything is opened: `development` is for one machine and for people who try it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Priority = Literal["high", "normal", "low"]
"""Whom load is shed from first: `low`."""


class SettingsError(ValueError):
    """Settings cannot be used; every line of the message is one thing that is wrong."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Listen(_Strict):
    """Where the service listens. Without a certificate it speaks plain HTTP, on loopback only."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    certificate: str = ""
    private_key: str = ""
    client_authorities: str = ""

    @property
    def is_loopback(self) -> bool:
        """Whether nobody from another machine gets here."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


class Deciding(_Strict):
    """Deadlines and what happens under load.

    deadline_ms: where the caller says none; max_deadline_ms: the longest that it may ask for.
    margin_ms: so long before the deadline the `silent` answer stands instead, which leaves time to
    record it. low_waiting, normal_waiting, high_waiting: with so many decisions on their way,
    callers of this priority get the `silent` answer at once. remembered: how many answers are kept
    in memory for retries; older ones are read from the ledger.
    """

    deadline_ms: Annotated[int, Field(ge=1)] = 200
    max_deadline_ms: Annotated[int, Field(ge=1)] = 60_000
    margin_ms: Annotated[int, Field(ge=0)] = 10
    low_waiting: Annotated[int, Field(ge=0)] = 200
    normal_waiting: Annotated[int, Field(ge=0)] = 2_000
    high_waiting: Annotated[int, Field(ge=0)] = 20_000
    remembered: Annotated[int, Field(ge=0)] = 100_000
    batch: Annotated[int, Field(ge=1, le=1_000)] = 100

    @model_validator(mode="after")
    def _ordered(self) -> Deciding:
        if not self.low_waiting <= self.normal_waiting <= self.high_waiting:
            raise ValueError("low_waiting <= normal_waiting <= high_waiting")
        if self.deadline_ms > self.max_deadline_ms:
            raise ValueError("deadline_ms <= max_deadline_ms")
        return self


class TokenSettings(_Strict):
    """Whose tokens are trusted.

    issuer: as the claim `iss` names it. jwks: its key set, a file or an https URL. bound: whether
    every token has to be bound to a certificate. In development, without an issuer, the service
    signs tokens itself.
    """

    issuer: str = ""
    jwks: str = ""
    audience: str = "tidegate"
    max_lifetime_s: Annotated[int, Field(ge=1, le=86_400)] = 3_600
    bound: bool = False


class RateSettings(_Strict):
    """What each caller may send: on average, and at once."""

    per_second: Annotated[float, Field(gt=0)] = 2_000.0
    burst: Annotated[int, Field(ge=1)] = 4_000


class ClientSettings(_Strict):
    """What is said of one client apart from its grants."""

    priority: Priority = "normal"


class ModelSettings(_Strict):
    """Who works scores out, and whose word it is which version serves.

    scoring: `in_process`, or `host`, a walled process a model. people: the file that lists who may
    approve models; with it the registry says what serves, without it the policy's own versions do.
    refresh_seconds: how often the registry is asked again.
    """

    scoring: Literal["in_process", "host"] = "in_process"
    people: str = ""
    refresh_seconds: Annotated[float, Field(gt=0)] = 1.0


class WindowSettings(_Strict):
    """How often the windows are saved: a start reads the ledger from the last time on."""

    save_seconds: Annotated[float, Field(gt=0)] = 60.0
    save_events: Annotated[int, Field(ge=1)] = 100_000


class IntakeSettings(_Strict):
    """Events and labels that are told, not decided.

    batch: so many at once. waiting: with so many on their way more are refused. at_a_stretch: so
    many are looked at before decisions have their turn. ahead_seconds: so far in the future an
    event's time may lie. labels_an_hour: what a source reports beyond it is kept apart. sources:
    by event, the field that says whose labels it reports; by default they are the caller's.
    """

    batch: Annotated[int, Field(ge=1, le=10_000)] = 1_000
    waiting: Annotated[int, Field(ge=1)] = 10_000
    at_a_stretch: Annotated[int, Field(ge=1)] = 10
    ahead_seconds: Annotated[int, Field(ge=0)] = 86_400
    labels_an_hour: Annotated[int, Field(ge=0)] = 1_000
    sources: Mapping[str, str] = Field(default_factory=dict)


class CaseSettings(_Strict):
    """claim_minutes: how long a claim holds. label: which label a verdict speaks of."""

    claim_minutes: Annotated[int, Field(ge=1, le=1_440)] = 30
    label: str = "fraud"


class SnoozeSettings(_Strict):
    """longest_days: how long a snooze may last. most: how many may last at a time."""

    longest_days: Annotated[int, Field(ge=1, le=366)] = 30
    most: Annotated[int, Field(ge=0)] = 1_000


class WebhookSettings(_Strict):
    """A consumer of decisions.

    client: whose grants say which decisions it is told of, and what of them. secrets: files with
    the secrets that messages are signed with, several while one takes the place of another.
    """

    url: str
    client: str
    secrets: Annotated[tuple[str, ...], Field(min_length=1, max_length=4)]


class OutboxSettings(_Strict):
    """How decisions are delivered.

    at_once: so many to one consumer at a time. retry_seconds: the first pause, which doubles up to
    longest_retry_seconds. give_up_days: what was not taken for so long is tried no more.
    """

    webhooks: Mapping[Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,31}$")], WebhookSettings] = (
        Field(default_factory=dict)
    )
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 10.0
    at_once: Annotated[int, Field(ge=1, le=100)] = 16
    retry_seconds: Annotated[float, Field(gt=0)] = 5.0
    longest_retry_seconds: Annotated[float, Field(gt=0)] = 3_600.0
    give_up_days: Annotated[float, Field(gt=0)] = 7.0


class Settings(_Strict):
    """All of it. Paths are taken from the folder of the settings file.

    policy: the policy's folder. data: what the embedded service keeps. ledger: its URL, by default
    an SQLite file in `data`. hash_tokens: whether tokens are kept as keyed hashes; off only where
    callers send pseudonyms of their own. subjects: by event, the fields that name whom it concerns,
    the first that is there; by default `customer`, then `card`, then any token.
    """

    mode: Literal["development", "production"] = "development"
    policy: str = "policy"
    data: str = "tidegate-data"
    ledger: str = ""
    keys: str = ""
    anchor: str = ""
    hash_tokens: bool = True
    subjects: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    listen: Listen = Listen()
    tokens: TokenSettings = TokenSettings()
    rate: RateSettings = RateSettings()
    deciding: Deciding = Deciding()
    clients: Mapping[str, ClientSettings] = Field(default_factory=dict)
    models: ModelSettings = ModelSettings()
    windows: WindowSettings = WindowSettings()
    intake: IntakeSettings = IntakeSettings()
    cases: CaseSettings = CaseSettings()
    snoozes: SnoozeSettings = SnoozeSettings()
    outbox: OutboxSettings = OutboxSettings()

    @property
    def data_folder(self) -> Path:
        """What the embedded service keeps."""
        return Path(self.data)

    @property
    def ledger_url(self) -> str:
        """Where the ledger is."""
        return self.ledger or f"sqlite:///{self.data_folder / 'ledger.db'}"

    @property
    def keys_path(self) -> Path:
        """The file of development keys."""
        return Path(self.keys) if self.keys else self.data_folder / "keys.json"

    @property
    def anchor_path(self) -> Path:
        """Where the signed head is kept beside the ledger."""
        return Path(self.anchor) if self.anchor else self.data_folder / "head"


def read_settings(path: Path | None, **changes: Any) -> Settings:
    """The settings in a YAML file, or the defaults; `changes` stand instead of what it says.

    Relative paths in the file are taken from its folder, those in `changes` from here.
    `SettingsError` with everything that is wrong.
    """
    values: dict[str, Any] = {}
    if path is not None:
        values = _read_yaml(path)
        for name in ("policy", "data", "keys", "anchor"):
            if isinstance(values.get(name), str):
                values[name] = str(path.parent / values[name])
        models = values.get("models")
        if isinstance(models, dict) and isinstance(models.get("people"), str):
            models["people"] = str(path.parent / models["people"])
        values.setdefault("policy", str(path.parent / "policy"))
        values.setdefault("data", str(path.parent / "tidegate-data"))
    values |= {name: value for name, value in changes.items() if value is not None}
    try:
        # By way of JSON, in which a list may stand for a tuple and nothing else is lax.
        settings = Settings.model_validate_json(json.dumps(values, default=str))
    except ValidationError as error:
        raise SettingsError("\n".join(_said(one) for one in error.errors())) from None
    if problems := list(refused_in_production(settings)):
        raise SettingsError("\n".join(problems))
    return settings


def refused_in_production(settings: Settings) -> list[str]:
    """What these settings must not have; for `development` only what is open to others."""
    problems = []
    plain = not settings.listen.certificate
    if plain and not settings.listen.is_loopback:
        problems.append(
            f"listen.host: plain HTTP is for loopback only, and `{settings.listen.host}` is not; "
            "give listen.certificate and listen.private_key"
        )
    if bool(settings.listen.certificate) != bool(settings.listen.private_key):
        problems.append("listen: certificate and private_key come together")
    if bool(settings.tokens.issuer) != bool(settings.tokens.jwks):
        problems.append("tokens: issuer and jwks come together")
    if settings.mode == "production" and not settings.tokens.issuer:
        problems.append(
            "tokens: production trusts the tokens of your identity provider alone; name its "
            "issuer and jwks"
        )
    if settings.mode == "production":
        problems.append(
            "mode: production needs keys from a vault, and this release has development keys only"
        )
    return problems


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"`{path}` cannot be read: {type(error).__name__}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise SettingsError(f"`{path}` holds no settings by name")
    return values


def _said(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"])
    return f"{place}: {error['msg'].removeprefix('Value error, ')}"
