/** The current generation, the kept ones, and whether the views are still defined as in it. */
import { CLOCKS_APART_MS_MAX } from '#batch-layer/due-runs.ts'
import { logAgreement } from '#core/log-agreement.ts'
import { verdictText } from '#core/log-verdict-text.ts'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { SegmentChain } from '#storage/lake/lake.ts'
import type { OpenDataset } from '../drivers/open-dataset.ts'
import { agoOf, CLOCK_WAS_WRONG } from './ago.ts'
import type { Finding } from './finding.ts'

/** A generation older than this is reported. */
const GENERATION_OLD_MS = 36 * 3_600_000

export async function examineGeneration({ lake, partitions }: OpenDataset, now: number): Promise<Finding> {
  const current = await lake.current()
  if (current === null) {
    const advice = 'run `watershed batch run`, or keep `watershed start` running'
    return {
      part: 'generation',
      state: 'note',
      message: 'none yet; answers come from the speed layer',
      advice,
      numbers: {},
    }
  }
  const chains = await lake.chains(partitions, { counted: current.boundary, after: current.boundary })
  const missing = manifestsMissing(current, chains)
  if (missing !== null) return missing
  const after = chains.reduce(
    (sum, chain) => sum + Math.max(0, chain.end - (current.boundary[chain.partition] ?? 0)),
    0,
  )
  const ageMs = now - current.finishedAtMs
  const numbers = { id: current.id, ageMs, rows: current.rows, after, kept: (await lake.generations()).length }
  const counts = `has ${current.rows} rows; ${after} closed offsets follow it`
  if (ageMs < -CLOCKS_APART_MS_MAX) {
    const message = `${current.id} (${current.mode}) was completed at a time that is ${agoOf(-ageMs)} in the future, and ${counts}`
    const advice = `${CLOCK_WAS_WRONG}; the schedule does not wait for that time`
    return { part: 'generation', state: 'attention', message, advice, numbers }
  }
  const message = `${current.id} (${current.mode}) is ${agoOf(ageMs)} old and ${counts}`
  const old = ageMs > GENERATION_OLD_MS && after > 0
  const advice = old
    ? 'the schedule is not running: keep `watershed start` running, or run `watershed batch run`'
    : null
  return { part: 'generation', state: old ? 'attention' : 'ok', message, advice, numbers }
}

/** Kept generations that nobody could roll back to. The current one is examined by itself. */
export async function examineUnreadable({ lake }: OpenDataset): Promise<Finding[]> {
  return (await lake.unreadableGenerations()).map(({ id, error }) => ({
    part: 'generation',
    state: 'attention',
    message: `${id} cannot be read: ${error.message}`,
    advice: `if it is not the current one, answers and batch runs do without it, and it is removed once enough newer generations are kept`,
    numbers: { id },
  }))
}

function manifestsMissing(generation: GenerationManifest, chains: readonly SegmentChain[]): Finding | null {
  for (const lake of chains) {
    const { partition } = lake
    const verdict = logAgreement({ partition, lake, generation })
    if (verdict.kind !== 'lake-cut') continue
    return {
      part: 'generation',
      state: 'attention',
      message: `partition ${partition}: ${verdictText(verdict)}`,
      advice:
        "restore the lake's folder 'manifests' from a copy, or run `watershed doctor --repair`; the partition is not read until then",
      numbers: { id: generation.id, partition, counted: verdict.counted, end: verdict.lakeEnd },
    }
  }
  return null
}

/** Views that are new, or whose definition changed, since the generation was built. */
export async function examineDefinition({ lake, dataset }: OpenDataset): Promise<Finding> {
  const current: GenerationManifest | null = await lake.current()
  const [added, changed]: [string[], string[]] = [[], []]
  for (const { name, hash } of current === null ? [] : dataset.views.values()) {
    const stored = current!.views[name]
    if (stored === undefined) added.push(name)
    else if (stored.hash !== hash) changed.push(name)
  }
  const numbers = { views: dataset.views.size, added: added.length, changed: changed.length }
  if (added.length + changed.length === 0) {
    return {
      part: 'definition',
      state: 'ok',
      message: `${dataset.views.size} views, as in the generation`,
      advice: null,
      numbers,
    }
  }
  return {
    part: 'definition',
    state: 'attention',
    message: [...since('changed', changed), ...since('added', added)].join('; '),
    advice: `run \`watershed backfill ${dataset.name}\``,
    numbers,
  }
}

function since(what: 'added' | 'changed', views: readonly string[]): string[] {
  return views.length === 0 ? [] : [`${what} since the generation was built: ${views.join(', ')}`]
}
