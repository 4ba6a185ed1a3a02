/** `{"data": [row, …], "meta": {…}}`. */
import type { AnswerFormat } from './answer-format.ts'
import { copyJsonLines } from './copied-rows.ts'

export const JSON_FORMAT: AnswerFormat = {
  name: 'json',
  extension: 'json',
  contentType: 'application/json; charset=utf-8',
  alsoKnownAs: [],
  write: async (rows, file) => {
    await copyJsonLines(rows, file, ',')
    return { before: '{"data":[', skipBytes: 1, after: `],"meta":${rows.metaJson}}` }
  },
  encode: ({ rowsJson, metaJson }) => `{"data":${rowsJson},"meta":${metaJson}}`,
}
