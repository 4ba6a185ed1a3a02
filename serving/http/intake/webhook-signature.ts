/**
 * Signatures of webhooks, which take the place of an API key. Two schemes, each with secrets of its own form, so that neither can be
 * used in the place of the other: Standard Webhooks (also Svix), whose secrets begin with `whsec_`, and GitHub's `X-Hub-Signature-256`.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { ProblemError } from '#serving/http/problems.ts'

/** How far the signed time may be from now; what is replayed later is refused, and what is replayed earlier has the same id. */
export const SIGNED_MS_MAX = 5 * 60_000
export const STANDARD_PREFIX = 'whsec_'
const ID = /^[\x21-\x7e]{1,200}$/
const SIGNATURES_MAX = 16

export interface WebhookSignature {
  /** under which the delivery counts once; undefined: the sender gives none */
  readonly key: string | undefined
  /** @param body as it was received. @throws ProblemError 'unauthorized' unless one of the secrets signed it */
  assertSigned(body: Buffer): void
}

/**
 * What the headers say, before the body is received.
 * @param secrets of the dataset
 * @throws ProblemError 'unauthorized' if a header is missing, or if the signed time is not near now
 */
export function webhookSignature(
  headers: IncomingHttpHeaders,
  secrets: readonly string[],
  nowMs: number,
): WebhookSignature {
  const own = (name: string): string | undefined => textOf(headers[`webhook-${name}`] ?? headers[`svix-${name}`])
  const signatures = own('signature')
  if (signatures !== undefined)
    return standardSignature({ signatures, id: own('id'), timestamp: own('timestamp') }, secrets, nowMs)
  const signature = textOf(headers['x-hub-signature-256'])
  if (signature !== undefined) return hubSignature(signature, textOf(headers['x-github-delivery']), secrets)
  throw new ProblemError(
    'unauthorized',
    'a webhook must be signed: send webhook-id, webhook-timestamp and webhook-signature (Standard Webhooks), or X-Hub-Signature-256',
  )
}

interface StandardHeaders {
  readonly signatures: string
  readonly id: string | undefined
  readonly timestamp: string | undefined
}

function standardSignature(
  { signatures, id, timestamp }: StandardHeaders,
  secrets: readonly string[],
  nowMs: number,
): WebhookSignature {
  if (id === undefined || timestamp === undefined || !/^\d{1,12}$/.test(timestamp))
    throw new ProblemError(
      'unauthorized',
      'a signed webhook needs webhook-id, and webhook-timestamp in seconds since 1970',
    )
  if (Math.abs(nowMs - Number(timestamp) * 1_000) > SIGNED_MS_MAX)
    throw new ProblemError(
      'unauthorized',
      `webhook-timestamp is more than ${SIGNED_MS_MAX / 1_000} seconds from now; sign each attempt anew, and compare the clocks`,
    )
  const given = signatures.split(' ').slice(0, SIGNATURES_MAX)
  const digests = given.filter((text) => text.startsWith('v1,')).map((text) => Buffer.from(text.slice(3), 'base64'))
  const keys = secrets
    .filter((secret) => secret.startsWith(STANDARD_PREFIX))
    .map((secret) => Buffer.from(secret.slice(STANDARD_PREFIX.length), 'base64'))
  return { key: keyOf(id), assertSigned: (body) => assertOne(keys, digests, [`${id}.${timestamp}.`, body]) }
}

function hubSignature(signature: string, delivery: string | undefined, secrets: readonly string[]): WebhookSignature {
  const digest = /^sha256=([0-9a-f]{64})$/i.exec(signature)?.[1]
  const keys = secrets.filter((secret) => !secret.startsWith(STANDARD_PREFIX)).map((secret) => Buffer.from(secret))
  const digests = digest === undefined ? [] : [Buffer.from(digest, 'hex')]
  const key = delivery === undefined ? undefined : keyOf(delivery)
  return { key, assertSigned: (body) => assertOne(keys, digests, [body]) }
}

/** Every pair is compared, each in constant time. */
function assertOne(keys: readonly Buffer[], digests: readonly Buffer[], signed: readonly (string | Buffer)[]): void {
  let isSigned = false
  for (const key of keys) {
    const mac = createHmac('sha256', key)
    for (const part of signed) mac.update(part)
    const wanted = mac.digest()
    for (const digest of digests)
      if (digest.length === wanted.length && timingSafeEqual(digest, wanted)) isSigned = true
  }
  if (!isSigned)
    throw new ProblemError('unauthorized', "the signature does not match the body and the dataset's webhook secret")
}

/** Apart from the keys that clients choose. */
function keyOf(id: string): string {
  if (!ID.test(id))
    throw new ProblemError('bad-request', 'the id of a webhook must be 1 to 200 printable ASCII characters')
  return `webhook:${id}`
}

function textOf(header: string | readonly string[] | undefined): string | undefined {
  return header === undefined ? undefined : String(header)
}
