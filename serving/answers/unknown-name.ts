/** Names that are not there: one sentence and one list for all of them. */
import { nearest } from '#core/definition-error.ts'
import { ProblemError } from '../http/problems.ts'

/** names that a sentence lists; `allowed` has all of them */
const NAMES_SAID_MAX = 20

/** "'shp' is unknown (did you mean 'shop'?); there are: shop, users" */
export function unknownName(name: string, names: readonly string[]): string {
  const said = names.slice(0, NAMES_SAID_MAX).join(', ')
  const more = names.length > NAMES_SAID_MAX ? ` and ${names.length - NAMES_SAID_MAX} more` : ''
  return `'${name}' is unknown${nearest(name, names)}; there are: ${said || 'none'}${more}`
}

/** What is served under a name. @throws ProblemError 'not-found' that lists the known ones */
export function servedUnder<T>(served: ReadonlyMap<string, T>, dataset: string): T {
  const found = served.get(dataset)
  if (found !== undefined) return found
  const names = [...served.keys()]
  throw new ProblemError('not-found', `dataset ${unknownName(dataset, names)}`, { allowed: names })
}
