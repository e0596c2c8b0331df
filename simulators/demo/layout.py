"""The demo's folder: where everything is, and what the configuration files in it say."""

from __future__ import annotations

import io
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from ruamel.yaml import YAML

from simulators.demo.ports import HOST
from simulators.simulation import DeviceRecord

GATEWAY = "demo-cabinet"
PRESETS = (
    "dust-db51-2682",
    "dust-gb3095",
    "water-gb3838",
    "gas-gb50028",
    "manhole-tilt",
)
SECRETS = ("intake", GATEWAY, "devices", "admin")

# What the MQTT subjects of a user come to in NATS: a/b is a.b there, + is *, # is >.
_OWN_DELIVERIES = "$MQTT.sub.>"  # where JetStream delivers an MQTT session's QoS 1 messages
_UPLINKS = ("application.*.device.*.event.up", "v3.*.devices.*.up")  # ChirpStack v4, TTN v3
_SPEAK = "dev.v1.*.senml"  # of devices that speak for themselves
_PERMISSIONS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # user: (may publish, may subscribe)
    "intake": (("gw.v1.*.*.ack", "gw.v1.*.*.cmd"), ("gw.v1.>", _SPEAK, _OWN_DELIVERIES)),
    GATEWAY: (
        tuple(f"gw.v1.*.{GATEWAY}.{kind}" for kind in ("data", "birth", "state", "cmd-reply")),
        (
            f"gw.v1.*.{GATEWAY}.ack",
            f"gw.v1.*.{GATEWAY}.cmd",
            *_UPLINKS,
            _OWN_DELIVERIES,
        ),
    ),
    "devices": ((*_UPLINKS, _SPEAK), ()),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPorts:
    """The servers' ports on the loopback."""

    nats: int
    monitor: int
    mqtt: int
    web: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Paths in the demo's data folder."""

    data: Path

    @property
    def lock(self) -> Path:
        return self.data / "demo.lock"

    @property
    def nats_config(self) -> Path:
        return self.data / "nats.conf"

    @property
    def edge_config(self) -> Path:
        return self.data / "edge.yaml"

    @property
    def mains(self) -> Path:
        """Return the file that says whether the cabinet has mains: 1, or 0."""
        return self.data / "mains"

    @property
    def cloud_config(self) -> Path:
        return self.data / "cloud.yaml"

    @property
    def ready(self) -> Path:
        return self.data / "simulators.json"

    @property
    def ledger(self) -> Path:
        return self.data / "served.jsonl"

    @property
    def has_account(self) -> Path:
        return self.data / "cloud" / "has-account"

    @property
    def rules(self) -> Path:
        """Return the file of the demo's own rules."""
        return self.data / "demo-rules.yaml"

    def log(self, name: str) -> Path:
        return self.data / "logs" / f"{name}.log"

    def secret_file(self, user: str) -> Path:
        return self.data / "secrets" / user

    def secret(self, user: str) -> str:
        return self.secret_file(user).read_text().strip()

    def make(self) -> None:
        """Make the folders, and a random password for everybody who has none yet."""
        for folder in ("logs", "secrets", "broker", "cloud", "keys"):
            (self.data / folder).mkdir(parents=True, exist_ok=True)
        for folder in ("secrets", "keys"):
            (self.data / folder).chmod(0o700)
        if not self.command_key.exists():
            _write_private(self.command_key, secrets.token_hex(32) + "\n")
        for user in SECRETS:
            if not self.secret_file(user).exists():
                _write_private(self.secret_file(user), secrets.token_urlsafe(12) + "\n")

    @property
    def command_key(self) -> Path:
        """Return the file of the key that commands to the gateway are signed with."""
        return self.data / "keys" / f"{GATEWAY}.key"

    def write_nats(self, ports: DemoPorts) -> None:
        _write_private(self.nats_config, nats_config(self, ports))

    def write_cloud(self, ports: DemoPorts) -> None:
        self.rules.write_text(_yaml(noise_rules()), encoding="utf-8")
        self.cloud_config.write_text(_yaml(cloud_config(self, ports)))

    def write_edge(self, ports: DemoPorts, devices: Sequence[DeviceRecord]) -> None:
        self.mains.write_text("1\n")
        self.edge_config.write_text(_yaml(edge_config(self, ports, devices)))


def nats_config(layout: Layout, ports: DemoPorts) -> str:
    """Return nats-server's configuration: MQTT on JetStream, every message synced to the disk.

    ack_wait: what a session's last owner had not acknowledged is delivered to the next one after
    so long; the default of 30 s would be the delay of every hand-over.
    """
    users = [
        {
            "user": user,
            "password": layout.secret(user),
            "permissions": {
                "publish": {"allow": publish},
                "subscribe": {"allow": subscribe} if subscribe else {"deny": [">"]},
            },
        }
        for user, (publish, subscribe) in _PERMISSIONS.items()
    ]
    return json.dumps(
        {
            "server_name": "gridwarden-demo",
            "host": HOST,
            "port": ports.nats,
            "http": f"{HOST}:{ports.monitor}",
            "jetstream": {"store_dir": str(layout.data / "broker"), "sync_interval": "always"},
            "mqtt": {"host": HOST, "port": ports.mqtt, "ack_wait": "5s"},
            "authorization": {"users": users},
        },
        indent=1,
    )


def cloud_config(layout: Layout, ports: DemoPorts) -> dict[str, object]:
    """Return the cloud's configuration; delays are short, as a demo has only minutes."""
    return {
        "data": str(layout.data / "cloud"),
        "broker": _broker(layout, ports, "intake"),
        "web": {"host": HOST, "port": ports.web},
        "timezone": "Asia/Shanghai",
        "rules": {
            "presets": list(PRESETS),
            "files": [layout.rules.name],
            "overrides": {"*": {"on_delay_s": 1.5, "off_delay_s": 3}},
        },
        "seal": {"every_s": 15},
        "commands": {"keys": str(layout.command_key.parent)},
    }


def noise_rules() -> dict[str, object]:
    """Return rules on noise for a demo: the preset's are on whole hours, which nobody waits for."""
    said = "GB 3096-2008, class 2, {} {} dB(A); compared at once, for the demo"
    said_zh = "GB 3096-2008，2类，{}{} dB(A)；演示中逐条比较"
    return {
        "preset": "demo",
        "version": 1,
        "title": {"zh": "演示", "en": "Demo"},
        "defaults": {
            "kind": "noise",
            "measurement": ["noise_laeq", "noise_la"],
            "direction": "above",
            "unit": "dB(A)",
            "severity": "medium",
            "category": "05-08",
            "deadband": 3,
            "mark": "judgement",
            "timing_source": "the demo's own",
            "timing_source_zh": "演示专用",
            "timing_mark": "judgement",
            "effective": "2008-10-01",
        },
        "rules": [
            {
                "id": f"demo.noise.{time}",
                "title": {"zh": f"{time_zh}噪声超标", "en": f"Noise by {time}"},
                "schedule": time,
                "limit": limit,
                "source": said.format(time, limit),
                "source_zh": said_zh.format(time_zh, limit),
            }
            for time, time_zh, limit in (("day", "昼间", 60), ("night", "夜间", 50))
        ],
    }


def edge_config(
    layout: Layout, ports: DemoPorts, devices: Sequence[DeviceRecord]
) -> dict[str, object]:
    """Return the edge's configuration: one bus a listener, ten devices, a reading a second."""
    buses: dict[tuple[str, int], str] = {}
    rows: list[dict[str, object]] = []
    for device in devices:
        bus = buses.setdefault((device.driver, device.port), f"bus-{len(buses) + 1}")
        row: dict[str, object] = {"id": device.id, "profile": device.profile, "bus": bus}
        if device.driver == "mqtt":
            row["address"] = device.address
        else:
            row |= {"unit_id": device.unit_id, "period_s": 1.0}
        told = {
            "installed": device.installed,
            "name": device.name,
            "asset": device.asset,
            "owner": device.owner,
            "place": msgspec.to_builtins(device.place),
            "tags": device.tags,
        }
        rows.append(row | {key: value for key, value in told.items() if value})
    return {
        "gateway": GATEWAY,
        "broker": _broker(layout, ports, GATEWAY),
        "buffer": {"path": "buffer.sqlite", "commit_every_s": 0.25},
        "clock": {"source": "always"},  # a demo is not kept waiting for a time server
        "commands": {"key_file": str(layout.command_key)},
        "supply": {"file": layout.mains.name},
        "buses": [
            {"id": bus, "driver": driver}
            | (
                _broker(layout, ports, GATEWAY)
                if driver == "mqtt"
                else {"host": HOST, "port": port, "timeout_s": 1.0}
            )
            for (driver, port), bus in buses.items()
        ],
        "devices": rows,
    }


def _broker(layout: Layout, ports: DemoPorts, user: str) -> dict[str, object]:
    return {
        "host": HOST,
        "port": ports.mqtt,
        "user": user,
        "password_file": str(layout.secret_file(user)),
        "tls": False,
    }


def _yaml(tree: object) -> str:
    writer = YAML()
    writer.default_flow_style = False
    writer.allow_unicode = True
    text = io.StringIO()
    writer.dump(tree, text)
    return text.getvalue()


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text)
