/**
 * Everything that is shown is kept current while it is visible. Answers of views are followed over the stream of this tab. What cannot be
 * followed is asked for again: equal questions of several panels once, at most three at a time (the server's limit per client), and an
 * answer that did not change costs no bytes.
 */
import { effect, signal } from '@preact/signals'
import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { Answer } from './answer.ts'
import { get } from './api.ts'
import { type Fault, faultOf } from './fault.ts'
import { canFollow, type FollowedQuestion, PageStream } from './page-stream.ts'
import { Redraws } from './redraws.ts'

export type { Fault } from './fault.ts'

/** What is known of a question. With both a value and a fault, the value is an earlier one. */
export interface Known<T> {
  readonly value: T | null
  readonly fault: Fault | null
  /** when the value was last known to be current, ms since 1970 */
  readonly checkedAtMs: number
}

const AT_ONCE_MAX = 3
const EVERY_MS = 2_000
/** of an answer that is followed: more often, nobody can read it */
const PAUSE_MS = 2_000
/** a question that could not be followed is asked for so long */
const FOLLOW_AGAIN_MS = 60_000
/** after a fault, doubled each time */
const RETRY_MS_MAX = 15_000
/** after the first answer, for the others and for drawing them */
const LATER_MS = 300
const FIRST_MS_MAX = 2_000
const NOTHING: Known<never> = { value: null, fault: null, checkedAtMs: 0 }

/** The newest outcome of any request: whether the server answers. */
export const connection = signal<'connecting' | 'up' | 'unreachable' | 'signed-out'>('connecting')
/** The user can hold the page still, for example to read a number. */
export const paused = signal(false)

/** Panels were answered, or have waited long: what is less urgent is asked for from now on, and takes nothing from them. */
export const firstAnswered = signal(false)

/** Called when a page with panels is shown. */
export function limitFirst(): void {
  setTimeout(endFirst, FIRST_MS_MAX)
}

function endFirst(): void {
  firstAnswered.value = true
}

const redraws = new Redraws()
const stream = new PageStream(() => {
  connection.value = 'up'
})

class Question implements FollowedQuestion {
  known: Known<unknown> = NOTHING
  readonly path: string
  readonly pauseMs: number
  readonly #everyMs: number
  readonly #listeners = new Set<() => void>()
  #tag: string | null = null
  #timer: ReturnType<typeof setTimeout> | undefined
  #failures = 0
  #asking = false
  readonly #redraw = (): void => {
    for (const listener of this.#listeners) listener()
  }
  #followed = false
  #followAgainMs = Number.NEGATIVE_INFINITY

  constructor(path: string, everyMs: number) {
    this.path = path
    this.#everyMs = everyMs
    this.pauseMs = everyMs === EVERY_MS ? PAUSE_MS : everyMs
  }

  join(listener: () => void): () => void {
    this.#listeners.add(listener)
    if (this.#listeners.size === 1) void this.#ask()
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size > 0) return
      clearTimeout(this.#timer)
      if (this.#followed) stream.leave(this)
      forget(this)
    }
  }

  /** Asks again, unless it is followed. */
  soon(afterMs: number): void {
    clearTimeout(this.#timer)
    if (!this.#followed) this.#timer = setTimeout(() => void this.#ask(), afterMs)
  }

  /** It is asked for from now on. */
  unfollow(): void {
    if (this.#followed) stream.leave(this)
    this.#followed = false
    this.soon(0)
  }

  take(answer: Answer): void {
    this.#tell({ value: answer, fault: null, checkedAtMs: Date.now() })
  }

  lost(fault: Fault): void {
    if (fault.kind !== 'refused') connection.value = fault.kind
    this.#tell({ ...this.known, fault })
  }

  /** It may be answered where it cannot be followed, for example because it is too large. */
  refused(): void {
    this.#followAgainMs = performance.now() + FOLLOW_AGAIN_MS
    this.unfollow()
  }

  async #ask(): Promise<void> {
    if (this.#asking || this.#listeners.size === 0) return
    if (document.hidden || (paused.value && this.known.value !== null)) return this.soon(this.#everyMs)
    this.#asking = true
    const followed = await this.#follow()
    if (!followed && this.#listeners.size > 0) await this.#get()
    this.#asking = false
    this.soon(this.#failures === 0 ? this.#everyMs : Math.min(1_000 * 2 ** (this.#failures - 1), RETRY_MS_MAX))
  }

  async #follow(): Promise<boolean> {
    if (paused.value || !canFollow(this.path) || performance.now() < this.#followAgainMs) return false
    if (!(await stream.hasSeat()) || this.#listeners.size === 0) return false
    this.#followed = true
    stream.follow(this)
    return true
  }

  async #get(): Promise<void> {
    try {
      await turn(async () => {
        const { value, tag } = await get<unknown>(this.path, undefined, this.#tag)
        this.#tag = tag
        this.#failures = 0
        connection.value = 'up'
        this.#tell({ value: value ?? this.known.value, fault: null, checkedAtMs: Date.now() })
      })
    } catch (error) {
      this.#failures++
      const fault = faultOf(error)
      if (fault.kind !== 'refused') connection.value = fault.kind
      this.#tell({ ...this.known, fault })
    }
  }

  /** A first answer, and a fault that comes or goes, is shown at once; a changed answer waits for the next redraw of all panels. */
  #tell(known: Known<unknown>): void {
    const { value, fault } = this.known
    this.known = known
    if (!firstAnswered.peek() && canFollow(this.path)) setTimeout(endFirst, LATER_MS)
    if (known.value === value && known.fault === fault) return
    if (value === null || known.fault !== null || fault !== null) this.#redraw()
    else redraws.soon(this.#redraw)
  }
}

const questions = new Map<string, Question>()
const forget = (question: Question): void => void questions.delete(question.path)

document.addEventListener('visibilitychange', restOrWake)
let isFirst = true
effect(() => {
  const rests = paused.value
  // At first nothing is shown that could be asked for again.
  if (!isFirst) rests ? stream.rest() : restOrWake()
  isFirst = false
})

/** Reserves the stream that panels will ask for, which takes a moment. */
export function expectStream(): void {
  if (!document.hidden) void stream.hasSeat()
}

/** Asks everything that is shown again. */
export function askAllNow(): void {
  restOrWake()
}

/** Asks one question again, if it is shown: what it asks for was changed. */
export function askAgain(path: string): void {
  questions.get(path)?.soon(0)
}

function restOrWake(): void {
  if (document.hidden || paused.peek()) stream.rest()
  else void wake()
}

async function wake(): Promise<void> {
  const hasSeat = await stream.hasSeat()
  if (hasSeat) stream.wake()
  for (const question of questions.values()) {
    if (hasSeat) question.soon(0)
    else question.unfollow()
  }
}

/** What is known of what was asked for. */
export interface Followed<A, T> extends Known<T> {
  /** what `value` answers: the question before, while the answer to a new one is on its way */
  readonly asked: A
  readonly pending: boolean
}

/**
 * What the server answers, kept current while a component shows it. While the answer to a changed question is on its way, the one
 * before stays, so that nothing flickers.
 * @param ask null: nothing is asked
 */
export function useLive<T, A extends { readonly path: string }>(
  ask: A | null,
  everyMs: number = EVERY_MS,
): Followed<A | null, T> {
  const [, redraw] = useState(0)
  const before = useRef<{ readonly asked: A; readonly known: Known<T> } | null>(null)
  const path = ask?.path ?? null
  // Before it is painted: what is asked for must not wait for a frame.
  useLayoutEffect(() => {
    if (path === null) return
    const joined = questions.get(path) ?? new Question(path, everyMs)
    questions.set(path, joined)
    const leave = joined.join(() => redraw((count) => count + 1))
    redraw((count) => count + 1)
    return leave
  }, [path, everyMs])
  if (ask === null) return { ...NOTHING, asked: null, pending: false }
  const known = (questions.get(ask.path)?.known ?? NOTHING) as Known<T>
  if (known.value !== null || known.fault !== null || before.current === null) {
    if (known.value !== null) before.current = { asked: ask, known }
    return { ...known, asked: ask, pending: known.value === null && known.fault === null }
  }
  return { ...before.current.known, asked: before.current.asked, pending: true }
}

let running = 0
const waiting: (() => void)[] = []

async function turn(work: () => Promise<void>): Promise<void> {
  if (running >= AT_ONCE_MAX) await new Promise<void>((resolve) => waiting.push(resolve))
  else running++
  try {
    await work()
  } finally {
    const next = waiting.shift()
    if (next === undefined) running--
    else next()
  }
}
