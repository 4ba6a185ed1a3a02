/** Bodies that come compressed: gzip, bounded by what they unpack to. */
import { promisify } from 'node:util'
import { gunzip, type InputType, type ZlibOptions } from 'node:zlib'
import { ProblemError } from './problems.ts'

const unpack = promisify(gunzip) as unknown as (
  body: InputType,
  options: ZlibOptions,
) => Promise<{ readonly buffer: Buffer; readonly engine: { readonly bytesWritten: number } }>

/** One body is unpacked at a time: unpacking holds one body more than the limits of what is under way count. */
let turn: Promise<unknown> = Promise.resolve()

/**
 * The body as it was before `content-encoding`.
 * @param bytesMax of the unpacked body
 * @param isGone whether nobody waits for the answer any more
 * @throws ProblemError 'unsupported-type', 'too-large', or 'bad-request' when it is not whole
 */
export async function unpackedBody(
  body: Buffer,
  encoding: string | undefined,
  bytesMax: number,
  isGone: () => boolean = () => false,
): Promise<Buffer> {
  const name = (encoding ?? 'identity').trim().toLowerCase()
  if (name === 'identity' || name === '') return body
  if (name !== 'gzip' && name !== 'x-gzip')
    throw new ProblemError(
      'unsupported-type',
      `content-encoding '${name}' is not understood; send gzip, or the body as it is`,
    )
  let unpacked: Awaited<ReturnType<typeof unpack>>
  try {
    const own = turn.then(() => {
      if (isGone()) throw new Error('the sender went away')
      return unpack(body, { maxOutputLength: bytesMax, info: true })
    })
    turn = own.catch(() => {})
    unpacked = await own
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ERR_BUFFER_TOO_LARGE')
      throw new ProblemError(
        'too-large',
        `the body unpacks to more than ${bytesMax} bytes, the limit requestBytesMax; send it in smaller parts`,
      )
    throw new ProblemError('bad-request', `the body is not whole gzip, as its content-encoding says: ${message}`)
  }
  const { buffer, engine } = unpacked
  if (engine.bytesWritten === body.length) return buffer
  const behind = body.length - engine.bytesWritten
  throw new ProblemError('bad-request', `the body has ${behind} bytes behind its gzip data`)
}
