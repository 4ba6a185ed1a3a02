/** An Arrow IPC stream: columns with their types, the provenance in the schema's metadata. */
import { makeData, RecordBatch, RecordBatchStreamWriter, Struct } from 'apache-arrow'
import { valueSql } from '../answers/answer-columns.ts'
import { type AnswerFormat, type Framed, type ShownAnswer, UNFRAMED, type WrittenRows } from './answer-format.ts'
import { ArrowBatches } from './arrow-batches.ts'
import { arrowColumnSql } from './arrow-columns.ts'
import { arrowData } from './arrow-data.ts'
import { arrowSchema } from './arrow-types.ts'
import { columnKind } from './column-kinds.ts'
import { FileOutput } from './file-output.ts'
import { rowValues } from './row-values.ts'

export const ARROW_FORMAT: AnswerFormat = {
  name: 'arrow',
  extension: 'arrow',
  contentType: 'application/vnd.apache.arrow.stream',
  alsoKnownAs: [],
  encode: encodeArrow,
  write: writeArrow,
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

async function writeArrow({ sql, bound, columns, metaJson, connection }: WrittenRows, file: string): Promise<Framed> {
  const values = columns.map((column) => arrowColumnSql(valueSql(column), columnKind(column.type)))
  const batches = new ArrowBatches(columns, metaJson)
  const output = await FileOutput.open(file)
  try {
    for await (const chunk of connection.chunks(`SELECT ${values.join(', ')} FROM (${sql})`, bound.parameters)) {
      if (!batches.hasRoom) await output.write(batches.flush())
      batches.add(chunk)
    }
    await output.write(batches.finish())
    await output.finish()
  } finally {
    await output.close()
  }
  return UNFRAMED
}
