"""A case on paper, in Chinese. The only place that knows reportlab (the extra `report`)."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from zoneinfo import ZoneInfo

from cloud.alerts import Alert
from cloud.cases.evidence import Chart, Device, Evidence
from cloud.cases.file_store import FileStore
from cloud.core.case_steps import STATES, STEPS
from cloud.core.gate import CATEGORIES
from cloud.core.model import Severity
from cloud.web.wording import SYMBOLS
from contract.errors import ConfigError, StorageError

try:
    from PIL import Image, ImageOps
    from reportlab.graphics.charts.lineplots import LinePlot
    from reportlab.graphics.shapes import Drawing, String
    from reportlab.lib import colors
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.lib.units import mm
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfgen.canvas import Canvas
    from reportlab.platypus import Image as Picture
    from reportlab.platypus import KeepTogether, Paragraph, SimpleDocTemplate, Table
except ImportError as error:
    raise ConfigError("the PDF needs reportlab: pip install 'gridwarden[report]'") from error

FONT = "STSong-Light"
WIDTH_MM = 174.0
MOST_PIXELS = 1_400  # of a photo's longer side, on paper
SEVERITIES = {
    Severity.LOW: "低",
    Severity.MEDIUM: "中",
    Severity.HIGH: "高",
    Severity.CRITICAL: "紧急",
}


def write(evidence: Evidence, store: FileStore, zone: ZoneInfo, now_ms: int, out: Path) -> None:
    """Write a case's evidence as a PDF. Raises: StorageError if it cannot be written."""
    pdfmetrics.registerFont(UnicodeCIDFont(FONT))
    making = out.with_name(f".{out.name}.partial")
    try:
        with making.open("wb") as file:
            _Paper(evidence, store, zone, now_ms).build(file)
        making.replace(out)
    except OSError as error:
        raise StorageError(f"{out} cannot be written: {error}") from error
    finally:
        making.unlink(missing_ok=True)


class _Paper:
    """One PDF in the making."""

    def __init__(self, evidence: Evidence, store: FileStore, zone: ZoneInfo, now_ms: int) -> None:
        self._evidence = evidence
        self._store = store
        self._zone = zone
        self._now_ms = now_ms
        self._text = ParagraphStyle("text", fontName=FONT, fontSize=9, leading=13, wordWrap="CJK")
        self._bold = ParagraphStyle("bold", self._text, fontSize=12, leading=18, spaceBefore=10)
        self._title = ParagraphStyle("title", self._text, fontSize=17, leading=26, alignment=1)
        self._warning = ParagraphStyle("warning", self._text, textColor=colors.red, fontSize=11)

    def build(self, file: io.BufferedIOBase) -> None:
        case = self._evidence.detail.case
        SimpleDocTemplate(
            file,
            pagesize=A4,
            leftMargin=18 * mm,
            rightMargin=18 * mm,
            topMargin=16 * mm,
            bottomMargin=18 * mm,
            title=f"案件 {case.id}",
            author="Gridwarden",
        ).build(list(self._parts()), onFirstPage=self._foot, onLaterPages=self._foot)

    def _parts(self) -> Iterable[object]:
        yield Paragraph("案件证据材料", self._title)
        yield self._verdict()
        yield from self._head()
        yield from self._alerts()
        yield from self._devices()
        yield from self._trail()
        yield from self._files()
        yield from self._seal()

    def _verdict(self) -> object:
        found = self._evidence
        if found.holds:
            return self._p(
                f"证据链校验通过：共 {found.head.entries} 条，附件 {len(found.files)} 个。"
            )
        words = []
        if found.broken is not None:
            words.append(f"证据链校验未通过：第 {found.broken.number} 条，{found.broken.why}。")
        if found.damaged:
            words.append(f"附件缺失或已被改动：{'、'.join(found.damaged)}。")
        return Paragraph(escape("".join(words)), self._warning)

    def _head(self) -> Iterable[object]:
        case = self._evidence.detail.case
        label = CATEGORIES.get(case.category)
        rows = [
            ("案件编号", case.id),
            ("标题", case.title),
            ("类别", f"{case.category} {label.zh if label else ''}"),
            ("状态", STATES[case.state].zh),
            ("责任单位", case.unit or "未确定"),
            ("严重程度", SEVERITIES[case.severity]),
            ("对象编码", case.asset),
            ("网格", case.cell),
            ("地址", case.address),
            ("情况描述", case.description),
            ("立案时间", self._at(case.opened_ms)),
            ("办理时限", self._at(case.handle_due_ms)),
            ("结案时间", self._at(case.closed_ms)),
            ("群众满意度", str(case.satisfaction or "")),
            ("并入案件", case.merged_into or ""),
        ]
        yield self._h("一、基本情况")
        yield self._facts((key, value) for key, value in rows if value)

    def _alerts(self) -> Iterable[object]:
        yield self._h("二、报警与监测数据")
        alerts = self._evidence.detail.alerts
        if not alerts:
            yield self._p("本案由人员上报，无报警。")
        charts = {chart.alert: chart for chart in self._evidence.charts}
        for alert in alerts:
            unit = SYMBOLS.get(found.unit, found.unit) if (found := charts.get(alert.id)) else ""
            yield self._facts(self._alert(alert, unit))
            if found is not None:
                yield KeepTogether([self._chart(found, unit)])

    def _alert(self, alert: Alert, unit: str) -> Iterable[tuple[str, str]]:
        yield "报警", f"{alert.title}（{alert.id}）"
        yield "规则", f"{alert.rule}，版本 {alert.rule_version}"
        yield "规则原文", f"/rules/{alert.rule}/versions/{alert.rule_version}"
        yield "依据", alert.rule_source
        yield "监测项", f"{alert.device} / {alert.measurement}"
        yield "限值", f"{alert.limit_value:g} {unit}，首个超限值 {alert.first_value:g} {unit}"
        yield "起止", f"{self._at(alert.began_ms)} 至 {self._at(alert.returned_ms) or '尚未恢复'}"

    def _chart(self, chart: Chart, unit: str) -> object:
        if not chart.values:
            return self._p("该时段无可用监测数据。")
        width, height = WIDTH_MM * mm, 58 * mm
        drawing = Drawing(width, height)
        plot = LinePlot()
        plot.x, plot.y, plot.width, plot.height = 34, 26, width - 50, height - 48
        plot.data = [
            [((at - chart.from_ms) / 60_000, each) for at, each in self._points(chart)],
            [(0, chart.limit), ((chart.to_ms - chart.from_ms) / 60_000, chart.limit)],
        ]
        plot.lines[0].strokeColor, plot.lines[0].strokeWidth = colors.HexColor("#1b62a5"), 1
        plot.lines[1].strokeColor, plot.lines[1].strokeWidth = colors.HexColor("#c0392b"), 0.8
        plot.lines[1].strokeDashArray = (4, 3)
        minutes = (chart.to_ms - chart.from_ms) / 60_000
        plot.xValueAxis.valueMin, plot.xValueAxis.valueMax = 0, minutes
        plot.xValueAxis.valueSteps = [minutes * part / 6 for part in range(7)]
        plot.xValueAxis.labelTextFormat = lambda minute: self._clock(chart.from_ms, minute)
        low, high = min(*chart.values, chart.limit), max(*chart.values, chart.limit)
        room = (high - low or abs(high) or 1) * 0.1
        plot.yValueAxis.valueMin, plot.yValueAxis.valueMax = low - room, high + room
        plot.yValueAxis.labelTextFormat = "%.4g"
        for axis in (plot.xValueAxis, plot.yValueAxis):
            axis.labels.fontName, axis.labels.fontSize = "Helvetica", 7
        drawing.add(plot)
        how = f"，每点为 {chart.step_ms / 1000:g} 秒均值" if chart.step_ms else ""
        about = f"{chart.measurement}（{unit}），红色虚线为限值 {chart.limit:g}{how}"
        drawing.add(String(34, height - 12, about, fontName=FONT, fontSize=8))
        day = datetime.fromtimestamp(chart.from_ms / 1000, UTC).astimezone(self._zone)
        drawing.add(String(34, 2, f"{day:%Y-%m-%d}", fontName="Helvetica", fontSize=7))
        return drawing

    def _points(self, chart: Chart) -> Iterable[tuple[int, float]]:
        return zip(chart.at_ms, chart.values, strict=True)

    def _devices(self) -> Iterable[object]:
        if not self._evidence.devices:
            return
        yield self._h("三、监测设备")
        for device in self._evidence.devices:
            yield self._facts((key, value) for key, value in self._device(device) if value)

    def _device(self, device: Device) -> Iterable[tuple[str, str]]:
        yield "设备", f"{device.name or device.id}（{device.id}）"
        yield "型号配置", device.profile
        yield "校准日期", device.calibrated or "未登记"
        yield "权属单位", device.owner
        yield "安装地址", device.address

    def _trail(self) -> Iterable[object]:
        yield self._h("四、办理过程")
        rows = [
            [
                self._p(self._at(line.at_ms)),
                self._p(
                    STEPS[line.step].label.zh + (f"（{_about(line.about)}）" if line.about else "")
                ),
                self._p(line.by or "系统"),
                self._p(line.unit),
                self._p(line.note),
            ]
            for line in self._evidence.detail.trail
        ]
        head = [self._p(each) for each in ("时间", "环节", "人员", "责任单位", "说明")]
        yield self._grid([head, *rows], (36, 30, 22, 32, 54))

    def _files(self) -> Iterable[object]:
        yield self._h("五、照片与附件")
        if not self._evidence.files:
            yield self._p("无。")
        for number, file in enumerate(self._evidence.files, start=1):
            bad = "（缺失或已被改动）" if file.name in self._evidence.damaged else ""
            facts = self._facts(
                [
                    (f"附件 {number}", f"{file.name}{bad}"),
                    ("上传", f"{file.by}，{self._at(file.at_ms)}"),
                    ("类型与大小", f"{file.type}，{file.size} 字节"),
                    ("SHA-256", file.sha256),
                ]
            )
            photo = self._photo(file.sha256) if file.is_photo and not bad else None
            yield KeepTogether([facts, photo] if photo else [facts])

    def _photo(self, digest: str) -> object:
        made = io.BytesIO()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # Pillow warns of pictures that would fill memory
                with Image.open(self._store.path(digest)) as opened:
                    upright = ImageOps.exif_transpose(opened)
                    upright.thumbnail((MOST_PIXELS, MOST_PIXELS))
                    upright.convert("RGB").save(made, "JPEG", quality=85)
        except (OSError, ValueError, SyntaxError, Warning, Image.DecompressionBombError):
            return self._p("（照片无法显示，见原文件）")
        width, height = upright.size
        scale = min(110 * mm / width, 90 * mm / height)
        made.seek(0)
        return Picture(made, width * scale, height * scale)

    def _seal(self) -> Iterable[object]:
        head = self._evidence.head
        yield self._h("六、证据链")
        yield self._p(
            "案件、报警、办理过程和附件按发生顺序逐条封存，"
            "每条封存值由前一条封存值与本条内容经 SHA-256 算出。"
            "日后任何改动、删除或调换，都会使链末封存值与下面所印不符。"
        )
        rows = [("条数", str(head.entries)), ("链末封存值", head.seal)]
        yield self._facts([*rows, ("打印时间", self._at(self._now_ms))])

    def _facts(self, rows: Iterable[tuple[str, str]]) -> object:
        return self._grid([[self._p(key), self._p(value)] for key, value in rows], (30, 144))

    def _grid(self, rows: list[list[object]], widths_mm: tuple[int, ...]) -> object:
        style = [
            ("GRID", (0, 0), (-1, -1), 0.4, colors.HexColor("#b8bec5")),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("TOPPADDING", (0, 0), (-1, -1), 2),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
        ]
        widths = [each * mm for each in widths_mm]
        return Table(rows, colWidths=widths, style=style, spaceBefore=4, spaceAfter=4)

    def _h(self, text: str) -> object:
        return Paragraph(text, self._bold)

    def _p(self, text: str) -> object:
        return Paragraph(escape(text), self._text)

    def _at(self, at_ms: int | None) -> str:
        if at_ms is None:
            return ""
        return (
            f"{datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(self._zone):%Y-%m-%d %H:%M:%S}"
        )

    def _clock(self, from_ms: int, minute: float) -> str:
        at = datetime.fromtimestamp(from_ms / 1000 + minute * 60, UTC)
        return f"{at.astimezone(self._zone):%H:%M}"

    def _foot(self, canvas: Canvas, document: SimpleDocTemplate) -> None:
        """Print the case, the page and the last seal on every page."""
        head = self._evidence.head
        canvas.saveState()
        canvas.setFont(FONT, 7)
        words = f"案件 {self._evidence.detail.case.id}　第 {document.page} 页　{head.seal}"
        canvas.drawString(18 * mm, 10 * mm, words)
        canvas.restoreState()


def _about(step: str) -> str:
    label = next((info.label for each, info in STEPS.items() if each.value == step), None)
    return label.zh if label else step
