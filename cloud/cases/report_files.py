"""The assessment as a workbook and as a document, in Chinese, with charts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.chart import BarChart, Reference
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter
from openpyxl.worksheet._write_only import WriteOnlyWorksheet
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
from cloud.core.assessment import By, Compared, Form, Formula, Group
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
HEAD = ("指标", "数值", "分子", "分母", "环比", "同比")
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
    """Write the workbook: the whole, each grouping with a chart, and the cases of each figure.

    Row by row: kept in memory, a month of a large city takes seconds more.
    """
    book = Workbook(write_only=True)
    _whole_sheet(book, found)
    for by, groups in found.groups.items():
        _group_sheet(book, found, by, list(groups))
    _cases_sheet(book, found)
    book.save(path)


def _sheet(book: Workbook, title: str, columns: Sequence[int], freeze: str) -> WriteOnlyWorksheet:
    sheet = book.create_sheet(title)
    assert isinstance(sheet, WriteOnlyWorksheet)
    for number, width in enumerate(columns, 1):
        sheet.column_dimensions[get_column_letter(number)].width = width
    sheet.freeze_panes = freeze
    return sheet


def _whole_sheet(book: Workbook, found: Assessment) -> None:
    sheet = _sheet(book, "总体", (18, 12, 10, 10, 18, 18, 60, 8), "A4")
    sheet.append([_styled(sheet, title_of(found), Font(bold=True, size=14))])
    sheet.append([_version(found)])
    sheet.append([_bold(sheet, text) for text in (*HEAD, "出处", "确度")])
    for formula, row in zip(found.formulas.figures, _whole(found), strict=True):
        value = found.total.value(formula.key)
        sheet.append([row[0], _number(sheet, formula, value), *row[2:]])


def _cases_sheet(book: Workbook, found: Assessment) -> None:
    """One row a case: ● where it is in a figure's numerator, ○ where in its denominator alone."""
    formulas = found.formulas.figures
    sheet = _sheet(book, "案件", (18, *[14] * len(formulas)), "B2")
    sheet.append([_bold(sheet, text) for text in ("案件号", *_titles(formulas))])
    rows: dict[str, list[str | None]] = {}
    for column, formula in enumerate(formulas, 1):
        one = found.total.figures[formula.key]
        for mark, cases in (("○", one.of), ("●", one.cases)):
            for case in cases:
                row = rows.get(case)
                if row is None:
                    row = rows[case] = [case, *[None] * len(formulas)]
                row[column] = mark
    for case in sorted(rows):
        sheet.append(rows[case])


def _group_sheet(book: Workbook, found: Assessment, by: By, groups: list[Group]) -> None:
    """The values, then how they changed since the period before, then since the year before."""
    formulas = found.formulas.figures
    titles = _titles(formulas)
    sheet = _sheet(book, f"按{BY[by]}", (22, *[13] * 3 * len(formulas)), "B2")
    heads = [BY[by], *titles, *(f"{title} {word}" for word in HEAD[4:] for title in titles)]
    sheet.append([_bold(sheet, text) for text in heads])
    for group in groups:
        values = [_number(sheet, one, group.value(one.key)) for one in formulas]
        changes = [
            _changed(one, by, group, then)
            for then in (found.before, found.year_ago)
            for one in formulas
        ]
        sheet.append([_cell(name_of(by, group.key)), *values, *changes])
    if groups:
        chart = BarChart()
        chart.title = f"{formulas[0].title.zh}（按{BY[by]}）"
        data = Reference(sheet, min_col=2, min_row=1, max_row=len(groups) + 1)
        chart.add_data(data, titles_from_data=True)
        chart.set_categories(Reference(sheet, min_col=1, min_row=2, max_row=len(groups) + 1))
        chart.legend = None
        chart.x_axis.delete = chart.y_axis.delete = False  # else a spreadsheet shows no names
        chart.width, chart.height = max(16, min(40, 2 * len(groups))), 10
        sheet.add_chart(chart, f"A{len(groups) + 4}")


def _titles(formulas: Sequence[Formula]) -> list[str]:
    return [formula.title.zh for formula in formulas]


def _styled(sheet: WriteOnlyWorksheet, value: str, font: Font) -> WriteOnlyCell:
    cell = WriteOnlyCell(sheet, value)
    cell.font = font
    return cell


def _bold(sheet: WriteOnlyWorksheet, text: str) -> WriteOnlyCell:
    return _styled(sheet, text, Font(bold=True))


def _number(
    sheet: WriteOnlyWorksheet, formula: Formula, value: float | None
) -> WriteOnlyCell | float | str:
    """A number that can be computed with, shown as people read it."""
    if value is None:
        return NOTHING
    if formula.form is Form.COUNT:
        return value
    cell = WriteOnlyCell(sheet, value)
    cell.number_format = "0.00%" if formula.form is Form.SHARE else "0.00"
    return cell


def _changed(formula: Formula, by: By, group: Group, then: Compared) -> str:
    before = then.value(formula.key, by, group.key)
    return change(formula, group.value(formula.key), before, POINTS, DIGITS)


def write_pdf(found: Assessment, path: Path) -> None:
    """Write the document: the whole, then each grouping with a chart."""
    registerFont(UnicodeCIDFont(FONT))
    head = ParagraphStyle("head", fontName=FONT, fontSize=16, leading=24)
    body = ParagraphStyle("body", fontName=FONT, fontSize=9, leading=14)
    small = ParagraphStyle("small", fontName=FONT, fontSize=7, leading=9, wordWrap="CJK")
    story: list[Flowable] = [Paragraph(title_of(found), head), Paragraph(_version(found), body)]
    rows = [[*row[:6], Paragraph(escape(f"{row[6]} ({row[7]})"), small)] for row in _whole(found)]
    table = _table([[*HEAD, "出处（确度）"], *rows], (80, 55, 45, 45, 85, 85, 360))
    story += [Spacer(1, 8), table]
    for by, groups in found.groups.items():
        title = [Spacer(1, 14), Paragraph(f"按{BY[by]}", head)]
        if groups:
            first = found.formulas.figures[0].title.zh
            bars = Paragraph(f"{first}最多的（图）；表中每格上为数值，下为环比", body)
            story.append(KeepTogether([*title, bars, _chart(found, by, list(groups))]))
            story.append(_groups_table(found, by, list(groups)))
        else:
            story.append(KeepTogether([*title, Paragraph("没有案件", body)]))
    document = SimpleDocTemplate(
        str(path),
        pagesize=landscape(A4),
        title=title_of(found),
        author="Gridwarden",
        **dict.fromkeys(("leftMargin", "rightMargin", "topMargin", "bottomMargin"), 40),
    )
    document.build(story)


def _groups_table(found: Assessment, by: By, groups: list[Group]) -> Table:
    formulas = found.formulas.figures

    def told(formula: Formula, group: Group) -> str:
        value = spelt(formula, group.value(formula.key), DIGITS)
        changed = _changed(formula, by, group, found.before)
        return value if changed == NOTHING else f"{value}\n{changed}"

    rows = [[name_of(by, group.key), *(told(one, group) for one in formulas)] for group in groups]
    return _table([[BY[by], *_titles(formulas)], *rows])


def _chart(found: Assessment, by: By, groups: list[Group]) -> Drawing:
    first = found.formulas.figures[0].key
    shown = sorted(groups, key=lambda group: -(group.figures[first].value or 0))[:10]
    drawing = Drawing(700, 150)
    bars = VerticalBarChart()
    bars.x, bars.y, bars.width, bars.height = 40, 25, 640, 110
    bars.data = [[group.figures[first].value or 0 for group in shown]]
    bars.categoryAxis.categoryNames = [name_of(by, group.key)[:10] for group in shown]
    bars.categoryAxis.labels.fontName = FONT
    bars.categoryAxis.labels.fontSize = 8
    bars.valueAxis.valueMin = 0
    bars.valueAxis.labels.fontSize = 8
    bars.bars.strokeColor = None
    bars.bars[0].fillColor = colors.HexColor("#2f6f9f")
    drawing.add(bars)
    return drawing


def _table(
    rows: Sequence[Sequence[str | float | Paragraph | None]], widths: Sequence[float] | None = None
) -> Table:
    table = Table(rows, colWidths=widths, repeatRows=1)
    table.setStyle(
        TableStyle(
            [
                ("FONT", (0, 0), (-1, -1), FONT, 8),
                ("GRID", (0, 0), (-1, -1), 0.4, colors.grey),
                ("BACKGROUND", (0, 0), (-1, 0), colors.HexColor("#e3edf4")),
                ("ALIGN", (1, 0), (-1 if widths is None else -2, -1), "RIGHT"),
                ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
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


def _cell(text: str) -> str:
    """A name that begins like a formula is no formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
