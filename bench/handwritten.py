"""The fifty rules of `policies/fifty/fifty.tide` as a careful engineer would write them by hand.

One function, local variables, each rule one `if` that stops at its first false test. It gives what
the policy's outcome gives on the three ladders and nothing else: no masks, no reasons, no step-up,
no record of what was unknown. It gets the same tuple as the engine, in the order of `FIELDS`, and
treats what is missing as the policy says: a comparison with it holds neither way, and five rules
ask for something where they cannot be told.

Two shortcuts were allowed in review because they cannot differ for amounts below 20 000 EUR and
scores of four decimals: `amount > 8 * typical` for a ratio above 8, and whole weights for d08.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

from tidegate.dsl.zones import load_zone

FIELDS = (
    "id", "at", "amount", "card", "card_country", "brand", "mcc", "merchant_country", "customer",
    "ip_country", "email_domain", "opened", "channel", "fraud_score", "bot_score", "places_7d",
    "spend_24h", "tries_10m", "tries_24h", "typical",
)  # fmt: skip

APPROVE, HOLD, DECLINE = 0, 1, 2
NONE, PREFERRED, MANDATED = 1, 2, 3
NO_REVIEW, AFTER, BEFORE = -1, 0, 1

_ZONE = load_zone("Europe/Paris")
assert _ZONE is not None
STARTS, OFFSETS = _ZONE.starts_us, _ZONE.offsets_us
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US

BLOCKED_CARDS: frozenset[str] = frozenset()
"""Filled by `use_lists`; ten thousand cards."""
THROWAWAY: frozenset[str] = frozenset()
WATCHED_NETWORKS = frozenset({"BY", "IR", "KP", "MM", "RU", "SD", "SY", "VE", "ZW", "YE"})
WATCHED_CARDS = frozenset({"BR", "ID", "IN", "MX", "NG", "PH", "TH", "TR", "VN", "ZA"})
GOODS = frozenset({"4829", "5094", "5732", "5944", "5967", "6051", "6211", "7273", "7995", "4816"})
MONEY = frozenset({"6051", "4829", "6540"})


def use_lists(blocked_cards: frozenset[Any], throwaway: frozenset[Any]) -> None:
    """Take the contents of the two lists."""
    global BLOCKED_CARDS, THROWAWAY
    BLOCKED_CARDS, THROWAWAY = blocked_cards, throwaway


def decide(event: tuple[Any, ...]) -> tuple[int, int, int]:  # noqa: C901
    """The outcome of one payment: disposition, authentication, review."""
    (
        _, at, amount, card, card_country, brand, mcc, merchant_country, customer, ip_country,
        email_domain, opened, channel, fraud_score, bot_score, places_7d, spend_24h, tries_10m,
        tries_24h, typical,
    ) = event  # fmt: skip
    disposition, authentication, review = APPROVE, NONE, NO_REVIEW
    hour = (at + OFFSETS[bisect_right(STARTS, at) - 1]) // HOUR_US % 24
    points = 0

    # lists and hard limits
    if card in BLOCKED_CARDS:
        disposition = DECLINE
    if amount > 500000 and channel == "ecom":
        authentication = MANDATED
    if amount > 2000000:
        review = BEFORE
    if channel == "moto" and amount > 150000:
        review = BEFORE
    if brand == "amex" and amount >= 300000 and channel == "ecom":
        authentication = MANDATED
    if email_domain is None:
        if amount > 100000 and review == NO_REVIEW:
            review = AFTER
    elif amount > 10000 and email_domain in THROWAWAY:
        if review == NO_REVIEW:
            review = AFTER
        if amount > 100000 and disposition == APPROVE:
            disposition = HOLD
    if customer is None:
        points += 10
        if amount > 200000 and channel == "ecom" and authentication == NONE:
            authentication = PREFERRED

    # velocity
    if tries_10m >= 5 and amount < 500:
        disposition = DECLINE
    if tries_10m >= 8:
        disposition = DECLINE
    if tries_10m >= 4 and channel == "ecom":
        authentication = MANDATED
    if tries_10m >= 3 and amount < 200 and review == NO_REVIEW:
        review = AFTER
    if tries_24h > 20 and disposition == APPROVE:
        disposition = HOLD
    if tries_24h > 12 and channel == "ecom" and amount > 20000:
        authentication = MANDATED
    if spend_24h > 1000000 and review == NO_REVIEW:
        review = AFTER
    if spend_24h > 400000 and channel == "ecom":
        authentication = MANDATED
    if spend_24h + amount > 1500000:
        review = BEFORE
    if tries_24h > 8 and amount > 30000 and amount * 10 > spend_24h:
        authentication = MANDATED

    # countries
    if ip_country is None:
        if amount > 150000 and review == NO_REVIEW:
            review = AFTER
        if fraud_score >= 500000 and review == NO_REVIEW:
            review = AFTER
    else:
        if ip_country != card_country:
            if amount > 25000 and authentication == NONE:
                authentication = PREFERRED
            if amount > 150000:
                authentication = MANDATED
            abroad = merchant_country not in (card_country, ip_country)
            if amount > 10000 and abroad and review == NO_REVIEW:
                review = AFTER
            if fraud_score >= 500000:
                authentication = MANDATED
        if ip_country in WATCHED_NETWORKS:
            review = BEFORE
    if amount > 40000 and card_country in WATCHED_CARDS and merchant_country != card_country:
        authentication = MANDATED
    if card_country != merchant_country and amount > 15000 and 1 <= hour <= 4:
        authentication = MANDATED
    if places_7d >= 4 and review == NO_REVIEW:
        review = AFTER
    if places_7d >= 3 and channel == "ecom" and amount > 12000:
        authentication = MANDATED
    if channel == "moto" and card_country != merchant_country and review == NO_REVIEW:
        review = AFTER

    # scores
    if fraud_score >= 900000:
        authentication = MANDATED
    if fraud_score >= 750000 and amount > 10000:
        authentication = MANDATED
    if fraud_score >= 600000 and amount > 100000:
        review = BEFORE
    if bot_score >= 950000:
        disposition = DECLINE
    if bot_score >= 700000 and tries_10m >= 2:
        disposition = DECLINE
    if fraud_score + bot_score >= 1400000:
        review = BEFORE
    if 7 * fraud_score + 3 * bot_score > 6500000 and channel == "ecom":
        authentication = MANDATED

    # what is usual for the card
    if typical is None or typical == 0:
        if channel == "ecom" and tries_24h >= 4 and review == NO_REVIEW:
            review = AFTER
    else:
        if amount > 20000 and amount > 8 * typical:
            authentication = MANDATED
        if channel == "ecom" and tries_24h >= 4 and amount > 5 * typical:
            authentication = MANDATED
        if 1 <= hour <= 5 and amount > 3 * typical and review == NO_REVIEW:
            review = AFTER
    if typical is None:
        if amount > 80000:
            authentication = MANDATED
    elif amount - typical > 250000 and review == NO_REVIEW:
        review = AFTER

    # accounts and goods
    if opened is None:
        if amount > 120000 and review == NO_REVIEW:
            review = AFTER
    else:
        age = at - opened
        if age < DAY_US and amount > 30000:
            authentication = MANDATED
        if age < 30 * DAY_US and amount > 120000:
            review = BEFORE
        if age < 7 * DAY_US and tries_24h >= 5 and review == NO_REVIEW:
            review = AFTER
    if amount > 50000 and mcc in GOODS:
        authentication = MANDATED
    if fraud_score >= 400000 and mcc in MONEY:
        review = BEFORE
    if mcc == "7995" and tries_24h >= 6 and review == NO_REVIEW:
        review = AFTER

    # points
    if 1 <= hour <= 5:
        points += 15
    if fraud_score > 400000:
        points += 30
    if points >= 45 and review == NO_REVIEW:
        review = AFTER

    if review == BEFORE and disposition == APPROVE:
        disposition = HOLD
    return disposition, authentication, review
