/** Reads a stream of many answers (docs/reference/live.md): which query an event belongs to, and the answer that it leads to. */
import { createParser } from 'eventsource-parser'
import { type AnswerChange, applyChange } from '#core/answer-changes.ts'
import { type Answer, type AnswerMeta, parseJson, type Row } from './answer.ts'

export type StreamEvent =
  | { readonly kind: 'answer'; readonly query: number; readonly id: string; readonly answer: Answer }
  | { readonly kind: 'change'; readonly query: number; readonly id: string; readonly change: Change }
  | { readonly kind: 'problem'; readonly query: number }

export type Change = AnswerChange<Row> & { readonly meta: Partial<AnswerMeta> }

/** @returns what takes the pieces of the stream's text, in their order */
export function streamReader(take: (event: StreamEvent) => void): (text: string) => void {
  let query = 0
  const parser = createParser({
    onEvent: ({ event, id = '', data }) => {
      if (event === 'of') query = (JSON.parse(data) as { query: number }).query
      else if (event === 'answer') take({ kind: event, query, id, answer: parseJson(data) as Answer })
      else if (event === 'change') take({ kind: event, query, id, change: parseJson(data) as Change })
      else if (event === 'problem') take({ kind: event, query })
    },
  })
  return (text) => parser.feed(text)
}

/** The answer after a change. Rows that stay as they are stay the same object, so that nothing is drawn for them. */
export function changed({ data, meta }: Answer, { meta: newer, ...change }: Change): Answer {
  const isSame = Object.keys(change).length === 0
  return { data: isSame ? data : applyChange(data, change), meta: { ...meta, ...newer } }
}
