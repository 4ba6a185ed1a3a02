/** Where a lake is in an object store. */
import { LakeError } from '../lake-error.ts'

export interface S3Place {
  readonly bucket: string
  /** without slashes at its ends; '' for the whole bucket */
  readonly prefix: string
}

const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/
const PREFIX = /^[A-Za-z0-9_.=-]+(\/[A-Za-z0-9_.=-]+)*$/

/**
 * @example
 * s3Place('s3://analytics/watershed/lake')
 * // { bucket: 'analytics', prefix: 'watershed/lake' }
 * @throws LakeError 'not-writable' that says what is wrong
 */
export function s3Place(url: string): S3Place {
  const match = /^s3:\/\/([^/]*)(?:\/(.*?))?\/?$/.exec(url)
  if (match === null) throw refused(url, 'it must begin with s3:// and name a bucket (example: s3://my-bucket/lake)')
  const [, bucket = '', prefix = ''] = match
  if (!BUCKET.test(bucket))
    throw refused(url, `'${bucket}' is not a bucket name (3 to 63 lower-case letters, digits, '.' and '-')`)
  if (prefix !== '' && !PREFIX.test(prefix))
    throw refused(url, `'${prefix}' may have letters, digits, '_', '.', '=' and '-' between single slashes`)
  return { bucket, prefix }
}

function refused(url: string, why: string): LakeError {
  return new LakeError('not-writable', `lake: '${url}' is not the address of a lake: ${why}`)
}
