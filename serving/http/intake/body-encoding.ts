/** Compressed request bodies: gzip, with a limit on the decompressed size. */
import { promisify } from 'node:util'
import { gunzip, type InputType, type ZlibOptions } from 'node:zlib'
import { ProblemError } from '#serving/http/problems.ts'

const unpack = promisify(gunzip) as unknown as (
  body: InputType,
  options: ZlibOptions,
) => Promise<{ readonly buffer: Buffer; readonly engine: { readonly bytesWritten: number } }>

/** Bodies are decompressed one at a time: decompression holds one body in memory that the in-flight limits do not count. */
let turn: Promise<unknown> = Promise.resolve()

/**
 * The body, decompressed according to its `content-encoding`.
 * @param limit on the decompressed size
 * @param isGone whether the client has disconnected
 * @throws ProblemError 'unsupported-type', 'too-large', or 'bad-request' if the body is truncated or is not gzip
 */
export async function unpackedBody(
  body: Buffer,
  encoding: string | undefined,
  limit: { readonly name: string; readonly bytesMax: number },
  isGone: () => boolean = () => false,
): Promise<Buffer> {
  const name = (encoding ?? 'identity').trim().toLowerCase()
  if (name === 'identity' || name === '') return body
  if (name !== 'gzip' && name !== 'x-gzip')
    throw new ProblemError(
      'unsupported-type',
      `content-encoding '${name}' is not supported; send gzip or an uncompressed body`,
    )
  let unpacked: Awaited<ReturnType<typeof unpack>>
  try {
    const own = turn.then(() => {
      if (isGone()) throw new Error('the client disconnected')
      return unpack(body, { maxOutputLength: limit.bytesMax, info: true })
    })
    turn = own.catch(() => {})
    unpacked = await own
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ERR_BUFFER_TOO_LARGE')
      throw new ProblemError(
        'too-large',
        `the decompressed body exceeds the limit ${limit.name} = ${limit.bytesMax} bytes; send it in smaller parts`,
      )
    throw new ProblemError(
      'bad-request',
      `the body is not complete gzip data, although content-encoding says gzip: ${message}`,
    )
  }
  const { buffer, engine } = unpacked
  if (engine.bytesWritten === body.length) return buffer
  const behind = body.length - engine.bytesWritten
  throw new ProblemError('bad-request', `the body has ${behind} bytes after its gzip data`)
}
