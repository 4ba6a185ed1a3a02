/** The parts of a workbook (ECMA-376) that are the same for every answer. */
import { PLACES_MAX } from './xlsx-cells.ts'

const XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
export const SHEET_NAMESPACE = 'http://schemas.openxmlformats.org/spreadsheetml/2006/main'
const RELATIONS = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships'
const PACKAGE = 'http://schemas.openxmlformats.org/package/2006'
const CONTENT = 'application/vnd.openxmlformats-officedocument.spreadsheetml'

/** The sheets, in their order. */
export const SHEETS = ['rows', 'provenance'] as const

export function sheetPath(sheet: (typeof SHEETS)[number]): string {
  return `xl/worksheets/${sheet}.xml`
}

/** format of a time and of a date */
const FORMATS = ['yyyy-mm-dd hh:mm:ss.000', 'yyyy-mm-dd']
/** numbers below are the formats that every spreadsheet has */
const [FORMAT_WHOLE, FORMAT_TEXT, FORMAT_OWN] = [1, 49, 164]
const PLACES = Array.from({ length: PLACES_MAX }, (_, index) => `0.${'0'.repeat(index + 1)}`)

function stylesXml(): string {
  const own = [...FORMATS, ...PLACES]
  const formats = own.map((code, index) => `<numFmt numFmtId="${FORMAT_OWN + index}" formatCode="${code}"/>`)
  const cell = (format: number, font = 0): string =>
    `<xf numFmtId="${format}" fontId="${font}" fillId="0" borderId="0" xfId="0" applyNumberFormat="1" applyFont="1"/>`
  const [time, date, ...places] = own.map((_, index) => cell(FORMAT_OWN + index))
  const cells = [cell(0), cell(FORMAT_TEXT, 1), cell(FORMAT_TEXT), time!, date!, cell(FORMAT_WHOLE), ...places]
  return [
    `${XML}<styleSheet xmlns="${SHEET_NAMESPACE}">`,
    `<numFmts count="${own.length}">${formats.join('')}</numFmts>`,
    '<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font><font><b/><sz val="11"/><name val="Calibri"/></font></fonts>',
    '<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills>',
    '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>',
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>',
    `<cellXfs count="${cells.length}">${cells.join('')}</cellXfs>`,
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>',
  ].join('')
}

function relationsXml(targets: readonly (readonly [type: string, target: string])[]): string {
  const each = targets.map(
    ([type, target], index) => `<Relationship Id="rId${index + 1}" Type="${RELATIONS}/${type}" Target="${target}"/>`,
  )
  return `${XML}<Relationships xmlns="${PACKAGE}/relationships">${each.join('')}</Relationships>`
}

function typesXml(): string {
  const overrides = [
    ['xl/workbook.xml', 'sheet.main'],
    ['xl/styles.xml', 'styles'],
    ...SHEETS.map((sheet) => [sheetPath(sheet), 'worksheet']),
  ].map(([path, type]) => `<Override PartName="/${path}" ContentType="${CONTENT}.${type}+xml"/>`)
  return [
    `${XML}<Types xmlns="${PACKAGE}/content-types">`,
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>',
    `<Default Extension="xml" ContentType="application/xml"/>${overrides.join('')}</Types>`,
  ].join('')
}

function workbookXml(): string {
  const sheets = SHEETS.map((name, index) => `<sheet name="${name}" sheetId="${index + 1}" r:id="rId${index + 1}"/>`)
  return `${XML}<workbook xmlns="${SHEET_NAMESPACE}" xmlns:r="${RELATIONS}"><sheets>${sheets.join('')}</sheets></workbook>`
}

/** path in the file → its text */
export const FIXED_PARTS: Readonly<Record<string, string>> = {
  '[Content_Types].xml': typesXml(),
  '_rels/.rels': relationsXml([['officeDocument', 'xl/workbook.xml']]),
  'xl/workbook.xml': workbookXml(),
  'xl/_rels/workbook.xml.rels': relationsXml([
    ...SHEETS.map((sheet) => ['worksheet', `worksheets/${sheet}.xml`] as const),
    ['styles', 'styles.xml'],
  ]),
  'xl/styles.xml': stylesXml(),
}
