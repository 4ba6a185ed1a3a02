/** One row a line, each as in the JSON of an answer. */
import { type AnswerFormat, UNFRAMED } from './answer-format.ts'
import { copyJsonLines } from './copied-rows.ts'

export const NDJSON_FORMAT: AnswerFormat = {
  name: 'ndjson',
  extension: 'ndjson',
  contentType: 'application/x-ndjson; charset=utf-8',
  alsoKnownAs: ['application/jsonl; charset=utf-8', 'application/ndjson; charset=utf-8'],
  write: async (rows, file) => {
    await copyJsonLines(rows, file)
    return UNFRAMED
  },
  encode: ({ rowsJson }) => ndjsonOf(rowsJson),
}

/** Strings, whose braces and brackets say nothing, and what opens or closes. */
const TOKENS = /"(?:[^"\\]|\\.)*"|[{}[\]]/g

/** @param rowsJson text of an array of objects, without white space between its elements, as the engine writes it */
export function ndjsonOf(rowsJson: string): string {
  const lines: string[] = []
  let [depth, from] = [0, 0]
  for (const { 0: token, index } of rowsJson.matchAll(TOKENS)) {
    if (token === '{' || token === '[') {
      if (++depth === 2) from = index
    } else if ((token === '}' || token === ']') && --depth === 1) lines.push(rowsJson.slice(from, index + 1), '\n')
  }
  return lines.join('')
}
