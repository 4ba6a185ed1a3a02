/**
 * The header `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07): a string of a structured field (RFC 9651, 3.3.3), in double quotes.
 * Without quotes, as many clients send it, it is the same key if it has no character that needs them.
 */
import { ProblemError } from '#serving/http/problems.ts'

export const IDEMPOTENCY_KEY_CHARS_MAX = 255

const QUOTED = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/
/** printable ASCII without space, comma and quote */
const BARE = /^[\x21\x23-\x2b\x2d-\x7e]+$/

/** @param value undefined: the request has no key. @throws ProblemError */
export function idempotencyKeyOf(value: string | readonly string[] | undefined): string | undefined {
  if (value === undefined) return undefined
  const text = String(value).trim()
  const key = QUOTED.exec(text)?.[1]?.replace(/\\(["\\])/g, '$1') ?? (BARE.test(text) ? text : '')
  if (key !== '' && key.length <= IDEMPOTENCY_KEY_CHARS_MAX) return key
  throw new ProblemError(
    'bad-request',
    `the header Idempotency-Key must be one string of 1 to ${IDEMPOTENCY_KEY_CHARS_MAX} printable ASCII characters in double quotes (example: "8e03978e-40d5-43e8-bc93-6894a57f9324")`,
    { field: 'Idempotency-Key' },
  )
}
