"""Load device profiles: from a file, from the catalog, from folders of the user's own.

Every problem of a file is told at once, with file, line and key, as one ProfileError.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import msgspec.inspect as types
from msgspec.structs import replace

from contract.errors import ProfileError
from contract.quantities import Kind
from device_profiles.checks.messages import check_hj212, check_mqtt
from device_profiles.checks.modbus import check_modbus
from device_profiles.checks.whole import check_aggregates, check_derived, check_vectors
from device_profiles.reading.nodes import NodeReader, compose
from device_profiles.reading.report import Report, nearest
from device_profiles.reading.settle import settle_derived, settle_modbus, settle_ranges
from device_profiles.schema import (
    SIGNALS,
    Derived,
    Hj212,
    Modbus,
    Mqtt,
    Profile,
    ProfileFile,
    Protocol,
)

CATALOG = Path(__file__).parent / "catalog"
MAX_FILE_BYTES = 256 * 1024


def load_profile(name_or_path: str | Path, *, extra: Path | None = None) -> Profile:
    """Load a profile by name ("noise/rs485-sound") or by path (a file that ends in .yaml).

    extra: a folder laid out as the catalog is; it wins over the catalog.
    Raises: ProfileError with all problems; for an unknown name, with the nearest ones.
    """
    text = str(name_or_path)
    if text.endswith((".yaml", ".yml")):
        return read_profile(Path(text))
    known = catalog(extra=extra)
    if text not in known:
        raise ProfileError(f"unknown profile {text!r}{nearest(text, known, label='there are')}")
    return read_profile(known[text])


def catalog(*, extra: Path | None = None) -> Mapping[str, Path]:
    """Return name -> file of all profiles, sorted by name; `extra` wins over the shipped ones."""
    found: dict[str, Path] = {}
    for folder in (CATALOG, extra):
        if folder is not None:
            for kind in Kind:
                found |= {f"{kind}/{path.stem}": path for path in (folder / kind).glob("*.yaml")}
    return dict(sorted(found.items()))


def read_profile(path: Path) -> Profile:
    """Load one file.

    Raises: ProfileError if it cannot be read, or with all problems in it.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ProfileError(f"{path}: larger than {MAX_FILE_BYTES} bytes; no profile is")
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ProfileError(f"{path}: not UTF-8: {error}") from error
    except OSError as error:
        raise ProfileError(f"{path}: {error.strerror}") from error
    return parse_profile(text, path)


def parse_profile(text: str, path: Path) -> Profile:
    """Read a profile's text; the path gives its name and stands in the problems.

    Raises: ProfileError with all problems.
    """
    report = Report(str(path))
    node = compose(text, report)
    good: dict[str, object] = {}
    if node is not None:
        kind = types.type_info(ProfileFile)
        assert isinstance(kind, types.StructType)
        good = NodeReader(report).fields(node, kind, "")
        _check_kind(good.get("kind"), path, report)
        _check_block(good, report)
    problems = report.problems()
    if problems:
        raise ProfileError(*problems)
    return _settled(good, path)


def _check_kind(kind: object, path: Path, report: Report) -> None:
    folder = path.resolve().parent.name
    if isinstance(kind, Kind) and folder in set(Kind) and folder != kind:
        report.add("kind", f"{kind} in the folder {folder}; move the file to {kind}/")


def _check_block(good: dict[str, object], report: Report) -> None:
    """Check all that could be read; settles the modbus block on the way."""
    told = [key for key in get_args(Protocol) if report.has(key)]
    if len(told) != 1:
        what = f"exactly one of {', '.join(get_args(Protocol))} must be there, not {len(told)}"
        report.add(told[1] if told else "", what)
    match good:
        case {"modbus": Modbus() as modbus}:
            good["modbus"] = modbus = settle_modbus(modbus, report)
            check_modbus(modbus, report)
            _check_whole(good, "modbus", (), report)
        case {"mqtt": Mqtt() as mqtt}:
            check_mqtt(mqtt, report)
            _check_whole(good, "mqtt", SIGNALS if mqtt.envelopes != ("none",) else (), report)
        case {"hj212": Hj212() as hj212}:
            check_hj212(hj212, report)
            _check_whole(good, "hj212", (), report)


def _check_whole(
    good: dict[str, object], protocol: Protocol, signals: tuple[str, ...], report: Report
) -> None:
    """Check what stands beside the block; what is written wrong there still counts as a name."""
    derived, vectors = good.get("derived", {}), good.get("vectors", ())
    measured = dict.fromkeys(report.keys.get(f"{protocol}.measurements", ()))
    parts = {
        name: part
        for name, part in (derived.items() if isinstance(derived, dict) else ())
        if isinstance(part, Derived)
    }
    check_derived(parts, measured, report)
    aggregates = good.get("aggregates")
    if isinstance(aggregates, dict):
        check_aggregates(aggregates, [*measured, *report.keys.get("derived", ())], report)
    if isinstance(vectors, tuple):
        names = [*measured, *signals, *report.keys.get("derived", ())]
        installable = {of for part in parts.values() for of in part.of}
        check_vectors(vectors, protocol, names, installable, report)


def _settled(good: dict[str, object], path: Path) -> Profile:
    folder = str(good["kind"])
    profile = Profile(**good, name=f"{folder}/{path.stem}", path=str(path))  # type: ignore[arg-type]  # read by ProfileFile's own description
    block = profile.modbus or profile.mqtt or profile.hj212
    assert block is not None  # _check_block
    settled = replace(block, measurements=settle_ranges(block.measurements))
    return replace(
        profile, **{profile.protocol: settled, "derived": settle_derived(profile.derived)}
    )
