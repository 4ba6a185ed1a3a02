/** All dead letters of closed segments as NDJSON, with all of their bytes: read and sent in parts, so that no more than a part is in memory. */
import type { ServedDataset } from '../answers/snapshot.ts'
import { onConnection } from '../answers/time-limit.ts'
import { letterFiles, readFile } from './letter-files.ts'
import { reasonCondition } from './letter-reasons-sql.ts'

/** bytes of events in a part, unless one event alone has more */
const PART_BYTES_MAX = 4 * 1024 * 1024

interface Part {
  readonly from: number
  readonly to: number
}

/** Lines of JSON with partition, offset, arrivedAt, reason and base64. @param reason a kind of reason, or a whole one; null: all */
export async function* letterLines(
  served: ServedDataset,
  reason: string | null,
  gone: AbortSignal,
): AsyncGenerator<string> {
  const where = reason === null ? 'true' : reasonCondition(reason)
  for (const { file } of await letterFiles(served)) {
    if (gone.aborted) return
    const read = (columns: string, condition: string): Promise<unknown[][]> =>
      onConnection(served.engine, gone, (connection) => readFile(served, connection, file, columns, condition))
    const [offsets, sizes] = await read('_offset::DOUBLE, octet_length(bytes)::DOUBLE', where)
    for (const { from, to } of partsOf(offsets as number[], sizes as number[])) {
      const [lines] = await read(LINE, `_offset BETWEEN ${from} AND ${to} AND ${where}`)
      yield `${(lines as string[]).join('\n')}\n`
    }
  }
}

const LINE = `json_object('partition', _partition, 'offset', _offset, 'arrivedAt', strftime(epoch_ms(_arrival), '%Y-%m-%dT%H:%M:%S.%gZ'),
  'reason', reason, 'base64', to_base64(bytes))::VARCHAR`

function partsOf(offsets: readonly number[], sizes: readonly number[]): Part[] {
  const parts: Part[] = []
  let bytes = 0
  for (const [index, offset] of offsets.entries()) {
    bytes += sizes[index]!
    const last = parts.at(-1)
    if (last === undefined || bytes > PART_BYTES_MAX) {
      parts.push({ from: offset, to: offset })
      bytes = sizes[index]!
    } else parts[parts.length - 1] = { ...last, to: offset }
  }
  return parts
}
