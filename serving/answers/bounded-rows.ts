/** Rows of an answer as JSON texts, bounded in bytes: values within their own limits can add up to more than a process has. */
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { Parameter } from '#storage/engine/written-statement.ts'
import { AnswerTooLargeError } from './query-error.ts'

export const ANSWER_BYTES_MAX = 16 * 1024 * 1024

/** @param select its first column is the text of a row. @returns its columns. @throws AnswerTooLargeError */
export async function boundedRows(
  connection: EngineConnection,
  select: string,
  parameters: Record<string, Parameter> | undefined,
  answerBytesMax: number,
): Promise<unknown[][]> {
  const columns = await connection.boundedColumns(select, parameters, answerBytesMax)
  if (columns === null) throw new AnswerTooLargeError(answerBytesMax)
  return columns
}
