"""Makes the histories of the examples: `python -m tidegate.examples.history FOLDER`.

Everything is drawn from one seeded generator, so that the same seed writes the same bytes on every
machine. Cards pay at merchants they like, at hours they keep; four kinds of fraud are mixed in:
card testing (bursts of small amounts), stolen cards (large amounts from another country), a
compromised merchant (its payments turn fraudulent for a month) and account takeover (new device,
throwaway mail). Nothing comes from real payments.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

SEED = 20_260_105
START = datetime(2026, 1, 5, tzinfo=UTC)
COUNTRIES = ("FR", "DE", "ES", "IT", "BE", "NL", "US", "GB")
MAILS = ("post.example", "mail.example", "web.example")
THROWAWAY = ("mailinator.example", "throwaway.example")


@dataclass(frozen=True, slots=True)
class Card:
    """A card with its owner's habits."""

    number: int
    country: str
    typical_minor: int
    per_day: float
    device: str
    mail: str
    seen: datetime | None


@dataclass(frozen=True, slots=True)
class Payment:
    """One payment with what turned out later."""

    at: datetime
    card: Card
    merchant: int
    amount_minor: int
    ip_country: str
    ip: str
    device: str
    mail: str
    fraud: bool
    channel: str = "ecom"


def cards(random: Random, count: int) -> list[Card]:
    """`count` cards with different habits."""
    return [_card(random, number) for number in range(count)]


def _card(random: Random, number: int) -> Card:
    seen = START - timedelta(days=random.randrange(0, 900)) if random.random() < 0.8 else None
    return Card(
        number=number,
        country=random.choices(COUNTRIES, (30, 15, 10, 10, 8, 8, 6, 4))[0],
        typical_minor=int(random.lognormvariate(8.2, 0.6)),
        per_day=random.uniform(0.05, 0.6),
        device=f"tok_device_{number:05d}",
        mail=random.choice(MAILS),
        seen=seen,
    )


def payments(
    random: Random, people: list[Card], days: int, merchants: int, attacked: int = 0
) -> list[Payment]:
    """Genuine and fraudulent payments over `days`, in time order.

    `attacked` cards are attacked; where it is 0, every twelfth and 8 at least.
    """
    found = [p for card in people for p in _genuine(random, card, days, merchants)]
    bad_merchant, bad_from = random.randrange(merchants), days // 3
    found = [_compromised(random, p, bad_merchant, bad_from) for p in found]
    for card in random.sample(people, attacked or max(len(people) // 12, 8)):
        attack = random.choice((_testing, _stolen, _takeover))
        found += attack(random, card, days, merchants)
    return sorted(found, key=lambda p: (p.at, p.card.number, p.amount_minor))


def _genuine(random: Random, card: Card, days: int, merchants: int) -> Iterator[Payment]:
    favourites = [random.randrange(merchants) for _ in range(4)]
    for day in range(days):
        if random.random() >= card.per_day:
            continue
        at = START + timedelta(
            days=day, seconds=min(int(random.gauss(15, 4) * 3600) % 86400, 86399)
        )
        away = random.random() < 0.04
        country = random.choice(COUNTRIES) if away else card.country
        yield Payment(
            at=at,
            card=card,
            merchant=random.choice(favourites),
            amount_minor=max(50, int(card.typical_minor * random.lognormvariate(0, 0.5))),
            ip_country=country,
            ip=_address(random),
            device=card.device,
            mail=card.mail,
            fraud=False,
            channel="moto" if random.random() < 0.05 else "ecom",
        )


def _compromised(random: Random, payment: Payment, merchant: int, from_day: int) -> Payment:
    first = START + timedelta(days=from_day)
    hit = payment.merchant == merchant and first <= payment.at < first + timedelta(days=28)
    return replace(payment, fraud=True) if hit and random.random() < 0.5 else payment


def _testing(random: Random, card: Card, days: int, merchants: int) -> Iterator[Payment]:
    at = _moment(random, days)
    for _ in range(random.randrange(6, 12)):
        at += timedelta(seconds=random.randrange(15, 90))
        yield _attack(random, card, at, random.randrange(merchants), random.randrange(50, 400))


def _stolen(random: Random, card: Card, days: int, merchants: int) -> Iterator[Payment]:
    at = _moment(random, days)
    for _ in range(random.randrange(2, 6)):
        at += timedelta(minutes=random.randrange(5, 240))
        amount = card.typical_minor * random.randrange(6, 24)
        yield _attack(random, card, at, random.randrange(merchants), amount)


def _takeover(random: Random, card: Card, days: int, merchants: int) -> Iterator[Payment]:
    for payment in _stolen(random, card, days, merchants):
        yield replace(payment, device="tok_device_99999", mail=random.choice(THROWAWAY))


def _attack(random: Random, card: Card, at: datetime, merchant: int, minor: int) -> Payment:
    country = random.choice([c for c in COUNTRIES if c != card.country])
    return Payment(
        at=at,
        card=card,
        merchant=merchant,
        amount_minor=min(minor, 4_900_000),
        ip_country=country,
        ip=f"198.51.100.{random.randrange(1, 255)}",
        device=card.device,
        mail=card.mail,
        fraud=True,
    )


def _moment(random: Random, days: int) -> datetime:
    """Attacks come in campaigns: on every tenth day, within a few hours."""
    day = random.randrange(4, days, 10)
    return START + timedelta(days=day, seconds=random.randrange(20 * 3600, 24 * 3600))


def _address(random: Random) -> str:
    return f"203.0.113.{random.randrange(1, 255)}"


# --- the examples ---


def write_first(folder: Path) -> None:
    """`history.csv` of the first example: 30 days, one file, the label in a column."""
    random = Random(SEED)
    found = payments(random, cards(random, 400), 30, 40)
    rows = (
        {
            "payment_id": f"p{number:06d}",
            "time": _iso(p.at),
            "amount": _major(p.amount_minor),
            "card": f"tok_card_{p.card.number:05d}",
            "card_country": p.card.country,
            "ip_country": "" if number % 9 == 0 else p.ip_country,
            "fraud": int(p.fraud),
        }
        for number, p in enumerate(found, start=1)
    )
    _write(folder / "history.csv", rows)


def write_card(folder: Path) -> None:
    """The card example: 90 days of payments, answers and chargebacks, each in time order."""
    random = Random(SEED + 1)
    found = payments(random, cards(random, 180), 90, 30)
    (folder / "history").mkdir(parents=True, exist_ok=True)
    _write(folder / "history" / "payments.csv", _payment_rows(random, found))
    _write(folder / "history" / "answers.csv", _in_time(_answer_rows(random, found)))
    _write(folder / "history" / "chargebacks.csv", _in_time(_chargeback_rows(random, found)))


def write_scored(folder: Path) -> None:
    """The example with a model: 140 days, with the day on which each fraud was reported."""
    random = Random(SEED + 2)
    drawn = payments(random, cards(random, 260), 140, 25, attacked=70)
    found = [_blurred(random, payment) for payment in drawn]
    (folder / "history").mkdir(parents=True, exist_ok=True)
    _write(folder / "history" / "payments.csv", _scored_rows(random, found))


def _blurred(random: Random, payment: Payment) -> Payment:
    """The same payment, less plainly what it is: thieves hide, and honest people travel and buy."""
    amount = payment.amount_minor
    if payment.fraud:
        near = random.random() < 0.6
        if amount > 4 * payment.card.typical_minor:
            amount = int(amount / random.uniform(2, 8))
        country = payment.card.country if near else payment.ip_country
        return replace(payment, ip_country=country, amount_minor=amount)
    if random.random() < 0.04:
        amount = int(amount * random.uniform(2, 7))
    country = random.choice(COUNTRIES) if random.random() < 0.06 else payment.ip_country
    fraud = random.random() < 0.002
    return replace(payment, ip_country=country, amount_minor=amount, fraud=fraud)


def _scored_rows(random: Random, found: list[Payment]) -> Iterator[dict[str, object]]:
    for number, p in enumerate(found, start=1):
        missing = random.random() < 0.06
        reported = p.at + timedelta(hours=random.randrange(24, 13 * 24)) if p.fraud else None
        yield {
            "payment_id": f"p{number:06d}",
            "time": _iso(p.at),
            "amount": _major(p.amount_minor),
            "card": f"tok_card_{p.card.number:05d}",
            "merchant": f"m-{p.merchant:03d}",
            "card_country": p.card.country,
            "ip_country": "" if missing else p.ip_country,
            "channel": p.channel,
            "reported": _iso(reported) if reported else "",
            "fraud": int(p.fraud),
        }


def _payment_rows(random: Random, found: list[Payment]) -> Iterator[dict[str, object]]:
    for number, p in enumerate(found, start=1):
        missing = random.random() < 0.06
        yield {
            "payment_id": f"p{number:06d}",
            "time": _iso(p.at),
            "amount": _major(p.amount_minor),
            "card": f"tok_card_{p.card.number:05d}",
            "customer": f"tok_cust_{p.card.number:05d}" if p.card.seen else "",
            "device": "" if missing else p.device,
            "merchant": f"m-{p.merchant:03d}",
            "mcc": f"{5300 + p.merchant % 90}",
            "card_country": p.card.country,
            "ip": "" if missing else p.ip,
            "ip_country": "" if missing else p.ip_country,
            "email_domain": "" if missing else p.mail,
            "channel": p.channel,
            "first_seen": _iso(p.card.seen) if p.card.seen else "",
            "fraud_score": _score(random, p),
            "outcome": random.choices(("approve", "decline"), (98, 2))[0],
        }


def _score(random: Random, payment: Payment) -> str:
    """A vendor's score: right more often than wrong, absent now and then."""
    if random.random() < 0.01:
        return ""
    alpha, beta = (6, 2) if payment.fraud else (1.2, 9)
    return f"{random.betavariate(alpha, beta):.4f}"


def _answer_rows(random: Random, found: list[Payment]) -> Iterator[dict[str, object]]:
    for number, p in enumerate(found, start=1):
        declined = random.random() < (0.6 if p.fraud else 0.03)
        yield {
            "answer_id": f"a{number:06d}",
            "time": _iso(p.at + timedelta(seconds=random.randrange(1, 9))),
            "card": f"tok_card_{p.card.number:05d}",
            "answer": "declined" if declined else "approved",
        }


def _chargeback_rows(random: Random, found: list[Payment]) -> Iterator[dict[str, object]]:
    for number, p in enumerate(found, start=1):
        disputed = not p.fraud and random.random() < 0.003
        if not p.fraud and not disputed:
            continue
        yield {
            "chargeback_id": f"c{number:06d}",
            "time": _iso(p.at + timedelta(hours=random.randrange(24, 13 * 24))),
            "payment": f"p{number:06d}",
            "kind": "dispute" if disputed else "fraudulent",
        }


def _in_time(rows: Iterable[dict[str, object]]) -> list[dict[str, object]]:
    return sorted(rows, key=lambda row: str(row["time"]))


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _major(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02d}"


def _write(path: Path, rows: Iterable[dict[str, object]]) -> None:
    kept = list(rows)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(kept[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept)


HISTORIES = (("first", write_first), ("card", write_card), ("scored", write_scored))
"""By example, what writes its history."""


def main() -> None:
    """Write every history below the folder that is given."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    for name, write in HISTORIES:
        (folder / name).mkdir(parents=True, exist_ok=True)
        write(folder / name)


if __name__ == "__main__":
    main()
