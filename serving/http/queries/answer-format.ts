/** The format that a client asks for: by the extension of the path, or by its Accept header. */
import Negotiator from 'negotiator'
import { FORMATS, formatByExtension } from '#serving/formats/all-formats.ts'
import type { AnswerFormat } from '#serving/formats/answer-format.ts'
import { ProblemError } from '#serving/http/problems.ts'

/** content type → its format; the first one is the default */
const TYPES = new Map(
  FORMATS.flatMap((format) => [format.contentType, ...format.alsoKnownAs].map((type) => [type, format] as const)),
)

/**
 * The extension decides where there is one; otherwise the header, by its q-values. Without a header, and for every type, the answer is JSON.
 * @param extension of the path, without its dot
 * @throws ProblemError 'not-acceptable', 'not-found' for an extension that is no format
 */
export function formatOf(accept: string | undefined, extension: string | undefined): AnswerFormat {
  if (extension !== undefined) {
    const named = formatByExtension(extension)
    if (named !== undefined) return named
    throw new ProblemError('not-found', `there is no format '${extension}'`, {
      allowed: FORMATS.map((format) => format.extension),
    })
  }
  // An empty header says nothing.
  const headers = accept?.trim() ? { accept } : {}
  const type = new Negotiator({ headers }).mediaType([...TYPES.keys()])
  if (type !== undefined) return TYPES.get(type)!
  throw new ProblemError('not-acceptable', `the answer cannot be given as '${accept}'`, {
    allowed: FORMATS.map(({ contentType }) => contentType.split(';')[0]!),
  })
}
