/** What a failed request to an object store means, and what to do. */
import { LakeError } from '../lake-error.ts'

interface Failed {
  readonly name?: string
  readonly message?: string
  readonly $metadata?: { readonly httpStatusCode?: number }
}

export function statusOf(error: unknown): number | undefined {
  return (error as Failed | null)?.$metadata?.httpStatusCode
}

/** Whether nothing has this key. A bucket that does not exist is another matter. */
export function isNotFound(error: unknown): boolean {
  return statusOf(error) === 404 && (error as Failed).name !== 'NoSuchBucket'
}

/** Whether the condition of a conditional request was false. */
export function isConditionFalse(error: unknown): boolean {
  return statusOf(error) === 412
}

/** Whether a conditional write met another one of the same key, and decided nothing. */
export function isUndecided(error: unknown): boolean {
  return statusOf(error) === 409
}

/** @param doing e.g. 'cannot read' @param name of the object, as messages have it */
export function explainS3Fault(error: unknown, doing: string, name: string): LakeError {
  if (error instanceof LakeError) return error
  const { name: kind = 'Error', message = '' } = (error ?? {}) as Failed
  const said = message === '' || message === 'UnknownError' ? kind : `${kind}: ${message}`
  const lost = (code: 'not-writable' | 'storage-unavailable', what: string): LakeError =>
    new LakeError(code, `lake: ${doing} '${name}' (${said}): ${what}`, { cause: error })
  if (kind === 'NoSuchBucket')
    return lost('not-writable', 'the bucket does not exist; create it, or correct the address (setting `lake`)')
  if (kind === 'CredentialsProviderError')
    return lost(
      'not-writable',
      'no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use a profile or a role',
    )
  const status = statusOf(error)
  if (status === 401 || status === 403)
    return lost(
      'not-writable',
      'access is denied; check the credentials, and that they may get, put, delete and list objects below the prefix',
    )
  if (status === 301 || kind === 'AuthorizationHeaderMalformed')
    return lost('not-writable', 'the bucket is in another region; set `s3.region` to it')
  if (status === 501)
    return lost('not-writable', 'the server lacks what the lake needs, such as conditional writes; use another one')
  return lost('storage-unavailable', 'the object store does not answer as it should; the work is retried')
}
