/**
 * Everything that is shown is asked for again while it is visible. Equal questions of several panels are asked once, at most three at a
 * time (the server's limit per client), and an answer that did not change costs no bytes and no drawing.
 */
import { signal } from '@preact/signals'
import { useEffect, useRef, useState } from 'preact/hooks'
import { get, RefusedError, UnreachableError } from './api.ts'

export interface Fault {
  readonly kind: 'unreachable' | 'refused' | 'signed-out'
  readonly title: string
  readonly detail: string
  readonly retryable: boolean
}

/** What is known of a question. With both a value and a fault, the value is an earlier one. */
export interface Known<T> {
  readonly value: T | null
  readonly fault: Fault | null
  /** when the value was last known to be current, ms since 1970 */
  readonly checkedAtMs: number
}

const AT_ONCE_MAX = 3
const EVERY_MS = 2_000
/** after a fault, doubled each time */
const RETRY_MS_MAX = 15_000
const NOTHING: Known<never> = { value: null, fault: null, checkedAtMs: 0 }

/** The newest outcome of any request: whether the server answers. */
export const connection = signal<'connecting' | 'up' | 'unreachable' | 'signed-out'>('connecting')
/** The user can hold the page still, for example to read a number. */
export const paused = signal(false)

class Question {
  known: Known<unknown> = NOTHING
  readonly #listeners = new Set<() => void>()
  #tag: string | null = null
  #timer: ReturnType<typeof setTimeout> | undefined
  #failures = 0
  #asking = false

  readonly path: string
  readonly #everyMs: number

  constructor(path: string, everyMs: number) {
    this.path = path
    this.#everyMs = everyMs
  }

  join(listener: () => void): () => void {
    this.#listeners.add(listener)
    if (this.#listeners.size === 1) this.soon(0)
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size > 0) return
      clearTimeout(this.#timer)
      forget(this)
    }
  }

  /** Asks again at once: after the server came back, or the tab is looked at again. */
  soon(afterMs: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#ask(), afterMs)
  }

  async #ask(): Promise<void> {
    if (this.#asking || this.#listeners.size === 0) return
    const resting = document.hidden || (paused.value && this.known.value !== null)
    if (resting) return this.soon(this.#everyMs)
    this.#asking = true
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
    this.#asking = false
    this.soon(this.#failures === 0 ? this.#everyMs : Math.min(1_000 * 2 ** (this.#failures - 1), RETRY_MS_MAX))
  }

  #tell(known: Known<unknown>): void {
    this.known = known
    for (const listener of this.#listeners) listener()
  }
}

const questions = new Map<string, Question>()
const forget = (question: Question): void => void questions.delete(question.path)

document.addEventListener('visibilitychange', () => {
  if (!document.hidden) askAllNow()
})

/** Asks everything that is shown again. */
export function askAllNow(): void {
  for (const question of questions.values()) question.soon(0)
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
  useEffect(() => {
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

function faultOf(error: unknown): Fault {
  if (error instanceof RefusedError) {
    const { title, message: detail, retryable, status } = error
    return { kind: status === 401 ? 'signed-out' : 'refused', title, detail, retryable }
  }
  const detail = error instanceof UnreachableError ? error.message : String(error)
  return { kind: 'unreachable', title: 'The server does not answer', detail, retryable: true }
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
