"""What the demo says to people, in both languages."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum

from contract.quantities import Kind
from simulators.demo.figures import Outcome


class Language(StrEnum):
    """The product's languages."""

    ZH = "zh"
    EN = "en"


def default_language(environment: Mapping[str, str] = os.environ) -> Language:
    """Return what LC_ALL, LC_MESSAGES or LANG asks for."""
    names = ("LC_ALL", "LC_MESSAGES", "LANG")
    told = next((environment[name] for name in names if environment.get(name)), "")
    return Language.ZH if told.lower().startswith("zh") else Language.EN


KINDS: dict[Kind, dict[Language, str]] = {
    Kind.NOISE: {Language.ZH: "噪声", Language.EN: "noise"},
    Kind.DUST: {Language.ZH: "扬尘", Language.EN: "dust"},
    Kind.WATER: {Language.ZH: "水质", Language.EN: "water"},
    Kind.GAS: {Language.ZH: "燃气", Language.EN: "gas"},
    Kind.MANHOLE: {Language.ZH: "井盖", Language.EN: "manhole"},
}

TEXTS: dict[str, dict[Language, str]] = {
    "data": {Language.ZH: "数据目录：{data}", Language.EN: "data folder: {data}"},
    "broker": {
        Language.ZH: "消息服务器 nats-server 已启动，MQTT 端口 {port}",
        Language.EN: "broker: nats-server is up, MQTT on port {port}",
    },
    "init": {Language.ZH: "云端数据库已建好", Language.EN: "cloud: the database is ready"},
    "devices": {
        Language.ZH: "模拟设备 {count} 台已就绪",
        Language.EN: "devices: {count} simulated ones are up",
    },
    "intake": {Language.ZH: "云端接入已就绪", Language.EN: "cloud intake: listens to the broker"},
    "web": {
        Language.ZH: "云端网页已就绪，端口 {port}",
        Language.EN: "cloud web: answers on port {port}",
    },
    "edge": {
        Language.ZH: "边缘网关已就绪，首批读数已采集",
        Language.EN: "edge agent: the first readings are in",
    },
    "login": {
        Language.ZH: "\n控制台  {url}\n登　录  {user} / {password}\n",
        Language.EN: "\nconsole  {url}\nlogin    {user} / {password}\n",
    },
    "until": {
        Language.ZH: "按 Ctrl-C 结束",
        Language.EN: "Ctrl-C ends it",
    },
    "running": {
        Language.ZH: "运行 {seconds:.0f} 秒……",
        Language.EN: "running for {seconds:.0f} s …",
    },
    "draining": {
        Language.ZH: "边缘网关停机前送完缓存……",
        Language.EN: "edge agent: sends what it holds, then ends …",
    },
    "counting": {Language.ZH: "清点……", Language.EN: "counting …"},
    "ending": {Language.ZH: "正在结束……", Language.EN: "ending …"},
    "ended": {Language.ZH: "已全部结束", Language.EN: "all has ended"},
    "kept": {Language.ZH: "日志保留在 {data}", Language.EN: "the logs are kept in {data}"},
    "figures": {
        Language.ZH: "\n上报读数 {published}，入库 {stored}，重复 {duplicates}",
        Language.EN: "\nreadings: published {published}, stored {stored}, duplicates {duplicates}",
    },
    "head": {Language.ZH: "种类\t报警\t案件", Language.EN: "kind\talerts\tcases"},
    "delay": {
        Language.ZH: "从传感器到报警：p50 {p50} ms，p99 {p99} ms",
        Language.EN: "sensor to alert: p50 {p50} ms, p99 {p99} ms",
    },
    "well": {Language.ZH: "全部符合要求", Language.EN: "all as it must be"},
    "amiss": {Language.ZH: "不符合要求：{what}", Language.EN: "not as it must be: {what}"},
}


def table(result: Outcome, language: Language) -> str:
    """Write the figures for people."""
    delay = result.sensor_to_alert_ms
    lines = [
        TEXTS["figures"][language].format(
            published=result.published, stored=result.stored, duplicates=result.duplicates
        ),
        TEXTS["head"][language],
        *(
            f"{names[language]}\t{result.alerts[kind]}\t{result.cases[kind]}"
            for kind, names in KINDS.items()
        ),
        TEXTS["delay"][language].format(p50=delay.p50, p99=delay.p99),
    ]
    return "\n".join(lines)
