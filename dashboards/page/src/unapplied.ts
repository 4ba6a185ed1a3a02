/** Which filters of the page an answer does not follow. */

/**
 * @param names dimensions of filters @param path of a question
 * @returns those that are neither among its conditions nor what its rows are by, where chosen values are marked
 */
export function unapplied(names: readonly string[], path: string): string[] {
  const parameters = new URLSearchParams(path.split('?')[1])
  const conditions = [...parameters.getAll('filter'), ...parameters.getAll('having')]
  const dimensions = parameters.get('dimensions')?.split(',') ?? []
  return names.filter((name) => !dimensions.includes(name) && !conditions.some((text) => text.startsWith(`${name}:`)))
}
