"""The assessment as a workbook and as a document, in Chinese, with charts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from openpyxl import Workbook
from openpyxl.chart import BarChart, Reference
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet
from reportlab.graphics.charts.barcharts import VerticalBarChart
from reportlab.graphics.shapes import Drawing
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.pdfmetrics import registerFont
from reportlab.platypus import (
    Flowable,
    KeepTogether,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
    Table,
    TableStyle,
)

from cloud.assessment import Assessment
from cloud.core.assessment import By, Form, Group
from cloud.core.assessment_text import NOTHING, SOURCES, change, spelt
from cloud.core.gate import CATEGORIES

FONT = "STSong-Light"
BY: dict[By, str] = {
    By.UNIT: "责任单位",
    By.CELL: "网格",
    By.CATEGORY: "类别",
    By.SOURCE: "来源",
}
DIGITS = 2
POINTS = "{n} 个百分点"


def name_of(by: By, key: str) -> str:
    """Return what a group is called in Chinese."""
    if by is By.CATEGORY and key in CATEGORIES:
        return f"{key} {CATEGORIES[key].zh}"
    if by is By.SOURCE:
        return SOURCES[key].zh if key in SOURCES else key
    return key or "（无）"


def title_of(found: Assessment) -> str:
    """Return the report's title."""
    return f"案件综合评价 {found.period.name}"


def write_xlsx(found: Assessment, path: Path) -> None:
    """Write the workbook: the whole, each grouping with a chart, and the cases of each figure."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "总体"
    sheet.append([title_of(found)])
    sheet.append([_version(found)])
    sheet.append(["指标", "数值", "分子", "分母", "环比", "同比", "出处", "确度"])
    for row in _whole(found):
        sheet.append(row)
    sheet["A1"].font = Font(bold=True, size=14)
    _widths(sheet, 18)
    for by, groups in found.groups.items():
        _group_sheet(book, found, by, list(groups))
    _cases_sheet(book, found)
    book.save(path)


def _cases_sheet(book: Workbook, found: Assessment) -> None:
    """One row a case: ● where it is in a figure's numerator, ○ where in its denominator alone."""
    sheet = book.create_sheet("案件")
    formulas = found.formulas.figures
    sheet.append(["案件号", *(formula.title.zh for formula in formulas)])
    rows: dict[str, dict[int, str]] = {}
    for column, formula in enumerate(formulas, 2):
        one = found.total.figures[formula.key]
        for mark, cases in (("○", one.of), ("●", one.cases)):
            for case in cases:
                rows.setdefault(case, {1: case})[column] = mark
    for case in sorted(rows):
        sheet.append(rows[case])
    _widths(sheet, 16)


def _group_sheet(book: Workbook, found: Assessment, by: By, groups: list[Group]) -> None:
    sheet = book.create_sheet(f"按{BY[by]}")
    formulas = found.formulas.figures
    sheet.append([BY[by], *(formula.title.zh for formula in formulas)])
    for group in groups:
        sheet.append([_cell(name_of(by, group.key)), *_values(group)])
    for column, formula in enumerate(formulas, 2):
        if formula.form is Form.SHARE:
            for row in range(2, len(groups) + 2):
                sheet.cell(row, column).number_format = "0.00%"
    _widths(sheet, 16)
    if groups:
        chart = BarChart()
        chart.title = f"{formulas[0].title.zh}（按{BY[by]}）"
        data = Reference(sheet, min_col=2, min_row=1, max_row=len(groups) + 1)
        chart.add_data(data, titles_from_data=True)
        chart.set_categories(Reference(sheet, min_col=1, min_row=2, max_row=len(groups) + 1))
        chart.width, chart.height = 24, 10
        sheet.add_chart(chart, f"A{len(groups) + 4}")


def write_pdf(found: Assessment, path: Path) -> None:
    """Write the document: the whole, then each grouping with a chart."""
    registerFont(UnicodeCIDFont(FONT))
    head = ParagraphStyle("head", fontName=FONT, fontSize=16, leading=24)
    body = ParagraphStyle("body", fontName=FONT, fontSize=9, leading=14)
    story: list[Flowable] = [Paragraph(title_of(found), head), Paragraph(_version(found), body)]
    rows = [row[:6] for row in _whole(found)]
    story += [Spacer(1, 8), _table([["指标", "数值", "分子", "分母", "环比", "同比"], *rows])]
    for by, groups in found.groups.items():
        title = [Spacer(1, 14), Paragraph(f"按{BY[by]}", head)]
        if groups:
            bars = Paragraph(f"{found.formulas.figures[0].title.zh}（按{BY[by]}）", body)
            story.append(KeepTogether([*title, bars, _chart(found, by, list(groups))]))
            story.append(_groups_table(found, by, list(groups)))
        else:
            story.append(KeepTogether([*title, Paragraph("没有案件", body)]))
    document = SimpleDocTemplate(
        str(path), pagesize=landscape(A4), title=title_of(found), author="Gridwarden"
    )
    document.build(story)


def _groups_table(found: Assessment, by: By, groups: list[Group]) -> Table:
    formulas = found.formulas.figures
    rows = [
        [
            name_of(by, group.key),
            *(spelt(one, group.figures[one.key].value, DIGITS) for one in formulas),
        ]
        for group in groups
    ]
    return _table([[BY[by], *(one.title.zh for one in formulas)], *rows])


def _chart(found: Assessment, by: By, groups: list[Group]) -> Drawing:
    first = found.formulas.figures[0].key
    shown = sorted(groups, key=lambda group: -(group.figures[first].value or 0))[:10]
    drawing = Drawing(700, 190)
    bars = VerticalBarChart()
    bars.x, bars.y, bars.width, bars.height = 40, 40, 640, 135
    bars.data = [[group.figures[first].value or 0 for group in shown]]
    bars.categoryAxis.categoryNames = [name_of(by, group.key)[:10] for group in shown]
    bars.categoryAxis.labels.fontName = FONT
    bars.categoryAxis.labels.fontSize = 8
    bars.valueAxis.valueMin = 0
    bars.bars[0].fillColor = colors.HexColor("#2f6f9f")
    drawing.add(bars)
    return drawing


def _table(rows: Sequence[Sequence[str | float | None]]) -> Table:
    table = Table(rows, repeatRows=1)
    table.setStyle(
        TableStyle(
            [
                ("FONT", (0, 0), (-1, -1), FONT, 8),
                ("GRID", (0, 0), (-1, -1), 0.4, colors.grey),
                ("BACKGROUND", (0, 0), (-1, 0), colors.HexColor("#e3edf4")),
                ("ALIGN", (1, 0), (-1, -1), "RIGHT"),
            ]
        )
    )
    return table


def _version(found: Assessment) -> str:
    formulas = found.formulas
    return f"公式版本 {formulas.version}，{formulas.effective} 起施行"


def _whole(found: Assessment) -> Iterator[list[str | float | None]]:
    for formula in found.formulas.figures:
        now = found.total.figures[formula.key]
        before, ago = (each.value(formula.key) for each in (found.before, found.year_ago))
        yield [
            formula.title.zh,
            spelt(formula, now.value, DIGITS),
            now.numerator,
            now.denominator if formula.denominator else NOTHING,
            change(formula, now.value, before, POINTS, DIGITS),
            change(formula, now.value, ago, POINTS, DIGITS),
            formula.source,
            formula.mark,
        ]


def _values(group: Group) -> list[float | None]:
    return [each.value for each in group.figures.values()]


def _cell(text: str) -> str:
    """A name that begins like a formula is no formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


def _widths(sheet: Worksheet, width: int) -> None:
    for column in range(1, sheet.max_column + 1):
        sheet.column_dimensions[get_column_letter(column)].width = width
