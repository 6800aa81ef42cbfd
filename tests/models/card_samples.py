"""A whole card and a whole reference, to take parts out of."""

from __future__ import annotations

from tidegate.models.cards import (
    CARD_SCHEMA,
    Card,
    Export,
    Metric,
    Sample,
    ThresholdRow,
    UnitCosts,
    Window,
)
from tidegate.models.reference import (
    REFERENCE_SCHEMA,
    ContributionShare,
    Distribution,
    Reference,
)

CARD = Card(
    schema=CARD_SCHEMA,
    model="boosting",
    version=3,
    family="gradient_boosting",
    policy="cards",
    event="card_payment",
    label="fraud",
    owner="risk@shop.example",
    intended_use="Ask for a confirmation of unusual card payments.",
    limits=("Cards seen for less than a week",),
    out_of_scope=("Credit decisions",),
    train_window=Window("2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z"),
    test_window=Window("2026-03-08T00:00:00Z", "2026-04-01T00:00:00Z"),
    label_cutoff="2026-03-08T00:00:00Z",
    label_delay="7d",
    data_hash="a" * 64,
    features_hash="b" * 64,
    inputs={"amount": "d" * 64},
    model_hash="c" * 64,
    train=Sample(1000, 20),
    test=Sample(500, 9),
    split={"delay": "7d", "without_known_cards": True},
    parameters={"learning_rate": "0.05", "max_iter": 100},
    libraries={"scikit-learn": "1.9.1"},
    currency="EUR",
    minor_digits=2,
    costs=UnitCosts(1_000_000, 2_000, 500, 0),
    metrics=(Metric("auc", "all", Sample(500, 9), 870_000, 850_000, 890_000),),
    thresholds=(
        ThresholdRow(
            500_000, 10, 8, 800_000, 490_000, 943_000, 888_889, 565_000, 980_000, 40_000, 1_000
        ),
    ),
    export=Export("0.000001", "0.0000004", 500, 0),
    notes=(),
)

REFERENCE = Reference(
    schema=REFERENCE_SCHEMA,
    model="boosting",
    version=3,
    model_hash="c" * 64,
    window=Window("2026-03-08T00:00:00Z", "2026-04-01T00:00:00Z"),
    rows=10,
    labelled=10,
    positives=2,
    abstained=1,
    epsilon=100,
    inputs=(
        Distribution("amount", (100, 200), (), (3, 3, 3), 1),
        Distribution("country", (), ("DE", "FR"), (5, 4, 1), 0),
    ),
    score=Distribution("score", (500_000,), (), (7, 2), 0),
    contributions=(ContributionShare(("amount",), 900, 900_000),),
)
