/** For tests: a lake in a folder with many small segments, and what its chains are by the manifests alone. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect } from 'vitest'
import type { SegmentChain } from '../lake.ts'
import { DATASET, emptySegment } from '../lake-contract-fixture.ts'
import { manifestPath, segmentManifestName } from '../manifest-names.ts'
import { readSegmentManifest } from '../manifest-text.ts'
import { buildChains } from '../segment-chain.ts'
import type { SegmentManifest } from '../segment-manifest.ts'
import { placedMs } from '../segment-outline.ts'
import { LocalLake } from './local-lake.ts'
import { manifestFiles } from './manifest-files-fixture.ts'

/** offsets of a segment: a hundred of them fill several folders */
export const LENGTH = 60_000
export const EVERYTHING = [Number.MAX_SAFE_INTEGER]

/** of the running test */
export let folder: string

/** Gives each test of a file a folder of its own. */
export function inFolders(): void {
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'checkpoints-'))
  })
  afterEach(() => rm(folder, { recursive: true }))
}

export const open = () => LocalLake.open({ folder, dataset: DATASET })
export const PLACE = 'manifests/p0000/checkpoints'
export const saved = async (ending: string) =>
  (await readdir(join(folder, DATASET, PLACE)).catch(() => [])).filter((name) => name.endsWith(ending)).toSorted()
export const checkpoints = () => saved('.checkpoint')
export const pathOf = (segment: SegmentManifest) => join(folder, DATASET, manifestPath(segmentManifestName(segment)))

export async function landMany(lake: LocalLake, count: number): Promise<SegmentManifest[]> {
  let { end } = (await lake.chains(1))[0]!
  const landed: SegmentManifest[] = []
  for (let made = 0; made < count; made++, end += LENGTH) {
    const segment = { ...emptySegment(0, end, end + LENGTH), timeRange: { minMs: end, maxMs: end + LENGTH - 1 } }
    expect(await lake.commitSegment(segment)).toEqual({ outcome: 'committed' })
    landed.push(segment)
  }
  return landed
}

export async function compact(lake: LocalLake, segments: readonly SegmentManifest[]): Promise<void> {
  const [first, last] = [segments[0]!, segments.at(-1)!]
  const replaces = segments.map(segmentManifestName)
  const timeRange = { minMs: first.start, maxMs: last.end - 1 }
  await lake.commitCompacted({ ...emptySegment(0, first.start, last.end), timeRange, replaces })
}

/** The chains by the manifests alone: nothing of folders, listings and checkpoints. */
export async function chainsOfManifests() {
  const texts = manifestFiles(join(folder, DATASET)).map(async (path) =>
    readSegmentManifest(await readFile(path, 'utf8'), path),
  )
  const manifests = new Map((await Promise.all(texts)).map((one) => [segmentManifestName(one), one]))
  return buildChains({ dataset: DATASET, manifests }, 1)
}

export async function expectSameChains(lake: LocalLake): Promise<void> {
  const { closed, compacted } = await chainsOfManifests()
  expect(await lake.chains(1)).toEqual(closed)
  expect(await lake.chains(1, { compacted: true })).toEqual(compacted)
  expect(await lake.chain(0, 0)).toEqual(closed[0])
  expect(await lake.checkpointFaults()).toEqual([])
  for (const share of [0, 0.5, 1]) await expectOutlined(lake, compacted[0]!, share)
  const places = [closed[0]!.segments, compacted[0]!.segments].flatMap((segments) =>
    [0.4, 1].map((share) => segments[Math.ceil(segments.length * share) - 1]!.end),
  )
  for (const at of new Set(places))
    for (const [whole, options] of [
      [closed[0]!, { after: [at] }],
      [compacted[0]!, { after: [at], compacted: true }],
    ] as const)
      expectRest((await lake.chains(1, options))[0]!, whole, at)
}

/** @param share of the groups that are opened, the first ones */
export async function expectOutlined(lake: LocalLake, whole: SegmentChain, share: number): Promise<void> {
  const [chain] = await lake.outline(1, ({ end }) => end <= whole.end * share)
  expect(chain!.end).toBe(whole.end)
  let begun = 0
  for (const { start, end, outline, segments } of chain!.groups) {
    const own = whole.segments.filter((segment) => segment.start >= start && segment.start < end)
    expect([start, end]).toEqual([begun, own.at(-1)!.end])
    expect(segments).toEqual(end <= whole.end * share ? own : null)
    expect(outline).toMatchObject({ rows: 0, times: { minMs: start, maxMs: end - 1 }, schemaHash: 'schema-1' })
    for (const segment of own) {
      expect(outline.placed!.minMs).toBeLessThanOrEqual(placedMs(segment)!)
      expect(outline.placed!.maxMs).toBeGreaterThanOrEqual(placedMs(segment)!)
    }
    begun = end
  }
  expect(begun).toBe(whole.end)
}

/** What is left out ends at or before `after`, and the rest is as it was. */
export function expectRest({ segments, end, past }: SegmentChain, whole: SegmentChain, after: number): void {
  expect(end).toBe(whole.end)
  const begun = past?.end ?? 0
  expect(begun).toBeLessThanOrEqual(after)
  expect(segments).toEqual(whole.segments.filter(({ start }) => start >= begun))
  expect(segments[0]?.start ?? end).toBe(begun)
}
