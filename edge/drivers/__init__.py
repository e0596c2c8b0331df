"""Drivers move bytes. A new one is one file, one line here, and one line in its suite."""

from __future__ import annotations

from edge.drivers.bus import Bus
from edge.drivers.modbus_rtu_over_tcp import ModbusRtuOverTcpBus
from edge.drivers.modbus_tcp import ModbusTcpBus
from edge.drivers.mqtt import MqttBus

DRIVERS: dict[str, type[Bus]] = {
    "modbus_tcp": ModbusTcpBus,
    "modbus_rtu_over_tcp": ModbusRtuOverTcpBus,
    "mqtt": MqttBus,
}
