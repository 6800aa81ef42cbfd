"""Seeded events for the policy `fifty`, and the contents of its lists.

python -m bench.generate    # writes the lists' files anew
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import count as count_up
from itertools import islice
from pathlib import Path

from bench.handwritten import FIELDS
from tidegate.dsl.types import Value

FOLDER = Path(__file__).parent / "policies" / "fifty"
SEED = 20261123
FIRST_US = 1_790_000_000 * 10**6
DAY_US = 86_400 * 10**6
CARDS = 60_000
ATTACKS = 0.02
COUNTRIES = ("FR", "DE", "ES", "IT", "BE", "NL", "GB", "US", "PL", "PT", "BR", "IN", "RU", "NG")
COUNTRY_WEIGHTS = (40, 12, 8, 8, 6, 5, 5, 4, 3, 3, 2, 2, 1, 1)
MCCS = ("5411", "5812", "5999", "5732", "5944", "7995", "6051", "4829", "5541", "5311", "5651")
MCC_WEIGHTS = (22, 18, 16, 4, 2, 2, 1, 1, 12, 12, 10)
DOMAINS = ("gmail.example", "mail.example", "post.example", "web.example", "drop0.example")
DOMAIN_WEIGHTS = (50, 25, 15, 9, 1)

Row = tuple[Value | None, ...]


def blocked_cards() -> list[str]:
    """Ten thousand cards; a few of them pay now and then."""
    rng = random.Random(SEED)
    known = rng.sample(range(CARDS), 200)
    return sorted({f"card_{n:05}" for n in known} | {f"card_{n:05}" for n in range(90_000, 99_800)})


def throwaway() -> list[str]:
    """Domains that give addresses away."""
    return [f"drop{n}.example" for n in range(300)]


def events(count: int, seed: int = SEED) -> list[Row]:
    """Payments as the door hands them on, each a tuple in the order of `FIELDS`."""
    return list(islice(stream(seed), count))


def stream(seed: int) -> Iterator[Row]:
    """Such payments without an end."""
    rng = random.Random(seed)
    return (_event(rng, number) for number in count_up())


def _event(rng: random.Random, number: int) -> Row:
    at_us = FIRST_US + rng.randrange(365 * DAY_US)
    attack = rng.random() < ATTACKS
    typical = min(int(rng.lognormvariate(8.7, 1.1)), 1_500_000)
    amount = min(int(typical * rng.lognormvariate(0, 0.9)) + 1, 2_500_000)
    country = rng.choices(COUNTRIES, COUNTRY_WEIGHTS)[0]
    tries_24h = min(int(rng.expovariate(0.45)), 40)
    tries_10m = min(tries_24h, int(rng.expovariate(1.1)))
    if attack:
        tries_24h += rng.randrange(20)
        tries_10m = rng.randrange(min(tries_24h, 12) + 1)
        amount = rng.choice((100, 150, 400, amount, amount * 4, 1_200_000, 2_100_000))
    event: dict[str, Value | None] = {
        "id": f"p{number}",
        "at": at_us,
        "amount": amount,
        "card": f"card_{rng.randrange(CARDS):05}",
        "card_country": country,
        "brand": rng.choices(("visa", "mastercard", "amex", "cb"), (45, 35, 5, 15))[0],
        "mcc": rng.choices(MCCS, MCC_WEIGHTS)[0],
        "merchant_country": rng.choices(("FR", "DE", country), (60, 5, 35))[0],
        "customer": _some(rng, 0.85, f"customer_{rng.randrange(20_000)}"),
        "ip_country": _some(rng, 0.85, country if rng.random() < 0.92 else _elsewhere(rng)),
        "email_domain": _some(rng, 0.8, rng.choices(DOMAINS, DOMAIN_WEIGHTS)[0]),
        "opened": _some(rng, 0.85, at_us - int(rng.expovariate(1 / 400) * DAY_US)),
        "channel": rng.choices(("ecom", "pos", "moto"), (70, 24, 6))[0],
        "fraud_score": _score(rng, (3, 2) if attack else (1.1, 8)),
        "bot_score": _score(rng, (2, 2) if attack else (0.7, 10)),
        "places_7d": min(int(rng.expovariate(1.2)), 9),
        "spend_24h": tries_24h * int(typical * rng.uniform(0.3, 1.5)),
        "tries_10m": tries_10m,
        "tries_24h": tries_24h,
        "typical": _some(rng, 0.85, typical if rng.random() < 0.98 else 0),
    }
    return tuple(event[name] for name in FIELDS)


def _score(rng: random.Random, shape: tuple[float, float]) -> int:
    """A score of four decimals, as a number is held."""
    return int(rng.betavariate(*shape) * 10**4) * 100


def _some(rng: random.Random, share: float, value: Value) -> Value | None:
    return value if rng.random() < share else None


def _elsewhere(rng: random.Random) -> str:
    return rng.choice(COUNTRIES)


def main() -> None:
    """Write the lists' files."""
    for name, values in (("blocked_cards", blocked_cards()), ("throwaway", throwaway())):
        path = FOLDER / "lists" / f"{name}.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f"{value}\n" for value in values))


if __name__ == "__main__":
    main()
