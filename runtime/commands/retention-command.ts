/** watershed retention: what `keep` has removed and merged of each dataset, and what the next batch runs would. Changes nothing. */
import type { Command } from 'commander'
import { lookAtPaneRetention, type PaneRetentionLook, type StatesLook } from '#batch-layer/pane-retention-look.ts'
import { lookAtRawRetention, type RawRetentionLook } from '#batch-layer/raw-retention-look.ts'
import { durationText } from '#core/grains.ts'
import type { OpenDataset } from '../drivers/open-dataset.ts'
import { commandWith, type SharedOptions, withWorkspace } from './command-options.ts'
import { print, printJson, printTable, say } from './output.ts'

export function retentionCommand(): Command {
  return commandWith(
    'retention',
    'Show which raw events and panes `keep` has removed or merged, and which the next batch runs would',
  ).action(retention)
}

interface ShownRaw extends Omit<RawRetentionLook, 'oldestArrivalMs'> {
  readonly dataset: string
  /** as in the definition */
  readonly keepRaw: string
  readonly oldestArrival: string | null
  /** when the oldest kept segment is past its horizon; null: never, or nothing is kept */
  readonly oldestDueAt: string | null
}

/** Of one view's panes of one length. */
interface ShownPanes extends Pick<PaneRetentionLook, 'view' | 'panes'> {
  readonly dataset: string
  /** as a duration; null: the definition no longer says */
  readonly kept: string | null
  /** the grain of the panes into which they are merged, or 'removed' */
  readonly become: string
  /** before this, answers have none of them; null: they have all */
  readonly before: string | null
  readonly nextBefore: string | null
  /** the arrival that makes the next ones old; null: none does */
  readonly movesAt: string | null
}

interface ShownStates extends StatesLook {
  readonly dataset: string
}

interface Shown {
  readonly raw: readonly ShownRaw[]
  readonly panes: readonly ShownPanes[]
  readonly states: readonly ShownStates[]
}

async function retention(options: SharedOptions): Promise<void> {
  const datasets = await withWorkspace(options, 'serve', async (workspace) =>
    Promise.all((await workspace.all()).map(retentionOf)),
  )
  const shown: Shown = {
    raw: datasets.flatMap(({ raw }) => raw),
    panes: datasets.flatMap(({ panes }) => panes),
    states: datasets.flatMap(({ states }) => states),
  }
  if (options.json) return printJson(shown)
  printRaw(shown.raw)
  if (shown.panes.length > 0) printPanes(shown)
}

function printRaw(raw: Shown['raw']): void {
  const heads = [
    'dataset',
    'partition',
    'keep.raw',
    'removed before',
    'bytes of their states',
    'raw events',
    'due',
    'due bytes',
    'next due at',
  ]
  printTable(
    heads,
    raw.map(({ dataset, partition, keepRaw, floor, statesBytes, kept, due, oldestDueAt }) => {
      const next = due.segments > 0 ? 'now' : (oldestDueAt ?? 'never')
      return [dataset, partition, keepRaw, floor, statesBytes, kept.rows, due.rows, due.bytes, next]
    }),
  )
  if (raw.some(({ due }) => due.segments > 0))
    say('what is due is removed by the next full batch run (`watershed batch run --full`), and its states are kept')
  const waiting = raw.reduce((sum, each) => sum + each.waiting.rows, 0)
  if (waiting > 0)
    say(`${waiting} more events are past keep.raw, and are kept until every retained generation counts them`)
}

function printPanes({ panes, states }: Shown): void {
  print('')
  printTable(
    ['dataset', 'view', 'panes', 'kept', 'become', 'before', 'after the next run', 'next after an arrival at'],
    panes.map(({ dataset, view, panes: of, kept, become, before, nextBefore, movesAt }) => {
      const times = [
        before ?? 'none yet',
        nextBefore === before ? 'the same' : (nextBefore ?? 'none yet'),
        movesAt ?? 'never',
      ]
      return [dataset, view, of, kept ?? 'until a full run', become, ...times]
    }),
  )
  if (states.length === 0) say('nothing is merged or removed before the first batch run')
  else printStates(states)
}

function printStates(states: Shown['states']): void {
  print('')
  printTable(
    ['dataset', 'view', 'state bytes', 'due bytes', 'removed bytes', 'waiting bytes'],
    states.map(({ dataset, view, bytes, dueBytes, removedBytes, waitingBytes }) => [
      ...[dataset, view, bytes, dueBytes, removedBytes, waitingBytes],
    ]),
  )
  if (states.some(({ dueBytes }) => dueBytes > 0))
    say(
      'due: files that the next batch run writes again with fewer panes; what is free afterwards depends on how many keys a merged pane has',
    )
  if (states.some(({ waitingBytes }) => waitingBytes > 0))
    say('waiting: files that hold older panes than answers have, until more of their time is old, or a full run')
}

async function retentionOf({ dataset, lake, partitions }: OpenDataset): Promise<Shown> {
  const { rawKeptMs, name } = dataset
  const nowMs = Date.now()
  const looks = await lookAtRawRetention(lake, partitions, rawKeptMs, nowMs)
  const { panes, states } = await lookAtPaneRetention({ lake, dataset, partitions, clockMs: nowMs })
  return {
    raw: looks.map(({ oldestArrivalMs, ...look }) => ({
      dataset: name,
      keepRaw: dataset.definition?.keep?.raw ?? 'forever',
      ...look,
      oldestArrival: isoOf(oldestArrivalMs),
      oldestDueAt: isoOf(oldestArrivalMs === null || rawKeptMs === null ? null : oldestArrivalMs + rawKeptMs),
    })),
    panes: panes.map(({ view, panes: of, keptMs, grain, beforeMs, nextBeforeMs, movesAtMs }) => ({
      ...{ dataset: name, view, panes: of, kept: keptMs === null ? null : durationText(keptMs) },
      become: grain ?? 'removed',
      before: isoOf(beforeMs),
      nextBefore: isoOf(nextBeforeMs),
      movesAt: isoOf(movesAtMs),
    })),
    states: states.map((look) => ({ dataset: name, ...look })),
  }
}

function isoOf(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString()
}
