"""Everything the devices measure: unit, range, averaging, names, HJ 212 factor. A literal table.

Ranges are physical plausibility (a value outside is flagged T, never dropped), not limits of the
city. HJ 212 factors: HJ 212-2017 annex B and C; `*` marks those in wide use outside its tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from contract.units import UNITS


class Kind(StrEnum):
    """The five kinds of device."""

    NOISE = "noise"
    DUST = "dust"
    WATER = "water"
    GAS = "gas"
    MANHOLE = "manhole"


class Averaging(StrEnum):
    """How values over time become one."""

    ARITHMETIC = "arithmetic"
    ENERGY = "energy"  # 10·lg of the mean of 10^(0.1·L): decibels
    VECTOR = "vector"  # the direction of the sum of unit vectors: degrees of a compass
    MAXIMUM = "maximum"  # Lmax: the mean of maxima is nothing
    MINIMUM = "minimum"
    SUM = "sum"  # rain
    LAST = "last"  # counters and states


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """What is measured. `units` are those of its dimension that a device may send it in."""

    key: str
    unit: str
    low: float
    high: float
    averaging: Averaging
    zh: str
    en: str
    hj212: str = ""

    @property
    def units(self) -> tuple[str, ...]:
        """The units that convert to the canonical one."""
        dimension = UNITS[self.unit].dimension
        return tuple(symbol for symbol, unit in UNITS.items() if unit.dimension == dimension)


def _q(
    key: str,
    unit: str,
    low: float,
    high: float,
    averaging: Averaging,
    zh: str,
    en: str,
    hj212: str = "",
) -> Quantity:
    return Quantity(
        key=key, unit=unit, low=low, high=high, averaging=averaging, zh=zh, en=en, hj212=hj212
    )


_MEAN, _ENERGY, _VECTOR = Averaging.ARITHMETIC, Averaging.ENERGY, Averaging.VECTOR
_MAX, _MIN, _SUM, _LAST = Averaging.MAXIMUM, Averaging.MINIMUM, Averaging.SUM, Averaging.LAST

QUANTITIES: dict[str, Quantity] = {
    quantity.key: quantity
    for quantity in (
        # Noise
        _q("noise_la", "dB(A)", 0, 160, _ENERGY, "瞬时声级", "sound level LA", "LA"),
        _q("noise_laeq", "dB(A)", 0, 160, _ENERGY, "等效声级", "LAeq", "Leq"),
        _q("noise_lmax", "dB(A)", 0, 160, _MAX, "最大声级", "LAmax", "LMx"),
        _q("noise_lmin", "dB(A)", 0, 160, _MIN, "最小声级", "LAmin", "LMn"),
        _q("noise_l5", "dB(A)", 0, 160, _MEAN, "累积百分声级L5", "L5", "L5"),
        _q("noise_l10", "dB(A)", 0, 160, _MEAN, "累积百分声级L10", "L10", "L10"),
        _q("noise_l50", "dB(A)", 0, 160, _MEAN, "累积百分声级L50", "L50", "L50"),
        _q("noise_l90", "dB(A)", 0, 160, _MEAN, "累积百分声级L90", "L90", "L90"),
        _q("noise_l95", "dB(A)", 0, 160, _MEAN, "累积百分声级L95", "L95", "L95"),
        _q("noise_ld", "dB(A)", 0, 160, _ENERGY, "昼间等效声级", "Ld", "Ld"),
        _q("noise_ln", "dB(A)", 0, 160, _ENERGY, "夜间等效声级", "Ln", "Ln"),
        _q("noise_ldn", "dB(A)", 0, 160, _ENERGY, "昼夜等效声级", "Ldn", "Ldn"),
        # Dust, and the weather beside it
        _q("tsp", "ug/m3", 0, 30_000, _MEAN, "总悬浮颗粒物", "TSP", "a34001"),
        _q("pm10", "ug/m3", 0, 20_000, _MEAN, "PM10", "PM10", "a34002"),
        _q("pm25", "ug/m3", 0, 10_000, _MEAN, "PM2.5", "PM2.5", "a34004"),
        _q("pm1", "ug/m3", 0, 10_000, _MEAN, "PM1", "PM1", "a34005"),
        _q("air_temperature", "Cel", -60, 70, _MEAN, "气温", "air temperature", "a01001"),
        _q("air_humidity", "%RH", 0, 100, _MEAN, "相对湿度", "relative humidity", "a01002"),
        _q("air_pressure", "kPa", 45, 115, _MEAN, "大气压", "air pressure", "a01006"),
        _q("wind_speed", "m/s", 0, 90, _MEAN, "风速", "wind speed", "a01007"),
        _q("wind_direction", "deg", 0, 360, _VECTOR, "风向", "wind direction", "a01008"),
        _q("wind_force", "1", 0, 17, _MEAN, "风力等级", "wind force (Beaufort)"),
        _q("rainfall", "mm", 0, 2_000, _SUM, "降雨量", "rainfall"),
        _q("illuminance", "lx", 0, 250_000, _MEAN, "光照度", "illuminance"),
        # Water quality and level
        _q("water_ph", "pH", 0, 14, _MEAN, "pH值", "pH", "w01001"),
        _q("water_do", "mg/L", 0, 30, _MEAN, "溶解氧", "dissolved oxygen", "w01009"),
        _q("water_do_saturation", "%", 0, 500, _MEAN, "溶解氧饱和度", "oxygen saturation"),
        _q("water_temperature", "Cel", -5, 60, _MEAN, "水温", "water temperature", "w01010"),
        _q("water_conductivity", "uS/cm", 0, 200_000, _MEAN, "电导率", "conductivity", "w01014"),
        _q("water_turbidity", "NTU", 0, 4_000, _MEAN, "浊度", "turbidity", "w01003"),  # *
        _q("water_orp", "mV", -2_000, 2_000, _MEAN, "氧化还原电位", "ORP"),
        _q("water_transparency", "cm", 0, 1_000, _MEAN, "透明度", "transparency"),
        _q("water_cod", "mg/L", 0, 10_000, _MEAN, "化学需氧量", "COD", "w01018"),
        _q("water_codmn", "mg/L", 0, 1_000, _MEAN, "高锰酸盐指数", "CODMn", "w01019"),
        _q("water_nh3n", "mg/L", 0, 1_000, _MEAN, "氨氮", "ammonia nitrogen", "w21003"),
        _q("water_tp", "mg/L", 0, 500, _MEAN, "总磷", "total phosphorus", "w21011"),
        _q("water_tn", "mg/L", 0, 1_000, _MEAN, "总氮", "total nitrogen", "w21001"),
        _q("water_chlorine", "mg/L", 0, 20, _MEAN, "余氯", "free chlorine"),
        _q("water_pressure", "kPa", -100, 6_000, _MEAN, "供水压力", "water supply pressure"),
        _q("water_flow", "m3/h", -100_000, 100_000, _MEAN, "流量", "water flow"),
        _q("water_depth", "cm", 0, 2_000, _MEAN, "水深", "water depth"),
        _q("water_distance", "cm", 0, 2_000, _MEAN, "距水面距离", "distance to water"),
        # Gas
        _q("gas_pressure", "kPa", -100, 10_000, _MEAN, "燃气压力", "gas pressure"),
        _q("gas_lel", "%LEL", 0, 100, _MEAN, "可燃气体浓度", "combustible gas"),
        _q("gas_temperature", "Cel", -60, 100, _MEAN, "燃气温度", "gas temperature"),
        _q("gas_flow", "m3/h", 0, 1_000_000, _MEAN, "燃气流量", "gas flow"),
        _q("gas_volume", "m3", 0, 1e12, _LAST, "燃气累计量", "gas volume counted"),
        # Manhole covers
        _q("tilt", "deg", 0, 180, _MEAN, "倾角", "tilt from the installed position"),
        _q("angle_x", "deg", -180, 180, _MEAN, "X轴角度", "angle of the x axis"),
        _q("angle_y", "deg", -180, 180, _MEAN, "Y轴角度", "angle of the y axis"),
        _q("angle_z", "deg", -180, 180, _MEAN, "Z轴角度", "angle of the z axis"),
        _q("cover_open", "1", 0, 1, _LAST, "井盖开启", "cover open"),
        # The device itself
        _q("device_temperature", "Cel", -60, 120, _MEAN, "设备温度", "device temperature"),
        _q("valid_rate", "%", 0, 100, _MEAN, "有效数据率", "valid-data rate"),
        _q("battery", "%", 0, 100, _MEAN, "电池电量", "battery"),
        _q("battery_voltage", "V", 0, 60, _MEAN, "电池电压", "battery voltage"),
        _q("signal_rssi", "dBm", -160, 10, _MEAN, "信号强度", "signal strength"),
        _q("signal_snr", "dB", -40, 40, _MEAN, "信噪比", "signal to noise ratio"),
    )
}


def split_measurement(measurement: str) -> tuple[str, str]:
    """Split a measurement's name into (quantity key, channel): "gas_pressure.inlet"."""
    key, _, channel = measurement.partition(".")
    return key, channel


def quantity_of(measurement: str) -> Quantity:
    """Return the quantity that a measurement is of.

    Raises: KeyError if the name's first part is no quantity's key.
    """
    return QUANTITIES[split_measurement(measurement)[0]]


def unit_of(measurement: str) -> str:
    """Return a measurement's canonical unit, or "" if its quantity is not known (any more)."""
    quantity = QUANTITIES.get(split_measurement(measurement)[0])
    return quantity.unit if quantity else ""
