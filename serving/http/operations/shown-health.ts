/** What is known of a dataset, as GET …/health shows it. */
import type { z } from 'zod'
import type { Snapshot } from '#serving/answers/snapshot.ts'
import type { CountedReason } from '#serving/dead-letters/dead-letter-reasons.ts'
import { unconvertedIn } from '#serving/health/dataset-health.ts'
import { type HealthFacts, known } from '#serving/health/health-facts.ts'
import { hopsOf, worstOf } from '#serving/health/hops.ts'
import type { DATASET_HEALTH } from '#serving/http/contract/schemas/dataset-health.ts'
import { withoutPaths } from '#serving/http/without-paths.ts'
import { shownRun } from './shown-run.ts'
import type { ServedSource } from './source-routes.ts'

type Shown = z.output<typeof DATASET_HEALTH>

/** @param sources of the dataset */
export function shownHealth(facts: HealthFacts, sources: readonly ServedSource[]): Shown {
  const hops = hopsOf(facts).map((hop) => ({ ...hop, message: withoutPaths(hop.message) }))
  const snapshot = known(facts.snapshot)
  return {
    dataset: facts.dataset,
    at: iso(facts.nowMs),
    state: worstOf(hops),
    hops,
    sources: [...sources],
    ...positionsOf(snapshot, facts.nowMs),
    rates: facts.rates,
    ...countsOf(snapshot),
    batch: batchOf(facts),
    run: shownRun(known(facts.run)),
    verification: verificationOf(facts),
    unconverted: snapshot === null ? {} : unconvertedIn(snapshot),
    deadLetters: {
      total: snapshot === null ? null : deadLettersIn(snapshot),
      reasons: known(facts.reasons)?.map(reasonOf) ?? null,
    },
    gaps: snapshot?.gaps.map(({ partition, start, end }) => ({ partition, start, end })) ?? [],
  }
}

function positionsOf(snapshot: Snapshot | null, nowMs: number): Pick<Shown, 'partitions' | 'behind' | 'freshnessMs'> {
  if (snapshot === null) return { partitions: null, behind: null, freshnessMs: null }
  const { partitions } = snapshot
  const asOf = partitions.map(({ asOfMs }) => asOfMs)
  return {
    partitions: partitions.map(({ partition, position, closedEnd, boundary, behind }) => {
      return { partition, logEnd: behind === null ? null : position + behind, position, closedEnd, boundary, behind }
    }),
    behind: partitions.some(({ behind }) => behind === null) ? null : sum(partitions, ({ behind }) => behind!),
    freshnessMs: asOf.includes(null) ? null : nowMs - Math.min(...(asOf as number[])),
  }
}

function countsOf(snapshot: Snapshot | null): Pick<Shown, 'rows' | 'lateRows'> {
  if (snapshot === null) return { rows: null, lateRows: null }
  const { generation, segments } = snapshot
  const markers = [...snapshot.markers.values()]
  return {
    rows: {
      batch: generation?.rows ?? 0,
      closed: sum(segments, ({ rows }) => rows),
      open: sum(markers, ({ rows }) => rows),
    },
    lateRows:
      (generation?.lateRows ?? 0) + sum(segments, ({ late }) => late.rows) + sum(markers, ({ lateRows }) => lateRows),
  }
}

function deadLettersIn({ generation, segments, markers }: Snapshot): number {
  const open = sum([...markers.values()], ({ deadLetters }) => deadLetters)
  return (generation?.deadLetters ?? 0) + sum(segments, ({ deadLetters }) => deadLetters) + open
}

function batchOf({ generation, nowMs }: HealthFacts): Shown['batch'] {
  const current = known(generation)
  if (current === null) return null
  const { id, mode, startedAtMs, finishedAtMs } = current
  return {
    generation: id,
    mode,
    finishedAt: iso(finishedAtMs),
    ageMs: nowMs - finishedAtMs,
    tookMs: finishedAtMs - startedAtMs,
  }
}

function verificationOf({ verification }: HealthFacts): Shown['verification'] {
  const newest = known(verification)
  return newest && { at: iso(newest.atMs), equal: newest.equal, generation: newest.generation }
}

function reasonOf({ reason, count, newestAtMs }: CountedReason): { reason: string; count: number; newestAt: string } {
  return { reason, count, newestAt: iso(newestAtMs) }
}

function sum<T>(list: readonly T[], of: (item: T) => number): number {
  return list.reduce((total, item) => total + of(item), 0)
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}
