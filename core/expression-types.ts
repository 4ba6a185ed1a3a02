/** The types of checked expressions, as the engine finds them. */
import type { SqlColumn } from './compiled.ts'
import type { SqlDialect } from './dialect.ts'
import type { Say } from './view-panes.ts'

/** The types of expressions; none if any has no type, which is reported with its place. */
export async function typesOf(
  dialect: SqlDialect,
  expressions: readonly { readonly place: string; readonly sql: string }[],
  source: string,
  say: Say,
): Promise<readonly string[]> {
  const described = (some: readonly { readonly sql: string }[]): Promise<readonly SqlColumn[]> =>
    dialect.describe(`SELECT ${some.map(({ sql }, index) => `(${sql}\n) AS c${index}`).join(', ')} FROM ${source}`)
  try {
    return (await described(expressions)).map(({ type }) => type)
  } catch {
    const said = new Set<string>()
    // The values of a measure contain its condition, which stands behind them.
    for (const one of expressions.toReversed())
      await described([one]).catch(({ message }: Error) => {
        const problem = `the engine cannot determine the type of its expression: ${message.split('\n')[0]}`
        const [part] = one.place.split(',')
        if (!said.has(`${part} ${problem}`)) say(one.place, problem)
        said.add(`${part} ${problem}`)
      })
    return []
  }
}

export function sayUnlessBoolean(say: Say, place: string, condition: string | undefined, type: string): void {
  if (type !== 'BOOLEAN') say(place, `'${condition}' must be a BOOLEAN expression, but has type ${type}`)
}
