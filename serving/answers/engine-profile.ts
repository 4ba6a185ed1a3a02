/**
 * What each part of a merge costs in the engine. It is one statement, so that only the engine can tell: it runs it once more, and says what
 * each of its operators took. Times are of all threads together.
 */
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { Parameter } from '#storage/engine/written-statement.ts'
import type { AnswerStep } from './answer-steps.ts'

/** In the order of the work. `states`: reading and filtering them. */
const PARTS = ['states', 'merge', 'present', 'rank', 'enrich', 'encode'] as const
type Part = (typeof PARTS)[number]

interface Operator {
  readonly operator_type: string
  /** seconds */
  readonly operator_timing: number
  readonly extra_info?: { readonly Projections?: string | readonly string[] }
  readonly children?: readonly Operator[]
}

/** @returns each part, also those that took nothing */
export async function engineSteps(
  connection: EngineConnection,
  select: string,
  parameters: Record<string, Parameter> | undefined,
): Promise<AnswerStep[]> {
  const explain = `EXPLAIN (ANALYZE, FORMAT json) ${select}`
  const [row] = await connection.rows<{ readonly explain_value: string }>(explain, parameters)
  const seconds = new Map<Part, number>(PARTS.map((part) => [part, 0]))
  const { children = [] } = JSON.parse(row!.explain_value) as { readonly children?: readonly Operator[] }
  for (const operator of children) addUp(operator, { isBelowMerge: false }, seconds)
  return [...seconds].map(([step, taken]) => ({ step, ms: taken * 1_000 }))
}

function addUp(operator: Operator, { isBelowMerge }: { isBelowMerge: boolean }, seconds: Map<Part, number>): void {
  const part = isBelowMerge && !isMerge(operator) ? 'states' : partOf(operator)
  seconds.set(part, seconds.get(part)! + operator.operator_timing)
  const below = { isBelowMerge: isBelowMerge || isMerge(operator) }
  for (const child of operator.children ?? []) addUp(child, below, seconds)
}

function isMerge({ operator_type: type }: Operator): boolean {
  return /GROUP_BY|AGGREGATE/.test(type)
}

/** Of an operator above the merge. What is joined there are dictionaries, or rows of another period. */
function partOf(operator: Operator): Part {
  const { operator_type: type, extra_info: info } = operator
  if (isMerge(operator)) return 'merge'
  if (type === 'PROJECTION')
    return [info?.Projections ?? []].flat().some((text) => text.includes('json_object')) ? 'encode' : 'present'
  return /JOIN|SCAN|UNNEST/.test(type) && type !== 'CTE_SCAN' ? 'enrich' : 'rank'
}
