/** Every way in which the parts of a partition can disagree, which one is reported where several hold, and that its text names all its numbers. */
import { describe, expect, test } from 'vitest'
import { countedRecords, type KnownParts, type KnownSegments, type LogVerdict, logAgreement } from './log-agreement.ts'
import { verdictText } from './log-verdict-text.ts'

const lakeTo = (...ends: number[]): KnownSegments => ({
  segments: ends.map((end, index) => ({ start: ends[index - 1] ?? 0, end, log: 'a' })),
  end: ends.at(-1) ?? 0,
})
const log = (start: number, end: number) => ({ partition: 0, start, end })
const counts = (boundary: number, of = 'a') => ({ id: 'g000001', log: of, boundary: [boundary] })
const open = (segmentStart: number, through: number) => ({ segmentStart, through })

/** Everything is known and agrees; each case changes what it is about. */
const WELL = {
  partition: 0,
  logIdentity: 'a',
  logRange: log(10, 60),
  lake: lakeTo(20, 40),
  generation: counts(20),
  marker: open(40, 58),
  folded: open(40, 60),
} satisfies KnownParts

const CUT: LogVerdict = { kind: 'lake-cut', lakeEnd: 40, generation: 'g000001', counted: 80 }
const REPLACED: LogVerdict = { kind: 'log-replaced', lakeLog: 'a', log: 'b' }
const BEHIND: LogVerdict = { kind: 'lake-behind', lakeEnd: 40, segmentStart: 41 }

describe('agrees', () => {
  test.each<[string, Partial<KnownParts>]>([
    ['all parts fit', {}],
    [
      'nothing was written yet',
      { logRange: log(0, 0), lake: lakeTo(), generation: null, marker: null, folded: undefined },
    ],
    ['the log begins and ends where the lake ends', { logRange: log(40, 40), marker: null, folded: undefined }],
    ['the log ends where the marker and the fold end', { logRange: log(40, 60), marker: open(40, 60) }],
    ['the generation counts all segments', { generation: counts(40) }],
    ['the generation has not counted the partition', { generation: { id: 'g', log: 'b', boundary: [] } }],
    ['a lost owner left the marker of a closed segment', { marker: open(20, 44) }],
    ['the log dropped what this process has folded', { logRange: log(60, 60) }],
    [
      'the identity differs, but there is no segment',
      { logIdentity: 'b', lake: lakeTo(), generation: null, marker: null },
    ],
  ])('%s', (_, change) => {
    expect(logAgreement({ ...WELL, logRange: log(0, 60), ...change })).toEqual({ kind: 'agrees' })
  })

  test.each(['logIdentity', 'logRange', 'lake', 'generation', 'marker', 'folded'] as const)(
    'as far as is known, without %s',
    (part) => {
      expect(logAgreement({ ...WELL, [part]: undefined })).toEqual({ kind: 'agrees' })
    },
  )
})

describe('disagrees', () => {
  test.each<[string, Partial<KnownParts>, LogVerdict]>([
    ['the log is another one', { logIdentity: 'b' }, REPLACED],
    ['the last segment decides which log the lake belongs to', { lake: twoLogs(), logIdentity: 'a' }, replacedBy('b')],
    ['a generation counts segments that the lake does not have', { generation: counts(80) }, CUT],
    [
      'the log ends before the lake',
      { logRange: log(0, 39), marker: null, folded: undefined },
      { kind: 'log-ends-before-lake', lakeEnd: 40, logEnd: 39 },
    ],
    [
      'the log dropped what was not read',
      { logRange: log(45, 60), folded: undefined },
      { kind: 'gap', start: 40, end: 45 },
    ],
    [
      'the same, without a marker',
      { logRange: log(45, 60), folded: undefined, marker: null },
      { kind: 'gap', start: 40, end: 45 },
    ],
    [
      'the same, with an unknown marker',
      { logRange: log(45, 60), folded: undefined, marker: undefined },
      { kind: 'gap-or-lake-cut', start: 40, end: 45 },
    ],
    [
      'the log dropped what comes after what this process folded',
      { logRange: log(62, 70) },
      { kind: 'gap', start: 60, end: 62 },
    ],
    [
      'the log dropped what was landed, and the lake lost it',
      { logRange: log(45, 60), marker: open(50, 58), folded: undefined },
      { kind: 'lake-cut-unreadable', lakeEnd: 40, logStart: 45, segmentStart: 50 },
    ],
    [
      'the log lost what the speed store counts',
      { logRange: log(0, 57), folded: undefined },
      { kind: 'log-cut', logEnd: 57, segmentStart: 40, through: 58 },
    ],
    [
      'the log lost what this process folded',
      { logRange: log(0, 59) },
      { kind: 'log-cut', logEnd: 59, segmentStart: 40, through: 60 },
    ],
    ['the lake lost manifests that the log still holds', { marker: open(41, 58) }, BEHIND],
    [
      'no segment ends at the boundary',
      { generation: counts(30) },
      { kind: 'boundary-inside-segment', generation: 'g000001', boundary: 30 },
    ],
    [
      'the generation counts another log',
      { generation: counts(20, 'b') },
      { kind: 'generation-of-other-log', generation: 'g000001', generationLog: 'b', lakeLog: 'a' },
    ],
  ])('%s', (_, change, verdict) => {
    expect(logAgreement({ ...WELL, ...change })).toEqual(verdict)
    const { kind, ...numbers } = verdict
    const text = verdictText(verdict)
    for (const number of Object.values(numbers)) expect(text, kind).toContain(String(number))
  })
})

describe('by content', () => {
  const print = (offset: number, sha256 = 'a') => ({ offset, arrivalMs: 7, sha256 })
  const held = (...prints: readonly ReturnType<typeof print>[]) => new Map(prints.map((each) => [each.offset, each]))
  const [first, last] = lakeTo(20, 40).segments
  const lake: KnownSegments = {
    segments: [
      { ...first!, last: print(19) },
      { ...last!, last: print(39) },
    ],
    end: 40,
  }
  const marker = { ...open(40, 58), last: print(57) }
  const folded = { ...open(40, 60), last: print(59) }
  const known = { ...WELL, lake, marker, folded }

  test.each<[string, Partial<KnownParts>, LogVerdict]>([
    ['equal records agree', { records: held(print(39), print(57), print(59)) }, { kind: 'agrees' }],
    ['records that are not held prove nothing', { records: held() }, { kind: 'agrees' }],
    ['only the newest segment is compared', { records: held(print(19, 'b')) }, { kind: 'agrees' }],
    [
      'another record in a closed segment',
      { records: held(print(39, 'b')) },
      { kind: 'log-diverged', offset: 39, counted: 'closed' },
    ],
    [
      'the same bytes, but another arrival',
      { records: held({ ...print(39), arrivalMs: 8 }) },
      { kind: 'log-diverged', offset: 39, counted: 'closed' },
    ],
    [
      'another record under the marker',
      { records: held(print(39), print(57, 'b')) },
      { kind: 'log-diverged', offset: 57, counted: 'open' },
    ],
    [
      'a refusal outlasts the agreement',
      { refusal: { why: 'it was cut' } },
      { kind: 'log-refused', why: 'it was cut' },
    ],
    [
      'what is found now is said before what was found then',
      { refusal: { why: 'it was cut' }, logRange: log(0, 39), folded: undefined },
      { kind: 'log-ends-before-lake', lakeEnd: 40, logEnd: 39 },
    ],
  ])('%s', (_, change, verdict) => {
    expect(logAgreement({ ...known, ...change })).toEqual(verdict)
  })

  test('these records are compared', () => {
    expect(countedRecords(known).map(({ offset }) => offset)).toEqual([39, 57, 59])
    expect(countedRecords({ lake: lakeTo(20), marker: null })).toEqual([])
  })
})

describe('of two that hold, the more fundamental one is reported', () => {
  const gap = { logRange: log(45, 50), folded: undefined }
  test.each<[string, Partial<KnownParts>, LogVerdict['kind']]>([
    ['log-replaced before lake-cut', { logIdentity: 'b', generation: counts(80) }, 'log-replaced'],
    ['log-replaced before log-ends-before-lake', { logIdentity: 'b', logRange: log(0, 3) }, 'log-replaced'],
    ['lake-cut before log-ends-before-lake', { generation: counts(80), logRange: log(0, 3) }, 'lake-cut'],
    ['lake-cut before gap', { ...gap, generation: counts(80) }, 'lake-cut'],
    ['log-ends-before-lake before log-cut', { logRange: log(0, 30) }, 'log-ends-before-lake'],
    ['gap before log-cut: recorded first, so that the rest can be folded again', gap, 'gap'],
    ['lake-cut-unreadable before log-cut', { ...gap, marker: open(47, 58) }, 'lake-cut-unreadable'],
    ['log-cut before lake-behind', { logRange: log(0, 50), marker: open(41, 58) }, 'log-cut'],
    ['lake-behind before boundary-inside-segment', { generation: counts(30), marker: open(41, 58) }, 'lake-behind'],
    [
      'boundary-inside-segment before generation-of-other-log',
      { generation: counts(30, 'b') },
      'boundary-inside-segment',
    ],
  ])('%s', (_, change, kind) => {
    expect(logAgreement({ ...WELL, ...change }).kind).toBe(kind)
  })
})

test('each partition is held against its own boundary', () => {
  const generation = { id: 'g000001', log: 'a', boundary: [80, 20] }
  expect(logAgreement({ ...WELL, generation })).toMatchObject({ kind: 'lake-cut', counted: 80 })
  expect(logAgreement({ ...WELL, partition: 1, generation })).toEqual({ kind: 'agrees' })
})

function twoLogs(): KnownSegments {
  const [first, last] = lakeTo(20, 40).segments
  return { segments: [first!, { ...last!, log: 'b' }], end: 40 }
}

function replacedBy(lakeLog: string): LogVerdict {
  return { kind: 'log-replaced', lakeLog, log: 'a' }
}
