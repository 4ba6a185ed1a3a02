/** Tests of a definition as data: which events are given, and what the views must answer then. */

/** A value of an answer's row: numbers, texts, lists, null; times are ISO 8601 texts in UTC. */
type AnswerValue = string | number | boolean | null | readonly (string | number | boolean | null)[]

/** Columns of an answer's row; those that are not named here, or are undefined, are not compared. */
export type ExpectedRow = Readonly<Record<string, AnswerValue | undefined>>

export interface DefinitionCase {
  /** events in the order of their arrival, as they would be sent; at most 50 */
  readonly given: readonly object[]
  /** question → its rows, all of them, in the order of the answer. A question is a view and parameters, as after /v1/datasets/<name>/views/ */
  readonly answers: Readonly<Record<string, readonly ExpectedRow[]>>
  /** one text for each event that validation must reject, which its reason contains; default: every event is accepted */
  readonly rejected?: readonly string[]
}

/** Name of a case → the case. */
export type DefinitionCases = Readonly<Record<string, DefinitionCase>>
