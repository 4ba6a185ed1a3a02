/** The files of dead letters of a dataset, and what is in one of them. */
import { quoteText } from '#core/sql-names.ts'
import type { EngineConnection } from '#storage/engine/duckdb-engine.ts'
import type { LakeFile } from '#storage/lake/segment-manifest.ts'
import type { LetterPlace } from '#storage/replays/replay-ledger.ts'
import type { ServedDataset } from '../answers/snapshot.ts'
import { onConnection } from '../answers/time-limit.ts'

/** in the names of a lake, partitions have four digits */
const PARTITION_MAX = 9_999

export interface LetterFile {
  readonly file: LakeFile
  /** when its segment closed, epoch ms: its letters arrived before */
  readonly createdAtMs: number
}

/** Those of closed segments, the newest first. @throws LakeError */
export async function letterFiles(served: Pick<ServedDataset, 'lake' | 'partitions'>): Promise<readonly LetterFile[]> {
  const chains = await served.lake.chains(served.partitions)
  return chains
    .flatMap(({ segments }) =>
      segments.flatMap(({ deadLetterFile: file, createdAtMs }) => (file ? [{ file, createdAtMs }] : [])),
    )
    .sort((a, b) => b.createdAtMs - a.createdAtMs)
}

/** The bytes of one dead letter, all of them; null: there is none at this place in a closed segment. @throws LakeError */
export async function letterBytes(
  served: ServedDataset,
  { partition, offset }: LetterPlace,
  signal: AbortSignal,
): Promise<Buffer | null> {
  if (partition > PARTITION_MAX) return null
  const { segments } = await served.lake.chain(partition, offset)
  const file = segments.find(({ start, end }) => start <= offset && offset < end)?.deadLetterFile
  if (!file) return null
  return onConnection(served.engine, signal, async (connection) => {
    const [text] = (await readFile(served, connection, file, 'to_base64(bytes)', `_offset = ${offset}`))[0]!
    return text === undefined ? null : Buffer.from(text as string, 'base64')
  })
}

/** Columns of the letters of one file, in the order of their offsets. */
export async function readFile(
  { lake }: Pick<ServedDataset, 'lake'>,
  connection: EngineConnection,
  file: LakeFile,
  columns: string,
  where: string,
): Promise<unknown[][]> {
  await lake.check([file])
  const path = quoteText(lake.resolve(file))
  return connection.columns(`SELECT ${columns} FROM read_parquet(${path}) WHERE ${where} ORDER BY _offset`)
}
