"""Drivers move bytes. A new one is one file, one line here, and one line in its suite."""

from __future__ import annotations

from edge.drivers.bus import Bus
from edge.drivers.hj212 import Hj212Bus
from edge.drivers.modbus_dial_in import ModbusDialInBus
from edge.drivers.modbus_rtu import ModbusRtuBus
from edge.drivers.modbus_rtu_over_tcp import ModbusRtuOverTcpBus
from edge.drivers.modbus_tcp import ModbusTcpBus
from edge.drivers.mqtt import MqttBus
from edge.drivers.senml import SenmlBus

DRIVERS: dict[str, type[Bus]] = {
    "modbus_tcp": ModbusTcpBus,
    "modbus_rtu": ModbusRtuBus,
    "modbus_rtu_over_tcp": ModbusRtuOverTcpBus,
    "modbus_dial_in": ModbusDialInBus,
    "mqtt": MqttBus,
    "senml": SenmlBus,
    "hj212": Hj212Bus,
}
