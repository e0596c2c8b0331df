"""Every word of messages: key → (Chinese, English)."""

from __future__ import annotations

TEXTS: dict[str, tuple[str, str]] = {
    "raised": ("告警", "Alert"),
    "again": ("再次告警", "Alert again"),
    "released": ("抑制结束，仍在告警", "No longer suppressed, still in alarm"),
    "rose": ("告警升级", "Alert has risen"),
    "escalated": ("无人确认，上报", "Unacknowledged, escalated"),
    "reminder": ("仍在告警", "Still in alarm"),
    "shelved": ("已搁置", "Shelved"),
    "resolved": ("已恢复", "Back to normal"),
    "refuted": ("告警不成立", "Never was"),
    "undelivered": ("未能送达", "Could not be told"),
    "digest": ("汇总", "Digest"),
    "flood began": ("告警洪峰开始", "Alert flood begins"),
    "flood ended": ("告警洪峰结束", "Alert flood is over"),
    "due soon": ("案件即将到期", "Case is due soon"),
    "overdue": ("案件超期", "Case is overdue"),
    "channel dead": ("通知渠道失效", "Channel is dead"),
    "channel back": ("通知渠道恢复", "Channel works again"),
    "test": ("测试通知", "Test message"),
    "gateway": ("网关", "Gateway"),
    "subject": ("【{what}·{severity}】{device} {title}", "[{what}, {severity}] {device}: {title}"),
    "subject.plain": ("【{what}】{about}", "[{what}] {about}"),
    "first out": ("首出 {text}", "first out {text}"),
    "line.where": ("地点：{text}", "Where: {text}"),
    "line.unit": ("责任单位：{text}", "Responsible: {text}"),
    "line.value": ("数值：{value}（限值 {limit}）", "Value: {value} (limit {limit})"),
    "line.since": ("开始：{time}", "Since: {time}"),
    "line.returned": (
        "恢复：{time}，历时 {lasted}",
        "Back to normal: {time}, after {lasted}",
    ),
    "line.refuted": (
        "更正：迟到的数据表明，当时并未达到告警条件。",
        "Correction: readings that came late show that it never was beyond its limit for so long.",
    ),
    "line.part_of": (
        "更正：迟到的数据表明，它与告警 {alert} 是同一次，以后者为准。",
        "Correction: readings that came late show that it is one with alert {alert}, which stands.",
    ),
    "line.source": ("依据：{text}", "Rule: {text}"),
    "line.do": ("请处理：{text}", "What to do: {text}"),
    "line.link": ("查看并确认：{text}", "See and acknowledge: {text}"),
    "line.see": ("查看：{text}", "See: {text}"),
    "line.case": ("案件状态：{text}", "Case is: {text}"),
    "line.due": ("时限：{time}", "Due: {time}"),
    "line.note": ("说明：{text}", "Note: {text}"),
    "line.by": ("操作人：{text}", "By: {text}"),
    "why": ("通知原因：{text}", "Why you: {text}"),
    "why.named": ("路由 {route} 第 {step} 步指定", "named by step {step} of route {route}"),
    "why.week": (
        "值班表 {rota}（路由 {route} 第 {step} 步）",
        "on call by rota {rota} (step {step} of route {route})",
    ),
    "why.date": (
        "值班表 {rota} 的当日安排（路由 {route} 第 {step} 步）",
        "on call by rota {rota}, for this date (step {step} of route {route})",
    ),
    "why.exchange": (
        "值班表 {rota} 的换班（路由 {route} 第 {step} 步）",
        "on call by rota {rota}, exchanged (step {step} of route {route})",
    ),
    "why.nobody on call": (
        "值班表 {rota} 此时无人值班，转默认联系人",
        "nobody is on call in rota {rota} now, so the default is told",
    ),
    "why.no rota": (
        "责任单位没有值班表，转默认联系人",
        "the responsible unit has no rota, so the default is told",
    ),
    "why.told before": ("此前已收到该告警", "was told of this alert before"),
    "why.default": ("默认联系人", "is the default"),
    "do.noise": (
        "联系施工或经营方核实声源，必要时现场测量取证。",
        "Ask the site or the business for the source; measure and record on site if need be.",
    ),
    "do.dust": (
        "检查喷淋、覆盖和车辆冲洗，要求立即整改。",
        "Check spraying, covers and wheel washing; have it put right at once.",
    ),
    "do.water": (
        "到现场查看排口和水色，留样，查上游来源。",
        "Look at outfall and colour on site, keep a sample, look upstream.",
    ),
    "do.gas": (
        "先保证人员安全，勿开关电器；通知燃气抢修，检查调压与阀门。",
        "People first, switch nothing on or off; call gas repair, check regulator and valves.",
    ),
    "do.manhole": (
        "立即设围挡警示，防人车坠入，再复位或更换井盖。",
        "Fence it off at once so that nobody falls in; then put the cover back or replace it.",
    ),
    "do.gateway": (
        "检查该柜的供电、SIM 卡和网络。",
        "Check the cabinet's power, SIM card and network.",
    ),
    "do.channel": (
        "检查该渠道的网络、地址和口令；其通知改由其他方式发送，没有其他方式的仍在重试。",
        "Check the channel's network, address and password. What was for it goes by other ways;"
        " where there are none, it is tried on.",
    ),
    "do.refuted": ("无需处置；已派人的请召回。", "Nothing; call back whoever is on the way."),
    "do.due soon": ("请在时限前办理，或申请延期。", "Act before it is due, or ask for more time."),
    "do.overdue": (
        "已超时限，请立即办理并说明原因。",
        "It is past due: act now, and say why it was late.",
    ),
    "do.": ("到现场核实，并在系统中确认。", "Check on site, and acknowledge."),
    "do.confirm": (
        "无需处置；未确认的请在系统中确认。",
        "Nothing; acknowledge it if nobody has.",
    ),
    "digest.quiet": ("免打扰时段内的 {n} 条通知", "{n} messages held in quiet hours"),
    "digest.flood": ("告警洪峰中的 {n} 条通知", "{n} messages of an alert flood"),
    "digest.group": ("同区域同类告警 {n} 条", "{n} alerts of one kind in one area"),
    "digest.more": ("……另有 {n} 条，见系统。", "… and {n} more; see the console."),
    "flood.count": ("共 {n} 条", "{n} messages"),
    "flood.began": (
        "{window} 分钟内告警超过 {begins} 条。此后每 {every} 分钟汇总一次，不会遗漏。",
        "More than {begins} alerts in {window} minutes. From now on one digest every {every}"
        " minutes, with nothing left out.",
    ),
    "flood.ended": (
        "{window} 分钟内告警少于 {ends} 条，恢复逐条通知。期间共 {n} 条。",
        "Fewer than {ends} alerts in {window} minutes: each is told by itself again. There were"
        " {n} messages.",
    ),
    "channel.back": ("渠道 {channel} 已恢复工作。", "Channel {channel} works again."),
    "undelivered.text": (
        "{person} 未能收到以下通知（{error}）：",
        "{person} could not be told the following ({error}):",
    ),
    "test.text": (
        "这是一条测试通知。收到即表示渠道 {channel} 可用。",
        "This is a test. That you read it shows that channel {channel} works.",
    ),
}
