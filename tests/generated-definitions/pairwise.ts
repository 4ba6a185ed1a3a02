/** Choices such that every two levels of different factors occur together in at least one of them. */

export type Factors = Readonly<Record<string, readonly string[]>>
export type Choice<F extends Factors> = { readonly [Name in keyof F]: F[Name][number] }

/** Greedy: each choice begins with a pair that is not covered yet, and takes the level of each other factor that covers most. */
export function pairwise<F extends Factors>(factors: F, below: (limit: number) => number): Choice<F>[] {
  const names = Object.keys(factors)
  const uncovered = new Map<string, readonly [string, string, string, string]>()
  for (const [index, a] of names.entries()) {
    for (const b of names.slice(index + 1))
      for (const x of factors[a]!)
        for (const y of factors[b]!) uncovered.set(JSON.stringify([a, x, b, y]), [a, x, b, y])
  }
  const keyOf = (a: string, x: string, b: string, y: string): string =>
    JSON.stringify(names.indexOf(a) < names.indexOf(b) ? [a, x, b, y] : [b, y, a, x])
  const choices: Choice<F>[] = []
  while (uncovered.size > 0) {
    const [a, x, b, y] = [...uncovered.values()][below(uncovered.size)]!
    const choice: Record<string, string> = { [a]: x, [b]: y }
    for (const name of names.filter((one) => !(one in choice))) {
      const gain = (level: string): number =>
        Object.entries(choice).filter(([other, of]) => uncovered.has(keyOf(name, level, other, of))).length
      const most = Math.max(...factors[name]!.map(gain))
      const best = factors[name]!.filter((level) => gain(level) === most)
      choice[name] = best[below(best.length)]!
    }
    for (const [index, one] of names.entries())
      for (const other of names.slice(index + 1)) uncovered.delete(keyOf(one, choice[one]!, other, choice[other]!))
    choices.push(choice as Choice<F>)
  }
  return choices
}
