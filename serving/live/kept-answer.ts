/** An answer as it is kept: with its provenance as text, and a tag that tells it from others. */
import { createHash } from 'node:crypto'
import { withoutAge } from '../answers/answer-meta.ts'
import type { Answer } from '../answers/merged-view.ts'
import type { Snapshot } from '../answers/snapshot.ts'
import type { KeptAnswer } from './answer-cache.ts'
import type { Moment } from './view-head.ts'

export function keptOf(
  { rowsJson, rowCount, columns, meta, snapshot, computed }: Answer & { readonly snapshot?: Snapshot },
  moment: Moment,
  window: number | null,
  tookMs: number,
): KeptAnswer {
  const metaJson = JSON.stringify(withoutAge(meta)).slice(0, -1)
  const tag = createHash('md5').update(rowsJson).update(metaJson).digest('base64url')
  const made = {
    moment,
    window,
    snapshot: snapshot ?? moment.snapshot,
    rowsJson,
    rowCount,
    columns,
    meta,
    metaJson,
    tag,
    tookMs,
    ...(computed === undefined ? {} : { computed }),
  }
  return { ...made, doneAtMs: performance.now() }
}
