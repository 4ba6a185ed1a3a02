/**
 * Runs the tests of a definition. Each case is answered at every cut of its events: the first 0, 1, … all of them counted by a
 * generation, the others by open segments. A definition whose answers depend on the cut would be one whose layers do not merge.
 */
import type { DefinitionCase, DefinitionCases } from '#core/definition-cases.ts'
import { nearest } from '#core/definition-error.ts'
import type { DatasetDefinition } from '#core/definition-parts.ts'
import { CaseDataset } from './case-dataset.ts'
import { rowDifferences } from './row-differences.ts'

/** A case is answered once for each event, and once more. */
export const CASE_EVENTS_MAX = 50

export interface CaseResult {
  readonly name: string
  /** how often it was answered */
  readonly cuts: number
  /** what differs; empty: the case holds */
  readonly failures: readonly string[]
}

/** The results in the order of the cases. @throws DefinitionError */
export async function runCases(definition: DatasetDefinition, cases: DefinitionCases): Promise<readonly CaseResult[]> {
  const dataset = await CaseDataset.open(definition)
  try {
    const results: CaseResult[] = []
    for (const [name, given] of Object.entries(cases)) results.push({ name, ...(await runCase(dataset, given)) })
    return results
  } finally {
    await dataset.close()
  }
}

async function runCase(dataset: CaseDataset, definitionCase: DefinitionCase): Promise<Omit<CaseResult, 'name'>> {
  const problem = shapeProblem(dataset, definitionCase)
  if (problem !== null) return { cuts: 0, failures: [problem] }
  const { given, answers, rejected = [] } = definitionCase
  const lines = given.map((event) => JSON.stringify(event))
  const rejections = await dataset.rejectionsOf(lines)
  const wrong = rejectionProblems(rejections, rejected)
  if (wrong.length > 0) return { cuts: 0, failures: wrong }
  const accepted = lines.filter((_, at) => !rejections.some(({ index }) => index === at))
  const cutsOf = new Map<string, number[]>()
  for (let cut = 0; cut <= accepted.length; cut++) {
    for (const difference of await differencesAt(dataset, accepted, cut, answers)) {
      const cuts = cutsOf.get(difference) ?? []
      cuts.push(cut)
      cutsOf.set(difference, cuts)
    }
  }
  const cuts = accepted.length + 1
  const failures = [...cutsOf].map(([difference, at]) =>
    at.length === cuts
      ? difference
      : `${difference} (only with the first ${at.join(', ')} of ${accepted.length} events in the batch layer)`,
  )
  return { cuts, failures }
}

async function differencesAt(
  dataset: CaseDataset,
  accepted: readonly string[],
  cut: number,
  answers: DefinitionCase['answers'],
): Promise<string[]> {
  const questions = Object.keys(answers)
  try {
    const found = await dataset.answersAt(accepted.slice(0, cut), accepted.slice(cut), questions)
    return questions.flatMap((question) =>
      rowDifferences(answers[question]!, found.get(question)!).map((difference) => `${question}: ${difference}`),
    )
  } catch (error) {
    return [(error as Error).message]
  }
}

function shapeProblem({ dataset }: CaseDataset, { given, answers }: DefinitionCase): string | null {
  if (!Array.isArray(given)) return "'given' must be a list of events"
  if (given.length === 0) return "'given' is empty; it must have at least one event"
  if (given.length > CASE_EVENTS_MAX)
    return `'given' has ${given.length} events, but the limit CASE_EVENTS_MAX is ${CASE_EVENTS_MAX}; a smaller case shows more`
  const questions = Object.keys(answers ?? {})
  if (questions.length === 0) return "'answers' must have at least one question"
  const views = [dataset.views, dataset.series, dataset.groupings].flatMap((named) => [...named.keys()])
  const unknown = questions.map((question) => question.split('?')[0]!).find((view) => !views.includes(view))
  return unknown === undefined
    ? null
    : `view '${unknown}' is unknown${nearest(unknown, views)}; views, series and groupings: ${views.join(', ')}`
}

function rejectionProblems(
  rejections: readonly { readonly index: number; readonly reason: string }[],
  expected: readonly string[],
): string[] {
  const surplus = rejections
    .filter(({ reason }, at) => expected[at] === undefined || !reason.includes(expected[at]))
    .map(({ index, reason }) => `event ${index + 1} is rejected: ${reason}`)
  const missing = expected.slice(rejections.length).map((text) => `no event is rejected with '${text}'`)
  return [...surplus, ...missing]
}
