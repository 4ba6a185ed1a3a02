/** The formats that answers are written in, the default first. */
import type { AnswerFormat, FormatName } from './answer-format.ts'
import { ARROW_FORMAT } from './arrow-format.ts'
import { CSV_FORMAT } from './csv-format.ts'
import { JSON_FORMAT } from './json-format.ts'
import { NDJSON_FORMAT } from './ndjson-format.ts'
import { PARQUET_FORMAT } from './parquet-format.ts'
import { XLSX_FORMAT } from './xlsx-format.ts'

export const FORMATS: readonly AnswerFormat[] = [
  JSON_FORMAT,
  NDJSON_FORMAT,
  CSV_FORMAT,
  ARROW_FORMAT,
  PARQUET_FORMAT,
  XLSX_FORMAT,
]

export const FORMAT_NAMES: readonly FormatName[] = FORMATS.map(({ name }) => name)

/** undefined: there is no such format */
export function formatByExtension(extension: string): AnswerFormat | undefined {
  return FORMATS.find((format) => format.extension === extension)
}
