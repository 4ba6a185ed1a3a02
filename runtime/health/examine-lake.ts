/** What there is to say about the closed segments and the files of the lake. */
import type { SegmentChain } from '#storage/lake/lake.ts'
import { gapsIn, unconvertedOf } from '#storage/lake/segment-manifest.ts'
import type { OpenDataset } from '../drivers/open-dataset.ts'
import type { Finding } from './finding.ts'

export async function examineLake({ lake, log, partitions }: OpenDataset): Promise<Finding[]> {
  const unreadable = await lake.unreadableSegments()
  if (unreadable.length > 0) return unreadable.map(({ name, error }) => manifestDamaged(name, error.message))
  const chains = await lake.chains(partitions)
  const segments = chains.flatMap((chain) => chain.segments)
  const sum = (of: (segment: (typeof segments)[number]) => number): number =>
    segments.reduce((total, segment) => total + of(segment), 0)
  const numbers = {
    segments: segments.length,
    rows: sum((segment) => segment.rows),
    deadLetters: sum((segment) => segment.deadLetters),
    lateRows: sum((segment) => segment.late.rows),
    gaps: segments.flatMap(gapsIn).length,
  }
  const message = `${numbers.segments} closed segments with ${numbers.rows} rows, ${numbers.deadLetters} dead letters, ${numbers.lateRows} late rows`
  const findings: Finding[] = [{ part: 'lake', state: 'ok', message, advice: null, numbers }]
  const { unconverted } = unconvertedOf(segments)
  if (unconverted !== undefined) findings.push(conversionsFailed(unconverted))
  if (segments.some((segment) => segment.log !== log.identity)) {
    return [...findings, foreignLog(log.identity)]
  }
  if (numbers.gaps > 0) findings.push(gapsFound(chains))
  return findings
}

function manifestDamaged(name: string, advice: string): Finding {
  const message = `the manifest '${name}' of a closed segment cannot be read`
  return { part: 'lake', state: 'attention', message, advice, numbers: { manifest: name } }
}

function conversionsFailed(unconverted: Readonly<Record<string, number>>): Finding {
  const columns = Object.entries(unconverted).map(([column, events]) => `${column} in ${events} events`)
  return {
    part: 'lake',
    state: 'note',
    message: `values that could not be converted, and are NULL or the default of their column: ${columns.join(', ')}`,
    advice: "correct the column's path, type or unit, or what is sent; onError 'reject' makes such events dead letters",
    numbers: unconverted,
  }
}

function foreignLog(identity: string): Finding {
  return {
    part: 'lake',
    state: 'attention',
    message: `segments belong to a log other than ${identity}`,
    advice: 'restore the log that belongs to this lake, or start with an empty data folder',
    numbers: {},
  }
}

function gapsFound(chains: readonly SegmentChain[]): Finding {
  const gaps = chains.flatMap((chain) => chain.segments.flatMap(gapsIn))
  const lost = gaps.reduce((sum, gap) => sum + gap.end - gap.start, 0)
  return {
    part: 'lake',
    state: 'note',
    message: `${lost} offsets in ${gaps.length} gaps were never read; answers report them`,
    advice: 'raise logRetentionMs, or find out why the stream role did not read them in time',
    numbers: { gaps: gaps.length, lost },
  }
}

export async function examineFiles({ lake }: OpenDataset): Promise<Finding> {
  const { files, bytes, problems } = await lake.verifyFiles()
  const numbers = { files, bytes, problems: problems.length }
  if (problems.length === 0) {
    return {
      part: 'files',
      state: 'ok',
      message: `${files} files, ${bytes} bytes: all match their manifests`,
      advice: null,
      numbers,
    }
  }
  const message = `${problems.length} of ${files} files do not match their manifests: ${problems.slice(0, 5).join('; ')}`
  return { part: 'files', state: 'attention', message, advice: 'restore them from a copy', numbers }
}
