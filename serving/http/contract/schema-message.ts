/** What a schema says of a wrong value, in the words of the other messages. */

const A: Readonly<Record<string, string>> = {
  int: 'an integer',
  integer: 'an integer',
  array: 'a list',
  object: 'an object',
}

/**
 * @param message of zod, without the path
 * @returns for example "must be a string, not a number", "is required but missing"
 */
export function schemaMessage(message: string): string {
  const [, wanted, given] = /^Invalid input: expected (\w+), received (\w+)$/.exec(message) ?? []
  if (given === 'undefined') return 'is required but missing'
  if (wanted !== undefined && given !== undefined) return `must be ${named(wanted)}, not ${named(given)}`
  const [, what, compared, limit] =
    /^Too (?:big|small): expected (\w+) to (?:be|have) ([<>]=?)(\S+)/.exec(message) ?? []
  if (limit !== undefined) {
    const most = compared!.startsWith('<') ? 'at most' : 'at least'
    const size = `${most} ${limit}`
    if (what === 'array') return `must have ${size} elements`
    return what === 'string' ? `must have ${size} characters` : `must be ${size}`
  }
  const [, options] = /^Invalid option: expected one of (.+)$/.exec(message) ?? []
  if (options !== undefined) return `must be one of ${options.replaceAll('"', "'").replaceAll('|', ', ')}`
  // Of a union, none of whose forms it has.
  if (message === 'Invalid input') return 'has none of the allowed forms'
  return message.charAt(0).toLowerCase() + message.slice(1)
}

function named(type: string): string {
  return A[type] ?? (type === 'null' ? 'null' : `a ${type}`)
}

/** A place in a body as messages name it: `queries[2].parameters.filter`. */
export function placeOf(path: readonly (string | number)[]): string {
  return path.reduce<string>((place, part) => {
    if (/^\d+$/.test(String(part))) return `${place}[${part}]`
    return place === '' ? String(part) : `${place}.${part}`
  }, '')
}
