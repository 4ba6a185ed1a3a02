/** The newest pane that has begun, of states that do not change: looked for once, and known until the next one begins. */
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { BoundValues } from './bound-values.ts'

interface Known {
  /** start, epoch ms; null: none has begun */
  readonly pane: number | null
  readonly sinceMs: number
  /** when the next one begins, epoch ms; null: there is none */
  readonly untilMs: number | null
}

export class NewestPane {
  #known: Known | null = null

  /**
   * @param sql the states, always the same
   * @param bound what is bound in it already
   * @returns the start of the newest pane that does not begin after `nowMs`, epoch ms; null where there is none
   */
  async at(nowMs: number, connection: EngineConnection, sql: string, bound: BoundValues): Promise<number | null> {
    const known = this.#known
    if (known !== null && nowMs >= known.sinceMs && nowMs < (known.untilMs ?? Number.POSITIVE_INFINITY))
      return known.pane
    const values = bound.copy()
    const now = `${values.bind(BigInt(nowMs))}::BIGINT`
    const [found] = await connection.rows<{ pane: number | null; next: number | null }>(
      `SELECT max(pane) FILTER (WHERE pane <= ${now}) AS pane, min(pane) FILTER (WHERE pane > ${now}) AS next FROM ${sql}`,
      values.parameters,
    )
    const { pane, next } = found!
    this.#known = { pane, sinceMs: nowMs, untilMs: next }
    return pane
  }
}
