"""The modbus block: registers, status, writes, serial line, what a device can bear."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from device_profiles.schema.base import (
    REGISTERS,
    ByteOrder,
    Framing,
    FunctionCode,
    OffsetField,
    OfMeasurements,
    Parity,
    QualityName,
    RangeField,
    RegisterType,
    ScaleField,
    SentinelsField,
    Strict,
    UnitField,
    WriteFunctionCode,
    own_range,
)


class Point(Strict, frozen=True, kw_only=True):
    """Where a raw value lies in the device's tables, and how its bytes are read."""

    address: Annotated[
        int,
        Meta(
            ge=0,
            le=65536,
            description="first register, coil or input, hex or decimal, counted from"
            " `registers_count_from`",
        ),
    ]
    type: Annotated[
        RegisterType,
        Meta(
            description="`bit`: one coil or input (functions 1, 2). `…8_high`, `…8_low`: half a"
            " register. `string`: two characters a register; `string_high`, `string_low`: one"
        ),
    ] = "uint16"
    function: Annotated[
        FunctionCode,
        Meta(
            description="1 coils, 2 discrete inputs, 3 holding registers, 4 input registers;"
            " by default the modbus block's"
        ),
    ] = 3
    order: Annotated[
        ByteOrder,
        Meta(
            description="order of the bytes on the wire, A the most significant; four letters fit"
            " every width; by default the modbus block's"
        ),
    ] = "ABCD"
    bits: Annotated[
        tuple[int, int] | None,
        Meta(
            description="[lowest, highest] bit to cut out of an unsigned number, bit 0 the least"
            " significant; [3, 3] is one bit"
        ),
    ] = None
    length: Annotated[
        int, Meta(ge=0, le=125, description="registers that a string takes; else leave it out")
    ] = 0

    @property
    def count(self) -> int:
        """How many registers (of function 1 and 2: coils or inputs) the point takes."""
        return REGISTERS.get(self.type, self.length)


class Input(Point, frozen=True, kw_only=True):
    """A register that is no measurement, but that measurements or the status depend on."""

    enum: Annotated[
        dict[int, float] | None,
        Meta(description="raw number -> number, e.g. {0: 1, 1: 0.1} for a scale code"),
    ] = None
    units: Annotated[
        dict[int, str] | None,
        Meta(description="raw number -> unit, for measurements with `unit_from`"),
    ] = None
    about: Annotated[str, Meta(description="what the register is, for people")] = ""


class RegisterMeasurement(Point, frozen=True, kw_only=True):
    """One measurement in registers; its key is the quantity's, with `.channel` if several."""

    unit: UnitField = ""
    scale: ScaleField = 1.0
    offset: OffsetField = 0.0
    range: RangeField = msgspec.field(default_factory=own_range)
    sentinels: SentinelsField = ()
    unit_from: Annotated[
        str, Meta(description="name of the input that tells the unit; instead of `unit`")
    ] = ""
    scale_from: Annotated[
        str, Meta(description="name of the input whose number multiplies the scale")
    ] = ""
    decimals_from: Annotated[
        str, Meta(description="name of the input that tells how many decimals the raw number has")
    ] = ""
    enum: Annotated[
        dict[int, float] | None,
        Meta(description="raw number -> number, before scale and offset; others are no value"),
    ] = None


class StatusRule(Strict, frozen=True, kw_only=True):
    """How an error or status register sets the quality of measurements."""

    input: Annotated[str, Meta(description="name of the input that carries the status")]
    values: Annotated[dict[int, QualityName], Meta(description="the whole number -> quality")] = (
        msgspec.field(default_factory=dict)
    )
    bits: Annotated[
        dict[int, QualityName],
        Meta(description="a bit, counted from 0, that sets this quality while it is 1"),
    ] = msgspec.field(default_factory=dict)
    otherwise: Annotated[
        QualityName, Meta(description="quality for a number that `values` does not list")
    ] = "normal"
    measurements: OfMeasurements = ()


class WriteVector(Strict, frozen=True, kw_only=True):
    """A value, and the bytes that write it: the proof of a write."""

    value: Annotated[float | str, Meta(description="a number in `unit`, or a name of `values`")]
    request: Annotated[
        str, Meta(min_length=1, description="the bytes of the request that writes it, in hex")
    ]
    framing: Annotated[
        Framing, Meta(description="rtu, with unit id and CRC; pdu; tcp, with the MBAP header")
    ] = "rtu"
    source: Annotated[
        str, Meta(min_length=1, description="where it was published; `synthetic` if made up")
    ]


class Write(Strict, frozen=True, kw_only=True):
    """One register that may be written, by name and within limits. Nothing else may."""

    address: Annotated[int, Meta(ge=0, le=65536, description="as for a measurement")]
    function: Annotated[
        WriteFunctionCode,
        Meta(description="5 one coil, 6 one register, 15 coils, 16 registers"),
    ] = 6
    type: Annotated[RegisterType, Meta(description="as for a measurement")] = "uint16"
    order: Annotated[ByteOrder, Meta(description="as for a measurement")] = "ABCD"
    unit: Annotated[str, Meta(description="unit of the number a person gives, for people")] = ""
    scale: Annotated[float, Meta(description="unit per raw count; not 0")] = 1.0
    low: Annotated[float | None, Meta(description="lowest number allowed, in `unit`")] = None
    high: Annotated[float | None, Meta(description="highest number allowed, in `unit`")] = None
    values: Annotated[
        dict[str, int] | None,
        Meta(description="name -> raw number; only these may be written, instead of low and high"),
    ] = None
    about: Annotated[str, Meta(description="what it does, for people")] = ""
    reads_back: Annotated[
        bool,
        Meta(
            description="whether the register holds what was written, so that it can be read again"
            " and compared; not so for commands"
        ),
    ] = True
    vectors: Annotated[
        tuple[WriteVector, ...], Meta(description="writes that somebody else has written down")
    ] = ()


class Serial(Strict, frozen=True, kw_only=True):
    """How the device talks out of the box."""

    baud: Annotated[int, Meta(ge=300, le=1_000_000, description="bits a second")] = 9600
    data_bits: Annotated[Literal[7, 8], Meta(description="data bits")] = 8
    parity: Annotated[Parity, Meta(description="parity")] = "none"
    stop_bits: Annotated[Literal[1, 2], Meta(description="stop bits")] = 1
    unit_id: Annotated[int, Meta(ge=0, le=255, description="the maker's unit id")] = 1


class Start(Strict, frozen=True, kw_only=True):
    """A request that the device needs after power-up or connecting, before it measures."""

    function: Annotated[
        Literal[1, 2, 3, 4, 5, 6, 16], Meta(description="function code of the request")
    ]
    address: Annotated[int, Meta(ge=0, le=65536, description="as for a measurement")]
    count: Annotated[int, Meta(ge=0, le=125, description="registers to read")] = 1
    value: Annotated[
        Annotated[int, Meta(ge=0, le=65535)] | None,
        Meta(description="what functions 5, 6 and 16 write"),
    ] = None
    wait_s: Annotated[float, Meta(ge=0, le=600, description="rest after it, in seconds")] = 0.0


class Requests(Strict, frozen=True, kw_only=True):
    """What the device can bear: how the poll plan may merge, and which pauses it needs."""

    max_registers: Annotated[
        int, Meta(ge=1, le=125, description="registers in one request; Modbus allows 125")
    ] = 125
    max_coils: Annotated[int, Meta(ge=1, le=2000, description="coils or inputs in one request")] = (
        2000
    )
    max_hole: Annotated[
        int, Meta(ge=0, le=124, description="unused registers that may be read over; 0: none")
    ] = 16
    holes: Annotated[
        tuple[tuple[int, int], ...],
        Meta(description="[first, last] addresses that must never be in a request"),
    ] = ()
    one_field_each: Annotated[bool, Meta(description="one request per measurement or input")] = (
        False
    )
    coils_from_zero: Annotated[
        bool, Meta(description="requests for coils and inputs must begin at address 0")
    ] = False
    pause_ms: Annotated[int, Meta(ge=0, le=60_000, description="between two requests")] = 0
    pause_after_connect_ms: Annotated[
        int, Meta(ge=0, le=60_000, description="between connecting and the first request")
    ] = 0
    close_after_poll: Annotated[
        bool, Meta(description="the device wants the connection closed after every poll")
    ] = False
    timeout_s: Annotated[
        Annotated[float, Meta(gt=0, le=60)] | None,
        Meta(description="how long the device may take to answer; else the bus's"),
    ] = None
    start: Annotated[
        tuple[Start, ...], Meta(description="sent after connecting, before the first poll")
    ] = ()


class Modbus(Strict, frozen=True, kw_only=True):
    """A device that is polled over Modbus, whatever the wire."""

    serial: Annotated[Serial, Meta(description="how it talks out of the box")] = Serial()
    requests: Annotated[Requests, Meta(description="what it can bear")] = Requests()
    registers_count_from: Annotated[
        Literal[0, 1],
        Meta(
            description="which way the manual counts: 0, addresses as on the wire; 1, the first"
            " register is number 1 (40001 or 30001 style: leave the leading digit out)"
        ),
    ] = 0
    function: Annotated[FunctionCode, Meta(description="of all points that say none")] = 3
    order: Annotated[ByteOrder, Meta(description="of all points that say none")] = "ABCD"
    measurements: Annotated[
        dict[str, RegisterMeasurement],
        Meta(min_length=1, description="quantity key, with `.channel` if several -> where it is"),
    ]
    inputs: Annotated[
        dict[str, Input],
        Meta(description="name -> a register that measurements or the status depend on"),
    ] = msgspec.field(default_factory=dict)
    status: Annotated[
        tuple[StatusRule, ...], Meta(description="how error and status registers set the quality")
    ] = ()
    writes: Annotated[
        dict[str, Write], Meta(description="name -> what may be written; nothing else may")
    ] = msgspec.field(default_factory=dict)

    def points(self) -> dict[str, Point]:
        """Return all that is to be read: measurements and inputs, by name."""
        return {**self.inputs, **self.measurements}
