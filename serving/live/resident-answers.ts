/** Answers computed from resident states: by the engine, or from the numbers beside them; and those that were asked for under an earlier definition. */
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { LakeError } from '#storage/lake/lake-error.ts'
import type { PaneRange } from '#storage/speed-store/speed-store.ts'
import { answerFromRows } from '../answers/answer-from-rows.ts'
import { type AnswerStep, StepClock } from '../answers/answer-steps.ts'
import { askedRange } from '../answers/asked-range.ts'
import { BoundValues } from '../answers/bound-values.ts'
import { everyRowOf, type RowsPlace, type RowsWork } from '../answers/every-row.ts'
import {
  type Answer,
  answerStates,
  isVanishedFile,
  panesAsked,
  profileStates,
  type StatesAt,
  withSteps,
} from '../answers/merged-view.ts'
import { NeedsBackfillError, QueryError } from '../answers/query-error.ts'
import { type QueryPlan, viewsOf } from '../answers/query-plan.ts'
import { SnapshotError } from '../answers/snapshot.ts'
import { onConnection } from '../answers/time-limit.ts'
import { tallyAnswer } from '../tally/tally-answer.ts'
import type { KeptAnswer } from './answer-cache.ts'
import { type AskedQuery, windowOf } from './asked-query.ts'
import { copiedStates } from './copied-states.ts'
import { keptOf } from './kept-answer.ts'
import type { LiveDataset } from './live-dataset.ts'
import type { LiveLimits } from './live-limits.ts'
import type { ViewHead } from './view-head.ts'

const TRIES_MAX = 3
const VANISHED = 'files of the lake were removed again and again while they were read'

export interface ComputedAnswer {
  readonly kept: KeptAnswer
  /** its views are followed: whether it is the newest one can be told later */
  readonly isFollowed: boolean
}

export class ResidentAnswers {
  readonly #live: LiveDataset
  readonly #limits: LiveLimits
  /** answers that took nothing of the engine */
  tallied = 0

  constructor(live: LiveDataset) {
    this.#live = live
    this.#limits = live.limits
  }

  /** @throws NeedsBackfillError, PartialsCompactedError, SnapshotError, LakeError; what `signal` says */
  async compute(asked: AskedQuery, nowMs: number, signal: AbortSignal): Promise<ComputedAnswer> {
    const { plan } = asked
    for (let attempt = 1; ; attempt++) {
      try {
        // Bringing the view up to date reads files too, which may be gone as well.
        const names = viewsOf(plan).map(({ name }) => name)
        if (attempt > 1) for (const name of names) await this.#live.renew(name)
        const clock = new StepClock()
        const heads = await this.#live.heads(names)
        clock.over('states')
        const [head] = heads as [ViewHead]
        const began = performance.now()
        const tallied = this.#tallied(asked, head, nowMs)
        const answer =
          tallied === null
            ? withSteps(await this.#answerAt(heads, plan, nowMs, signal), 'resident', clock)
            : withSteps(tallied, 'tally', clock)
        return { kept: keptOf(answer, head.moment, windowOf(plan, nowMs), performance.now() - began), isFollowed: true }
      } catch (error) {
        if (error instanceof NeedsBackfillError) return this.#computeFromRows(plan, nowMs, signal, error)
        if (!isVanishedFile(error) || signal.aborted) throw error
        // The file is missing from newer snapshots too, so it was not removed by retention: report it with its remedy.
        if (attempt >= TRIES_MAX)
          throw error instanceof LakeError ? error : new SnapshotError(this.#live.served.dataset.name, VANISHED)
      }
    }
  }

  /** The answer where it takes neither the engine nor any waiting; else null. @throws AnswerTooLargeError */
  computeNow(asked: AskedQuery, nowMs: number): KeptAnswer | null {
    const head = asked.tallied === null ? null : this.#live.headNow(asked.plan.view.name)
    if (head === null || head.tally === null) return null
    const [clock, began] = [new StepClock(), performance.now()]
    head.retain()
    const answer = this.#tallied(asked, head, nowMs)
    if (answer !== null)
      return keptOf(
        withSteps(answer, 'tally', clock),
        head.moment,
        windowOf(asked.plan, nowMs),
        performance.now() - began,
      )
    head.release()
    return null
  }

  /** By the definition that the generation was computed by. Not kept: the view is not followed, so nothing tells when it changes. */
  async #computeFromRows(
    plan: QueryPlan,
    nowMs: number,
    signal: AbortSignal,
    needs: NeedsBackfillError,
  ): Promise<ComputedAnswer> {
    const began = performance.now()
    const { answerBytesMax } = this.#limits
    const { moment } = this.#live
    const answer = await answerFromRows(this.#live.served, plan.query, moment.snapshot, needs, {
      nowMs,
      answerBytesMax,
      signal,
    })
    return { kept: keptOf(answer, moment, windowOf(plan, nowMs), performance.now() - began), isFollowed: false }
  }

  /**
   * All rows of the answer, however many, from the newest moment, computed in a place apart from other answers.
   * @throws as `compute`, but NeedsBackfillError also where an earlier definition could answer
   */
  async everyRow<T>({ plan }: AskedQuery, place: RowsPlace, signal: AbortSignal, work: RowsWork<T>): Promise<T> {
    const states = await this.#copied(plan, place, signal)
    return onConnection(place.engine, signal, (connection) => everyRowOf(connection, plan, states, Date.now(), work))
  }

  async #copied(plan: QueryPlan, { folder }: RowsPlace, signal: AbortSignal): Promise<StatesAt> {
    if (plan.sides !== null)
      throw new QueryError('limit', "'all' cannot be combined with 'views'; read them in pages, with 'cursor'")
    const head = await this.#live.head(viewsOf(plan)[0]!.name)
    try {
      signal.throwIfAborted()
      return await onConnection(this.#live.served.engine, signal, (connection) =>
        copiedStates(head, connection, folder),
      )
    } finally {
      head.release()
    }
  }

  /** What the parts of the query's merge cost in the engine now. @throws as `compute` */
  async profile({ plan }: AskedQuery, signal: AbortSignal): Promise<AnswerStep[]> {
    const heads = await this.#live.heads(viewsOf(plan).map(({ name }) => name))
    try {
      const nowMs = Date.now()
      const states = statesOfHeads(plan, heads, panesAsked(plan, nowMs))
      return await onConnection(this.#live.served.engine, signal, (on) => profileStates(on, plan, states, nowMs))
    } finally {
      for (const head of heads) head.release()
    }
  }

  /** The answer from the numbers that are kept of the view; null: the engine has to give it. The head is released if it is not null. */
  #tallied({ plan, tallied }: AskedQuery, head: ViewHead, nowMs: number): Answer | null {
    if (tallied === null) return null
    const own = head.tally === null ? null : tallied.planFor(head.tally.tally.shape)
    const range = askedRange(plan, nowMs)
    const fromMs = range === null ? Number.POSITIVE_INFINITY : (range.fromMs ?? Number.NEGATIVE_INFINITY)
    this.#live.wantTally(plan.view.name, own === null ? tallied.measures : null, fromMs)
    if (head.tally === null || own === null) return null
    const { tally, dictionaries } = head.tally
    const { answerBytesMax } = this.#limits
    const at = { snapshot: head.moment.snapshot, dictionaries }
    try {
      const answer = tallyAnswer(own, tally, at, { nowMs, answerBytesMax })
      if (answer === null) return null
      head.release()
      this.tallied++
      return answer
    } catch (error) {
      head.release()
      throw error
    }
  }

  /** @param heads of the views that are asked for, of one moment */
  async #answerAt(heads: readonly ViewHead[], plan: QueryPlan, nowMs: number, signal: AbortSignal): Promise<Answer> {
    const { answerBytesMax } = this.#limits
    try {
      signal.throwIfAborted()
      const states = statesOfHeads(plan, heads, panesAsked(plan, nowMs))
      const answer = (connection: EngineConnection): Promise<Answer> =>
        answerStates(this.#live.served.engine, connection, plan, states, { nowMs, answerBytesMax })
      return await onConnection(this.#live.served.engine, signal, answer, { pooled: true })
    } finally {
      for (const head of heads) head.release()
    }
  }
}

function statesOfHeads(plan: QueryPlan, heads: readonly ViewHead[], panes: PaneRange): StatesAt {
  const [{ newestPane, moment }] = heads as readonly [ViewHead]
  const bound = new BoundValues()
  const relations = heads.map((head) => head.sql(bound, panes))
  const sql =
    plan.sides === null ? relations[0]! : new Map(viewsOf(plan).map(({ name }, at) => [name, relations[at]!] as const))
  const dictionaries = new Map(heads.flatMap((head) => [...head.dictionaries]))
  return { snapshot: moment.snapshot, sql, bound, dictionaries, newestPane }
}
