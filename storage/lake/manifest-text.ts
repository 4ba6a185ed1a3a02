/**
 * Serializes manifests, and parses them with every field checked. The text ends with a checksum of the rest: a torn, edited or
 * foreign manifest is refused, with the file and the field in the message.
 */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { type FixedGrain, GRAIN_MS } from '#core/grains.ts'
import { horizonOf, isSameHorizon } from '#core/pane-horizon.ts'
import { type GenerationManifest, VIEW_FILES_MAX } from './generation-manifest.ts'
import { LakeError } from './lake-error.ts'
import { isGenerationId, isSharedFile } from './manifest-names.ts'
import type { ClosingSegment, SegmentManifest } from './segment-manifest.ts'
import { coverAllStates } from './state-ranges.ts'

/** 3 is that of the manifest by which versions that do not know the folders refuse the lake */
const SEGMENT_FORMATS = [1, 2, 4]
const GENERATION_FORMATS = [2, 3, 4, 5, 6, 7]

const count = z.int().min(0)
const grain = z.enum(Object.keys(GRAIN_MS) as [FixedGrain, ...FixedGrain[]])
const file = z.strictObject({
  path: z
    .string()
    .regex(
      /^(segments\/p\d{4}|generations\/g\d{6,}|(states|dictionaries)\/[A-Za-z0-9_-]+)\/[A-Za-z0-9_-][A-Za-z0-9_.-]*\.(parquet|ndjson\.zst)$/,
    ),
  bytes: count,
  rows: count,
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
})
const partialFile = file
  .extend({
    within: z
      .strictObject({
        path: z.string().refine(isSharedFile, 'not a file of several partials'),
        ...{ bytes: count, offset: count },
      })
      .optional(),
  })
  .refine(({ bytes, within }) => within === undefined || within.offset + bytes <= within.bytes, {
    path: ['within'],
    error: 'must be a part of that file',
  })
const stateFile = file.extend({
  range: z
    .strictObject({
      ...{ fromMs: z.int().optional(), beforeMs: z.int().optional() },
      ...{ fromSlot: z.int().optional(), beforeSlot: z.int().optional() },
    })
    .optional(),
  grain: grain.optional(),
  settledMs: z.int().optional(),
})
const horizon = z
  .array(z.strictObject({ beforeMs: z.int(), grain: grain.nullable() }))
  .min(1)
  .refine((levels) => isSameHorizon(horizonOf(levels), levels), 'levels must be in order, the coarsest first')
const uncounted = z.strictObject({ offset: count, timeMaxMs: z.int().nullable() })
const partial = z.strictObject({ hash: z.string().min(1), file: partialFile, since: uncounted.optional() })
const generationName = z.string().refine(isGenerationId, 'not a generation id such as g000001')

/** the print of a record */
export const lastSchema = z.strictObject({
  offset: count,
  arrivalMs: z.int(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
})

export const segmentSchema: z.ZodType<SegmentManifest> = z
  .strictObject({
    format: z.union([z.literal(1), z.literal(2), z.literal(4)]),
    dataset: z.string().min(1),
    log: z.string().min(1),
    partition: count,
    start: count,
    end: count,
    kind: z.enum(['events', 'gap', 'summary']),
    events: file.nullable(),
    eventsCodec: z.literal('snappy').optional(),
    raw: z.strictObject({ file, lineBytesMax: count }).optional(),
    deadLetterFile: file.nullable(),
    partials: z.record(z.string(), partial),
    together: z
      .array(z.strictObject({ partition: count, start: count, createdAtMs: count }))
      .min(1)
      .optional(),
    rows: count,
    deadLetters: count,
    unconverted: z.record(z.string(), count).optional(),
    holes: count.optional(),
    last: lastSchema.optional(),
    timeRange: z.strictObject({ minMs: z.int(), maxMs: z.int() }).nullable(),
    late: z.strictObject({ rows: count, maxMs: z.int() }),
    schemaHash: z.string(),
    columns: z.array(
      z.strictObject({ name: z.string().min(1), type: z.string().min(1), source: z.string().min(1).optional() }),
    ),
    createdAtMs: count,
    replaces: z.array(z.string()).min(1).optional(),
    gaps: z.array(z.strictObject({ partition: count, start: count, end: count })).optional(),
  })
  .refine((manifest) => manifest.end > manifest.start, { path: ['end'], error: 'must be greater than start' })
  .refine((manifest) => manifest.kind === 'summary' || manifest.rows > 0 === (manifest.events !== null), {
    path: ['events'],
    error: 'must be a file if there are rows, and null otherwise',
  })
  .refine(isSummaryWhole, {
    path: ['kind'],
    error: 'a summary has format 2, replaces segments, and names no raw events',
  })
  .refine(isSharingWhole, {
    path: ['together'],
    error:
      'must name the segment itself, in format 4, if one of its partials is in a shared file, and be absent otherwise',
  })
  .refine((manifest) => manifest.raw === undefined || manifest.raw.file.rows === manifest.rows, {
    path: ['raw'],
    error: 'must have as many lines as there are rows',
  })
  .refine((manifest) => manifest.kind !== 'gap' || (manifest.rows === 0 && manifest.deadLetters === 0), {
    path: ['rows'],
    error: 'must be 0 in a gap',
  })

/** A segment that shares a file says so by its format, and with whom. */
function isSharingWhole({ format, kind, partition, start, partials, together }: SegmentManifest): boolean {
  const shares = Object.values(partials).some((states) => states.file.within !== undefined)
  if (!shares) return format !== 4 && together === undefined
  const isOwn = (each: ClosingSegment): boolean => each.partition === partition && each.start === start
  return format === 4 && kind === 'events' && together?.some(isOwn) === true
}

function isSummaryWhole({ format, kind, replaces, events, raw, deadLetterFile }: SegmentManifest): boolean {
  if (kind !== 'summary') return format !== 2
  return format === 2 && replaces !== undefined && events === null && raw === undefined && deadLetterFile === null
}

const generation: z.ZodType<GenerationManifest> = z.strictObject({
  format: z.union([z.literal(2), z.literal(3), z.literal(4), z.literal(5), z.literal(6), z.literal(7)]),
  dataset: z.string().min(1),
  id: generationName,
  log: z.string().min(1),
  mode: z.enum(['full', 'incremental']),
  boundary: z.array(count),
  segments: z.array(z.string()),
  base: generationName.nullable(),
  definition: z.record(z.string(), z.unknown()).optional(),
  floor: z.array(count).optional(),
  views: z.record(
    z.string(),
    z.strictObject({
      hash: z.string().min(1),
      files: z
        .array(stateFile)
        .min(1)
        .max(VIEW_FILES_MAX)
        .refine(coverAllStates, 'their ranges must cover every state once'),
      since: z.array(uncounted).optional(),
      horizon: horizon.optional(),
    }),
  ),
  ages: z.strictObject({ oldestMs: z.int().optional(), arrivals: z.array(z.int()) }).optional(),
  dictionaries: z.record(
    z.string(),
    z.strictObject({
      version: z.string().min(1),
      file,
      unknownKeys: count,
      unknownByLookup: z.record(z.string(), count).optional(),
      unknown: z.strictObject({ columns: z.array(z.string()), file: file.nullable() }).optional(),
    }),
  ),
  rows: count,
  deadLetters: count,
  lateRows: count,
  unconverted: z.record(z.string(), count).optional(),
  gaps: z.array(z.strictObject({ partition: count, start: count, end: count })),
  startedAtMs: count,
  finishedAtMs: count,
  fullFinishedAtMs: count.optional(),
  superseded: z
    .strictObject({
      sinceMs: count,
      boundaries: z.array(z.strictObject({ boundary: z.array(count), untilMs: count })),
    })
    .optional(),
})

/** The manifest's text, ready to be written. @throws LakeError if a field could not be parsed again */
export function manifestText(manifest: SegmentManifest | GenerationManifest, where: string): string {
  if ('id' in manifest) check(generation, manifest, where)
  else check(segmentSchema, manifest, where)
  return `${JSON.stringify(sealed(manifest), null, 1)}\n`
}

/** With a checksum of the other fields as the last one. */
export function sealed<Content extends object>(content: Content): Content & { readonly checksum: string } {
  return { ...content, checksum: checksum(content) }
}

/** @throws LakeError that names the file and the field; 'manifest-format' if another version wrote it in a format of its own */
export function readSegmentManifest(text: string, where: string): SegmentManifest {
  return check(segmentSchema, unsealed(text, where, SEGMENT_FORMATS, HEAL_SEGMENT), where, HEAL_SEGMENT)
}

/** @throws LakeError that names the file and the field; 'manifest-format' if another version wrote it in a format of its own */
export function readGenerationManifest(text: string, where: string): GenerationManifest {
  return check(generation, unsealed(text, where, GENERATION_FORMATS, HEAL_GENERATION), where, HEAL_GENERATION)
}

function checksum(manifest: object): string {
  return createHash('sha256').update(JSON.stringify(manifest)).digest('hex')
}

/** The fields of a text that `sealed` made, without the checksum. @throws LakeError if they are not what was written, or of a format that is not known */
export function unsealed(text: string, where: string, formats: readonly number[], remedy: string): object {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    throw damaged(where, `it is not complete JSON (${text.length} characters)`, { cause: error, remedy })
  }
  assertFormat(parsed, where, formats)
  if (parsed === null || typeof parsed !== 'object' || !('checksum' in parsed)) {
    throw damaged(where, "field 'checksum' is missing", { remedy })
  }
  const { checksum: told, ...manifest } = parsed
  if (told !== checksum(manifest))
    throw damaged(where, "field 'checksum' does not match the content: the file was modified", { remedy })
  return manifest
}

/** Before the checksum, which another format may compute otherwise: what is intact must not be taken for damaged. */
function assertFormat(sealed: unknown, where: string, known: readonly number[]): void {
  const { format } = (sealed ?? {}) as { readonly format?: unknown }
  if (!Number.isInteger(format) || known.includes(format as number)) return
  const [by, remedy] =
    (format as number) > Math.max(...known)
      ? ['a newer', 'upgrade this process, or restore the lake as it was before the upgrade']
      : ['an older', 'upgrade the lake with a version that reads both']
  throw new LakeError(
    'manifest-format',
    `lake: '${where}' was written by ${by} version of Watershed: it has format ${format}, but this version reads format ${known.join(' and ')}. It is not damaged: ${remedy}`,
  )
}

function check<Manifest>(schema: z.ZodType<Manifest>, value: unknown, where: string, remedy = RESTORE): Manifest {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]!
  throw damaged(where, `field '${issue.path.join('.') || '(top)'}': ${issue.message}`, { cause: result.error, remedy })
}

const RESTORE = 'Restore the file from a copy; if it was never part of this lake, move it out of the folder'

/** What brings back a segment whose manifest cannot be read. */
export const HEAL_SEGMENT =
  'Restore the file from a copy; or run `watershed doctor --repair`, which makes the segment again from the log or from its files; if it was never part of this lake, move it out of the folder'

/** What makes a generation current that can be read, whatever happened to the one that was. */
export const HEAL_GENERATION =
  'Restore the file from a copy; or run `watershed doctor --repair`, which makes the newest intact generation current, or `watershed batch run --full`, which builds a new one'

/** The error for a file of the lake that is damaged or foreign. @param options.remedy what to do, as a sentence without its end */
export function damaged(
  where: string,
  what: string,
  { cause, remedy = RESTORE }: { readonly cause?: unknown; readonly remedy?: string } = {},
): LakeError {
  return new LakeError('manifest-damaged', `lake: '${where}' is damaged or foreign: ${what}. ${remedy}`, { cause })
}
