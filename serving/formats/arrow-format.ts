/** An Arrow IPC stream: columns with their types, the provenance in the schema's metadata. */
import { makeData, RecordBatch, RecordBatchStreamWriter, Struct } from 'apache-arrow'
import type { AnswerFormat, ShownAnswer } from './answer-format.ts'
import { arrowData } from './arrow-data.ts'
import { arrowSchema } from './arrow-types.ts'
import { columnKind } from './column-kinds.ts'
import { rowValues } from './row-values.ts'

export const ARROW_FORMAT: AnswerFormat = {
  name: 'arrow',
  extension: 'arrow',
  contentType: 'application/vnd.apache.arrow.stream',
  alsoKnownAs: [],
  encode: encodeArrow,
}

function encodeArrow({ columns, rowsJson, metaJson }: ShownAnswer): Buffer {
  const rows = rowValues(rowsJson, columns)
  const schema = arrowSchema(columns, metaJson)
  const children = columns.map(({ type }, index) =>
    arrowData(
      columnKind(type),
      rows.map((row) => row[index]!),
    ),
  )
  const data = makeData({ type: new Struct(schema.fields), length: rows.length, nullCount: 0, children })
  const writer = new RecordBatchStreamWriter()
  writer.reset(undefined, schema)
  if (rows.length > 0) writer.write(new RecordBatch(schema, data))
  writer.finish()
  return Buffer.from(writer.toUint8Array(true))
}
