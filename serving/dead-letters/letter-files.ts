/** The files of dead letters of a dataset, and what is in one of them. */
import { quoteText } from '#core/sql-names.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { Lake } from '#storage/lake/lake.ts'
import type { LakeFile } from '#storage/lake/segment-manifest.ts'
import type { LetterPlace } from '#storage/replays/replay-ledger.ts'
import { isVanishedFile } from '../answers/merged-view.ts'
import type { ServedDataset } from '../answers/snapshot.ts'
import { onConnection } from '../answers/time-limit.ts'
import { FollowedLetterFiles, type LetterFile } from './followed-letter-files.ts'

/** in the names of a lake, partitions have four digits */
const PARTITION_MAX = 9_999

type LetterLake = Pick<ServedDataset, 'lake' | 'partitions'>

/** Those of closed segments, the newest first. @throws LakeError */
export async function letterFiles(served: LetterLake): Promise<readonly LetterFile[]> {
  return newestFirst(await new FollowedLetterFiles(served.lake).all(served.partitions))
}

const followed = new WeakMap<Lake, FollowedLetterFiles>()

/** Those of a lake, which whoever looks at it in this process shares. */
export function followedLetterFiles(lake: Lake): FollowedLetterFiles {
  const files = followed.get(lake) ?? new FollowedLetterFiles(lake)
  followed.set(lake, files)
  return files
}

/**
 * Does work on the files of dead letters, the newest first: once more with those that there are now, where compaction or retention has
 * removed one. @throws LakeError, and what the work throws
 */
export async function withLetterFiles<T>(
  { lake, partitions }: LetterLake,
  work: (files: readonly LetterFile[]) => Promise<T>,
): Promise<T> {
  const files = followedLetterFiles(lake)
  try {
    return await work(newestFirst(await files.all(partitions)))
  } catch (error) {
    if (!isVanishedFile(error)) throw error
    files.forget()
    return work(newestFirst(await files.all(partitions)))
  }
}

function newestFirst(files: readonly LetterFile[]): readonly LetterFile[] {
  return files.toSorted((a, b) => b.createdAtMs - a.createdAtMs)
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
