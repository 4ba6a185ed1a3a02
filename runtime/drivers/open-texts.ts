/** Small texts that all processes of the platform share: beside the lake where it is in a bucket, otherwise in the data folder. */
import { mkdirSync } from 'node:fs'
import type { S3Store } from '#storage/lake/s3/s3-store.ts'
import { SourceBoard, type SourceNote } from '#storage/sources/source-board.ts'
import { FolderTexts } from '#storage/texts/local/folder-texts.ts'
import type { NamedTexts } from '#storage/texts/named-texts.ts'
import type { Configuration } from '../settings/settings.ts'
import type { DataFolder } from './data-folder.ts'
import { s3OptionsOf } from './open-lake.ts'

/**
 * views: what people saved of the page; replays: which dead letters were replayed; jobs: what waits, runs and has ended; sources: how they are; sinks:
 * the same, and what they have delivered
 */
export const TEXTS = ['views', 'replays', 'jobs', 'sources', 'sinks'] as const
export type TextsKind = (typeof TEXTS)[number]

export interface OpenTextsOptions {
  readonly dataset: string
  readonly folder: DataFolder
  readonly configuration: Pick<Configuration, 'lake' | 's3'>
}

export async function openTexts(
  kind: TextsKind,
  { dataset, folder, configuration }: OpenTextsOptions,
): Promise<NamedTexts> {
  return (await inBucket(`${dataset}/${kind}`, configuration)) ?? localTexts(kind, folder, dataset)
}

/** Those who are signed in to the page, of all datasets. */
export async function openSessions(
  { sessionsFolder }: DataFolder,
  configuration: OpenTextsOptions['configuration'],
): Promise<NamedTexts> {
  const remote = await inBucket(SESSIONS, configuration)
  if (remote !== null) return remote
  mkdirSync(sessionsFolder, { recursive: true, mode: 0o700 })
  return new FolderTexts(sessionsFolder)
}

/** no dataset's name */
const SESSIONS = '.sessions'

/** null: the lake is in a folder */
async function inBucket(place: string, configuration: OpenTextsOptions['configuration']): Promise<NamedTexts | null> {
  const { lake, s3 } = configuration
  if (lake === undefined) return null
  const [{ S3Texts }, { S3Store }] = await Promise.all([
    import('#storage/texts/s3/s3-texts.ts'),
    import('#storage/lake/s3/s3-store.ts'),
  ])
  const store = stores.get(configuration) ?? new S3Store(await s3OptionsOf(lake, s3))
  stores.set(configuration, store)
  return new S3Texts(store, place)
}

/** one for all texts of a process */
const stores = new WeakMap<OpenTextsOptions['configuration'], S3Store>()

/** Notes of the sources, or of the sinks, of a dataset. */
export async function openBoard<Note extends SourceNote>(
  kind: 'sources' | 'sinks',
  options: OpenTextsOptions,
): Promise<SourceBoard<Note>> {
  return new SourceBoard<Note>(await openTexts(kind, options))
}

/** Those in the data folder. */
export function localTexts(kind: TextsKind, folder: DataFolder, dataset: string): NamedTexts {
  const folders = {
    views: folder.savedViewsFolder(dataset),
    replays: folder.replaysFolder(dataset),
    jobs: folder.jobsFolder(dataset),
    sources: folder.sourcesFolder(dataset),
    sinks: folder.sinksFolder(dataset),
  }
  return new FolderTexts(folders[kind])
}
