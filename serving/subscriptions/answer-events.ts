/** The events of a live stream as texts: an answer, what changed since another one, a problem. Each is written once for all readers. */
import { parseWithDigits } from '#core/json-digits.ts'
import { keyMembersOf } from '../answers/answer-columns.ts'
import type { KeptAnswer } from '../live/answer-cache.ts'
import type { AskedQuery, LiveAnswers } from '../live/live-answers.ts'
import type { LiveEvent } from './event-history.ts'
import { eventIdOf } from './event-ids.ts'
import { changesBetween, changesJson } from './row-changes.ts'
import { type RowText, rowTexts } from './row-texts.ts'

/** An answer, prepared to be compared with the next one. */
export interface AnswerState {
  readonly id: string
  readonly kept: KeptAnswer
  readonly rows: readonly RowText[]
  /** member of the provenance → JSON text */
  readonly meta: ReadonlyMap<string, string>
}

/** @param before the state that it will be compared with, whose rows it may share */
export function answerStateOf(
  live: LiveAnswers,
  { plan }: AskedQuery,
  kept: KeptAnswer,
  before: AnswerState | null,
): AnswerState {
  const keyMembers = keyMembersOf(plan)
  const meta: Record<string, unknown> = {
    ...(parseWithDigits(`${kept.metaJson}}`) as object),
    ...JSON.parse(live.ageJson(kept, Date.now())),
  }
  const isSame = before?.kept.rowsJson === kept.rowsJson
  const rows = isSame ? before.rows : rowTexts(kept.rowsJson, keyMembers)
  const texts = Object.entries(meta).map(([name, value]) => [name, JSON.stringify(value)] as const)
  return { id: eventIdOf(kept), kept, rows, meta: new Map(texts) }
}

/** All rows, as GET answers. */
export function answerEvent({ id, kept, meta }: AnswerState): LiveEvent {
  return eventOf('answer', id, `{"data":${kept.rowsJson},"meta":${metaJson(meta)}}`)
}

export interface ChangeEvent extends LiveEvent {
  /** whether rows changed, not only their provenance */
  readonly hasRows: boolean
}

/** What leads from one answer to the next one. */
export function changeEvent(before: AnswerState, after: AnswerState): ChangeEvent {
  const changes = before.rows === after.rows ? null : changesBetween(before.rows, after.rows)
  const meta = new Map([...after.meta].filter(([name, text]) => before.meta.get(name) !== text))
  const rows = changes === null ? '' : `${changesJson(changes)},`
  return { ...eventOf('change', after.id, `{${rows}"meta":${metaJson(meta)}}`), hasRows: changes !== null }
}

/** Ends what a reader that came back has missed: the rows are those it has, the provenance is as of now. */
export function upToDateEvent({ id, meta }: AnswerState): LiveEvent {
  return eventOf('change', id, `{"meta":${metaJson(meta)}}`)
}

/** An event without an id: the reader's answer stays the one it has. */
export function noticeBytes(name: 'problem' | 'skipped' | 'of', data: unknown): Buffer {
  return Buffer.from(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`)
}

function eventOf(name: string, id: string, data: string): LiveEvent {
  return { id, bytes: Buffer.from(`id: ${id}\nevent: ${name}\ndata: ${data}\n\n`) }
}

function metaJson(meta: ReadonlyMap<string, string>): string {
  return `{${[...meta].map(([name, text]) => `"${name}":${text}`).join(',')}}`
}
