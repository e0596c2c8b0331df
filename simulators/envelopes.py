"""The envelopes that LoRaWAN network servers put around a device's own object. Pure.

Source: ChirpStack v4 integration.UplinkEvent in its JSON form; The Things Stack v3 uplink message.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from contract.clock import iso_utc

Json = dict[str, "Json"] | list["Json"] | str | float | int | bool | None

APPLICATION = "9d1a1ac2-6a1e-4d58-8a3c-7f5d3a5f0c11"


@dataclass(frozen=True, slots=True, kw_only=True)
class Radio:
    """How well the gateway heard it."""

    rssi_dbm: int
    snr_db: float


def chirpstack(
    body: dict[str, Json], address: str, name: str, sampled_ms: int, count: int, radio: Radio
) -> tuple[str, dict[str, Json]]:
    """Return the topic and message of a ChirpStack v4 uplink event."""
    at = iso_utc(sampled_ms).replace("Z", "+00:00")
    topic = f"application/{APPLICATION}/device/{address}/event/up"
    return topic, {
        "deduplicationId": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{address}/{count}/{sampled_ms}")),
        "time": at,
        "deviceInfo": {
            "tenantId": "52f14cd4-c6f1-4fbd-8f87-4025e1d49242",
            "tenantName": "gridwarden-simulation",
            "applicationId": APPLICATION,
            "applicationName": "manholes",
            "deviceProfileId": "14855bf7-d10d-4aee-b618-ebfcb64dc7ad",
            "deviceProfileName": "simulated",
            "deviceName": name,
            "devEui": address,
            "deviceClassEnabled": "CLASS_A",
            "tags": {},
        },
        "devAddr": address[-8:],
        "adr": True,
        "dr": 5,
        "fCnt": count,
        "fPort": 85,
        "confirmed": False,
        "data": "",
        "object": body,
        "rxInfo": [
            {
                "gatewayId": "0016c001f153a14c",
                "uplinkId": count,
                "nsTime": at,
                "rssi": radio.rssi_dbm,
                "snr": radio.snr_db,
                "crcStatus": "CRC_OK",
            }
        ],
        "txInfo": {
            "frequency": 486300000,
            "modulation": {
                "lora": {"bandwidth": 125000, "spreadingFactor": 7, "codeRate": "CR_4_5"}
            },
        },
    }


def _ttn_id(address: str) -> str:
    return f"eui-{address}"


def ttn(
    body: dict[str, Json], address: str, sampled_ms: int, count: int, radio: Radio
) -> tuple[str, dict[str, Json]]:
    """Return the topic and message of a TTN v3 uplink."""
    at = iso_utc(sampled_ms)
    return f"v3/gridwarden@ttn/devices/{_ttn_id(address)}/up", {
        "end_device_ids": {
            "device_id": _ttn_id(address),
            "application_ids": {"application_id": "gridwarden"},
            "dev_eui": address.upper(),
            "dev_addr": address[-8:].upper(),
        },
        "received_at": at,
        "uplink_message": {
            "f_port": 2,
            "f_cnt": count,
            "frm_payload": "",
            "decoded_payload": body,
            "rx_metadata": [
                {
                    "gateway_ids": {"gateway_id": "gridwarden-simulation"},
                    "time": at,
                    "rssi": radio.rssi_dbm,
                    "snr": radio.snr_db,
                }
            ],
            "received_at": at,
        },
    }
