/** A small reader of workbooks, as the standard (ECMA-376) has them: what each cell is, and its text. Shares nothing with what writes them. */
import { inflateRawSync } from 'node:zlib'

export type SheetCell = {
  readonly is: 'number' | 'boolean' | 'text'
  readonly text: string
  readonly format: string
} | null

/** @returns name of a sheet → its rows, the header first */
export function readXlsx(bytes: Buffer): Map<string, SheetCell[][]> {
  const files = unzip(bytes)
  const part = (path: string): string => files.get(path)!.toString()
  const targets = new Map(
    tags(part('xl/_rels/workbook.xml.rels'), 'Relationship').map(({ Id, Target }) => [Id!, Target!]),
  )
  const styles = part('xl/styles.xml')
  const codes = new Map(tags(styles, 'numFmt').map(({ numFmtId, formatCode }) => [numFmtId!, formatCode!]))
  const formats = tags(/<cellXfs.*<\/cellXfs>/.exec(styles)![0], 'xf').map(
    ({ numFmtId }) => codes.get(numFmtId!) ?? `#${numFmtId}`,
  )
  const sheets = tags(part('xl/workbook.xml'), 'sheet')
  return new Map(sheets.map((sheet) => [sheet.name!, rowsOf(part(`xl/${targets.get(sheet['r:id']!)}`), formats)]))
}

function rowsOf(xml: string, formats: readonly string[]): SheetCell[][] {
  return [...xml.matchAll(/<row\b[^>]*>(.*?)<\/row>/gs)].map(([, row]) => {
    const cells: SheetCell[] = []
    for (const [, attributes, content] of row!.matchAll(/<c\b([^>]*)>(.*?)<\/c>/gs)) {
      const { r, s, t } = attributesOf(attributes!)
      const [, value] = /<(?:v|t)\b[^>]*>(.*?)<\/(?:v|t)>/s.exec(content!)!
      const is = ({ n: 'number', b: 'boolean', inlineStr: 'text' } as const)[t as 'n' | 'b' | 'inlineStr']
      while (cells.length < columnOf(r!)) cells.push(null)
      cells.push({ is, text: is === 'text' ? plain(value!) : value!, format: formats[Number(s)]! })
    }
    return cells
  })
}

function columnOf(reference: string): number {
  const letters = [...reference.replace(/\d+$/, '')]
  return letters.reduce((number, letter) => number * 26 + letter.charCodeAt(0) - 64, 0) - 1
}

function plain(xml: string): string {
  return xml
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&')
    .replace(/_x([0-9A-F]{4})_/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
}

function tags(xml: string, name: string): Record<string, string | undefined>[] {
  return [...xml.matchAll(new RegExp(`<${name}\\b([^>]*)>`, 'g'))].map(([, attributes]) => attributesOf(attributes!))
}

function attributesOf(xml: string): Record<string, string | undefined> {
  return Object.fromEntries([...xml.matchAll(/([\w:]+)="([^"]*)"/g)].map(([, name, value]) => [name!, value!]))
}

/** Files by their path, from the directory at the end. */
function unzip(bytes: Buffer): Map<string, Buffer> {
  const end = bytes.lastIndexOf(Buffer.from('PK\x05\x06'))
  const files = new Map<string, Buffer>()
  let at = bytes.readUInt32LE(end + 16)
  for (let left = bytes.readUInt16LE(end + 10); left > 0; left--) {
    const [size, name, extra, comment] = [20, 28, 30, 32].map((field) =>
      field === 20 ? bytes.readUInt32LE(at + field) : bytes.readUInt16LE(at + field),
    ) as [number, number, number, number]
    const local = bytes.readUInt32LE(at + 42)
    const from = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28)
    files.set(bytes.toString('utf8', at + 46, at + 46 + name), inflateRawSync(bytes.subarray(from, from + size)))
    at += 46 + name + extra + comment
  }
  return files
}
