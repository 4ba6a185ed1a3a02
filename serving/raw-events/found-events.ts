/** Events that match a question, as they are shown, out of any relation of typed rows. */
import type { CompiledDataset } from '#core/compiled.ts'
import type { Offset } from '#core/offsets.ts'
import { quoteText } from '#core/sql-names.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { BoundValues } from '../answers/bound-values.ts'
import { boundedRows } from '../answers/bounded-rows.ts'
import { isoSql, jsonValueSql } from '../answers/json-value.ts'
import { conditionSql, type EventsPlan } from './events-query.ts'

export interface FoundEvent {
  readonly partition: number
  readonly offset: Offset
  readonly arrivalMs: number
  /** JSON object: partition, offset, time, arrivedAt, columns */
  readonly json: string
}

/** Its place as a key, partition:offset. */
export function placeText({ partition, offset }: FoundEvent): string {
  return `${partition}:${offset}`
}

export interface Wanted {
  readonly plan: EventsPlan
  /** only events before this offset … */
  readonly before: Offset
  /** … the newest so many of them */
  readonly need: number
}

/**
 * The newest matching events of the relation, which holds rows of one partition, newest first. What decides on them is read first, so that the
 * other columns are read only where they are shown.
 * @param rows relation of typed rows
 * @throws AnswerTooLargeError
 */
export async function findEvents(
  connection: EngineConnection,
  dataset: CompiledDataset,
  rows: string,
  { plan, before, need }: Wanted,
  answerBytesMax: number,
): Promise<FoundEvent[]> {
  const bound = new BoundValues()
  const matching = `_offset < ${bound.bind(BigInt(before))}::BIGINT AND (${conditionSql(plan, bound)})`
  const newest = `SELECT _offset FROM ${rows} WHERE ${matching} ORDER BY _offset DESC LIMIT ${need}`
  const [lowest] = await connection.columns(`SELECT min(_offset) FROM (${newest})`, bound.parameters)
  const from = lowest![0] as bigint | null
  if (from === null) return []
  const select = `SELECT ${eventSql(dataset)}, _partition, _offset, _arrival FROM ${rows} WHERE _offset >= ${bound.bind(from)}::BIGINT AND ${matching} ORDER BY _offset DESC`
  const [texts, partitions, offsets, arrivals] = await boundedRows(connection, select, bound.parameters, answerBytesMax)
  return texts!.map((json, index) => ({
    partition: Number(partitions![index]),
    offset: Number(offsets![index]),
    arrivalMs: Number(arrivals![index]),
    json: json as string,
  }))
}

/** A JSON object within another one would be read again, and its decimals with it, as doubles: the texts are joined. */
function eventSql({ columns }: CompiledDataset): string {
  const values = columns.map((column) => `${quoteText(column.name)}, ${jsonValueSql(column)}`).join(', ')
  const members = [
    `'partition', _partition`,
    `'offset', _offset`,
    `'time', ${isoSql('epoch_ms(_time)')}`,
    `'arrivedAt', ${isoSql('epoch_ms(_arrival)')}`,
  ]
  return `left(json_object(${members.join(', ')})::VARCHAR, -1) || ',"columns":' || json_object(${values})::VARCHAR || '}'`
}
