/** The one message for unknown dataset and view names. */
import { nearest } from '#core/definition-error.ts'
import { ProblemError } from '../http/problems.ts'

/** Names listed in a message; the problem's `allowed` holds all of them. */
const NAMES_SAID_MAX = 20

/** "'shp' is unknown (did you mean 'shop'?); known names: shop, users" */
export function unknownName(name: string, names: readonly string[]): string {
  return `'${name}' is unknown${nearest(name, names)}; known names: ${saidNames(names)}`
}

/** As many of the names as a message lists: "shop, users"; "none". */
export function saidNames(names: readonly string[]): string {
  const said = names.slice(0, NAMES_SAID_MAX).join(', ')
  const more = names.length > NAMES_SAID_MAX ? ` and ${names.length - NAMES_SAID_MAX} more` : ''
  return `${said || 'none'}${more}`
}

/** The entry for a dataset name. @throws ProblemError 'not-found' that lists the known names */
export function servedUnder<T>(served: ReadonlyMap<string, T>, dataset: string): T {
  const found = served.get(dataset)
  if (found !== undefined) return found
  const names = [...served.keys()]
  throw new ProblemError('not-found', `dataset ${unknownName(dataset, names)}`, { allowed: names })
}
