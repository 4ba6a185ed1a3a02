/** For tests: the batch worker, which publishes generations, goes back to earlier ones, compacts, summarizes and removes. */
import type { BatchCompute } from '#batch-layer/batch-compute.ts'
import { describeCompacted } from '#batch-layer/compact.ts'
import { planFromLake, type RunPlan } from '#batch-layer/plan-run.ts'
import { publishGeneration } from '#batch-layer/publish-generation.ts'
import { keptBoundary, removeUnneeded } from '#batch-layer/retention.ts'
import { lookForSmall } from '#batch-layer/small-segments.ts'
import { type SummarizeOptions, summarizeOld } from '#batch-layer/summarize.ts'
import { horizonOf, NO_HORIZON, type PaneHorizon } from '#core/pane-horizon.ts'
import type { LakeFile } from '#storage/lake/segment-manifest.ts'
import { ALL_STATES, cutRange, overlaps, type StateRange } from '#storage/lake/state-ranges.ts'
import { silent } from '#telemetry/emit.ts'
import { dataset, type Ground, type Machine, PARTITIONS, type Pause } from './ground.ts'
import type { KeyState } from './histories.ts'
import { leftOf, mergeStates, paneOf, statesOf } from './key-states.ts'
import { VIEW } from './offset-fold.ts'
import type { SimulatedLake } from './simulated-lake.ts'

const COMPACTED_ROWS = 1_000

export function runBatches(ground: Ground, pause: Pause): Promise<void> {
  return ground.again(pause, async () => {
    const machine = ground.machine(pause)
    const lake = ground.lake(machine.pause)
    if (!ground.options.bucket) return runOnce(ground, lake, machine)
    const lock = await lake.tryLock('batch')
    if (lock === null) return
    try {
      await runOnce(ground, lake, machine)
    } finally {
      await lock.release()
    }
  })
}

async function runOnce(ground: Ground, lake: SimulatedLake, machine: Machine): Promise<void> {
  const chains = await lake.chains(PARTITIONS)
  const generations = await lake.generations()
  if (generations.length > 1 && ground.random.chance(0.2)) {
    await lake.setCurrent(ground.random.pick(generations).id)
    return
  }
  const first = chains.flatMap(({ segments }) => segments)[0]
  if (first === undefined) return
  const base = await lake.current()
  const published = await publish(ground, lake, machine, { base, log: first.log })
  if (!ground.options.disasters) return
  if (ground.random.chance(0.5)) await compact(ground, lake, machine.clock)
  // Horizons are short, so that many segments are past theirs.
  const kept = { ...dataset, rawKeptMs: 1 + ground.random.below(100) }
  if (published.generation.mode === 'full')
    ground.seen.summarized += await summarizeOld({
      ...published,
      dataset: kept,
      lake,
      emit: silent,
      clock: machine.clock,
    })
  const [{ clock }, thorough] = [machine, ground.random.chance(0.3)]
  await removeUnneeded({ lake, partitions: PARTITIONS, keepGenerations: 2, emit: silent, clock }, base, { thorough })
}

async function publish(
  ground: Ground,
  lake: SimulatedLake,
  { pause, clock }: Machine,
  {
    base,
    log,
  }: {
    readonly base: Awaited<ReturnType<SimulatedLake['current']>>
    readonly log: string
  },
): Promise<Pick<SummarizeOptions, 'generation' | 'compute'>> {
  const mode = ground.random.chance(0.5) ? 'full' : 'incremental'
  const wanted = { lake, partitions: PARTITIONS, dataset, mode, logIdentity: log, base, clockMs: clock() } as const
  const plan = withLessLeft(ground, await planFromLake(wanted))
  const write = async (
    path: string,
    files: readonly LakeFile[],
    range = ALL_STATES,
    horizon: PaneHorizon = NO_HORIZON,
  ): Promise<number> => {
    await pause()
    const states = within(
      range,
      files.flatMap((file) => statesOf(lake, file)),
    )
    const merged = mergeStates(leftOf(states, horizon))
    lake.put(path, JSON.stringify(merged))
    // As many rows as make planRun extend the base at one time and merge it at another.
    return files.length > 2 || mode === 'full' ? 12 : merged.length
  }
  const compute: BatchCompute = {
    filesOf: (_view, segments, states) => [...segments.flatMap(({ events }) => events ?? []), ...states],
    recount: (_view, segments, states, path) =>
      write(path, [...segments.flatMap(({ events }) => events ?? []), ...states]),
    merge: (_view, files, path, range, horizon) => write(path, files, range, horizon),
    settle: async () => null,
    rowsIn: async (_view, files, ranges) => {
      await pause()
      const added = files.flatMap((file) => statesOf(lake, file))
      return new Map(ranges.map((range, place) => [place, within(range, added).length]))
    },
    spread: () => Promise.reject(new Error('states are cut by panes here')),
    parts: async (_view, path, _bytes, range) => {
      const panes = [...new Set(written(lake, path).map(paneOf))].sort((one, other) => one - other)
      return cutRange(
        range,
        panes.slice(1).filter(() => ground.random.chance(0.3)),
      )
    },
    cut: async (_view, path, parts) => {
      const rows: number[] = []
      for (const { range, writePath } of parts) {
        await pause()
        const part = within(range, written(lake, path))
        lake.put(writePath, JSON.stringify(part))
        rows.push(part.length)
      }
      return rows
    },
  }
  const generation = await publishGeneration({
    dataset,
    lake,
    plan,
    logIdentity: log,
    startedAtMs: clock(),
    clock,
    step: pause,
    onProgress: () => {},
    emit: silent,
    compute,
    pinning: { changed: async () => false, pin: async () => null },
  })
  return { generation, compute }
}

function written(lake: SimulatedLake, path: string): KeyState[] {
  return JSON.parse(lake.folder.files.get(path)!) as KeyState[]
}

/** Keys are removed as panes are: from time to time more of them. What a full run counts again comes back. */
function withLessLeft({ removing: random, seen }: Ground, plan: RunPlan): RunPlan {
  const more = random.chance(0.15) ? [{ beforeMs: paneOf({ k: random.pick(['b', 'c']) }), grain: null }] : []
  const horizon = horizonOf([...(plan.horizons.get(VIEW.name) ?? []), ...more])
  if (horizon.length === 0) return plan
  seen.removals++
  return { ...plan, horizons: new Map([[VIEW.name, horizon]]) }
}

function within(range: StateRange, states: readonly KeyState[]): KeyState[] {
  return states.filter((state) => overlaps(range, { fromMs: paneOf(state), beforeMs: paneOf(state) + 1 }))
}

async function compact(ground: Ground, lake: SimulatedLake, clock: Machine['clock']): Promise<void> {
  const boundary = await keptBoundary(lake, PARTITIONS)
  const { groups, next } = await lookForSmall(lake, boundary, { rowsTarget: COMPACTED_ROWS, spanMsMax: null })
  for (const group of groups) {
    const { partition, start } = group[0]!
    const staged = await lake.stageSegmentFile(partition, start, 'events')
    const events = group.flatMap((segment) => segment.events ?? [])
    lake.put(staged.writePath, JSON.stringify(mergeStates(events.flatMap((file) => statesOf(lake, file)))))
    const rows = group.reduce((sum, segment) => sum + segment.rows, 0)
    const file = await staged.finish(rows)
    await lake.commitCompacted(describeCompacted(group, file, null, null, clock()))
    ground.seen.compactions++
  }
  if (next !== null) await lake.markCompaction(next)
}
