"""What the encoded inputs of a history depend on, part by part, each with a hash.

Rules are no part: they may change freely. Fields and features are parts of their own, so that a
policy which reads fewer of them fits, and one which reads others does not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from tidegate import __version__
from tidegate.dsl.program import EventType, Model
from tidegate.dsl.zones import ZONE_DATA_VERSION
from tidegate.engine.decision import Policy
from tidegate.simulation.checked_mapping import CheckedMapping
from tidegate.simulation.lookups import lookups_of
from tidegate.simulation.model_scores import model_hash
from tidegate.simulation.needs import features_read, fields_read, kept_inputs
from tidegate.simulation.plain_program import fingerprint

FORMAT = 3
WHOLE_BYTES = 16 << 20
"""A file up to this size is hashed whole, a larger one at both ends."""
_END_BYTES = 1 << 20

Parts = Mapping[str, str]
"""By name, the hash of each part."""


def why_stale(needed: Parts, kept: Parts) -> str:
    """What differs between what is needed and what was kept; empty where it fits."""
    absent = [name for name in needed if name not in kept]
    changed = [name for name in needed if name in kept and needed[name] != kept[name]]
    said = [f"{name} changed" for name in changed] + [f"{name} is not in it" for name in absent]
    return ", ".join(said[:3]) + (f" and {len(said) - 3} more" if len(said) > 3 else "")


def parts_of(policy: Policy, mapping: CheckedMapping) -> dict[str, str]:
    """Everything that the inputs of this policy's decisions over this history depend on."""
    program, lists = policy.program, policy.lists
    parts = {
        "the version of Tidegate": f"{__version__} {FORMAT}",
        "the mapping": mapping.hash,
        "currency or zone": f"{program.currency} {program.minor_digits} {program.zone}",
        "the data of time zones": ZONE_DATA_VERSION,
        "the rates": policy.rates.hash if policy.rates is not None else "",
        "a label": fingerprint(program.labels, lists),
    }
    parts |= {f"file {path.name} of {event}": found for event, path, found in _files(mapping)}
    for event in mapping.events:
        parts[f"event {event.name}"] = fingerprint(_declared(event), lists)
        if event.decided:
            parts |= dict(_inputs(policy, mapping, event))
    return parts


def fields_kept(policy: Policy, event: EventType) -> frozenset[str]:
    """The fields of a decided event whose values a dry run reads, for windows or for rules."""
    return kept_inputs(policy.program, event, features_read(policy.program, event))


def _declared(event: EventType) -> tuple[object, ...]:
    return replace(event, rules=(), inputs=(), lets=(), models=(), default=None), event.decided


def _inputs(policy: Policy, mapping: CheckedMapping, event: EventType) -> Iterator[tuple[str, str]]:
    program, source = policy.program, mapping.source_of(event.name)
    given = {column.field.name for column in source.features} if source else set()
    for name in sorted(fields_read(program, event)):
        yield f"{event.name}.{name}", ""
    for feature in features_read(program, event):
        whole = "" if feature.name in given else fingerprint(feature, policy.lists)
        yield f"feature {feature.name} of {event.name}", whole
    for item, lookup in lookups_of(event):
        content = policy.tables[lookup.table].hash
        yield f"{item.name} of {event.name}", f"{fingerprint(lookup, {})} {content}"
    for name in event.models:
        model = program.model(name)
        yield f"model {name} of {event.name}", _model(policy, model)


def _model(policy: Policy, model: Model) -> str:
    """What the scores and statuses of a model depend on besides its inputs."""
    asked = f"{model.score} {model.until_us}"
    if model.external:
        return f"{asked} {model.bounds}"
    # Where it is used is where it is scored.
    reads = fingerprint((model.reads, model.use_when), policy.lists)
    return f"{asked} {model_hash(policy, model)} {reads}"


def _files(mapping: CheckedMapping) -> Iterator[tuple[str, Path, str]]:
    for source in mapping.sources:
        for path in source.files:
            yield source.event.name, path, _file_hash(path)


def _file_hash(path: Path) -> str:
    """Of its size, the time of its last change, and its content or both of its ends."""
    about = path.stat()
    digest = hashlib.sha256(f"{path.name} {about.st_size} {about.st_mtime_ns}".encode())
    with path.open("rb") as file:
        if about.st_size <= WHOLE_BYTES:
            digest.update(file.read())
        else:
            digest.update(file.read(_END_BYTES))
            file.seek(-_END_BYTES, 2)
            digest.update(file.read())
    return digest.hexdigest()
