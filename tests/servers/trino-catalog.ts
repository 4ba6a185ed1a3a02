/** Catalogs on the shared Trino: each test file has its own, so that none sees another's tables. */
import { randomBytes } from 'node:crypto'
import { TrinoClient } from '#storage/trino/trino-client.ts'

export interface TrinoCatalog {
  readonly name: string
  /** where `folder` is for Trino */
  readonly lakeUri: string
  drop(): Promise<void>
}

/** A catalog of Delta tables over a local folder. */
export function folderCatalog(url: string, folder: string): Promise<TrinoCatalog> {
  return make(url, 'local:///', { 'fs.native-local.enabled': 'true', 'local.location': folder })
}

export interface BucketPlace {
  readonly endpoint: string
  readonly bucket: string
  readonly prefix: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** of the metastore's files, which no test reads */
  readonly folder: string
}

/** A catalog of Delta tables over a bucket. */
export function bucketCatalog(url: string, place: BucketPlace): Promise<TrinoCatalog> {
  return make(url, `s3://${place.bucket}/${place.prefix}`, {
    ...{ 'fs.native-local.enabled': 'true', 'local.location': place.folder },
    ...{ 'fs.native-s3.enabled': 'true', 's3.endpoint': place.endpoint, 's3.region': 'us-east-1' },
    ...{ 's3.path-style-access': 'true', 's3.aws-access-key': place.accessKeyId },
    's3.aws-secret-key': place.secretAccessKey,
  })
}

async function make(url: string, lakeUri: string, storage: Readonly<Record<string, string>>): Promise<TrinoCatalog> {
  const client = new TrinoClient({ url })
  const name = `lake_${randomBytes(6).toString('hex')}`
  const settings = {
    ...{ 'hive.metastore': 'file', 'hive.metastore.catalog.dir': 'local:///metastore' },
    'delta.register-table-procedure.enabled': 'true',
    ...storage,
  }
  const list = Object.entries(settings).map(([key, value]) => `"${key}" = '${value.replaceAll("'", "''")}'`)
  await client.query(`CREATE CATALOG ${name} USING delta_lake WITH (${list.join(', ')})`)
  return { name, lakeUri, drop: async () => void (await client.query(`DROP CATALOG ${name}`)) }
}
