/** The lake that the configuration chooses. The library of object stores is loaded only where one is chosen. */
import { noSteps, type StepHook } from '#core/steps.ts'
import type { BlobLake } from '#storage/lake/blob-lake/blob-lake.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
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
  const [{ S3Lake }, { s3Place }] = await Promise.all([
    import('#storage/lake/s3/s3-lake.ts'),
    import('#storage/lake/s3/s3-place.ts'),
  ])
  return S3Lake.open({
    ...s3Place(lake),
    ...{ dataset, step, region: s3.region, endpoint: s3.endpoint, lockMs: s3.lockMs },
    pathStyle: s3.pathStyle ?? s3.endpoint !== undefined,
    cacheFolder: engineLakeFolder(configuration, folder),
    cacheBytesMax: lakeCacheBytesMax,
  })
}

/** Where the engine reads and writes files of the lake. */
export function engineLakeFolder(
  { lake, lakeCache }: Pick<LakeConfiguration, 'lake' | 'lakeCache'>,
  folder: DataFolder,
): string {
  if (lake === undefined) return folder.lakeFolder
  return lakeCache ?? folder.lakeCacheFolder
}
