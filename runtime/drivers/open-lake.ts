/** The lake that the configuration chooses. The library of object stores is loaded only where one is chosen. */
import { noSteps, type StepHook } from '#core/steps.ts'
import type { BlobLake } from '#storage/lake/blob-lake/blob-lake.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import type { S3Options } from '#storage/lake/s3/s3-store.ts'
import type { Configuration } from '../settings/settings.ts'
import type { DataFolder } from './data-folder.ts'

export interface OpenLakeOptions {
  readonly dataset: string
  readonly folder: DataFolder
  readonly configuration: LakeConfiguration
  readonly step?: StepHook
}

type LakeConfiguration = Pick<Configuration, 'lake' | 'lakeCache' | 'lakeCacheBytesMax' | 's3'>

/** @throws LakeError if it cannot be opened; the message says what to do */
export async function openLake({ dataset, folder, configuration, step = noSteps }: OpenLakeOptions): Promise<BlobLake> {
  const { lake, lakeCacheBytesMax, s3 } = configuration
  if (lake === undefined) return LocalLake.open({ folder: folder.lakeFolder, dataset, step })
  const { S3Lake } = await import('#storage/lake/s3/s3-lake.ts')
  return S3Lake.open({
    ...(await s3OptionsOf(lake, s3)),
    ...{ dataset, step, lockMs: s3.lockMs },
    cacheFolder: engineLakeFolder(configuration, folder),
    cacheBytesMax: lakeCacheBytesMax,
  })
}

/** How a bucket is reached. @throws LakeError for an address that is none */
export async function s3OptionsOf(
  lake: string,
  { region, endpoint, pathStyle }: Configuration['s3'],
): Promise<S3Options> {
  const { s3Place } = await import('#storage/lake/s3/s3-place.ts')
  return { ...s3Place(lake), region, endpoint, pathStyle: pathStyle ?? endpoint !== undefined }
}

/** Where the engine reads and writes files of the lake. */
export function engineLakeFolder(
  { lake, lakeCache }: Pick<LakeConfiguration, 'lake' | 'lakeCache'>,
  folder: DataFolder,
): string {
  if (lake === undefined) return folder.lakeFolder
  return lakeCache ?? folder.lakeCacheFolder
}
