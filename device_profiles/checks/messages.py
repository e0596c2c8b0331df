"""Checks of the mqtt and hj212 blocks."""

from __future__ import annotations

import jmespath
from jmespath.exceptions import JMESPathError

from device_profiles.checks.common import check_measurement, check_refers
from device_profiles.core.hj212 import item_of
from device_profiles.reading.report import Report
from device_profiles.schema import Hj212, Mqtt

_OWN_KEYS = ("topic", "device", "time", "time_format", "root")


def check_mqtt(mqtt: Mqtt, report: Report) -> None:
    """Check an mqtt block."""
    if len(set(mqtt.envelopes)) < len(mqtt.envelopes):
        report.add("mqtt.envelopes", "an envelope is told twice")
    if "none" in mqtt.envelopes:
        _check_own_envelope(mqtt, report)
    else:
        for key in _OWN_KEYS:
            if report.has(f"mqtt.{key}"):
                report.add(f"mqtt.{key}", "comes with the envelope; only for envelopes: [none]")
    for name, part in mqtt.measurements.items():
        path = f"mqtt.measurements.{name}"
        check_measurement(path, name, part, report)
        _check_path(f"{path}.path", part.path, report)
    for index, rule in enumerate(mqtt.status):
        path = f"mqtt.status[{index}]"
        check_refers(f"{path}.measurements", rule.measurements, mqtt.measurements, report)
        _check_path(f"{path}.path", rule.path, report)


def _check_own_envelope(mqtt: Mqtt, report: Report) -> None:
    levels = mqtt.topic.split("/")
    if not mqtt.topic:
        report.add("mqtt", "key topic is missing: the MQTT filter to subscribe to")
    elif levels.count("{device}") > 1 or mqtt.topic.count("{") > levels.count("{device}"):
        report.add("mqtt.topic", "{device} stands for one whole level of the topic, once")
    elif "#" in mqtt.topic and not mqtt.topic.endswith("/#") and mqtt.topic != "#":
        report.add("mqtt.topic", "# may only be the last level")
    if not mqtt.device and mqtt.topic and "{device}" not in levels:
        report.add("mqtt", "no device id: put {device} into topic, or a JMESPath into device")
    for key, path in (("device", mqtt.device), ("time", mqtt.time), ("root", mqtt.root)):
        if path:
            _check_path(f"mqtt.{key}", path, report)


def _check_path(at: str, path: str, report: Report) -> None:
    try:
        jmespath.compile(path)
    except JMESPathError as error:
        why = str(error).strip().splitlines()[0]
        report.add(at, f"{path!r} is no JMESPath: {why}")


def check_hj212(hj212: Hj212, report: Report) -> None:
    """Check an hj212 block."""
    seen: dict[tuple[str, str], str] = {}
    for name, part in hj212.measurements.items():
        path = f"hj212.measurements.{name}"
        check_measurement(path, name, part, report)
        item = (part.command, item_of(part))
        if item in seen:
            report.add(f"{path}.factor", f"{item[1]} of CN {item[0]} is {seen[item]} already")
        seen[item] = name
