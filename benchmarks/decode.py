"""How long Modbus answers take to become values, beside the barest loop that Python has.

    python -m benchmarks.decode [--json]

200 devices of 100 registers each, one answer a device. Decoding ends in values: name, number in
the canonical unit, quality. The bare loops end in a list of numbers. CPU time of this process, the
median of many rounds; the rows are measured in turn, so that a busy machine troubles all alike.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from device_profiles.core.decode import Block, RegisterDecoder, compile_decoder
from device_profiles.loader import load_profile
from device_profiles.schema import Modbus, Profile, RegisterMeasurement
from edge.core.normalise import normalise
from edge.core.validate import validate

DEVICES, REGISTERS, ROUNDS = 200, 100, 25
SCALE = 0.1
NOW_MS = 1_795_320_000_000
Job = Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table: µs of CPU for each value."""

    what: str
    us_per_value: float


def profile_of(measurements: dict[str, RegisterMeasurement]) -> Profile:
    """Return a profile of so many measurements; all else is a real one's."""
    model = load_profile("noise/rs485-sound")
    modbus = Modbus(measurements=measurements)
    return msgspec.structs.replace(model, modbus=modbus, derived={}, vectors=model.vectors)


def words(registers: int) -> Profile:
    """Return a profile of scaled 16-bit registers."""
    point = RegisterMeasurement(address=0, type="uint16", scale=SCALE, unit="dB(A)")
    return profile_of(
        {f"noise_la.c{at}": msgspec.structs.replace(point, address=at) for at in range(registers)}
    )


def floats(registers: int) -> Profile:
    """Return a profile of 32-bit floats, their registers swapped."""
    point = RegisterMeasurement(address=0, type="float32", order="CDAB", unit="dB(A)")
    return profile_of(
        {
            f"noise_la.c{at}": msgspec.structs.replace(point, address=at)
            for at in range(0, registers - 1, 2)
        }
    )


def run(devices: int = DEVICES, registers: int = REGISTERS, rounds: int = ROUNDS) -> list[Row]:
    """Measure. Returns: decoding first, the bare struct loop second."""
    block = Block(3, 0, registers)
    dice = random.Random(1)
    answers = [
        struct.pack(f">{registers}H", *(dice.randrange(300, 900) for _ in range(registers)))
        for _ in range(devices)
    ]
    halves = registers // 2
    float_answers = [
        _swapped(struct.pack(f">{halves}f", *(dice.uniform(30, 90) for _ in range(halves))))
        for _ in range(devices)
    ]
    decoders = [compile_decoder(words(registers), (block,)) for _ in range(devices)]
    float_profile = floats(registers)
    float_decoders = [
        compile_decoder(float_profile, (Block(3, 0, 2 * halves),)) for _ in range(devices)
    ]
    values = devices * registers
    jobs: list[tuple[str, int, Job]] = [
        ("decode, uint16 × 0.1", values, lambda: _decode(decoders, answers)),
        ("bare struct loop", values, lambda: _bare_struct(registers, answers)),
        ("bare NumPy loop", values, lambda: _bare_numpy(answers)),
        ("decode, float32 CDAB", devices * halves, lambda: _decode(float_decoders, float_answers)),
        (
            "decode, normalise, validate, uint16 × 0.1",
            values,
            lambda: _to_readings(decoders, answers, words(1).ranges()),
        ),
    ]
    times = _in_turn([job for _, _, job in jobs], rounds)
    return [
        Row(what=what, us_per_value=statistics.median(spent) / count * 1e6)
        for (what, count, _), spent in zip(jobs, times, strict=True)
    ]


def _in_turn(jobs: Sequence[Job], rounds: int) -> list[list[float]]:
    times: list[list[float]] = [[] for _ in jobs]
    for job in jobs:
        job()  # warm
    for _ in range(rounds):
        for job, spent in zip(jobs, times, strict=True):
            began = time.process_time()
            job()
            spent.append(time.process_time() - began)
    return times


def _decode(decoders: Sequence[RegisterDecoder], answers: Sequence[bytes]) -> None:
    for decoder, answer in zip(decoders, answers, strict=True):
        decoder.decode((answer,))


def _to_readings(
    decoders: Sequence[RegisterDecoder],
    answers: Sequence[bytes],
    ranges: dict[str, tuple[float, float]],
) -> None:
    for decoder, answer in zip(decoders, answers, strict=True):
        validate(normalise("one", NOW_MS, decoder.decode((answer,))), ranges)


def _bare_struct(registers: int, answers: Sequence[bytes]) -> None:
    unpack = struct.Struct(f">{registers}H").unpack
    for answer in answers:
        [raw * SCALE for raw in unpack(answer)]


def _bare_numpy(answers: Sequence[bytes]) -> None:
    for answer in answers:
        (np.frombuffer(answer, ">u2") * SCALE).tolist()


def _swapped(data: bytes) -> bytes:
    return b"".join(data[at + 2 : at + 4] + data[at : at + 2] for at in range(0, len(data), 4))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, and with --json the figures on the last line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    parser.add_argument("--devices", type=int, default=DEVICES)
    parser.add_argument("--registers", type=int, default=REGISTERS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args(arguments)
    rows = run(asked.devices, asked.registers, asked.rounds)
    print(f"{asked.devices} devices × {asked.registers} registers, {asked.rounds} rounds")
    for row in rows:
        print(f"{row.what:<44}{row.us_per_value:8.3f} µs of CPU per value")
    if asked.json:
        figures = {
            "us_per_value": round(rows[0].us_per_value, 4),
            "bare_us_per_value": round(rows[1].us_per_value, 4),
        }
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
