/** `{"data": [row, …], "meta": {…}}`. */
import type { AnswerFormat } from './answer-format.ts'

export const JSON_FORMAT: AnswerFormat = {
  name: 'json',
  extension: 'json',
  contentType: 'application/json; charset=utf-8',
  alsoKnownAs: [],
  encode: ({ rowsJson, metaJson }) => `{"data":${rowsJson},"meta":${metaJson}}`,
}
