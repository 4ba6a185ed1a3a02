/** A delivery as it is made: what leads from the answer that the receiver has to the next one. The same two give the same delivery. */
import { changesBetween, changesJson, type RowChanges } from '../subscriptions/row-changes.ts'
import { rowTexts } from '../subscriptions/row-texts.ts'
import type { SinkAnswer } from './sink-state.ts'
import type { Delivery, SinkRecord } from './sink-target.ts'

export interface SinkIdentity {
  readonly dataset: string
  readonly sink: string
  readonly view: string
  /** so many members at the front of each row are its key */
  readonly keyMembers: number
}

export function deliveryOf(identity: SinkIdentity, before: SinkAnswer | null, next: SinkAnswer): Delivery {
  const { dataset, sink, view, keyMembers } = identity
  const rows = rowTexts(next.rowsJson, keyMembers)
  const changes = before === null ? null : changesBetween(rowTexts(before.rowsJson, keyMembers), rows)
  const head = {
    dataset,
    sink,
    view,
    event: before === null ? 'answer' : 'change',
    id: next.id,
    after: before?.id ?? null,
  }
  const members = [
    JSON.stringify(head).slice(1, -1),
    ...(before === null ? [`"data":${next.rowsJson}`] : changes === null ? [] : [changesJson(changes)]),
    `"meta":${next.metaJson}`,
  ]
  const records =
    before === null ? rows.map(({ key, text }) => ({ key, value: text })) : changes === null ? [] : recordsOf(changes)
  return { id: next.id, after: before?.id ?? null, body: `{${members.join(',')}}`, records }
}

/** Rows that only moved are no records: a record says nothing of a place. */
function recordsOf({ removed, changed, added }: RowChanges): SinkRecord[] {
  return [
    ...removed.map(({ key }) => ({ key, value: null })),
    ...[...changed, ...added].map(({ row }) => ({ key: row.key, value: row.text })),
  ]
}
