/** Lists all problems of a definition, each with its place, so that they can be fixed in one pass. */
export class DefinitionError extends Error {
  readonly problems: readonly string[]
  /** @param dataset its name, if it has one */
  constructor(dataset: unknown, problems: readonly string[]) {
    const what = typeof dataset === 'string' ? `the definition of dataset '${dataset}'` : 'the definition'
    super(`${what} is invalid:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`)
    this.name = 'DefinitionError'
    this.problems = problems
  }
}

/** The known name nearest to a wrong one, as ` (did you mean 'x'?)`; empty if none is close. */
export function nearest(wrong: string, known: Iterable<string>): string {
  let best = ''
  let bestDistance = Math.max(2, Math.floor(wrong.length / 3)) + 1
  for (const name of known) {
    const distance = editDistance(wrong.toLowerCase(), name.toLowerCase())
    if (distance < bestDistance) [best, bestDistance] = [name, distance]
  }
  return best === '' ? '' : ` (did you mean '${best}'?)`
}

/** Levenshtein distance, with two rows of the table. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const current = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      current.push(Math.min(replaced, previous[j]! + 1, current[j - 1]! + 1))
    }
    previous = current
  }
  return previous[b.length]!
}
