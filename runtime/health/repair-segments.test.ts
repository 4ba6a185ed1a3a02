/** Manifests of closed segments that are torn, changed, empty or gone: what is answered until they are healed, and that nothing differs after it. */
import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { runBatch } from '#batch-layer/run-batch.ts'
import { RsvpGenerator } from '#datasets/meetup-rsvps/rsvp-generator.ts'
import { answerQuery } from '#serving/answers/merged-view.ts'
import { takeSnapshot } from '#serving/answers/snapshot.ts'
import { deadLettersJson } from '#serving/dead-letters/letter-list.ts'
import { StreamRole } from '#speed-layer/stream-role.ts'
import { manifestPath } from '#storage/lake/manifest-names.ts'
import { silent } from '#telemetry/emit.ts'
import { verifyDataset } from '#verification/verify-dataset.ts'
import { Workspace } from '../commands/workspace.ts'
import type { OpenDataset } from '../drivers/open-dataset.ts'
import { loadConfiguration } from '../settings/configuration.ts'
import { examine, repair } from './doctor.ts'
import { mergedSnapshot } from './merged-snapshot.ts'

const SEGMENT = 20
const QUERY = { dataset: 'meetup_rsvps', view: 'responses_by_country' }

let folder: string
let whole: string
/** answers and dead letters of the whole lake */
let before: string
let workspace: Workspace
let open: OpenDataset

/** Segments from 0, 20, 40 and 60 on, of which a generation counts the first two, and five events in the open one. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'watershed-manifests-'))
  whole = join(folder, 'whole')
  await openAt(whole)
  const generator = new RsvpGenerator({ seed: 5, startMs: 1_700_000_000_000, eventsPerSecond: 20 })
  const append = async (count: number): Promise<void> => {
    // Each batch is a block, which the log can drop by itself.
    for (let left = count; left > 0; left -= 5) {
      const lines = Array.from({ length: Math.min(5, left) }, (_, index) =>
        index === 3 ? '{"broken": \u0001\n' : `${generator.next()}\n`,
      )
      await open.log.append([{ partition: 0, lines: Buffer.from(lines.join('')), count: lines.length }])
    }
  }
  await append(2 * SEGMENT)
  await countAll()
  const dictionary = await workspace.openDictionary()
  await runBatch({ ...open, dictionary, logIdentity: open.log.identity, mode: 'full', emit: silent })
  await dictionary.close()
  await append(2 * SEGMENT + 5)
  await countAll()
  before = await everything()
  await workspace.close()
})
afterEach(() => workspace.close())
afterAll(() => rm(folder, { recursive: true, force: true }))

async function openAt(data: string): Promise<void> {
  const configuration = await loadConfiguration({ flags: { data, partitions: 1, datasets: ['meetup_rsvps'] } })
  workspace = await Workspace.open(configuration, 'batch', silent)
  open = await workspace.only()
}

/** Runs a stream role until every event is counted. */
async function countAll(): Promise<void> {
  const { scratchFolder } = workspace
  const limits = { segmentRecordsMax: SEGMENT, pollEveryMs: 2, flushEveryMs: 5, retryMsFirst: 1, retryMsMax: 20 }
  const role = new StreamRole({ ...open, scratchFolder, limits, emit: silent })
  await role.start()
  try {
    const { end } = await open.log.range(0)
    await vi.waitFor(async () => expect((await takeSnapshot(open)).partitions[0]!.position).toBe(end), 20_000)
  } finally {
    await role.stop()
  }
}

async function everything(): Promise<string> {
  const { rowsJson } = await answerQuery(open, QUERY)
  return JSON.stringify([JSON.parse(rowsJson), JSON.parse(await deadLettersJson(open, 100))])
}

async function manifestOf(start: number): Promise<string> {
  const dataset = join(open.lake.resolve((await open.lake.readableSegments())[0]!.events!), '../../..')
  return join(dataset, manifestPath(`p0000-${String(start).padStart(16, '0')}.json`))
}

const HARMS = {
  torn: (path: string) => truncate(path, 300),
  empty: (path: string) => truncate(path, 0),
  missing: (path: string) => rm(path),
  flipped: async (path: string) => {
    const bytes = await readFile(path)
    bytes[Math.floor(bytes.length / 2)]! ^= 1
    await writeFile(path, bytes)
  },
} as const

interface Harmed {
  readonly harm: keyof typeof HARMS
  /** of the segment */
  readonly start: number
  readonly from: 'log' | 'files'
  /** what is answered until it is healed: all of it, if a generation counts the segment */
  readonly answers: boolean
  /** what the repair says */
  readonly says: RegExp
}

const CASES: readonly Harmed[] = [
  { harm: 'torn', start: 0, from: 'log', answers: true, says: /segment \[0, 20\) was made again from the log/ },
  { harm: 'flipped', start: 20, from: 'files', answers: true, says: /\[20, 40\) was made again from its files/ },
  { harm: 'empty', start: 40, from: 'log', answers: false, says: /\[40, 60\) was made again from the log/ },
  { harm: 'torn', start: 40, from: 'files', answers: false, says: /\[40, 60\) was made again from its files/ },
  { harm: 'missing', start: 40, from: 'log', answers: false, says: /\[40, 60\) was made again from the log/ },
  { harm: 'missing', start: 20, from: 'files', answers: false, says: /\[20, 40\) was made again from its files/ },
  { harm: 'flipped', start: 60, from: 'log', answers: false, says: /reads the log again from there/ },
  { harm: 'empty', start: 60, from: 'files', answers: false, says: /\[60, 80\) was made again from its files/ },
]

test.each(CASES)('a $harm manifest of the segment from $start on, made again from the $from', async (one) => {
  const data = join(folder, `${one.harm}-${one.start}-${one.from}`)
  await cp(whole, data, { recursive: true })
  await openAt(data)
  const path = await manifestOf(one.start)
  await workspace.close()
  await HARMS[one.harm](path)
  await openAt(data)
  if (one.from === 'files') expect(await open.log.trim(0, 4 * SEGMENT, Number.MAX_SAFE_INTEGER)).toBe(4 * SEGMENT)
  if (one.answers) expect((await answerQuery(open, QUERY)).rowsJson).toBe(rowsBefore())
  else {
    const says = one.harm === 'missing' ? /no manifest covers.*doctor --repair/ : /is damaged.*doctor --repair/
    await expect(answerQuery(open, QUERY)).rejects.toThrow(says)
  }
  expect((await examine(open)).findings).toContainEqual(
    expect.objectContaining({ part: 'lake', state: 'attention', advice: expect.stringContaining('doctor --repair') }),
  )
  const repaired = await repair(open, { scratchFolder: join(workspace.scratchFolder, 'repair') })
  const done = { part: 'lake', outcome: 'repaired', message: expect.stringMatching(one.says) }
  expect(repaired.repairs?.filter(({ part }) => part === 'lake')).toEqual([done])
  await countAll()
  expect(await everything()).toBe(before)
  const { scratchFolder } = workspace
  expect((await verifyDataset({ ...open, scratchFolder, snapshot: () => mergedSnapshot(open) })).equal).toBe(true)
  expect((await open.lake.verifyFiles()).problems).toEqual([])
  const kept = (await readdir(join(path, '..'))).filter((name) => name.includes('.damaged-'))
  expect(kept).toHaveLength(one.harm === 'missing' ? 0 : 1)
})

function rowsBefore(): string {
  return JSON.stringify(JSON.parse(before)[0])
}

test('a segment that neither log nor files hold is refused, and stays as it is', async () => {
  const data = join(folder, 'lost')
  await cp(whole, data, { recursive: true })
  await openAt(data)
  const path = await manifestOf(40)
  const [raw] = (await open.lake.landedFiles(0)).filter(({ start, kind }) => start === 40 && kind === 'raw')
  await workspace.close()
  await HARMS.torn(path)
  await HARMS.flipped(raw!.path)
  await openAt(data)
  await open.log.trim(0, 4 * SEGMENT, Number.MAX_SAFE_INTEGER)
  const { repairs, well } = await repair(open, { scratchFolder: join(workspace.scratchFolder, 'repair') })
  expect(repairs).toEqual([
    { part: 'lake', outcome: 'refused', message: expect.stringMatching(/\[40, 60\).*restore the lake's folder/) },
  ])
  expect(well).toBe(false)
  expect((await readFile(path)).length).toBe(300)
})
